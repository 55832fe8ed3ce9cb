import Cryptography
import Federation
import GradientKernel
import Rounds

/// One training run, as its file says: what is trained, on which data, by whom and under which rules.
///
/// A file of its own, or the mapping `run` of a federation or scenario file.
package struct RunConfiguration: Hashable, Sendable {
  package struct Model: Hashable, Sendable {
    package var name: ModelName
    package var architecture: ModelArchitecture
    /// Of the initial parameters.
    package var seed: UInt64
  }

  /// What every worker's data has to look like.
  package struct DataContract: Hashable, Sendable {
    /// Numbers in one example.
    package var features: Int
    /// Labels are 0 ..< classes; 0 for a regression.
    package var classes: Int
    /// Numbers that a regression predicts from one example; nil for classes.
    package var targets: Int?
    /// Every feature is divided by it.
    package var scale: Double
  }

  package struct Training: Hashable, Sendable {
    package var learningRate: Double
    package var localEpochs: UInt64
    package var batchSize: UInt64
    package var momentum: Double?
    package var weightDecay: Double?
    package var proximal: Double?
    package var optimizer: LocalOptimizer
  }

  package struct Cohort: Hashable, Sendable {
    package var minimum: UInt64
    /// Most workers in one roster.
    package var maximum: UInt64
    package var goal: UInt64?
    package var overSelection: RoundConfiguration.Ratio?
    package var minimumOrganisations: UInt64
    package var organisationCap: RoundConfiguration.Ratio
    package var minimumHonestSum: UInt64
    /// Whether two workers make a round, each of which then learns the other's update.
    package var allowPair: Bool
    package var sampling: CohortSampling
    /// How long one wait for workers may last.
    package var patience: Duration
    /// Only workers with all of these take part.
    package var labels: WorkerLabels
    /// Only workers with so many training threads take part.
    package var minimumThreads: UInt32
  }

  package struct Deadlines: Hashable, Sendable {
    package var advert: Duration
    package var share: Duration
    /// The longest, if `report` says how it is derived.
    package var input: Duration
    package var agree: Duration
    package var unmask: Duration
    /// How the deadline for inputs follows from what was observed; nil if `input` stands.
    package var report: ReportDeadline?
  }

  package var name: RunID
  package var model: Model
  package var data: DataContract
  package var rounds: UInt64
  package var aggregation: AggregationMode
  package var strategy: Strategy
  package var training: Training
  /// C: the L2 bound of an update.
  package var clip: Double
  /// W_max, in examples.
  package var maximumWeight: UInt64
  package var encoding: Encoding
  /// Examples that a worker trains on, on average: sharpens the forecast of the rounding error; nil if unknown.
  package var expectedExamples: UInt64?
  package var cohort: Cohort
  package var suite: RoundConfiguration.Suite
  package var mode: RoundConfiguration.Mode
  package var deadlines: Deadlines
  /// Of selection and shuffling; nothing secret derives from it.
  package var seed: UInt64
  /// Fraction of each worker's examples that is kept from training for the metrics.
  package var holdOut: Double
  /// Attempts at one round before the run ends.
  package var maximumAttempts: UInt32
  /// When the run ends early, and when a version is taken back.
  package var watch: WatchRules
  package var evaluation: Evaluation
  /// Of the workers that several runs want: a run of weight 2 gets twice as much of them as one of weight 1.
  package var weight: UInt32

  static let keys = [
    "name", "model", "data", "rounds", "aggregation", "strategy", "training", "clip", "maximum-weight", "encoding",
    "expected-examples", "cohort", "privacy", "suite", "mode", "deadlines", "seed", "hold-out", "maximum-attempts",
    "stop", "take-back", "evaluation", "weight",
  ]

  /// Reads a run file.
  package static func load(path: String) throws(ConfigurationError) -> RunConfiguration {
    try read(ConfigurationFile(path: path, expected: "a run configuration"))
  }

  /// Reads a run file that is in memory.
  package static func read(_ file: ConfigurationFile) throws(ConfigurationError) -> RunConfiguration {
    try RunConfiguration(file.top(keys: keys))
  }

  /// Reads the keys of a run from a file's top or from its mapping `run`.
  init(_ top: ConfigurationSection) throws(ConfigurationError) {
    name = try top.name("name")
    let model = try top.section("model", keys: ["name", "architecture", "file", "seed"] + ModelFile.keys)
    self.model = try Model(
      name: model.name("name"), architecture: ModelFile.architecture(ofRun: model),
      seed: model.integer("seed", default: 1, in: 0...UInt64.max))
    let data = try top.section("data", keys: ["features", "classes", "targets", "scale"])
    guard !data.has("targets") || !data.has("classes") else {
      throw data.error(at: "targets", found: "it beside 'classes'", expected: "one of them")
    }
    self.data = try DataContract(
      features: data.integer("features", in: 1...1_000_000),
      classes: data.has("targets") ? 0 : data.integer("classes", in: 2...100_000),
      targets: data.has("targets") ? data.integer("targets", in: 1...100_000) : nil,
      scale: data.number("scale", default: 1, expected: "a number above 0") { $0 > 0 })
    rounds = try top.integer("rounds", in: 1...1_000_000)
    aggregation = try top.choice("aggregation", default: .secure, of: ["secure": .secure, "plain": .plain])
    strategy = try Self.strategy(in: top)
    training = try Self.training(in: top)
    clip = try top.number("clip", expected: "a number above 0") { $0 > 0 }
    maximumWeight = try Self.maximumWeight(in: top, strategy)
    encoding = try top.choice(
      "encoding", default: .exact, of: ["exact": .exact, "balanced": .balanced, "compact": .compact])
    expectedExamples =
      top.has("expected-examples") ? try top.integer("expected-examples", in: 1...(1 << 40)) : nil
    cohort = try Self.cohort(in: top)
    suite = try top.suite("suite", default: .aes128)
    mode = try top.choice("mode", default: .malicious, of: ["malicious": .malicious, "semi-honest": .semiHonest])
    deadlines = try Self.deadlines(in: top)
    // Each worker's own time is counted from its own offer, and no other's says how long that should be.
    if strategy.method == .fedBuff { deadlines.report = nil }
    seed = try top.integer("seed", default: 1, in: 0...UInt64.max)
    holdOut = try top.number("hold-out", default: 0.2, expected: "a number from 0 to below 1") { $0 >= 0 && $0 < 1 }
    maximumAttempts = try top.integer("maximum-attempts", default: 3, in: 1...100)
    watch = try Self.watch(in: top)
    evaluation = try Self.evaluation(in: top)
    weight = try top.integer("weight", default: 1, in: 1...100)
    try checkContract(in: data)
    try checkStrategy(in: top)
    guard cohort.maximum <= encoding.rosterMax else {
      throw top.error(
        at: "encoding", found: "'\(encoding.rawValue)' for up to \(cohort.maximum) workers",
        expected: "a cohort.maximum of at most \(encoding.rosterMax), or another encoding")
    }
    guard cohort.sampling != .loss || aggregation == .plain else {
      throw top.error(
        at: "cohort", found: "'sampling: loss' with secure aggregation",
        expected: "'uniform' or 'availability': the coordinator never sees the loss of one worker")
    }
    guard !top.has("privacy") else {
      throw top.error(
        at: "privacy", found: "a run that needs noise",
        expected: "no such key: this version adds no noise, and pretends to none")
    }
  }

  /// The model has to fit the data that it is for.
  private func checkContract(in section: ConfigurationSection) throws(ConfigurationError) {
    let architecture = model.architecture
    guard data.features == architecture.featureCount else {
      throw section.error(
        at: "features", found: "\(data.features)",
        expected: "\(architecture.featureCount), the inputs of '\(architecture)'")
    }
    let isRegression = architecture.classCount == 0
    let (key, found) = data.targets.map { ("targets", $0) } ?? ("classes", data.classes)
    let expected = isRegression ? architecture.outputCount : architecture.classCount
    guard (data.targets != nil) == isRegression else {
      throw section.error(
        at: key, found: "'\(key)'",
        expected: "\(isRegression ? "'targets'" : "'classes'") of \(expected), the outputs of '\(architecture)'")
    }
    guard found == expected else {
      throw section.error(
        at: key, found: "\(found)", expected: "\(expected), the outputs of '\(architecture)'")
    }
  }

}

extension ConfigurationSection {
  /// A ratio above 0 and at most 1.
  func fraction(_ key: String, default value: RoundConfiguration.Ratio) throws(ConfigurationError)
    -> RoundConfiguration.Ratio
  {
    try ratio(key, default: value, expected: "a ratio above 0 and at most 1, such as \"1/3\"") {
      $0.numerator > 0 && $0.numerator <= $0.denominator
    }
  }
}
