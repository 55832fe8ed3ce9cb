import ClusterConfiguration
import Federation
import Foundation
import Simulation
import Testing

/// A process that dies at any of its steps costs time, and nothing else.
@Suite("Kill sweep")
struct KillSweepTests {
  private func simulation(_ aggregation: String) throws -> SimulationRun {
    let path = "\(repository)/Simulations/kill-sweep.yaml"
    guard aggregation == "plain" else { return try SimulationRun(SimulationScenario.load(path: path)) }
    let text = try String(contentsOfFile: path, encoding: .utf8)
      .replacingOccurrences(of: "  rounds: 2\n  training:", with: "  rounds: 2\n  aggregation: plain\n  training:")
      .replacingOccurrences(of: "policy:\n", with: "policy:\n  allow-plain: true\n")
    return try SimulationRun(SimulationScenario.read(ConfigurationFile(path: path, text: text)))
  }

  /// More of them: `murmur-bench kill-sweep`.
  @Test(
    "Killed at any of fifty steps, a coordinator or a worker loses no round, counts none twice, and hangs none",
    arguments: ["secure", "plain"])
  func survives(_ aggregation: String) async throws {
    let sweep = KillSweep(try simulation(aggregation), jobs: 2)
    let kills = try sweep.kills(atMost: 50)
    let summary = try await sweep.run(kills)
    #expect(summary.runs == 50)
    #expect(summary.lostRounds == 0)
    #expect(summary.hungRuns == 0)
    #expect(summary.violations.isEmpty, "\(summary.violations.first ?? "")")
    #expect(kills.contains { $0.party == .coordinator } && kills.contains { $0.party == .worker(0) })
    // Who died in the first gathering or behind the last commit had nothing to offer again, or only an evaluation.
    #expect(summary.recoveries.count * 2 > kills.count { $0.party == .coordinator })
  }

  @Test("A planned death happens where it was planned, once, and a step that never comes kills nobody")
  func killsWhereTold() throws {
    let simulation = try simulation("plain")
    let steps = try simulation.run().steps
    #expect(steps.coordinator > 20 && steps.workers.allSatisfy { $0 > 5 })
    func outages(_ party: SimulationScenario.Misfortune.Party, step: Int) throws -> UInt64 {
      try simulation.suffering([.init(party, step: step, duration: .milliseconds(700))]).run().outages
    }
    #expect(try outages(.coordinator, step: 9) == 1)
    #expect(try outages(.worker(2), step: 3) == 1)
    #expect(try outages(.coordinator, step: 1_000_000) == 0)
  }
}
