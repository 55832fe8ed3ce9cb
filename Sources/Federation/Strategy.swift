/// How the updates of a round become the next model: what workers report, how reports combine, and how the model moves.
///
/// Its text travels in the signed rules of a round, so that every worker knows what its update is used for: the method,
/// then its settings in their fixed order, joined by `, `: `fedadam, server-learning-rate 0.01, beta1 0.9, beta2 0.99,
/// tau 0.001`. A server learning rate of 1 is left out: federated averaging as published is `fedavg`.
package struct Strategy: Hashable, Sendable, CustomStringConvertible {
  package enum Method: String, Hashable, Sendable, CaseIterable {
    /// McMahan et al. 2017.
    case fedAvg = "fedavg"
    /// Li et al. 2020 (MLSys): federated averaging of workers that train with a proximal term.
    case fedProx = "fedprox"
    /// Hsu et al. 2019: momentum at the server.
    case fedAvgM = "fedavgm"
    /// Reddi et al. 2021, Algorithm 2.
    case fedAdagrad = "fedadagrad"
    case fedAdam = "fedadam"
    case fedYogi = "fedyogi"
    /// Wang et al. 2020: differences per local step, so that workers with more steps do not pull harder.
    case fedNova = "fednova"
    /// Li et al. 2020 (ICLR): workers whose loss is large count more.
    case qFedAvg = "q-fedavg"
    /// Karimireddy et al. 2020, Algorithm 1 with option II: every local step is corrected by control variates.
    case scaffold
    /// Yin et al. 2018.
    case median
    case trimmedMean = "trimmed-mean"
    /// Blanchard et al. 2017.
    case krum
    case multiKrum = "multi-krum"
    /// Pillutla et al. 2022 (RFA).
    case geometricMedian = "geometric-median"
    /// Nguyen et al. 2022 (FedBuff): the model moves whenever K updates are there, whatever version each was trained on.
    case fedBuff = "fedbuff"
  }

  /// What a worker makes of its difference `Δ_k = θ_k − θ` before it reports it.
  package enum Report: Hashable, Sendable {
    /// Δ_k itself.
    case difference
    /// `Δ_k ÷ ‖a_k‖₁` (FedNova).
    case normalized
    /// `F_k^q·Δ_k` (q-FedAvg).
    case fair(q: Double)
  }

  /// A number that belongs to some methods, by its key in run files and in the text.
  package enum Setting: String, Hashable, Sendable, CaseIterable {
    /// η: what the step of the server's model is multiplied by.
    case serverLearningRate = "server-learning-rate"
    /// β of FedAvgM.
    case momentum
    /// How much of the first moment is kept from round to round.
    case beta1
    /// How much of the second moment is kept from round to round.
    case beta2
    /// τ: bounds the adaptive step, and starts the second moment at τ².
    case tau
    /// q of q-FedAvg: 0 is the uniform mean, more is fairer.
    case q
    /// β of the trimmed mean: the part of the values that goes at each end.
    case trim
    /// f: most workers, or groups of workers, that may lie.
    case byzantine
    /// m of Multi-Krum: updates in the mean; all but f if it is missing.
    case keep
    /// ν of the geometric median.
    case smoothing
    /// Passes of the geometric median.
    case iterations
    /// N of SCAFFOLD: workers of the federation; those on the membership list if it is missing.
    case population
    /// K of FedBuff: updates that make a version.
    case buffer
    /// The most versions that an update may be behind.
    case stalenessMax = "staleness-max"
    /// a of FedBuff: an update that is τ versions behind weighs (1 + τ)^−a.
    case stalenessExponent = "staleness-exponent"
    /// G of a robust rule under secure aggregation: groups of the cohort, each with a sum of its own.
    case groups

    /// What values it takes, in the words of an error.
    package var expected: String {
      switch self {
      case .serverLearningRate, .tau: "a number above 0"
      case .momentum, .beta1, .beta2: "a number from 0 to below 1"
      case .q: "a number from 0 to \(Self.qMax)"
      case .trim: "a number above 0 and below 0.5"
      case .byzantine, .keep: "a whole number from 1 to \(Self.workersMax)"
      case .smoothing: "a number above 0"
      case .iterations: "a whole number from 1 to \(Self.iterationsMax)"
      case .population: "a whole number from 1 to \(Self.populationMax)"
      case .buffer: "a whole number from 1 to \(Self.workersMax)"
      case .stalenessMax: "a whole number from 0 to \(Self.stalenessLimit)"
      case .stalenessExponent: "a multiple of 0.5 from 0 to \(Self.exponentMax)"
      case .groups: "a whole number from \(Strategy.groupsRange.lowerBound) to \(Strategy.groupsRange.upperBound)"
      }
    }

    package func accepts(_ value: Double) -> Bool {
      guard value.isFinite else { return false }
      return switch self {
      case .serverLearningRate, .tau: value > 0
      case .momentum, .beta1, .beta2: value >= 0 && value < 1
      case .q: value >= 0 && value <= Double(Self.qMax)
      case .trim: value > 0 && value < 0.5
      case .byzantine, .keep, .buffer: value >= 1 && value <= Double(Self.workersMax) && value == value.rounded()
      case .smoothing: value > 0
      case .iterations: value >= 1 && value <= Double(Self.iterationsMax) && value == value.rounded()
      case .population: value >= 1 && value <= Double(Self.populationMax) && value == value.rounded()
      case .stalenessMax: value >= 0 && value <= Double(Self.stalenessLimit) && value == value.rounded()
      case .stalenessExponent:
        // Square roots and products give the power then, and they have the same bits on every machine.
        value >= 0 && value <= Double(Self.exponentMax) && 2 * value == (2 * value).rounded()
      case .groups: Int(exactly: value).map(Strategy.groupsRange.contains) ?? false
      }
    }

    /// Whether a strategy may be without it, though it has no default.
    package var mayBeMissing: Bool { self == .keep || self == .population || self == .groups }

    private static let qMax = 10
    private static let workersMax = 10_000
    private static let iterationsMax = 100
    private static let populationMax = 1_000_000
    private static let stalenessLimit = 100
    private static let exponentMax = 4
  }

  package static let textByteCountMax = 256
  /// G. Of two groups no rule can tell which one lies, and the sums of all groups are in memory at once.
  package static let groupsRange = 3...64
  /// Federated averaging as published: the model moves by the weighted mean of the differences.
  package static let published = Strategy(unchecked: .fedAvg, [.serverLearningRate: 1])

  package let method: Method
  private let values: [Setting: Double]

  private init(unchecked method: Method, _ values: [Setting: Double]) {
    self.method = method
    self.values = values
  }

  /// - Parameter given: settings of the method; those that are missing have their defaults.
  /// - Returns: nil for a setting that the method does not have, or a value that it does not take.
  package init?(_ method: Method, _ given: [Setting: Double] = [:]) {
    var values: [Setting: Double] = [:]
    for (setting, standard) in method.settings {
      if setting.mayBeMissing, given[setting] == nil { continue }
      guard let value = given[setting] ?? standard, setting.accepts(value) else { return nil }
      values[setting] = value
    }
    guard given.keys.allSatisfy({ values[$0] != nil }) else { return nil }
    self.init(unchecked: method, values)
  }

  /// A setting's value; nil if the method does not have it.
  package subscript(setting: Setting) -> Double? { values[setting] }

  /// The same strategy in a federation of so many workers, unless it names their number itself.
  package func inFederation(ofWorkers count: Int) -> Strategy {
    guard method == .scaffold, values[.population] == nil else { return self }
    return Strategy(unchecked: method, values.merging([.population: Double(count)]) { $1 })
  }

  /// G: groups that the cohort is divided into; nil where all updates are in one sum, or each is seen by itself.
  package var groups: Int? { values[.groups].map { Int($0) } }

  /// η.
  package var serverLearningRate: Double { values[.serverLearningRate] ?? 1 }

  /// The settings there are, in their fixed order, as text.
  package var settings: [(key: String, value: String)] {
    method.settings.compactMap { setting, _ in values[setting].map { (setting.rawValue, Self.text(of: $0)) } }
  }

  package var description: String {
    let isPublishedRate = serverLearningRate == 1
    let shown = settings.filter { !isPublishedRate || $0.key != Setting.serverLearningRate.rawValue }
    return ([method.rawValue] + shown.map { "\($0.key) \($0.value)" }).joined(separator: ", ")
  }

  /// Whole numbers without a point.
  private static func text(of value: Double) -> String {
    value == value.rounded() && abs(value) < 1e15 ? "\(Int64(value))" : "\(value)"
  }

  /// Reads what `description` writes, and nothing else: one strategy has one text. Nil for every other text.
  package init?(parsing text: String) {
    guard text.utf8.count <= Self.textByteCountMax else { return nil }
    let parts = text.split(separator: ", ", omittingEmptySubsequences: false)
    guard let method = Method(rawValue: String(parts[0])) else { return nil }
    var given: [Setting: Double] = [.serverLearningRate: 1]
    for part in parts.dropFirst() {
      let words = part.split(separator: " ", omittingEmptySubsequences: false)
      guard words.count == 2, let setting = Setting(rawValue: String(words[0])), let value = Double(words[1])
      else { return nil }
      given[setting] = value
    }
    self.init(method, given)
    guard description == text else { return nil }
  }
}

