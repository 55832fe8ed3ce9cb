/// What local training gives a worker to report. In secure mode it never leaves the worker in this form.
package struct ClientUpdate: Sendable {
  /// `θ_local − θ_server`, shape `[d]` in the order of the model's F32 tensors by name; added to the server's model.
  /// Under some strategies a multiple of it (`Strategy.Report`).
  package var difference: [Float]
  /// `n_k`: training examples behind the update; at least 1.
  package var exampleCount: UInt64
  /// Of the model before training, on the worker's own hold-out.
  package var metrics: RoundMetrics

  /// What the strategy needs beside the difference.
  package var terms = StrategyTerms()

  package init(
    difference: [Float], exampleCount: UInt64, metrics: RoundMetrics, terms: StrategyTerms = StrategyTerms()
  ) {
    self.terms = terms
    self.difference = difference
    self.exampleCount = exampleCount
    self.metrics = metrics
  }
}
