import Federation
import GradientKernel
import Tensors

extension ModelArchitecture {
  /// The parameters that training starts from: weights uniform in ±√(6 / inputs), biases zero (He et al. 2015).
  ///
  /// The same seed gives the same bits on every machine.
  package func initialParameters(seed: UInt64) -> ParameterSet {
    var set = ParameterSet(zeros: layout)
    var values = set.values
    for (index, layer) in layers.enumerated() {
      var choices = SeededGenerator(seed: seed, stream: Self.weightName(index))
      let bound = (6 / Double(layer.inputs)).squareRoot()
      for i in layer.weight { values[i] = Float((2 * choices.unit() - 1) * bound) }
    }
    set.values = values
    return set
  }
}
