/// How the server's model moves once the updates of a round are combined.
package enum ServerOptimizer: Hashable, Sendable {
  /// `θ ← θ + η·Δ`, with Δ the mean difference `θ_local − θ_server`: gradient descent on the pseudo-gradient −Δ
  /// (Reddi et al. 2021, Algorithm 1 with SGD as the server optimizer).
  case sgd(learningRate: Double)

  /// The optimizer by the name that a round configuration carries; nil for an unknown name or a learning rate that is
  /// not a positive number.
  package init?(name: String, learningRate: Double) {
    guard name == "sgd", learningRate > 0, learningRate.isFinite else { return nil }
    self = .sgd(learningRate: learningRate)
  }

  /// The model after one step, each value rounded once from binary64.
  ///
  /// - Parameters:
  ///   - model: θ, shape `[d]`.
  ///   - meanDifference: Δ, shape `[d]`.
  /// - Throws: `modelLength`, `nonFiniteModel`.
  package func step(_ model: [Float], by meanDifference: [Float]) throws(AggregationError) -> [Float] {
    guard model.count == meanDifference.count else {
      throw .modelLength(expected: model.count, found: meanDifference.count)
    }
    switch self {
    case .sgd(let learningRate):
      var moved = model
      for (coordinate, difference) in meanDifference.enumerated() {
        let value = Float(Double(model[coordinate]) + learningRate * Double(difference))
        guard value.isFinite else { throw .nonFiniteModel(coordinate: coordinate) }
        moved[coordinate] = value
      }
      return moved
    }
  }
}