extension Strategy {
  package var report: Report {
    switch method {
    case .fedNova: .normalized
    case .qFedAvg: .fair(q: self[.q] ?? 0)
    case .fedAvg, .fedProx, .fedAvgM, .fedAdagrad, .fedAdam, .fedYogi, .scaffold, .median, .trimmedMean, .krum,
      .multiKrum, .geometricMedian, .fedBuff:
      .difference
    }
  }

  /// What workers report beside the standard counts, summed like them.
  package var auxiliaryFields: [RoundConfiguration.AuxiliaryField] {
    switch report {
    case .difference: []
    case .normalized: [.weightedSteps]
    case .fair: [.fairness]
    }
  }

  /// Whether an update weighs as many examples as it was trained on; otherwise every update weighs the same.
  package var weighsByExamples: Bool {
    switch method {
    case .fedAvg, .fedProx, .fedAvgM, .fedAdagrad, .fedAdam, .fedYogi, .fedNova, .geometricMedian: true
    case .qFedAvg, .scaffold, .median, .trimmedMean, .krum, .multiKrum, .fedBuff: false
    }
  }

  /// Whether workers correct their local steps by control variates: see `LocalOptimizer.reach`.
  package var hasControlVariates: Bool { method == .scaffold }
}

extension Strategy.Method {
  /// The settings of the method with their defaults, in the order of the text; nil for one that has to
  /// be given unless it may be missing.
  package var settings: [(setting: Strategy.Setting, standard: Double?)] {
    switch self {
    case .fedAvg, .fedProx, .fedNova: [(.serverLearningRate, 1)]
    case .fedAvgM: [(.serverLearningRate, 1), (.momentum, 0.9)]
    case .fedAdagrad: [(.serverLearningRate, 0.1), (.beta1, 0), (.tau, 1e-3)]
    case .fedAdam, .fedYogi: [(.serverLearningRate, 0.01), (.beta1, 0.9), (.beta2, 0.99), (.tau, 1e-3)]
    case .qFedAvg: [(.serverLearningRate, 1), (.q, nil)]
    case .scaffold: [(.serverLearningRate, 1), (.population, nil)]
    case .median: [(.serverLearningRate, 1), (.groups, nil)]
    case .trimmedMean: [(.serverLearningRate, 1), (.trim, nil), (.groups, nil)]
    case .krum: [(.serverLearningRate, 1), (.byzantine, nil), (.groups, nil)]
    case .multiKrum: [(.serverLearningRate, 1), (.byzantine, nil), (.keep, nil), (.groups, nil)]
    case .geometricMedian: [(.serverLearningRate, 1), (.smoothing, 1e-6), (.iterations, 8), (.groups, nil)]
    case .fedBuff: [(.serverLearningRate, 1), (.buffer, nil), (.stalenessMax, 10), (.stalenessExponent, 0.5)]
    }
  }
}
