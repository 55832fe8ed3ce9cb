import Federation

extension SimulationScenario {
  /// What goes wrong by chance, drawn from the seed: another seed, other misfortunes.
  ///
  /// Strikes up to the last of `rounds`, so that what comes after shows whether the federation recovers.
  package struct Chaos: Hashable, Sendable {
    /// Probability that a worker's process dies, before each thing that it does and after each message it sends.
    package var workerCrash: Double
    /// Probability that a worker cannot be reached for a while, likewise.
    package var partition: Double
    /// Probability that the coordinator's process dies, likewise.
    package var coordinatorCrash: Double
    /// How long each of these lasts, drawn evenly between the two.
    package var outageMinimum: Duration
    package var outageMaximum: Duration
    /// Rounds, from the first, in which anything of this happens.
    package var rounds: UInt64

    package static let none = Chaos(
      workerCrash: 0, partition: 0, coordinatorCrash: 0, outageMinimum: .zero, outageMaximum: .zero, rounds: 0)
  }

  static func chaos(in top: ConfigurationSection, run: RunConfiguration) throws(ConfigurationError) -> Chaos {
    guard top.has("chaos") else { return .none }
    let section = try top.section(
      "chaos", keys: ["worker-crash", "partition", "coordinator-crash", "outage", "rounds"])
    func probability(_ key: String) throws(ConfigurationError) -> Double {
      try section.number(key, default: 0, expected: "a number from 0 to below 1") { $0 >= 0 && $0 < 1 }
    }
    let outage = try section.section("outage", keys: ["minimum", "maximum"])
    let minimum = try outage.duration("minimum", in: .milliseconds(1) ... .seconds(3600))
    return try Chaos(
      workerCrash: probability("worker-crash"), partition: probability("partition"),
      coordinatorCrash: probability("coordinator-crash"), outageMinimum: minimum,
      outageMaximum: outage.duration("maximum", in: minimum ... .seconds(3600)),
      rounds: section.integer("rounds", in: 1...run.rounds))
  }
}
