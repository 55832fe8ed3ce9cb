extension LocalOptimizer {
  /// What the configuration's learning rate is multiplied by in a round.
  ///
  /// - Parameter round: from 1; an epoch where one model is trained on all data. Round 0 counts as 1.
  /// - Returns: from 0 to 1, the same bits on every machine.
  package func learningRateFactor(round: UInt64) -> Double {
    let passed = max(round, 1) - 1
    let warm = warmUp.map { min(1, Double(passed + 1) / Double($0)) } ?? 1
    switch schedule {
    case .constant: return warm
    case .linear(let rounds, let final):
      return warm * (1 - (1 - final) * min(1, Double(passed) / Double(rounds)))
    case .cosine(let rounds, let final):
      let angle = Double.pi * min(1, Double(passed) / Double(rounds))
      return warm * (final + (1 - final) * (1 + PortableMath.cos(angle)) / 2)
    case .step(let every, let factor): return warm * PortableMath.power(factor, passed / every)
    case .exponential(let factor): return warm * PortableMath.power(factor, passed)
    }
  }
}
