import Federation
import SecureAggregation

/// A worker's own law: what its owner allows, whatever a coordinator says (Protocols/secure-aggregation.md).
package struct WorkerPolicy: Hashable, Sendable {
  package var cohort: CohortPolicy
  package var suites: Set<RoundConfiguration.Suite> = [.aes128, .aes256]
  package var modes: Set<RoundConfiguration.Mode> = [.malicious]
  /// Whether updates may leave in clear, when the run asks for it too.
  package var allowPlain = false
  /// Whether the coordinator may see the sums of groups of a cohort, each of which is a sum by this law.
  package var allowGroups = false
  package var maximumAttemptsPerModel: UInt32 = 3
  /// The largest L2 bound of an update; nil: the run's own.
  package var clipMaximum: Double?
  /// The largest W_max, in examples; nil: the run's own.
  package var weightMaximum: UInt64?
  /// What may leave beside the update: summed in secure mode, in clear in plain mode.
  package var auxiliaryFields = Set(RoundConfiguration.AuxiliaryField.standard)
  /// The noise without which nothing leaves; nil: none is needed.
  package var privacy: PrivacyRequirement?
  /// The mechanisms that this program can carry out: none yet. No file sets it.
  package var availableMechanisms: Set<PrivacyMechanism> = []

  package init(cohort: CohortPolicy = CohortPolicy()) { self.cohort = cohort }

  /// Why this worker takes no part in an offer; nil if its law allows it.
  func objection(to offer: RoundOffer) -> String? {
    objection(to: offer.configuration, aggregation: offer.task.aggregation)
  }

  /// Why this worker takes no part in a round of these rules; nil if its law allows them. What depends on the roster is
  /// checked on the roster, and again on the survivors (`RoundChecks`).
  package func objection(to configuration: RoundConfiguration, aggregation: AggregationMode) -> String? {
    if let clipMaximum, configuration.clip > clipMaximum {
      return "the clip bound \(configuration.clip) is above the policy's \(clipMaximum)"
    }
    if let weightMaximum, configuration.maximumWeight > weightMaximum {
      return "maximumWeight \(configuration.maximumWeight) is above the policy's \(weightMaximum)"
    }
    if let field = configuration.auxiliaryLayout.first(where: { !auxiliaryFields.contains($0) }) {
      return "the policy lets no \(field.name) leave"
    }
    if let objection = objection(to: configuration.privacy) { return objection }
    if aggregation == .plain {
      return allowPlain ? nil : "the policy allows no plain aggregation"
    }
    if let groups = Strategy(parsing: configuration.strategy)?.groups, !allowGroups {
      return "the policy allows no sums of groups, and the run divides its cohort into \(groups)"
    }
    if !suites.contains(configuration.suite) { return "the policy allows no suite \(configuration.suite.rawValue)" }
    if !modes.contains(configuration.mode) { return "the policy does not allow the mode \(configuration.mode)" }
    return nil
  }

  /// The owner's noise, and none that is promised and not added.
  private func objection(to offered: RoundConfiguration.Privacy?) -> String? {
    if let privacy, let objection = privacy.objection(to: offered) { return objection }
    guard let offered else { return nil }
    guard let mechanism = PrivacyMechanism(rawValue: offered.mechanism), availableMechanisms.contains(mechanism) else {
      return
        "privacyMechanism \(offered.mechanism): this version adds no noise, and takes no part in a run that needs it"
    }
    return nil
  }

  /// The stricter of the policy's and the configuration's bounds on a cohort.
  package func strictest(with configuration: RoundConfiguration) -> CohortPolicy {
    let offered = CohortPolicy(configuration)
    var out = cohort
    out.minimumCohort = max(cohort.minimumCohort, offered.minimumCohort)
    out.maximumRoster = min(cohort.maximumRoster, offered.maximumRoster)
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
