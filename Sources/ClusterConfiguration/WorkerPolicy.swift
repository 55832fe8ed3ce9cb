import Federation
import Rounds

/// A worker's own law: what a round must be for this worker to take part. No coordinator can lower it.
///
/// The file `policy.yaml` in the worker's folder, or the mapping `policy` of its `worker.yaml`. Every key has a default;
/// an empty law is the standard one.
package struct WorkerPolicy: Hashable, Sendable {
  /// Fewest workers whose sum this worker's update may be part of.
  package var minimumCohort: UInt64 = 3
  /// Most workers in one roster. Above 256 not everyone masks with everyone, and other bounds hold (SA1, section 10).
  package var maximumRoster: UInt64 = 256
  /// Fewest organisations behind that sum.
  package var minimumOrganisations: UInt64 = 3
  /// Largest part of it that may come from one organisation.
  package var organisationCap = RoundConfiguration.Ratio(1, 3)
  /// Fewest inputs of honest workers in it, whoever colludes within the protocol's bound.
  package var minimumHonestSum: UInt64 = 3
  /// Whether a sum of two is allowed, which tells each of the two the other's update.
  package var allowPair = false
  package var suites: [RoundConfiguration.Suite] = [.aes128, .aes256]
  package var modes: [RoundConfiguration.Mode] = [.malicious]
  /// Whether updates may leave unmasked when a run asks for plain aggregation.
  package var allowPlain = false
  /// Whether the coordinator may see the sums of groups of a cohort when a run's strategy has groups.
  package var allowGroups = false
  /// Masked inputs for one model that may leave this worker, first one included.
  package var maximumAttemptsPerModel: UInt32 = 3
  /// Largest L2 bound that a run may set; nil for any.
  package var clipMaximum: Double?
  /// Most examples that a run may count of one worker; nil for any.
  package var weightMaximum: UInt64?
  /// What may leave beside the update.
  package var auxiliaryFields = RoundConfiguration.AuxiliaryField.standard
  /// The noise without which nothing leaves; nil if none is needed.
  package var privacy: PrivacyRequirement?

  static let keys = [
    "minimum-cohort", "maximum-roster", "minimum-organisations", "organisation-cap", "minimum-honest-sum", "allow-pair",
    "suites", "modes", "allow-plain", "allow-groups", "maximum-attempts-per-model", "clip-maximum", "weight-maximum",
    "auxiliary-fields", "privacy",
  ]

  /// The law of a worker whose owner wrote none.
  package static let standard = WorkerPolicy()

  private init() {}

  /// The standard law, and beside it what `run` asks for by name: of workers whose owner is the one who starts the run,
  /// in a federation on one machine.
  package static func allowing(_ run: RunConfiguration) -> WorkerPolicy {
    var policy = standard
    policy.allowPlain = run.aggregation == .plain
    policy.allowGroups = run.strategy.groups != nil
    policy.allowPair = run.cohort.allowPair
    policy.maximumRoster = max(policy.maximumRoster, run.cohort.maximum)
    policy.auxiliaryFields += run.strategy.auxiliaryFields
    if !policy.modes.contains(run.mode) { policy.modes.append(run.mode) }
    return policy
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
    minimumCohort = try section.integer("minimum-cohort", default: minimumCohort, in: 2...10_000)
    maximumRoster = try section.integer("maximum-roster", default: maximumRoster, in: 2...10_000)
    minimumOrganisations = try section.integer("minimum-organisations", default: minimumOrganisations, in: 1...10_000)
    organisationCap = try section.fraction("organisation-cap", default: organisationCap)
    minimumHonestSum = try section.integer("minimum-honest-sum", default: minimumHonestSum, in: 1...10_000)
    allowPair = try section.truth("allow-pair", default: allowPair)
    suites = try section.suites("suites", default: suites)
    modes = try section.choices("modes", default: modes, of: ["malicious": .malicious, "semi-honest": .semiHonest])
    allowPlain = try section.truth("allow-plain", default: allowPlain)
    allowGroups = try section.truth("allow-groups", default: allowGroups)
    maximumAttemptsPerModel = try section.integer(
      "maximum-attempts-per-model", default: maximumAttemptsPerModel, in: 1...1_000)
    if section.has("clip-maximum") {
      clipMaximum = try section.number("clip-maximum", expected: "a number above 0") { $0 > 0 }
    }
    if section.has("weight-maximum") { weightMaximum = try section.integer("weight-maximum", in: 1...(1 << 32)) }
    auxiliaryFields = try Self.auxiliaryFields(in: section, default: auxiliaryFields)
    if section.has("privacy") { privacy = try Self.privacy(in: section) }
    guard minimumCohort <= maximumRoster else {
      throw section.error(
        at: "minimum-cohort", found: "\(minimumCohort)", expected: "at most maximum-roster, \(maximumRoster)")
    }
  }

  private static func auxiliaryFields(
    in section: ConfigurationSection, default value: [RoundConfiguration.AuxiliaryField]
  ) throws(ConfigurationError) -> [RoundConfiguration.AuxiliaryField] {
    let fields = try section.choices(
      "auxiliary-fields", default: value,
      of: [
        "weight": .weight, "one": .one, "clipped": .clipped, "loss-sum": .lossSum, "correct": .correct,
        "evaluated": .evaluated, "saturated": .saturated, "norm-histogram": .normHistogram,
        "weighted-steps": .weightedSteps, "fairness": .fairness,
      ])
    guard fields.contains(.weight) else {
      throw section.error(
        at: "auxiliary-fields", found: "a list without 'weight'",
        expected: "'weight' in it: no average can be made without the summed weight")
    }
    return fields
  }

  private static func privacy(in top: ConfigurationSection) throws(ConfigurationError) -> PrivacyRequirement {
    let section = try top.section(
      "privacy", keys: ["mechanism", "minimum-noise-multiplier", "maximum-rounds", "maximum-delta"])
    return try PrivacyRequirement(
      mechanism: section.choice("mechanism", of: ["discrete-gaussian": .discreteGaussian, "skellam": .skellam]),
      minimumNoiseMultiplier: section.number("minimum-noise-multiplier", expected: "a number above 0") { $0 > 0 },
      maximumRounds: section.integer("maximum-rounds", in: 1...1_000_000),
      maximumDelta: section.number("maximum-delta", expected: "a number above 0 and below 1") { $0 > 0 && $0 < 1 })
  }
}
