import Federation
import GradientKernel

/// Why local training did not give an update.
package enum TrainingError: Error, Equatable, Sendable {
  /// A setting out of its range; `expected` says which it is.
  case badSetting(name: String, found: Double, expected: String)
  /// Numbers of a local optimizer out of their range.
  case badOptimizer(String)
  /// The data set and the model differ in features or classes.
  case wrongDataset(features: Int, expectedFeatures: Int, classes: Int, expectedClasses: Int)
  /// The data set's targets are not what the model's loss takes.
  case wrongTargets(found: String, expected: String)
  /// A feature that is no token number of the model's vocabulary.
  case wrongToken(Float, vocabulary: Int)
  case noExamples
  /// The base model has other tensors than the architecture.
  case wrongLayout(expected: String, found: String)
  case classUnavailable(String)
  /// A batch of the model needs more memory than a worker gives.
  case batchTooLarge(byteCount: Int, max: Int)
  /// The loss or a parameter is no longer a finite number; steps and epochs count from 1.
  case notFinite(epoch: Int, step: Int)
  case cancelled
}

/// How a worker trains in one round.
package struct TrainingConfiguration: Hashable, Sendable {
  package static let localEpochsMax = 10_000
  package static let batchSizeMax = 65_536

  package var learningRate: Double
  package var localEpochs: Int
  /// Examples of one step; the last step of an epoch takes what is left.
  package var batchSize: Int
  package var momentum: Double?
  package var weightDecay: Double?
  /// μ of FedProx (Li et al. 2020): the pull towards the base model.
  package var proximal: Double?
  package var optimizer: LocalOptimizer

  /// - Throws: `TrainingError.badSetting`.
  package init(
    learningRate: Double, localEpochs: Int, batchSize: Int, momentum: Double? = nil, weightDecay: Double? = nil,
    proximal: Double? = nil, optimizer: LocalOptimizer = LocalOptimizer()
  ) throws(TrainingError) {
    func check(_ name: String, _ value: Double, _ isGood: Bool, _ expected: String) throws(TrainingError) {
      guard isGood else { throw .badSetting(name: name, found: value, expected: expected) }
    }
    let largest = Double(Float.greatestFiniteMagnitude)
    try check(
      "learningRate", learningRate, learningRate > 0 && learningRate <= largest, "a positive finite number")
    try check(
      "localEpochs", Double(localEpochs), (1...Self.localEpochsMax).contains(localEpochs),
      "1…\(Self.localEpochsMax)")
    try check("batchSize", Double(batchSize), (1...Self.batchSizeMax).contains(batchSize), "1…\(Self.batchSizeMax)")
    if let momentum { try check("momentum", momentum, momentum >= 0 && momentum < 1, "from 0 to below 1") }
    for (name, value) in [("weightDecay", weightDecay), ("proximal", proximal)] {
      if let value { try check(name, value, value >= 0 && value <= largest, "a finite number that is not negative") }
    }
    self.learningRate = learningRate
    self.localEpochs = localEpochs
    self.batchSize = batchSize
    self.momentum = momentum
    self.weightDecay = weightDecay
    self.proximal = proximal
    guard optimizer.isValid else { throw .badOptimizer(optimizer.description) }
    self.optimizer = optimizer
  }

  /// What the configuration of an attempt and its task ask for.
  ///
  /// - Throws: `TrainingError.badSetting`.
  package init(_ round: RoundConfiguration, _ optimizer: LocalOptimizer = LocalOptimizer()) throws(TrainingError) {
    try self.init(
      learningRate: round.learningRate, localEpochs: Int(clamping: round.localEpochs),
      batchSize: Int(clamping: round.batchSize), momentum: round.momentum, weightDecay: round.weightDecay,
      proximal: round.proximal, optimizer: optimizer)
  }

  /// Steps of one round.
  package func stepCount(examples: Int) -> Int {
    optimizer.steps.map { Int($0) } ?? localEpochs * ((examples + batchSize - 1) / batchSize)
  }

  /// The rule of every step.
  var rule: OptimizerRule {
    func moments(_ adam: LocalOptimizer.Adam, decoupled: Bool) -> OptimizerRule.Method {
      .adam(
        beta1: Float(adam.beta1), beta2: Float(adam.beta2), epsilon: Float(adam.epsilon), decoupled: decoupled)
    }
    let method: OptimizerRule.Method =
      switch optimizer.method {
      case .sgd: .sgd(momentum: Float(momentum ?? 0), nesterov: false)
      case .nesterov: .sgd(momentum: Float(momentum ?? 0), nesterov: true)
      case .adam(let adam): moments(adam, decoupled: false)
      case .adamW(let adam): moments(adam, decoupled: true)
      }
    return OptimizerRule(
      method, weightDecay: Float(weightDecay ?? 0), proximal: Float(proximal ?? 0),
      clipNorm: optimizer.clipNorm.map { Float($0) }, exampleClipNorm: optimizer.exampleClipNorm.map { Float($0) })
  }
}
