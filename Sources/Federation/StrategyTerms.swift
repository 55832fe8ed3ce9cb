/// Numbers of one update that some strategies need in the sum; 0 under all others.
package struct StrategyTerms: Hashable, Sendable {
  /// ‖a_k‖₁: how much of a steady gradient the local steps add up to (FedNova); the number of steps under plain SGD.
  package var steps: Double
  /// h_k ÷ L (q-FedAvg).
  package var fairness: Double

  package init(steps: Double = 0, fairness: Double = 0) {
    self.steps = steps
    self.fairness = fairness
  }
}
