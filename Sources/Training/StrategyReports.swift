import Federation
import Glibc

extension TrainingConfiguration {
  /// ‖a_k‖₁ of Wang et al. 2020, Section 4: what so many local steps make of a gradient that stays 1.
  ///
  /// - SGD: `τ`.
  /// - Momentum ρ: `(τ − ρ·(1 − ρ^τ)/(1 − ρ))/(1 − ρ)`.
  /// - Proximal term μ at the learning rate η, α = η·μ: `(1 − (1 − α)^τ)/α`.
  ///
  /// - Parameter steps: τ, at least 1.
  /// - Throws: `TrainingError.badOptimizer` for methods without a formula there: Adam, Nesterov's momentum, and momentum
  ///   beside a proximal term; and `badSetting` for α ≥ 1, with which a step jumps over the base model.
  func normalizer(steps: Int, round: UInt64) throws(TrainingError) -> Double {
    let tau = Double(steps)
    let rho = momentum ?? 0, mu = proximal ?? 0
    guard optimizer.method == .sgd, rho == 0 || mu == 0 else { throw .badOptimizer(optimizer.description) }
    if rho > 0 { return (tau - rho * (1 - pow(rho, tau)) / (1 - rho)) / (1 - rho) }
    let alpha = learningRate * optimizer.learningRateFactor(round: round) * mu
    guard alpha > 0 else { return tau }
    guard alpha < 1 else {
      throw .badSetting(name: "proximal", found: mu, expected: "less than 1 over the learning rate")
    }
    return -expm1(tau * log1p(-alpha)) / alpha
  }
}

extension ClientUpdate {
  /// FedNova's report: `d_k = Δ_k ÷ ‖a_k‖₁`.
  mutating func normalize(by normalizer: Double) {
    difference = difference.map { Float(Double($0) / normalizer) }
    terms.steps = normalizer
  }

  /// q-FedAvg's report (Li et al. 2020, Algorithm 2): `F_k^q·Δ_k`, beside
  /// `h_k ÷ L = q·F_k^(q−1)·L·‖Δ_k‖² + F_k^q` with `L = 1/η`.
  ///
  /// As the authors do, 10⁻¹⁰ is added to the loss, so that none is 0. Where the clip will shorten the report, h_k is that
  /// of the shortened Δ_k.
  ///
  /// - Parameters:
  ///   - loss: F_k, before training.
  ///   - learningRate: η of this round.
  ///   - clip: C, the L2 bound of the report.
  mutating func weigh(loss: Double, q: Double, learningRate: Double, clip: Double) {
    let scale = pow(loss + 1e-10, q)
    difference = difference.map { Float(Double($0) * scale) }
    let norm = min(difference.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot(), clip) / scale
    terms.fairness = q * pow(loss + 1e-10, q - 1) * norm * norm / learningRate + scale
  }
}
