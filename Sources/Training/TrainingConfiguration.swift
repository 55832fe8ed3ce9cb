import Federation

/// Why local training did not give an update.
package enum TrainingError: Error, Equatable, Sendable {
  /// A setting out of its range; `expected` says which it is.
  case badSetting(name: String, found: Double, expected: String)
  /// The data set and the model differ in features or classes.
  case wrongDataset(features: Int, expectedFeatures: Int, classes: Int, expectedClasses: Int)
  /// The data set has other targets than one class an example, which is what this trainer learns.
  case wrongTargets
  case noExamples
  /// The base model has other tensors than the architecture.
  case wrongLayout(expected: String, found: String)
  case classUnavailable(String)
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

  /// - Throws: `TrainingError.badSetting`.
  package init(
    learningRate: Double, localEpochs: Int, batchSize: Int, momentum: Double? = nil, weightDecay: Double? = nil,
    proximal: Double? = nil
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
  }

  /// What the configuration of an attempt asks for.
  ///
  /// - Throws: `TrainingError.badSetting`.
  package init(_ round: RoundConfiguration) throws(TrainingError) {
    try self.init(
      learningRate: round.learningRate, localEpochs: Int(clamping: round.localEpochs),
      batchSize: Int(clamping: round.batchSize), momentum: round.momentum, weightDecay: round.weightDecay,
      proximal: round.proximal)
  }
}
