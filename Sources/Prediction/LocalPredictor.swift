import GradientKernel
import Tensors
import Training

/// Predicts with a model in this process.
package struct LocalPredictor: Sendable {
  private let model: InferenceModel
  private let scale: Float

  /// - Parameter scale: above 0; every feature is divided by it, as in training.
  /// - Throws: `PredictionError` of kind `usage` for parameters of another architecture, or one that answers for every step.
  package init(_ parameters: ParameterSet, of architecture: ModelArchitecture, scale: Double) throws(PredictionError) {
    guard architecture.classCount == 0 || architecture.labelsPerExample == 1 else {
      throw PredictionError(.usage, "found '\(architecture)', which answers for every step, expected one answer a row")
    }
    do throws(KernelError) {
      model = try InferenceModel(parameters, of: architecture)
    } catch {
      throw PredictionError(.usage, "\(error)")
    }
    self.scale = Float(scale)
  }

  /// - Throws: `PredictionError` of kind `usage` for rows that the model does not take.
  package func predict(_ table: FeatureTable) throws(PredictionError) -> Predictions {
    let architecture = model.architecture
    guard table.featureCount == architecture.featureCount else {
      throw PredictionError(
        .usage,
        "found rows of \(table.featureCount) features, expected \(architecture.featureCount) for '\(architecture)'")
    }
    if case .tokens(_, let vocabulary) = architecture.input,
      let bad = table.features.first(where: { $0 != $0.rounded() || $0 < 0 || $0 >= Float(vocabulary) })
    {
      throw PredictionError(
        .usage, "found the token \(bad), expected whole numbers below \(vocabulary) for '\(architecture)'")
    }
    let isQuantity = if case .tokens = architecture.input { false } else { true }
    let features = isQuantity && scale != 1 ? table.features.map { $0 / scale } : table.features
    let session = InferenceSession(model, batchCapacity: InferenceSession.batchCapacityMax)
    var numbers = [Float](repeating: 0, count: table.count * session.outputCount)
    features.withUnsafeBufferPointer { source in
      numbers.withUnsafeMutableBufferPointer { target in
        for start in stride(from: 0, to: table.count, by: session.batchCapacity) {
          let end = min(table.count, start + session.batchCapacity)
          session.predict(
            UnsafeBufferPointer(rebasing: source[start * table.featureCount..<end * table.featureCount]),
            into: UnsafeMutableBufferPointer(rebasing: target[start * session.outputCount..<end * session.outputCount]))
        }
      }
    }
    return Predictions(architecture.classCount > 0 ? .probabilities : .values, numbers, width: session.outputCount)
  }
}
