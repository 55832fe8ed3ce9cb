import Federation

/// Synthetic(α, β) of Li et al. 2020 ("Federated Optimization in Heterogeneous Networks", §5.1), as their published
/// generator makes it: each worker k has its own softmax regression of 60 features and 10 classes, and examples of its
/// own.
///
///     W_k, b_k ~ N(u_k, 1), u_k ~ N(0, α): how much the models differ
///     x ~ N(v_k, Σ), v_k ~ N(B_k, 1), B_k ~ N(0, β), Σ_jj = j^−1.2: how much the examples do
///     y = argmax softmax(W_k x + b_k)
///
/// α and β are the standard deviations, as there. A worker has 50 examples and a lognormal number (μ = 4, σ = 2) more.
struct SyntheticFederation {
  static let featureCount = 60
  static let classCount = 10
  /// The rare worker with more has so many: the tail of the lognormal distribution has no end.
  static let exampleCountMax = 100_000

  private let alpha: Double
  private let beta: Double
  private let seed: UInt64
  /// Of each feature: the square root of Σ_jj.
  private let deviations: [Double]

  init(alpha: Double, beta: Double, seed: UInt64) {
    self.alpha = alpha
    self.beta = beta
    self.seed = seed
    deviations = (1...Self.featureCount).map { PortableMath.exp(-0.6 * PortableMath.log(Double($0))) }
  }

  /// One worker's examples. Each worker has a stream of its own: more workers change nobody's data.
  func examples(of worker: Int) throws(DatasetError) -> Dataset {
    var choices = SeededGenerator(seed: seed, stream: "synthetic \(worker)")
    let more = PortableMath.exp(4 + 2 * choices.normal())
    let count = 50 + Int(min(more, Double(Self.exampleCountMax - 50)))
    let modelMean = alpha * choices.normal()
    let exampleMean = beta * choices.normal()
    let means = deviations.map { _ in exampleMean + choices.normal() }
    // Shape [classes, features], and a constant for each class.
    let weights = (0..<Self.classCount * Self.featureCount).map { _ in modelMean + choices.normal() }
    let constants = (0..<Self.classCount).map { _ in modelMean + choices.normal() }
    var features: [Float] = []
    features.reserveCapacity(count * Self.featureCount)
    var labels: [Int32] = []
    for _ in 0..<count {
      let x = zip(means, deviations).map { $0 + $1 * choices.normal() }
      labels.append(Self.bestClass(x, weights, constants))
      features += x.map { Float($0) }
    }
    return try Dataset(
      features: features, labels: labels, featureCount: Self.featureCount, classCount: Self.classCount)
  }

  private static func bestClass(_ x: [Double], _ weights: [Double], _ constants: [Double]) -> Int32 {
    let scores = constants.indices.map { row in
      x.indices.reduce(constants[row]) { $0 + weights[row * featureCount + $1] * x[$1] }
    }
    let best = scores.indices.max { scores[$0] < scores[$1] } ?? 0
    return Int32(best)
  }
}

extension DealtData {
  /// A federation's examples, made from a seed: each worker keeps its own but for its part of what is held out.
  ///
  /// - Parameters:
  ///   - alpha: how much the workers' models differ.
  ///   - beta: how much their examples do.
  ///   - name: what they are called in errors.
  ///   - fraction: of each worker's examples, for nobody.
  ///   - features: that the run's model needs.
  ///   - model: what needs so many, in errors.
  /// - Throws: `DatasetError.badFraction`, or `.badFile` for another number of features.
  package init(
    synthetic alpha: Double, _ beta: Double, name: String, parts count: Int, heldOut fraction: Double, seed: UInt64,
    features: Int, model: String
  ) throws(DatasetError) {
    guard features == SyntheticFederation.featureCount else {
      throw .badFile(
        file: name, found: "\(SyntheticFederation.featureCount) features", expected: "\(features) for '\(model)'")
    }
    let federation = SyntheticFederation(alpha: alpha, beta: beta, seed: seed)
    var kept: [Dataset] = []
    var held: [Dataset] = []
    for worker in 0..<count {
      let (training, rest) = try federation.examples(of: worker).split(
        .fraction(fraction), seed: seed &+ UInt64(worker))
      kept.append(training)
      held.append(rest)
    }
    self.init(division: DataDivision(parts: kept, heldOut: Dataset(joining: held)))
  }
}
