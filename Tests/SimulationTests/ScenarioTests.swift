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
}
