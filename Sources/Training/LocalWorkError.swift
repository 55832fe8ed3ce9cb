import Tensors
import GradientKernel
import Federation

/// Why a worker cannot do what it was asked to.
package enum LocalWorkError: Error, Equatable, Sendable, CustomStringConvertible {
  case architecture(ArchitectureError)
  case model(TensorError)
  /// The attempt's rules are for an update of another length than the model has.
  case vectorLength(UInt64, expected: Int)
  /// The text of a strategy that this program does not have.
  case strategy(String)
  case scale(Double)
  /// Local training under SCAFFOLD that its control variates do not fit.
  case scaffold(found: String, expected: String)
  /// A control variate of another length than the model has.
  case control(Int, expected: Int)
  case data(DatasetError)
  case training(TrainingError)

  package var description: String {
    switch self {
    case .architecture(let error): "the model's architecture: \(error)"
    case .model(let error): "the model: \(error)"
    case .vectorLength(let found, let expected): "the vector length: found \(found), expected \(expected)"
    case .strategy(let text): "the strategy '\(text.prefix(60))': this version does not have it"
    case .scale(let scale): "the data's scale: found \(scale), expected a number above 0 that fits a Float"
    case .scaffold(let found, let expected): "scaffold: found \(found), expected \(expected)"
    case .control(let found, let expected): "a control variate: found \(found) elements, expected \(expected)"
    case .data(let error): "the data: \(error)"
    case .training(let error): "training: \(error)"
    }
  }
}
