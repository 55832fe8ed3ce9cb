import ClusterConfiguration
import Federation
import Rounds
import Simulation
import Testing

@Suite("Chaos by chance")
struct ChaosTests {
  private static func hostile() throws -> SimulationRun {
    try SimulationRun(SimulationScenario.load(path: "\(repository)/Simulations/hostile-network.yaml"))
  }

  /// More seeds: `make soak`.
  private static let seeds: ClosedRange<UInt64> = 1...150

  @Test("Over a hostile network every seed keeps every promise, and every run is completed")
  func staysSafe() async throws {
    let campaign = SimulationCampaign(try Self.hostile(), seeds: Self.seeds, jobs: 2)
    let summary = await campaign.run()
    #expect(summary.failures.isEmpty, "\(summary.failures.first.map { "\($0)" } ?? "")")
    #expect(summary.passed == UInt64(Self.seeds.count))
    // It is hostile: more deaths than runs, and many attempts that came to nothing.
    #expect(summary.outages > summary.passed)
    #expect(summary.attempts > summary.roundsCommitted + summary.passed)
  }

  @Test("A summary does not depend on how many simulations run at once")
  func countsTheSame() async throws {
    let simulation = try Self.hostile()
    let one = await SimulationCampaign(simulation, seeds: 501...512, jobs: 1).run()
    let three = await SimulationCampaign(simulation, seeds: 501...512, jobs: 3).run()
    #expect(one == three)
    #expect(one.passed == 12)
  }

  @Test("One seed gives one history, deaths of the coordinator included")
  func repeats() throws {
    let simulation = try Self.hostile()
    var isDead = false
    for seed in 1...40 as ClosedRange<UInt64> where !isDead {
      var first: [String] = [], second: [String] = []
      let result = try simulation.seeded(seed).run { first.append($0) }
      isDead = first.contains { $0.contains("\"node\":\"coordinator\",\"event\":\"chaos\"") }
      guard isDead else { continue }
      #expect(try simulation.seeded(seed).run { second.append($0) } == result)
      #expect(first == second)
    }
    #expect(isDead)
  }

  @Test("Seeds that fail are counted, and the lowest comes first")
  func listsFailures() async throws {
    let campaign = SimulationCampaign(
      try SimulationRun(try smallScenario(rounds: 1, accuracy: 0.999)), seeds: 4...6, jobs: 2)
    let summary = await campaign.run()
    #expect(summary.failed == 3 && summary.passed == 0)
    #expect(summary.failures.map(\.seed) == [4, 5, 6])
    #expect(summary.failures.allSatisfy { $0.problems.count == 1 && $0.problems[0].hasPrefix("accuracy: found ") })
    #expect(campaign.replayCommand(scenario: "a.yaml", seed: 4) == "murmur simulate a.yaml --seed 4")
  }
}
