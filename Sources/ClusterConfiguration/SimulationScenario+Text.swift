/// Scenario files that say what a changed scenario does.
extension SimulationScenario {
  /// Keys of a scenario whose values are paths of files.
  package static let pathKeys = [
    "population.data.file", "population.data.label-file", "population.data.vocabulary",
    "population.data.normalise.file",
    "run.model.file",
  ]

  fileprivate var faultsText: String {
    faults.map { fault in
      "- {worker: \(fault.worker), round: \(fault.round), at: \(fault.at.rawValue), kind: \(fault.kind.rawValue)"
        + (fault.duration.map { ", for: \(Quantity.text($0))" } ?? "") + "}"
    }
    .joined(separator: "\n")
  }

  fileprivate var misfortunesText: String {
    misfortunes.map { misfortune in
      "- {party: \(misfortune.party), step: \(misfortune.step), kind: \(misfortune.kind.rawValue), "
        + "for: \(Quantity.text(misfortune.duration))}"
    }
    .joined(separator: "\n")
  }
}

extension ConfigurationFile {
  /// This scenario file with the seed and all that goes wrong of `scenario`, and nothing by chance but on the network.
  package func holding(_ scenario: SimulationScenario, seed: UInt64) throws(ConfigurationError) -> ConfigurationFile {
    var changes = [ConfigurationChange(key: "seed", value: "\(seed)")]
    for (key, probability) in [
      ("loss", scenario.network.loss), ("duplication", scenario.network.duplication),
      ("reordering", scenario.network.reordering),
    ] {
      changes.append(ConfigurationChange(key: "network.\(key)", value: "\(probability)"))
    }
    for (key, list) in [("faults", scenario.faultsText), ("misfortunes", scenario.misfortunesText)] where !list.isEmpty
    {
      changes.append(ConfigurationChange(key: key, value: list))
    }
    return try without(["chaos", "faults", "misfortunes"]).changed(by: changes)
  }

  /// This scenario file with so many rounds, of which no more are expected; nil if it cannot be changed.
  package func with(rounds: UInt64) -> ConfigurationFile? {
    guard let scenario = try? SimulationScenario.read(self) else { return nil }
    let expected = min(rounds, scenario.expectations.rounds)
    return try? changed(by: [
      ConfigurationChange(key: "run.rounds", value: "\(rounds)"),
      ConfigurationChange(key: "expectations.rounds", value: "\(expected)"),
    ])
  }

  /// This scenario file with so many workers, in at most as many organisations; nil if it cannot be changed.
  package func with(workers: Int) -> ConfigurationFile? {
    guard let scenario = try? SimulationScenario.read(self) else { return nil }
    return try? changed(by: [
      ConfigurationChange(key: "population.workers", value: "\(workers)"),
      ConfigurationChange(
        key: "population.organisations", value: "\(min(workers, scenario.population.organisations))"),
    ])
  }
}

extension Quantity {
  /// A duration as scenario files have it, in the largest unit of which it is a whole number.
  static func text(_ duration: Duration) -> String {
    let (seconds, attoseconds) = duration.components
    let nanoseconds = seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    for (unit, length) in [("s", Int64(1_000_000_000)), ("ms", 1_000_000), ("us", 1_000)]
    where nanoseconds.isMultiple(of: length) {
      return "\(nanoseconds / length)\(unit)"
    }
    return "\(nanoseconds)ns"
  }
}
