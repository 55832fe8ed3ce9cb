/// Labelled examples that a network reads where they are.
package struct Examples: Sendable {
  package enum Targets: Sendable {
    /// Shape [count, labelsPerExample], each in `0 ..< classCount` of the model.
    case classes([Int32])
    /// Shape [count, outputCount].
    case values([Float])
  }

  /// Shape [count, featureCount], row-major; token numbers as whole Floats for a model of tokens.
  package let features: [Float]
  package let targets: Targets

  package init(features: [Float], targets: Targets) {
    self.features = features
    self.targets = targets
  }

  package init(features: [Float], labels: [Int32]) { self.init(features: features, targets: .classes(labels)) }

  /// - Precondition: features and targets are of one data set and of this model.
  func count(for architecture: ModelArchitecture) -> Int {
    let count = features.count / architecture.featureCount
    precondition(features.count == count * architecture.featureCount, "features come in whole examples")
    switch targets {
    case .classes(let labels):
      precondition(architecture.classCount > 0, "a regression has numbers to meet, not classes")
      precondition(labels.count == count * architecture.labelsPerExample, "features and labels are of one data set")
    case .values(let values):
      precondition(architecture.loss == .meanSquaredError, "only a regression has numbers to meet")
      precondition(values.count == count * architecture.outputCount, "features and targets are of one data set")
    }
    return count
  }
}
