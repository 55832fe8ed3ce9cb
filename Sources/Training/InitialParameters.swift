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
    for entry in stages.flatMap(\.entries) where entry.shape.count > 1 {
      var choices = SeededGenerator(seed: seed, stream: entry.name)
      let bound = (6 / Double(entry.shape.dropFirst().reduce(1, *))).squareRoot()
      for i in entry.range { values[i] = Float((2 * choices.unit() - 1) * bound) }
    }
    set.values = values
    return set
  }
}
