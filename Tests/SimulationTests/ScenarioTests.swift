import ClusterConfiguration
import Rounds
import Simulation
import Testing

@Suite("Scenarios of the repository")
struct ScenarioTests {
  @Test("A scenario ends as it says", arguments: ["digits", "dropouts"])
  func isAsExpected(name: String) throws {
    let scenario = try SimulationScenario.load(path: "\(repository)/Simulations/\(name).yaml")
    let result = try SimulationRun(scenario).run()
    #expect(result.violations.isEmpty)
    #expect(result.failedExpectations.isEmpty)
    #expect(result.rounds.count == Int(scenario.run.rounds) + 1)
  }

  @Test(
    "A scenario whose coordinator dies, or whose links are slow, ends as it says",
    arguments: ["coordinator-crash-every-round", "slow-links"])
  func endsAsExpected(name: String) throws {
    let result = try SimulationRun(SimulationScenario.load(path: "\(repository)/Simulations/\(name).yaml")).run()
    #expect(result.isAsExpected, "\(result.violations) \(result.failedExpectations)")
  }

  @Test(
    "A scenario that takes longer is one",
    arguments: [
      "dropout-storm", "fedprox-synthetic", "flash-crowd", "hostile-network", "month", "partitioned-region", "thousand",
    ])
  func isRead(name: String) throws {
    let scenario = try SimulationScenario.load(path: "\(repository)/Simulations/\(name).yaml")
    #expect(scenario.expectations.rounds > 0)
  }
}
