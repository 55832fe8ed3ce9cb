import Federation
import GradientKernel
import Tensors

extension ModelArchitecture {
  /// The parameters that training starts from, drawn per tensor from a stream of its name; biases are zero.
  ///
  /// Dense and convolution weights start as their initialiser says. An embedding is standard normal: layers want inputs
  /// of mean 0 and variance 1 (LeCun et al. 1998, "Efficient BackProp", §4.3). An LSTM has Glorot input weights and
  /// orthogonal recurrent weights, gate by gate (Saxe et al. 2014), and a forget-gate bias of 1 (Jozefowicz et al. 2015).
  /// The same seed gives the same bits on every machine.
  package func initialParameters(seed: UInt64) -> ParameterSet {
    var set = ParameterSet(zeros: layout)
    var values = set.values
    for stage in stages {
      guard let weight = stage.entries.first else { continue }
      var choices = SeededGenerator(seed: seed, stream: weight.name)
      switch stage.layer {
      case .dense(_, let initialiser), .conv2d(_, _, _, _, let initialiser):
        let drawn = Self.weights(initialiser, shape: weight.shape, using: &choices)
        values.replaceSubrange(weight.range, with: drawn)
      case .embedding:
        for i in weight.range { values[i] = Float(choices.normal()) }
      case .lstm(let units):
        Self.fill(&values, stage, units: units, seed: seed)
      case .maxPool2d, .averagePool2d, .relu, .tanh, .sigmoid, .dropout, .flatten, .lastStep:
        preconditionFailure("\(stage.name) has no parameters")
      }
    }
    set.values = values
    return set
  }

  /// - Parameter shape: [outputs, inputs], or [filters, channels, height, width] of a kernel.
  /// - Returns: weights in row-major order.
  private static func weights(
    _ initialiser: Initialiser, shape: [Int], using choices: inout SeededGenerator
  ) -> [Float] {
    let outputs = shape[0]
    let inputs = shape.dropFirst().reduce(1, *)
    func uniform(_ bound: Double) -> [Float] {
      (0..<outputs * inputs).map { _ in Float((2 * choices.unit() - 1) * bound) }
    }
    switch initialiser {
    case .he: return uniform((6 / Double(inputs)).squareRoot())
    case .glorot:
      // A weight of a kernel feeds one number of every filter at each place of its window.
      let window = shape.dropFirst(2).reduce(1, *)
      return uniform((6 / Double(inputs + outputs * window)).squareRoot())
    case .orthogonal:
      return OrthogonalMatrix.random(rows: outputs, columns: inputs, using: &choices).map { Float($0) }
    case .zeros: return Array(repeating: 0, count: outputs * inputs)
    }
  }

  /// Gates are i, f, g, o, each `units` rows.
  private static func fill(_ values: inout [Float], _ stage: Stage, units: Int, seed: UInt64) {
    let input = stage.entries[0]
    let recurrent = stage.entries[1]
    let bias = stage.entries[2]
    var inputChoices = SeededGenerator(seed: seed, stream: input.name)
    var recurrentChoices = SeededGenerator(seed: seed, stream: recurrent.name)
    for gate in 0..<4 {
      let inputs = input.shape[1]
      let inputStart = input.range.lowerBound + gate * units * inputs
      values.replaceSubrange(
        inputStart..<inputStart + units * inputs,
        with: weights(.glorot, shape: [units, inputs], using: &inputChoices))
      let recurrentStart = recurrent.range.lowerBound + gate * units * units
      values.replaceSubrange(
        recurrentStart..<recurrentStart + units * units,
        with: weights(.orthogonal, shape: [units, units], using: &recurrentChoices))
    }
    for i in 0..<units { values[bias.range.lowerBound + units + i] = 1 }
  }
}
