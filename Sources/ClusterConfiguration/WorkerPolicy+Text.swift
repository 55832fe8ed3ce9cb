import Federation
import Rounds

extension WorkerPolicy {
  /// A policy file that reads back as this law, every value written out.
  package var text: String {
    """
    # This worker's own law: what a round must be for it to take part. No coordinator can lower it.
    # 'murmur explain privacy RUN --policy FILE' says what a run would reveal under it.
    minimum-cohort: \(minimumCohort)
    maximum-roster: \(maximumRoster)
    minimum-organisations: \(minimumOrganisations)
    organisation-cap: \(organisationCap.numerator)/\(organisationCap.denominator)
    minimum-honest-sum: \(minimumHonestSum)
    # A sum of two tells each of the two the other's update.
    allow-pair: \(allowPair)
    suites: [\(suites.map(\.name).joined(separator: ", "))]
    modes: [\(modes.map(\.name).joined(separator: ", "))]
    # Plain: the coordinator sees every update.
    allow-plain: \(allowPlain)
    # Groups: the coordinator sees sums of parts of a cohort, each by the numbers above.
    allow-groups: \(allowGroups)
    maximum-attempts-per-model: \(maximumAttemptsPerModel)
    auxiliary-fields: [\(auxiliaryFields.map(\.name).joined(separator: ", "))]

    """ + optionalLines
  }

  private var optionalLines: String {
    var out = ""
    if let clipMaximum { out += "clip-maximum: \(clipMaximum)\n" }
    if let weightMaximum { out += "weight-maximum: \(weightMaximum)\n" }
    if let privacy {
      out += """
        # This version adds no noise: a worker with this law takes part in nothing.
        privacy:
          mechanism: \(privacy.mechanism.name)
          minimum-noise-multiplier: \(privacy.minimumNoiseMultiplier)
          maximum-rounds: \(privacy.maximumRounds)
          maximum-delta: \(privacy.maximumDelta)

        """
    }
    return out
  }
}

extension RoundConfiguration.Suite {
  /// The name in configuration files.
  package var name: String { self == .aes128 ? "aes-128" : "aes-256" }
}

extension RoundConfiguration.Mode {
  /// The name in configuration files.
  package var name: String { self == .malicious ? "malicious" : "semi-honest" }
}
