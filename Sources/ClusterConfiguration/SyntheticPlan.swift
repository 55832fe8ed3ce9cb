import Federation

/// Examples of a simulated federation that are made from a seed: Synthetic(α, β) of Li et al. 2020 (Protocols/data.md).
package struct SyntheticPlan: Hashable, Sendable {
  /// How much the workers' models differ.
  package var alpha: Double
  /// How much their examples differ.
  package var beta: Double
  /// Of each worker's examples, for nobody.
  package var heldOut: Double
  package var seed: UInt64

  package init(alpha: Double, beta: Double, heldOut: Double = 0.1, seed: UInt64 = 1) {
    self.alpha = alpha
    self.beta = beta
    self.heldOut = heldOut
    self.seed = seed
  }

  /// What they are called where a file is named.
  package var name: String { "synthetic(\(alpha), \(beta))" }
}

extension ConfigurationSection {
  /// The mapping `data` of a scenario's population: `synthetic: {alpha: A, beta: B}`, or what a federation file may say;
  /// nil for the latter.
  func syntheticPlan() throws(ConfigurationError) -> SyntheticPlan? {
    guard has("synthetic") else { return nil }
    let allowed = ["synthetic", "held-out", "seed"]
    if let stranger = present.first(where: { !allowed.contains($0) }) {
      throw error(at: stranger, found: "it beside 'synthetic'", expected: "'held-out' and 'seed' alone beside it")
    }
    let section = try section("synthetic", keys: ["alpha", "beta"])
    func deviation(_ key: String) throws(ConfigurationError) -> Double {
      try section.number(key, expected: "a number from 0 to 10") { $0 >= 0 && $0 <= 10 }
    }
    return try SyntheticPlan(
      alpha: deviation("alpha"), beta: deviation("beta"),
      heldOut: number("held-out", default: 0.1, expected: "a number from 0 to below 1") { $0 >= 0 && $0 < 1 },
      seed: integer("seed", default: 1, in: 0...UInt64.max))
  }
}
