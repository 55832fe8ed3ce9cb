import ClusterConfiguration
import Federation

/// How often the parties of a simulation came to a moment at which they could die.
package struct KillableSteps: Hashable, Sendable {
  package internal(set) var coordinator = 0
  package internal(set) var workers: [Int]

  init(workers: Int) { self.workers = Array(repeating: 0, count: workers) }

  /// Counts a moment of a party.
  ///
  /// - Returns: how many there were.
  mutating func count(_ party: SimulationScenario.Misfortune.Party) -> Int {
    switch party {
    case .coordinator:
      coordinator += 1
      return coordinator
    case .worker(let index):
      workers[index] += 1
      return workers[index]
    }
  }
}

/// One scenario again and again, each time with a process killed at another of its steps: the coordinator at each, and
/// one worker at each.
package struct KillSweep: Sendable {
  package struct Summary: Hashable, Sendable {
    package fileprivate(set) var runs = 0
    /// Rounds that were planned and made no version, or more than one.
    package fileprivate(set) var lostRounds = 0
    /// Runs that did not end.
    package fileprivate(set) var hungRuns = 0
    /// Claims of the checkers that were broken, double counts among them: the first of each run.
    package fileprivate(set) var violations: [String] = []
    /// Virtual time from the coordinator's return to its next offer, of each death that was followed by one.
    package fileprivate(set) var recoveries: [Duration] = []
  }

  /// Who dies is away so long.
  static let outage = Duration.milliseconds(700)

  private let simulation: SimulationRun
  private let jobs: Int

  /// - Parameter jobs: simulations at once, at least 1.
  package init(_ simulation: SimulationRun, jobs: Int) {
    precondition(jobs >= 1, "a sweep without a thread")
    self.simulation = simulation
    self.jobs = jobs
  }

  /// The deaths of a sweep: all of them, or `atMost` that are spread evenly over the steps.
  package func kills(atMost: Int) throws(SimulationError) -> [SimulationScenario.Misfortune] {
    let steps = try simulation.run().steps
    let all =
      (1...max(1, steps.coordinator)).map { Self.kill(.coordinator, step: $0) }
      + (1...max(1, steps.workers[0])).map { Self.kill(.worker(0), step: $0) }
    guard all.count > atMost else { return all }
    return (0..<atMost).map { all[$0 * all.count / atMost] }
  }

  private static func kill(_ party: SimulationScenario.Misfortune.Party, step: Int) -> SimulationScenario.Misfortune {
    SimulationScenario.Misfortune(party, step: step, duration: outage)
  }

  /// - Parameter report: hears how many runs have ended.
  package func run(
    _ kills: [SimulationScenario.Misfortune], report: @Sendable (Int) -> Void = { _ in }
  ) async throws(SimulationError) -> Summary {
    var results: [Int: Result<SimulationResult, SimulationError>] = [:]
    await withTaskGroup(of: (Int, Result<SimulationResult, SimulationError>).self) { group in
      var next = 0
      func begin() {
        guard next < kills.count else { return }
        let index = next
        next += 1
        let simulation = simulation
        group.addTask {
          do throws(SimulationError) {
            return (index, .success(try simulation.suffering([kills[index]]).run()))
          } catch {
            return (index, .failure(error))
          }
        }
      }
      for _ in 0..<jobs { begin() }
      while let (index, result) = await group.next() {
        results[index] = result
        report(results.count)
        begin()
      }
    }
    var summary = Summary()
    for index in kills.indices {
      guard let result = try results[index]?.get() else { continue }
      summary.add(result, of: kills[index], rounds: simulation.scenario.run.rounds)
    }
    return summary
  }
}

extension KillSweep.Summary {
  fileprivate mutating func add(_ result: SimulationResult, of kill: SimulationScenario.Misfortune, rounds: UInt64) {
    runs += 1
    if result.outcome == nil { hungRuns += 1 }
    lostRounds += Int(rounds > result.version.value ? rounds - result.version.value : result.version.value - rounds)
    if let violation = result.violations.first { violations.append("\(kill.party) at step \(kill.step): \(violation)") }
    recoveries += result.recoveries
  }
}
