import ClusterConfiguration
import Federation
import Rounds
import Testing

@testable import Simulation

@Suite("The fast fidelity beside the full one")
struct FastFidelityTests {
  private func both(_ scenario: SimulationScenario, threads: Int = 2) throws -> (
    full: SimulationResult, fast: SimulationResult
  ) {
    let run = try SimulationRun(scenario)
    var fast = try run.at(.fast)
    fast.threads = threads
    return (try run.run(), try fast.run())
  }

  @Test(
    "Without faults both make the same models, bit for bit, under every encoding and strategy",
    arguments: [
      "encoding: exact", "encoding: balanced", "encoding: compact", "aggregation: plain",
      "strategy: {name: fedadam}", "strategy: {name: fednova}",
      "aggregation: plain\n  strategy: {name: geometric-median}",
    ])
  func sameModels(run: String) throws { try compare(smallScenario(run: run)) }

  @Test(
    "So they do where every update weighs the same",
    arguments: ["strategy: {name: q-fedavg, q: 1}", "aggregation: plain\n  strategy: {name: median}"])
  func sameModelsOfEqualWeights(run: String) throws {
    let text = scaffoldText.replacing("strategy: {name: scaffold}", with: run)
    try compare(SimulationScenario.read(ConfigurationFile(path: "equal.yaml", text: text)))
  }

  private func compare(_ scenario: SimulationScenario) throws {
    let (full, fast) = try both(scenario)
    #expect(full.isAsExpected && fast.isAsExpected, "\(full.violations) \(fast.violations)")
    #expect(full.version == 3)
    #expect(fast.modelDigest == full.modelDigest)
    #expect(fast.parameters == full.parameters)
    #expect(fast.heldOut == full.heldOut)
    // What each round says of its base, too, the evaluation at the end with it.
    #expect(fast.rounds.map(\.report.summary) == full.rounds.map(\.report.summary))
    #expect(fast.rounds.map(\.report.reported) == full.rounds.map(\.report.reported))
  }

  @Test("SCAFFOLD's control variates are the same")
  func sameControls() throws {
    let scenario = try SimulationScenario.read(
      ConfigurationFile(path: "scaffold.yaml", text: scaffoldText))
    let (full, fast) = try both(scenario)
    #expect(full.controls != nil)
    #expect(fast.controls == full.controls)
    #expect(fast.modelDigest == full.modelDigest)
  }

  private var scaffoldText: String {
    """
    purpose: A test.
    population:
      name: small
      workers: 6
      data: {file: \(repository)/Simulations/Data/optdigits.csv, label: digit, held-out: 0.5, seed: 1}
    network: {latency: {minimum: 5ms, maximum: 40ms}, bandwidth: 10 MB/s}
    seed: 7
    expectations: {rounds: 3}
    run:
      name: small
      model: {name: small, architecture: mlp 64-16-10, seed: 1}
      data: {features: 64, classes: 10, scale: 16}
      rounds: 3
      training: {learning-rate: 0.1, local-steps: 12, batch-size: 16}
      strategy: {name: scaffold}
      clip: 4
      cohort: {minimum: 3}
      seed: 1
    """
  }

  @Test("The result does not depend on the number of threads")
  func threads() throws {
    let run = try SimulationRun(smallScenario()).at(.fast)
    let results = try [1, 2, 3].map { threads in
      var copy = run
      copy.threads = threads
      return try copy.run()
    }
    #expect(Set(results.map(\.modelDigest)).count == 1)
    #expect(Set(results.map(\.logDigest)).count == 1)
    #expect(Set(results.map(\.seconds)).count == 1)
  }

  @Test("Another seed draws other keys and another model")
  func seeds() throws {
    let run = try SimulationRun(smallScenario()).at(.fast)
    #expect(try run.run().modelDigest != run.seeded(8).run().modelDigest)
  }

  @Test("A worker that dies before its input is complete is not counted; one that dies behind it is; both come back")
  func faults() throws {
    let faults = """
      [{worker: worker-2, round: 1, at: masked-input, kind: crash, for: 2s},
       {worker: worker-3, round: 2, at: unmask, kind: crash, for: 2s}]
      """.split(separator: "\n").joined()
    let result = try SimulationRun(smallScenario(faults: faults, rounds: 12)).at(.fast).run()
    #expect(result.isAsExpected, "\(result.violations) \(result.failedExpectations)")
    #expect(result.rounds[0].report.reported == 5)
    #expect(result.rounds[1].report.cohort + result.rounds[1].report.dropped >= 5)
    #expect(result.rounds.last?.report.reported == 6)
    #expect(result.outages == 2)
  }

  @Test("With too few survivors the attempt is abandoned, and the next one has everybody back")
  func tooFew() throws {
    let faults = (1...4).map { "{worker: worker-\($0), round: 1, at: training, kind: crash, for: 3s}" }
    let result = try SimulationRun(
      smallScenario(faults: "[\(faults.joined(separator: ", "))]", rounds: 2)
    ).at(.fast).run()
    #expect(result.isAsExpected, "\(result.violations) \(result.failedExpectations)")
    guard case .abandoned(let reason) = result.rounds[0].report.outcome else {
      Issue.record("found \(result.rounds[0].report.outcome), expected an abandoned attempt")
      return
    }
    #expect(reason.contains("updates arrived"))
    #expect(result.version == 2)
  }

  @Test("A goal ends the wait: those behind it are not counted, and not trained")
  func goal() throws {
    let scenario = try SimulationScenario.read(
      ConfigurationFile(
        path: "goal.yaml",
        text: scaffoldText.replacing("strategy: {name: scaffold}", with: "aggregation: plain")
          .replacing("cohort: {minimum: 3}", with: "cohort: {minimum: 3, goal: 4}")))
    let result = try SimulationRun(scenario).at(.fast).run()
    #expect(result.isAsExpected, "\(result.violations) \(result.failedExpectations)")
    #expect(result.rounds.dropLast().allSatisfy { $0.report.reported == 4 })
  }

  @Test(
    "What has no counterpart is refused by its key",
    arguments: [
      ("chaos: {worker-crash: 0.001, outage: {minimum: 1s, maximum: 2s}, rounds: 1}", "", "chaos"),
      ("", "loss: 0.01", "network.loss"), ("", "reordering: 0.1", "network.reordering"),
    ])
  func refuses(section: String, network: String, key: String) throws {
    let text = scaffoldText.replacing(
      "bandwidth: 10 MB/s}", with: "bandwidth: 10 MB/s\(network.isEmpty ? "" : ", ")\(network)}")
    let scenario = try SimulationScenario.read(ConfigurationFile(path: "a.yaml", text: "\(text)\n\(section)"))
    let error = #expect(throws: SimulationError.self) { try SimulationRun(scenario).at(.fast) }
    #expect(error?.description.contains("key '\(key)'") == true)
    let written = ConfigurationFile(path: "a.yaml", text: "\(text)\n\(section)\nfidelity: fast")
    let refusal = #expect(throws: ConfigurationError.self) { try SimulationScenario.read(written) }
    #expect(refusal?.description.contains("key 'fidelity'") == true)
  }
}
