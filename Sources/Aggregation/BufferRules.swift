import Federation

/// When a buffer of updates makes a version, and what an update counts that was trained on an older one (Nguyen et al.
/// 2022, "Federated Learning with Buffered Asynchronous Aggregation", Algorithm 1).
package struct BufferRules: Hashable, Sendable {
  /// K: updates that make a version.
  package let size: Int
  /// The most versions that an update may be behind.
  package let stalenessMax: Int
  /// 2a.
  private let doubledExponent: Int

  /// - Parameter exponent: a, a multiple of 0.5.
  /// - Precondition: `size ≥ 1`, neither of the others is negative.
  package init(size: Int, stalenessMax: Int, exponent: Double) {
    doubledExponent = Int((2 * exponent).rounded())
    precondition(size >= 1 && stalenessMax >= 0 && doubledExponent >= 0, "no rules for a buffer")
    self.size = size
    self.stalenessMax = stalenessMax
  }

  /// s(τ) = (1 + τ)^−a of an update that is τ versions behind; 1/√(1 + τ) as published.
  package func weight(staleness: Int) -> Double {
    precondition(staleness >= 0, "an update from the future")
    let square = (0..<doubledExponent).reduce(1.0) { product, _ in product * Double(1 + staleness) }
    return 1 / square.squareRoot()
  }
}

extension Strategy {
  /// Nil under a strategy whose rounds have one cohort on one version.
  package var bufferRules: BufferRules? {
    guard method == .fedBuff, let size = self[.buffer], let staleness = self[.stalenessMax],
      let exponent = self[.stalenessExponent]
    else { return nil }
    return BufferRules(size: Int(size), stalenessMax: Int(staleness), exponent: exponent)
  }
}
