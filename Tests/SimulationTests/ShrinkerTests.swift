import ClusterConfiguration
import Federation
import Testing

@testable import Simulation

@Suite("Shrinking a failing scenario")
struct ShrinkerTests {
  private typealias Misfortune = SimulationScenario.Misfortune

  private static let chaos = """
    {worker-crash: 0.01, partition: 0.01, coordinator-crash: 0.01, outage: {minimum: 50ms, maximum: 2s}, rounds: 3}
    """

  private static func chaotic(seed: UInt64 = 7) throws -> ConfigurationFile {
    try smallScenarioFile(
      seed: seed, run: "maximum-attempts: 50", changes: ["chaos": chaos, "policy.maximum-attempts-per-model": "50"])
  }

  @Test("What chance drew, written down, happens again", arguments: [UInt64(1), 2])
  func writesDown(seed: UInt64) throws {
    let scenario = try SimulationScenario.read(Self.chaotic())
    let simulation = try SimulationRun(scenario, seed: seed)
    let drawn = simulation.trial(nil).drawn
    #expect(drawn.count > 3)
    var explicit = scenario
    explicit.chaos = .none
    explicit.misfortunes = drawn
    let first = try simulation.run(), second = try SimulationRun(explicit, seed: seed).run()
    #expect(first.rounds == second.rounds)
    #expect(first.modelDigest == second.modelDigest)
    #expect(first.events == second.events && first.bytes == second.bytes && first.outages == second.outages)
    #expect(second.isAsExpected)
  }

  /// Of all that chance does, these two deaths are needed, and each of them once.
  private static let bug = PlantedBug.inputsAlteredAfterDeaths([.coordinator, .worker(2)])

  private static func failing() throws -> (SimulationRun, ConfigurationFile) {
    let file = try chaotic()
    for seed in 1...100 as ClosedRange<UInt64> {
      let simulation = try SimulationRun(SimulationScenario.read(file), seed: seed)
      let trial = simulation.trial(bug)
      if !trial.claims.isEmpty, trial.drawn.count > 5 { return (simulation, file) }
    }
    throw SimulationError.node("no seed kills both")
  }

  @Test("Of many misfortunes exactly those are left that the failure needs, and the file says them again")
  func findsTwo() throws {
    let (simulation, file) = try Self.failing()
    var sizes: [ScenarioShrinker.Size] = []
    var shrinker = ScenarioShrinker(simulation, file: file, plantedBug: Self.bug) { size, _ in sizes.append(size) }
    let shrunk = try #require(try shrinker.shrink(to: "shrunk.yaml"))
    #expect(Set(shrunk.scenario.misfortunes.map(\.party)) == [.coordinator, .worker(2)])
    #expect(shrunk.scenario.misfortunes.count == 2)
    #expect(shrunk.scenario.misfortunes.allSatisfy { $0.kind == .crash })
    #expect(shrunk.scenario.chaos == .none)
    #expect(shrunk.original.misfortunes > 5 && sizes.first == shrunk.original)
    #expect(shrunk.size.rounds < shrunk.original.rounds && shrunk.size.workers <= shrunk.original.workers)
    #expect(shrunk.claim.description.contains("of the average is not that of the workers' own updates"))

    let text = shrunk.text(command: "murmur simulate shrunk.yaml")
    #expect(text.hasPrefix("# Breaks: element ") && text.contains("\n#     murmur simulate shrunk.yaml\n"))
    let again = try SimulationRun(
      SimulationScenario.read(ConfigurationFile(path: "shrunk.yaml", text: text))
    ).trial(Self.bug)
    #expect(again.claims.first == shrunk.claim)
    #expect(again.drawn.isEmpty)

    var other = ScenarioShrinker(simulation, file: file, plantedBug: Self.bug)
    #expect(try other.shrink(to: "shrunk.yaml")?.text(command: "murmur simulate shrunk.yaml") == text)
  }

