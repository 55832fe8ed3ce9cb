import ClusterConfiguration
import Federation
import Rounds
import Simulation
import Testing

@Suite("Budgets of a run")
struct BudgetTests {
  private static func simulation(stop: String) throws -> SimulationRun {
    try SimulationRun(smallScenario(rounds: 10, run: "stop: {\(stop)}"))
  }

  @Test("A run ends with the round in which its client updates are used up")
  func updates() throws {
    let result = try Self.simulation(stop: "updates: 12").run()
    #expect(result.outcome == .completed(2) && result.violations.isEmpty)
    #expect(result.rounds.map(\.report.reported) == [6, 6, 6])
    #expect(result.rounds.last?.report.outcome == .evaluated)
  }

  @Test("A run ends with the round in which its bytes are used up")
  func bytes() throws {
    let budget: UInt64 = 300_000
    let scenario = try smallScenario(rounds: 10, run: "stop: {bytes: 300 kB}")
    var observers = SimulationObservers()
    let recorder = SimulationRecorder(scenario)
    observers.recorder = recorder
    let result = try SimulationRun(scenario).run(observers: observers)
    guard case .completed(let version) = result.outcome else {
      Issue.record("\(String(describing: result.outcome))")
      return
    }
    let moved = recorder.attempts.map { $0.bytesUp + $0.bytesDown }
    #expect(version < 10 && moved.count == Int(version.value) + 1)
    #expect(moved.dropLast(2).reduce(0, +) < budget && moved.dropLast().reduce(0, +) >= budget)
  }

  @Test("A coordinator that dies at any time knows what its run has used", arguments: [20, 60, 100, 140])
  func survives(step: Int) throws {
    let result = try Self.simulation(stop: "updates: 12")
      .suffering([SimulationScenario.Misfortune(.coordinator, step: step, duration: .seconds(1))]).run()
    #expect(result.violations.isEmpty && result.outages == 1)
    // A round behind the return may have fewer workers.
    #expect(result.outcome == .completed(2) || result.outcome == .completed(3))
  }
}
