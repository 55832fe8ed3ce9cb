import ClusterConfiguration
import Federation
import Rounds
import Testing

@testable import Simulation

@Suite("Stragglers")
struct StragglerTests {
  private func scenario(_ stragglers: String, aggregation: String = "plain") throws -> SimulationScenario {
    let text = """
      purpose: A test.
      population:
        name: small
        workers: 10
        data: {synthetic: {alpha: 1, beta: 1}}
      network: {latency: {minimum: 5ms, maximum: 40ms}, bandwidth: 10 MB/s}
      seed: 7
      \(stragglers)
      expectations: {rounds: 3}
      run:
        name: small
        model: {name: small, architecture: mlp 60-10, seed: 1}
        data: {features: 60, classes: 10}
        rounds: 3
        aggregation: \(aggregation)
        training: {learning-rate: 0.01, local-epochs: 10, batch-size: 10}
        clip: 100
        maximum-weight: 100000
        cohort: {minimum: 2}
        deadlines: {input: 20s}
        seed: 1
      """
    return try SimulationScenario.read(ConfigurationFile(path: "s.yaml", text: text))
  }

  @Test("Half of the workers are drawn anew for each attempt, and do from one epoch to all of them")
  func draws() throws {
    var draw = StragglerDraw(try scenario("stragglers: {share: 0.5, work: partial}"), seed: 1)
    var sets: Set<Set<Int>> = []
    var counts: Set<UInt64> = []
    for round in 1...40 {
      let attempt = AttemptID(run: "small", round: RoundNumber(UInt64(round)), attempt: 0)
      let epochs = (0..<10).map { draw.epochs(of: $0, attempt, asked: 10) }
      counts.formUnion(epochs)
      sets.insert(Set(epochs.indices.filter { epochs[$0] < 10 }))
      #expect(epochs.count { $0 < 10 } <= 5)
    }
    #expect(counts == Set(1...10) && sets.count > 20)
  }

  @Test("Those who do less change the model, alike in both fidelities", arguments: ["plain", "secure"])
  func partial(aggregation: String) throws {
    let text = "stragglers: {share: 0.5, work: partial}"
    let run = try SimulationRun(scenario(text, aggregation: aggregation))
    let full = try run.run(), fast = try run.at(.fast).run()
    #expect(full.isAsExpected && fast.isAsExpected, "\(full.violations) \(fast.violations)")
    #expect(full.modelDigest == fast.modelDigest)
    #expect(full.rounds.allSatisfy { $0.report.reported == 10 })
    let even = try SimulationRun(scenario("", aggregation: aggregation)).run()
    #expect(even.modelDigest != full.modelDigest)
  }

  @Test("Those who do nothing are waited for until the deadline, and are missed, alike in both fidelities")
  func none() throws {
    let run = try SimulationRun(scenario("stragglers: {share: 0.3, work: none}"))
    let full = try run.run(), fast = try run.at(.fast).run()
    #expect(full.isAsExpected && fast.isAsExpected, "\(full.violations) \(fast.violations)")
    #expect(full.modelDigest == fast.modelDigest)
    for result in [full, fast] {
      #expect(result.rounds.map(\.report.reported) == [7, 7, 7, 10])
      #expect(result.seconds > 60)
    }
  }

  @Test(
    "What contradicts itself is refused",
    arguments: [
      ("stragglers: {share: 2, work: none}", "stragglers.share': found 2, expected a number from 0 to 1"),
      ("stragglers: {share: 0.5}", "stragglers.work': found no such key, expected one of 'partial' or 'none'"),
      ("stragglers: {share: 0.5, work: some}", "stragglers.work': found \"some\", expected one of"),
      ("stragglers: {part: 0.5, work: none}", "stragglers.part': found an unknown key"),
    ])
  func refuses(_ text: String, _ complaint: String) throws {
    let error = try #require(throws: ConfigurationError.self) { try scenario(text) }
    #expect(error.description.hasPrefix("s.yaml:8: key '" + complaint), "\(error)")
  }
}
