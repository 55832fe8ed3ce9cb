import ClusterConfiguration
import Federation

/// Makes a failing simulation small: first what goes wrong in it, then the rounds and the workers.
///
/// What chance drew is written down first (`SimulationScenario.Misfortune`), so that it can be left out one by one. The
/// same scenario and seed give the same small scenario.
package struct ScenarioShrinker {
  /// How small the simulation is that still fails.
  package struct Size: Hashable, Sendable {
    /// Planned ones.
    package var faults: Int
    /// At steps, by chance or not.
    package var misfortunes: Int
    package var rounds: UInt64
    package var workers: Int
  }

  /// One thing that goes wrong.
  private enum Trouble {
    case fault(SimulationScenario.Fault)
    case misfortune(SimulationScenario.Misfortune)
  }

  private let simulation: SimulationRun
  private let file: ConfigurationFile
  private let plantedBug: PlantedBug?
  private let report: (Size, _ simulations: Int) -> Void
  /// So far.
  private var simulations = 0

  /// - Parameters:
  ///   - simulation: of the scenario in `file`, under the seed that fails.
  ///   - plantedBug: for tests of the shrinker.
  ///   - report: hears of each smaller simulation that fails likewise, and how many there were until then.
  package init(
    _ simulation: SimulationRun, file: ConfigurationFile, plantedBug: PlantedBug? = nil,
    report: @escaping (Size, _ simulations: Int) -> Void = { _, _ in }
  ) {
    self.simulation = simulation
    self.file = file
    self.plantedBug = plantedBug
    self.report = report
  }

  /// - Parameter path: where the small scenario will be written.
  /// - Returns: nil if the simulation does not fail.
  package mutating func shrink(to path: String) throws(ShrinkingError) -> ShrunkScenario? {
    let trial = tried(simulation)
    guard let claim = trial.claims.first else { return nil }
    let explicit = simulation.explicit(trial.drawn)
    let original = explicit.size
    report(original, simulations)
    guard fails(explicit, claim) else { throw .notRepeated(claim) }
    let small = calmed(withFewestTroubles(explicit, claim), claim)
    var text: ConfigurationFile
    do throws(ConfigurationError) {
      text = try file.holding(small.scenario, seed: simulation.seed)
      if !claim.dependsOnTraining {
        text = withFewestWorkers(withFewestRounds(text, claim), claim)
        // Fewer workers may need fewer misfortunes: what is left is minimal for them.
        if let smaller = run(text) {
          text = try text.holding(withFewestTroubles(smaller, claim).scenario, seed: simulation.seed)
        }
      }
      text = try text.moved(to: path, pathsAt: SimulationScenario.pathKeys)
    } catch {
      throw .unwritable(error)
    }
    guard let last = run(text), fails(last, claim) else { throw .notRepeated(claim) }
    return ShrunkScenario(
      scenario: last.scenario, seed: simulation.seed, claim: claim, original: original, size: last.size,
      simulations: simulations, source: file.path, path: path, yaml: text.text)
  }

  private mutating func tried(_ simulation: SimulationRun) -> SimulationRun.Trial {
    simulations += 1
    return simulation.trial(plantedBug)
  }

  private mutating func fails(_ smaller: SimulationRun, _ claim: FailureClaim) -> Bool {
    guard tried(smaller).claims.contains(claim) else { return false }
    report(smaller.size, simulations)
    return true
  }

  // MARK: What goes wrong

  private mutating func withFewestTroubles(_ explicit: SimulationRun, _ claim: FailureClaim) -> SimulationRun {
    let troubles =
      explicit.scenario.faults.map(Trouble.fault) + explicit.scenario.misfortunes.map(Trouble.misfortune)
    func simulation(_ troubles: [Trouble]) -> SimulationRun {
      var smaller = explicit
      smaller.scenario.faults = troubles.compactMap { if case .fault(let fault) = $0 { fault } else { nil } }
      smaller.scenario.misfortunes = troubles.compactMap {
        if case .misfortune(let misfortune) = $0 { misfortune } else { nil }
      }
      return smaller
    }
    return simulation(DeltaDebugging.minimum(of: troubles) { fails(simulation($0), claim) })
  }

  /// Without lost, repeated and overtaken messages, as far as it fails without them.
  private mutating func calmed(_ simulation: SimulationRun, _ claim: FailureClaim) -> SimulationRun {
    var smallest = simulation
    for happening in [\SimulationScenario.Network.loss, \.duplication, \.reordering] {
      var calmer = smallest
      calmer.scenario.network[keyPath: happening] = 0
      if calmer.scenario != smallest.scenario, fails(calmer, claim) { smallest = calmer }
    }
    return smallest
  }

  // MARK: Rounds and workers

  /// The fewest rounds, from one, with which it fails.
  private mutating func withFewestRounds(_ text: ConfigurationFile, _ claim: FailureClaim) -> ConfigurationFile {
    guard let most = run(text)?.scenario.run.rounds else { return text }
    for rounds in 1..<max(1, min(most, Self.roundsTriedMax + 1)) {
      guard let smaller = run(text.with(rounds: rounds)), fails(smaller, claim) else { continue }
      return text.with(rounds: rounds) ?? text
    }
    return text
  }

  /// One worker less after another, the last first, as long as it fails and the run allows so few.
  private mutating func withFewestWorkers(_ text: ConfigurationFile, _ claim: FailureClaim) -> ConfigurationFile {
    var smallest = text
    while let workers = run(smallest)?.scenario.population.workers, workers > 1 {
      guard let smaller = smallest.with(workers: workers - 1), let simulation = run(smaller),
        fails(simulation, claim), !failsByItself(simulation, claim)
      else { break }
      smallest = smaller
    }
    return smallest
  }

  /// Whether a simulation fails without what goes wrong in it: so few workers bear nothing, which is another failure.
  private mutating func failsByItself(_ simulation: SimulationRun, _ claim: FailureClaim) -> Bool {
    var calm = simulation
    calm.scenario.faults = []
    calm.scenario.misfortunes = []
    return calm.scenario != simulation.scenario && tried(calm).claims.contains(claim)
  }

  /// More rounds are not tried one by one.
  private static let roundsTriedMax: UInt64 = 16

  /// The simulation of a scenario in memory; nil if no such scenario can be.
  private func run(_ text: ConfigurationFile?) -> SimulationRun? {
    guard let text else { return nil }
    return try? SimulationRun(SimulationScenario.read(text))
  }
}

/// Why no smaller scenario came of a failing one.
package enum ShrinkingError: Error, CustomStringConvertible {
  /// What chance drew, written down, does not fail as it did when it was drawn: a mistake of the simulator.
  case notRepeated(FailureClaim)
  case unwritable(ConfigurationError)

  package var description: String {
    switch self {
    case .notRepeated(let claim): "the same misfortunes, written down, do not break the claim again: \(claim)"
    case .unwritable(let error): "\(error)"
    }
  }
}

extension SimulationRun {
  /// The same simulation with what chance drew written down instead.
  fileprivate func explicit(_ drawn: [SimulationScenario.Misfortune]) -> SimulationRun {
    var copy = self
    copy.scenario.chaos = .none
    copy.scenario.misfortunes += drawn
    return copy
  }

  fileprivate var size: ScenarioShrinker.Size {
    ScenarioShrinker.Size(
      faults: scenario.faults.count, misfortunes: scenario.misfortunes.count, rounds: scenario.run.rounds,
      workers: scenario.population.workers)
  }
}
