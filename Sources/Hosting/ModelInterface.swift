import GradientKernel
import Inference

/// What a model's tensors are called, and which numbers they may hold.
///
///     features  FP32 [-1, d], an image FP32 [-1, C, H, W], or INT32 [-1, T] for T tokens
///     probabilities FP32 [-1, classes] and label INT64 [-1] for classes, both with an extent T more where every step of a
///     text has an answer; predictions FP32 [-1, targets] for a regression
package struct ModelInterface: Hashable, Sendable {
  package static let inputName = "features"
  package static let probabilitiesName = "probabilities"
  package static let labelName = "label"
  package static let predictionsName = "predictions"

  package let signature: ModelSignature
  /// Numbers of one example.
  package let featureCount: Int
  /// Numbers of one example's prediction, over all its time steps.
  package let outputCount: Int
  /// Answers of one example: 1, or one a time step.
  package let steps: Int
  /// Of each answer: classes or targets; 1 for a model of one logit.
  package let width: Int
  /// Features are whole numbers below it; nil where they are any numbers.
  package let vocabulary: Int?
  package let isClassifier: Bool

  package init(_ architecture: ModelArchitecture) {
    let input: TensorSpecification
    switch architecture.input {
    case .features(let count):
      input = TensorSpecification(name: Self.inputName, datatype: .fp32, shape: [-1, count])
      vocabulary = nil
    case .image(let channels, let height, let width):
      input = TensorSpecification(name: Self.inputName, datatype: .fp32, shape: [-1, channels, height, width])
      vocabulary = nil
    case .tokens(let length, let vocabulary):
      input = TensorSpecification(name: Self.inputName, datatype: .int32, shape: [-1, length])
      self.vocabulary = vocabulary
    }
    featureCount = architecture.featureCount
    width = architecture.outputCount
    isClassifier = architecture.classCount > 0
    steps = isClassifier ? architecture.labelsPerExample : 1
    outputCount = width * steps
    let lead = steps > 1 ? [-1, steps] : [-1]
    let outputs =
      isClassifier
      ? [
        TensorSpecification(name: Self.probabilitiesName, datatype: .fp32, shape: lead + [width]),
        TensorSpecification(name: Self.labelName, datatype: .int64, shape: lead),
      ]
      : [TensorSpecification(name: Self.predictionsName, datatype: .fp32, shape: [-1, width])]
    signature = ModelSignature(inputs: [input], outputs: outputs)
  }

  /// The class that a model says of one answer.
  ///
  /// - Parameter probabilities: `width` of them. One is that of class 1, which is said above a half.
  package func label(of probabilities: UnsafeBufferPointer<Float>) -> Int {
    guard probabilities.count > 1 else { return probabilities[0] > 0.5 ? 1 : 0 }
    var best = 0
    for index in 1..<probabilities.count where probabilities[index] > probabilities[best] { best = index }
    return best
  }
}
