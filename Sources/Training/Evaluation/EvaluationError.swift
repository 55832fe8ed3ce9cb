/// Why outputs of a model could not be judged. Nothing of the batch has been counted then.
package enum EvaluationError: Error, Equatable, Sendable, CustomStringConvertible {
  /// Outputs, targets or losses of another count than the examples of the batch need.
  case wrongCount(of: String, found: Int, expected: Int)
  /// A label that is no class of the model; examples count from 0 within the batch.
  case wrongLabel(example: Int, found: Int, classCount: Int)
  /// An output, a target or a loss that is not a finite number; examples count from 0 within the batch.
  case notFinite(example: Int)
  /// More examples than have their scores kept for the area under the curve.
  case tooManyScores(max: Int)

  package var description: String {
    switch self {
    case .wrongCount(let of, let found, let expected): "found \(found) \(of), expected \(expected)"
    case .wrongLabel(let example, let found, let classCount):
      "found \(found) as the label of example \(example), expected a class from 0 to \(classCount - 1)"
    case .notFinite(let example): "found an output, target or loss of example \(example) that is not finite"
    case .tooManyScores(let max): "found more examples, expected at most \(max) for the area under the curve"
    }
  }
}
