import ClusterConfiguration
import Federation

/// Misfortunes by chance. Every party has a stream of its own: what strikes one moves nobody else's luck.
struct ChaosSchedule {
  private let rules: SimulationScenario.Chaos
  private var workers: [SeededGenerator]
  private var coordinator: SeededGenerator

  init(_ rules: SimulationScenario.Chaos, parties: VirtualParties, seed: UInt64) {
    self.rules = rules
    workers = parties.workers.map { SeededGenerator(seed: seed, stream: "chaos \($0.name)") }
    coordinator = SeededGenerator(seed: seed, stream: "chaos coordinator")
  }

  /// What strikes a worker now, and for how long; nil for nothing.
  mutating func strikes(worker: Int) -> (SimulationScenario.Fault.Kind, Duration)? {
    guard rules.workerCrash + rules.partition > 0 else { return nil }
    let chance = workers[worker].unit()
    guard chance < rules.workerCrash + rules.partition else { return nil }
    return (chance < rules.workerCrash ? .crash : .partition, outage(&workers[worker]))
  }

  /// For how long the coordinator dies now; nil if it lives on.
  mutating func strikesCoordinator() -> Duration? {
    guard rules.coordinatorCrash > 0, coordinator.unit() < rules.coordinatorCrash else { return nil }
    return outage(&coordinator)
  }

  private func outage(_ choices: inout SeededGenerator) -> Duration {
    rules.outageMinimum + (rules.outageMaximum - rules.outageMinimum) * choices.unit()
  }
}
