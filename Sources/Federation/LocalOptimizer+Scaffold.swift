/// What SCAFFOLD (Karimireddy et al. 2020) asks of local training.
extension LocalOptimizer {
  /// K·η_l: how far K steps move a parameter whose gradient stays −1. Nil if workers take different numbers of steps.
  ///
  /// With it `c_i⁺ = c_i − c − Δ_i/(K·η_l)` is the mean gradient of worker i's steps (option II).
  ///
  /// - Parameters:
  ///   - learningRate: of the round's configuration.
  ///   - round: for the schedule; from 1.
  package func reach(learningRate: Double, round: UInt64) -> Double? {
    steps.map { Double($0) * learningRate * learningRateFactor(round: round) }
  }

  /// What keeps local training from being that of SCAFFOLD, and what it has to be; nil if nothing does.
  ///
  /// The server derives its control variate from the mean difference, which holds where every worker takes the same
  /// number of the same plain steps.
  package func objectionToScaffold(momentum: Double?, proximal: Double?) -> (found: String, expected: String)? {
    guard steps != nil else {
      return ("no number of local steps", "'local-steps': every worker has to take the same number of them")
    }
    let plain = "plain SGD: only its steps add up to a mean gradient"
    guard method == .sgd else { return ("the optimizer '\(self)'", plain) }
    guard momentum ?? 0 == 0 else { return ("momentum", plain) }
    guard proximal ?? 0 == 0 else { return ("a proximal term", plain) }
    switch schedule {
    case .linear(_, final: 0), .cosine(_, final: 0):
      return ("a schedule that ends at a learning rate of 0", "a 'final' above 0: the server divides by the rate")
    case .linear, .cosine, .constant, .step, .exponential: return nil
    }
  }
}
