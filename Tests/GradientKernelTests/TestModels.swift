import GradientKernel
import Testing

/// Small models that have, together, every layer, loss, window and stride.
enum TestModels: String, CaseIterable, Sendable, CustomTestStringConvertible {
  case plain = "mlp 37-65-19-10"
  case smooth = "features 20 > dense 33 > tanh > dropout 0.3 > dense 17 > sigmoid > dense 4 : softmax-cross-entropy 0.1"
  case regression = "features 20 > sigmoid > dense 3 : mean-squared-error"
  case binary = "features 20 > dense 9 > relu > dense 1 : binary-cross-entropy"
  case pooled =
    "image 1x8x9 > conv2d 5 3x3 pad 1 > relu > max-pool 2x2 > conv2d 20 3x3 pad 1 > relu > max-pool 2x2 > flatten > dense 6 > relu > dense 3"
  case strided =
    "image 3x9x8 > conv2d 6 3x3 stride 2 pad 1 > tanh > conv2d 7 4x4 stride 3 pad 2 > sigmoid > conv2d 18 2x2 pad 1 > relu > dropout 0.2 > conv2d 5 2x2 stride 2 > flatten > dense 3"
  case averaged = "image 2x7x7 > average-pool 2x2 stride 1 > conv2d 6 3x3 > average-pool 2x2 > relu > flatten > dense 3"
  case overlapping = "image 2x6x6 > conv2d 17 3x3 > max-pool 3x3 stride 1 > flatten > dense 3"
  case flat = "image 2x3x3 > flatten > dense 5 > relu > dense 3"
  case everyStep = "tokens 6 of 7 > embedding 5 > lstm 9 > lstm 17 > dense 7"
  case last = "tokens 5 of 20 > embedding 5 > lstm 6 > last-step > dense 4 > relu > dense 3"

  static var all: [TestModels] { allCases }
  var testDescription: String { rawValue }

  func architecture() throws -> ModelArchitecture { try ModelArchitecture(parsing: rawValue) }

  /// Every method, with every term.
  static let rules = [
    OptimizerRule(), OptimizerRule(weightDecay: 0.01, proximal: 0.1),
    OptimizerRule(.sgd(momentum: 0.5, nesterov: true), weightDecay: 0.001, proximal: 0.1, clipNorm: 0.5),
    OptimizerRule(
      .adam(beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decoupled: true), weightDecay: 0.01, exampleClipNorm: 0.3),
  ]
}
