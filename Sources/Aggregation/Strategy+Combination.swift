import Federation

/// The sums of a round that a strategy may need to turn the average of the reports into one difference.
package struct SumTotals: Hashable, Sendable {
  /// `Σ w_k`; the number of updates where every update weighs the same.
  package var weight: UInt64
  /// `Σ w_k·‖a_k‖₁`.
  package var weightedSteps: Double
  /// `Σ h_k ÷ L`.
  package var fairness: Double

  package init(weight: UInt64, weightedSteps: Double = 0, fairness: Double = 0) {
    self.weight = weight
    self.weightedSteps = weightedSteps
    self.fairness = fairness
  }
}

extension Strategy {
  /// Δ: the difference by which the server optimizer moves the model.
  ///
  /// - *FedNova* (Wang et al. 2020, Equation 7): `Δ = τ_eff · Σ p_k·d_k` with the reports `d_k = Δ_k ÷ ‖a_k‖₁`,
  ///   `p_k = w_k ÷ Σ w` and `τ_eff = Σ p_k·‖a_k‖₁`.
  /// - *q-FedAvg* (Li et al. 2020, Algorithm 2): `Δ = Σ F_k^q·Δ_k ÷ Σ (h_k ÷ L)`; L cancels out of the paper's
  ///   `Σ L·F_k^q·Δ_k ÷ Σ h_k`.
  /// - All others: the average itself, under FedBuff the mean of the updates weighed by their age.
  ///
  /// - Parameter average: `Σ w_k·x_k ÷ Σ w_k` of what workers report, shape `[d]`, or what a robust rule made of it.
  /// - Throws: `badNormaliser`.
  package func difference(from average: [Float], totals: SumTotals) throws(AggregationError) -> [Float] {
    let factor: Double
    switch report {
    case .difference: return average
    case .normalized: factor = totals.weightedSteps / Double(totals.weight)
    case .fair: factor = Double(totals.weight) / totals.fairness
    }
    guard factor > 0, factor.isFinite else { throw .badNormaliser(factor, strategy: method.rawValue) }
    return average.map { Float(factor * Double($0)) }
  }

  /// The rule that combines single updates; nil if a sum is enough.
  package var robustRule: RobustRule? {
    func count(_ setting: Setting) -> Int? { self[setting].map { Int($0) } }
    return switch method {
    case .median: .median
    case .trimmedMean: .trimmedMean(trim: self[.trim] ?? 0)
    case .krum: .krum(byzantine: count(.byzantine) ?? 0)
    case .multiKrum: .multiKrum(byzantine: count(.byzantine) ?? 0, keep: count(.keep))
    case .geometricMedian:
      .geometricMedian(smoothing: self[.smoothing] ?? 0, iterations: count(.iterations) ?? 1)
    case .fedAvg, .fedProx, .fedAvgM, .fedAdagrad, .fedAdam, .fedYogi, .fedNova, .qFedAvg, .scaffold, .fedBuff: nil
    }
  }
}
