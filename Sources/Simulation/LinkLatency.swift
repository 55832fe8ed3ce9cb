import ClusterConfiguration
import Federation
import Training

extension SimulationScenario.Latency {
  /// The 84th percentile of a Pareto distribution of shape 1 over its median: (1/0.158655)/(1/0.5).
  private static let paretoSpread = 3.151487

  /// How long the next message is under way.
  func draw(using choices: inout SeededGenerator) -> Duration {
    switch self {
    case .uniform(let minimum, let maximum): return minimum + (maximum - minimum) * choices.unit()
    case .lognormal(let tail):
      return tail.moved(by: PortableMath.log(tail.spread) * choices.normal())
    case .pareto(let tail):
      // x = x_m · (1 − u)^(−1/α), with x_m = median · 2^(−1/α).
      let inverseShape = PortableMath.log(tail.spread) / PortableMath.log(Self.paretoSpread)
      return tail.moved(by: -inverseShape * (PortableMath.log(2) + PortableMath.log(1 - choices.unit())))
    }
  }
}

extension SimulationScenario.Latency.Tail {
  /// The median times e^`exponent`, within the bounds.
  fileprivate func moved(by exponent: Double) -> Duration {
    // Far above every bound, and no overflow.
    let factor = PortableMath.exp(min(exponent, 40))
    return max(minimum, min(maximum, median * factor))
  }
}
