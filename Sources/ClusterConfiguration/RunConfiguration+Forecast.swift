import Federation
import Rounds
import SecureAggregation

extension RunConfiguration {
  /// What this run comes to with these workers; nil in plain mode, which has neither thresholds nor rounding.
  ///
  /// - Parameters:
  ///   - organisations: of each worker of the federation.
  ///   - examples: that a worker trains on, on average; nil for what the file says.
  ///   - file: under which a problem is reported.
  /// - Throws: why this run can never end well, with the keys to change.
  package func forecast(organisations: [OrganisationID], examples: Double? = nil, file: String)
    throws(ConfigurationError) -> RunForecast?
  {
    guard aggregation == .secure else { return nil }
    let rules = rulesWithoutMembership
    let policy = CohortPolicy(rules, allowPair: cohort.allowPair)
    let cohort = try summedTogether(expectedCohort(organisations, policy), file: file)
    let forecast: RunForecast
    do throws(Refusal) {
      forecast = try RunForecast(
        rules, organisations: cohort,
        examples: strategy.weighsByExamples ? examples ?? expectedExamples.map { Double($0) } : 1, policy: policy)
    } catch {
      throw problem(error, cohort: cohort, file: file)
    }
    guard forecast.isPreciseEnough else { throw imprecision(forecast, cohort, policy, file: file) }
    return forecast
  }

  /// What a worker trains on, on average, when the data is dealt out: its part without its own hold-out.
  package func meanExamples(of parts: [Int]) -> Double {
    (1 - holdOut) * Double(parts.reduce(0, +)) / Double(max(1, parts.count))
  }

  /// A cohort as selection would choose it: as many as wanted, within the organisation cap where that can be.
  package func expectedCohort(_ organisations: [OrganisationID], _ policy: CohortPolicy) -> [OrganisationID] {
    let target = cohortTarget(of: organisations.count)
    guard target < organisations.count else { return organisations }
    let chosen = policy.largestSetWithinCap(organisations, atMost: target)
    return chosen.isEmpty ? Array(organisations.prefix(target)) : chosen.map { organisations[$0] }
  }

  /// Those of a cohort whose updates are in one sum: all of them, or the weakest of its groups.
  private func summedTogether(_ cohort: [OrganisationID], file: String) throws(ConfigurationError) -> [OrganisationID] {
    guard let groups = strategy.groups else { return cohort }
    guard UInt64(cohort.count) >= UInt64(groups) * self.cohort.minimum else {
      throw ConfigurationError(
        file: file, line: nil, key: "strategy.groups",
        found: "\(groups) groups of at least \(self.cohort.minimum) workers, the cohort.minimum, among \(cohort.count)",
        expected: "at most \(UInt64(cohort.count) / self.cohort.minimum) groups, or more workers")
    }
    return CohortGroups.weakest(of: cohort, into: groups)
  }

  private func problem(_ refusal: Refusal, cohort workers: [OrganisationID], file: String) -> ConfigurationError {
    let n = workers.count
    let organisations = Set(workers).count
    let (key, found, expected) =
      switch refusal {
      case .belowMinimumCohort:
        (
          "cohort.minimum", "\(cohort.minimum)",
          "at most the \(n) workers there are\(strategy.groups == nil ? "" : " in a group")"
        )
      case .tooFewOrganisations:
        (
          "cohort.minimum-organisations", "\(cohort.minimumOrganisations)",
          "at most the \(organisations) organisations there are"
        )
      case .organisationAboveCap:
        (
          "cohort.organisation-cap", "\(cohort.organisationCap.numerator)/\(cohort.organisationCap.denominator)",
          "at least the share of the largest organisation among \(n) workers"
        )
      case .noSafeSurvivorSet:
        (
          "cohort.minimum-honest-sum", "\(cohort.minimumHonestSum) among \(n) workers",
          "at most \(n - Thresholds.corruptionBound(workers)), since \(Thresholds.corruptionBound(workers)) of them may "
            + "act against the others; more workers, or a lower number here and in every worker's policy"
        )
      case .rosterTooLarge: ("cohort.maximum", "\(cohort.maximum)", "at most 10000")
      case .organisationAboveGamma:
        (
          "cohort.maximum", "\(n) workers of \(organisations) organisations",
          "no organisation with more than a tenth of the workers above 256, or a lower maximum"
        )
      default: ("encoding", "'\(encoding.rawValue)' (\(refusal.rawValue))", "an encoding with more bits")
      }
    return ConfigurationError(
      file: file, line: nil, key: key, found: found, expected: "\(expected) (\(refusal.rawValue))")
  }

  private func imprecision(
    _ forecast: RunForecast, _ cohort: [OrganisationID], _ policy: CohortPolicy, file: String
  ) -> ConfigurationError {
    let wider = Encoding.allCases.last { candidate in
      var other = self
      other.encoding = candidate
      let found = try? RunForecast(
        other.rulesWithoutMembership, organisations: cohort,
        examples: Double(forecast.weight) / Double(cohort.count), policy: policy)
      return found?.isPreciseEnough ?? false
    }
    let percent = (forecast.relativeError * 1_000).rounded() / 10
    return ConfigurationError(
      file: file, line: nil, key: "maximum-weight",
      found: "\(maximumWeight), with which '\(encoding.rawValue)' encoding costs \(percent) % of clip",
      expected:
        "at most 1 %: a maximum-weight of at most \(forecast.preciseMaximumWeight), near the most examples that "
        + "a worker has" + (wider.map { ", or encoding '\($0.rawValue)'" } ?? ""))
  }
}
