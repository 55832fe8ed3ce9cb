/// Federated averaging (McMahan et al. 2017, Algorithm 1): workers train for some local epochs, and the model moves by
/// the mean of their differences, weighted by their example counts.
///
/// With a server learning rate of 1 the new model is the weighted mean of the workers' models. Which updates are in the
/// mean, and how it was summed (in clear by `PlainAccumulator`, or securely), does not matter here.
package struct FedAvg: Hashable, Sendable {
  /// The name in a round configuration.
  package static let name = "fedavg"
  /// Algorithm 1 as published.
  package static let published = FedAvg(optimizer: .sgd(learningRate: 1))

  package let optimizer: ServerOptimizer

  package init(optimizer: ServerOptimizer) { self.optimizer = optimizer }

  /// The next version of the model.
  ///
  /// - Parameters:
  ///   - model: θ of the base version, shape `[d]`.
  ///   - meanDifference: `Σ n_k·Δ_k ÷ Σ n_k` with `Δ_k = θ_k − θ`, shape `[d]`.
  /// - Throws: `modelLength`, `nonFiniteModel`; the round is then abandoned.
  package func nextModel(from model: [Float], meanDifference: [Float]) throws(AggregationError) -> [Float] {
    try optimizer.step(model, by: meanDifference)
  }
}
