/// The smoothed Weiszfeld algorithm (Pillutla, Kakade, Harchaoui 2022, "Robust Aggregation for Federated Learning",
/// Algorithm 2): `v ← Σ β_k·Δ_k ÷ Σ β_k` with `β_k = α_k ÷ max(ν, ‖v − Δ_k‖)` and `α_k = w_k ÷ Σ w`, from the weighted
/// mean on. It minimises the smoothed `Σ α_k·‖v − Δ_k‖`.
enum GeometricMedian {
  /// - Parameters:
  ///   - smoothing: ν, in the unit of the updates' norms.
  ///   - iterations: passes after the mean, each over all updates.
  static func combine(_ updates: some RoundUpdates, smoothing: Double, iterations: Int) throws -> [Float] {
    let total = Double(updates.weights.reduce(0, +))
    let alpha = updates.weights.map { Double($0) / total }
    var beta = alpha
    var centre: [Double] = []
    for _ in 0...iterations {
      var squares = [Double](repeating: 0, count: updates.count)
      centre = try updates.mean(of: Array(0..<updates.count), weights: beta) { mean, rows in
        for (k, row) in rows.enumerated() {
          for (value, m) in zip(row, mean) { squares[k] += (m - Double(value)) * (m - Double(value)) }
        }
      }
      beta = zip(alpha, squares).map { $0 / max(smoothing, $1.squareRoot()) }
    }
    return centre.map(Float.init)
  }
}