  @Test("Planned faults and misfortunes shrink together, each to what is needed")
  func findsPlanned() throws {
    let faults = """
      [{worker: worker-1, round: 1, at: unmask, kind: crash, for: 500ms},
       {worker: worker-3, round: 1, at: unmask, kind: crash, for: 300ms},
       {worker: worker-5, round: 2, at: share-keys, kind: partition, for: 1s}]
      """
    let misfortunes = """
      [{party: coordinator, step: 40, kind: crash, for: 300ms}, {party: worker-4, step: 20, kind: partition, for: 1s},
       {party: worker-6, step: 30, kind: crash, for: 400ms}]
      """
    let file = try smallScenarioFile(
      faults: faults, run: "maximum-attempts: 50",
      changes: ["misfortunes": misfortunes, "policy.maximum-attempts-per-model": "50"])
    var shrinker = ScenarioShrinker(
      try SimulationRun(SimulationScenario.read(file)), file: file, plantedBug: Self.bug)
    let shrunk = try #require(try shrinker.shrink(to: "shrunk.yaml"))
    #expect(shrunk.scenario.faults.map(\.worker) == ["worker-3"])
    #expect(shrunk.scenario.misfortunes.map(\.party) == [.coordinator])
    #expect(shrunk.original.faults == 3 && shrunk.original.misfortunes == 3)
  }

  @Test("What fewer workers and rounds no longer need is left out as well")
  func shrinksAgain() throws {
    let path = "\(repository)/Simulations/hostile-network.yaml"
    let file = try ConfigurationFile(path: path, expected: "a scenario file").changed(
      by: [ConfigurationChange(key: "run.maximum-attempts", value: "1")])
    let simulation = try SimulationRun(SimulationScenario.read(file), seed: 9)
    var shrinker = ScenarioShrinker(simulation, file: file)
    let shrunk = try #require(try shrinker.shrink(to: "shrunk.yaml"))
    #expect(!shrunk.scenario.misfortunes.isEmpty && shrunk.size.rounds < 3)
    let problems = try SimulationRun(shrunk.scenario).run().failedExpectations
    #expect(!problems.isEmpty && !problems.contains { $0.hasPrefix("misfortunes: ") })
    var calm = shrunk.scenario
    calm.misfortunes = []
    #expect(try SimulationRun(calm).run().isAsExpected)
  }

  @Test("What does not fail is not shrunk")
  func leavesSuccess() throws {
    let file = try smallScenarioFile(rounds: 1)
    var shrinker = ScenarioShrinker(try SimulationRun(SimulationScenario.read(file)), file: file)
    #expect(try shrinker.shrink(to: "shrunk.yaml") == nil)
  }

  @Test("A claim of accuracy keeps its rounds and workers, and loses its misfortunes")
  func keepsTraining() throws {
    let file = try smallScenarioFile(
      rounds: 2, accuracy: 0.999,
      changes: ["misfortunes": "[{party: worker-6, step: 30, kind: crash, for: 400ms}]"])
    var shrinker = ScenarioShrinker(try SimulationRun(SimulationScenario.read(file)), file: file)
    let shrunk = try #require(try shrinker.shrink(to: "shrunk.yaml"))
    #expect(shrunk.scenario.misfortunes.isEmpty)
    #expect(shrunk.size.rounds == 2 && shrunk.size.workers == 6)
  }

  @Test("A misfortune at a step that nobody comes to is an expectation that failed")
  func misfortuneThatNeverHappens() throws {
    let file = try smallScenarioFile(
      rounds: 1, changes: ["misfortunes": "[{party: worker-6, step: 99999, kind: partition, for: 400ms}]"])
    let result = try SimulationRun(SimulationScenario.read(file)).run()
    #expect(
      result.failedExpectations == ["misfortunes: worker-6 never came to step 99999, expected a partition there"])
  }

  @Test(
    "Misfortunes that cannot be are named with their key",
    arguments: [
      ("[{party: worker-7, step: 1, kind: crash, for: 1s}]", "misfortunes[0].party"),
      ("[{party: worker-1, step: 0, kind: crash, for: 1s}]", "misfortunes[0].step"),
      ("[{party: coordinator, step: 1, kind: partition, for: 1s}]", "misfortunes[0].kind"),
      ("[{party: worker-1, step: 1, kind: crash, for: 2h}]", "misfortunes[0].for"),
      ("[{party: worker-1, step: 1, kind: crash}]", "misfortunes[0].for"),
      (
        "[{party: worker-1, step: 1, kind: crash, for: 1s}, {party: worker-1, step: 1, kind: crash, for: 1s}]",
        "misfortunes[1].step"
      ),
    ])
  func refusesMisfortunes(list: String, key: String) throws {
    let file = try smallScenarioFile(changes: ["misfortunes": list])
    let error = #expect(throws: ConfigurationError.self) { try SimulationScenario.read(file) }
    #expect(error?.key == key)
  }
}
