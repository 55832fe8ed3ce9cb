import Federation
import SecureAggregation

/// A worker's own law: what its owner allows, whatever a coordinator says (Protocols/secure-aggregation.md).
package struct WorkerPolicy: Hashable, Sendable {
  package var cohort: CohortPolicy
  package var suites: Set<RoundConfiguration.Suite> = [.aes128, .aes256]
  package var modes: Set<RoundConfiguration.Mode> = [.malicious]
  /// Whether updates may leave in clear, when the run asks for it too.
  package var allowPlain = false
  package var maximumAttemptsPerModel: UInt32 = 3
  /// The largest L2 bound of an update; nil: the run's own.
  package var clipMaximum: Double?

  package init(cohort: CohortPolicy = CohortPolicy()) { self.cohort = cohort }

  /// Why this worker takes no part in an offer; nil if its law allows it.
  func objection(to offer: RoundOffer) -> String? {
    let configuration = offer.configuration
    if let clipMaximum, configuration.clip > clipMaximum {
      return "the clip bound \(configuration.clip) is above the policy's \(clipMaximum)"
    }
    if offer.task.aggregation == .plain {
      return allowPlain ? nil : "the policy allows no plain aggregation"
    }
    if !suites.contains(configuration.suite) { return "the policy allows no suite \(configuration.suite.rawValue)" }
    if !modes.contains(configuration.mode) { return "the policy does not allow the mode \(configuration.mode)" }
    return nil
  }

  /// The stricter of the policy's and the configuration's bounds on a cohort.
  func strictest(with configuration: RoundConfiguration) -> CohortPolicy {
    let offered = CohortPolicy(configuration)
    var out = cohort
    out.minimumCohort = max(cohort.minimumCohort, offered.minimumCohort)
    out.minimumOrganisations = max(cohort.minimumOrganisations, offered.minimumOrganisations)
    out.minimumHonestSum = max(cohort.minimumHonestSum, offered.minimumHonestSum)
    out.organisationCap = Self.smaller(cohort.organisationCap, offered.organisationCap)
    out.gamma = Self.smaller(cohort.gamma, offered.gamma)
    out.delta = Self.smaller(cohort.delta, offered.delta)
    return out
  }

  private static func smaller(
    _ a: RoundConfiguration.Ratio, _ b: RoundConfiguration.Ratio
  ) -> RoundConfiguration.Ratio {
    UInt64(a.numerator) * UInt64(b.denominator) <= UInt64(b.numerator) * UInt64(a.denominator) ? a : b
  }
}
