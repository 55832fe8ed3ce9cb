import Federation

/// A worker's own law: what a round must be for this worker to take part. No coordinator can lower it.
///
/// The file `policy.yaml` in the worker's folder, or the mapping `policy` of its `worker.yaml`.
package struct WorkerPolicy: Hashable, Sendable {
  /// Fewest workers whose sum this worker's update may be part of.
  package var minimumCohort: UInt64
  /// Fewest organisations behind that sum.
  package var minimumOrganisations: UInt64
  /// Largest part of it that may come from one organisation.
  package var organisationCap: RoundConfiguration.Ratio
  /// Fewest inputs of honest workers in it, whoever colludes within the protocol's bound.
  package var minimumHonestSum: UInt64
  package var suites: [RoundConfiguration.Suite]
  package var modes: [RoundConfiguration.Mode]
  /// Whether updates may leave unmasked when a run asks for plain aggregation.
  package var allowPlain: Bool
  /// Masked inputs for one model that may leave this worker, first one included.
  package var maximumAttemptsPerModel: UInt32
  /// Largest L2 bound that a run may set; nil for any.
  package var clipMaximum: Double?

  static let keys = [
    "minimum-cohort", "minimum-organisations", "organisation-cap", "minimum-honest-sum", "suites", "modes",
    "allow-plain", "maximum-attempts-per-model", "clip-maximum",
  ]

  /// The law of a worker whose owner wrote none.
  package static let standard = WorkerPolicy(
    minimumCohort: 3, minimumOrganisations: 3, organisationCap: .init(1, 3), minimumHonestSum: 3,
    suites: [.aes128, .aes256], modes: [.malicious], allowPlain: false, maximumAttemptsPerModel: 3, clipMaximum: nil)

  package init(
    minimumCohort: UInt64, minimumOrganisations: UInt64, organisationCap: RoundConfiguration.Ratio,
    minimumHonestSum: UInt64, suites: [RoundConfiguration.Suite], modes: [RoundConfiguration.Mode], allowPlain: Bool,
    maximumAttemptsPerModel: UInt32, clipMaximum: Double?
  ) {
    self.minimumCohort = minimumCohort
    self.minimumOrganisations = minimumOrganisations
    self.organisationCap = organisationCap
    self.minimumHonestSum = minimumHonestSum
    self.suites = suites
    self.modes = modes
    self.allowPlain = allowPlain
    self.maximumAttemptsPerModel = maximumAttemptsPerModel
    self.clipMaximum = clipMaximum
  }

  /// Reads a policy file.
  package static func load(path: String) throws(ConfigurationError) -> WorkerPolicy {
    try read(ConfigurationFile(path: path, expected: "a worker's policy"))
  }

  /// Reads a policy file that is in memory.
  package static func read(_ file: ConfigurationFile) throws(ConfigurationError) -> WorkerPolicy {
    try WorkerPolicy(file.top(keys: keys))
  }

  init(_ section: ConfigurationSection) throws(ConfigurationError) {
    let standard = Self.standard
    try self.init(
      minimumCohort: section.integer("minimum-cohort", default: standard.minimumCohort, in: 2...10_000),
      minimumOrganisations: section.integer(
        "minimum-organisations", default: standard.minimumOrganisations, in: 1...10_000),
      organisationCap: section.fraction("organisation-cap", default: standard.organisationCap),
      minimumHonestSum: section.integer("minimum-honest-sum", default: standard.minimumHonestSum, in: 1...10_000),
      suites: section.choices("suites", default: standard.suites, of: ["aes-128": .aes128, "aes-256": .aes256]),
      modes: section.choices(
        "modes", default: standard.modes, of: ["malicious": .malicious, "semi-honest": .semiHonest]),
      allowPlain: section.truth("allow-plain", default: standard.allowPlain),
      maximumAttemptsPerModel: section.integer(
        "maximum-attempts-per-model", default: standard.maximumAttemptsPerModel, in: 1...1_000),
      clipMaximum: section.has("clip-maximum")
        ? section.number("clip-maximum", expected: "a number above 0") { $0 > 0 } : nil)
  }
}
