import Federation
import Testing

@testable import ClusterConfiguration
@testable import Simulation

@Suite("Malicious parties")
struct MaliceTests {
  private static let deadlines = """
    {advert: 2s, share: 2s, input: 6s, agree: 2s, unmask: 2s}
    """

  private static func result(
    _ party: String, _ kind: String, rounds: Int, expecting: Int, run: String = ""
  ) throws -> Transcript {
    let file = try smallScenarioFile(
      workers: 8, rounds: rounds, run: run,
      changes: [
        "malicious": "{\(party): \(kind)}", "expectations": "{rounds: \(expecting), malicious: noticed}",
        "run.deadlines": deadlines, "run.maximum-attempts": "2", "run.cohort.minimum": "4",
      ])
    return try Transcript(SimulationScenario.read(file))
  }

  @Test(
    "Workers notice each thing that a coordinator does, and nothing is opened of it",
    arguments: SimulationScenario.CoordinatorMalice.allCases)
  func coordinator(_ kind: SimulationScenario.CoordinatorMalice) throws {
    let transcript = try Self.result(
      "coordinator", "{\(kind.rawValue): {round: 2}}", rounds: 2, expecting: kind.preventsVersions ? 1 : 2)
    #expect(transcript.result.violations.isEmpty, "\(transcript.result.violations)")
    #expect(transcript.result.failedExpectations.isEmpty, "\(transcript.result.failedExpectations)")
    #expect(transcript.result.roundsCommitted == (kind.preventsVersions ? 1 : 2))
    #expect(transcript.lines.contains { $0.contains("\"event\":\"malice\",\"kind\":\"\(kind.rawValue)\"") })
  }

  @Test(
    "The coordinator names a worker for what it does, no other, and the run goes on",
    arguments: SimulationScenario.WorkerMalice.allCases.filter { $0.fault != nil })
  func worker(_ kind: SimulationScenario.WorkerMalice) throws {
    let transcript = try Self.result(
      "worker-3", kind.rawValue, rounds: 2, expecting: 2,
      run: kind.aggregation == .plain ? "aggregation: plain" : "")
    #expect(transcript.result.violations.isEmpty, "\(transcript.result.violations)")
    #expect(transcript.result.failedExpectations.isEmpty, "\(transcript.result.failedExpectations)")
    #expect(transcript.lines.contains { $0.contains("\"event\":\"malice\",\"kind\":\"\(kind.rawValue)\"") })
  }

  @Test("Updates that are turned around are noticed by nobody; they move a mean, and hardly a median")
  func signFlip() throws {
    func result(_ strategy: String) throws -> SimulationResult {
      try Self.library("poisoned-updates", [ConfigurationChange(key: "run.strategy.name", value: strategy)])
    }
    let mean = try result("fedavg"), median = try result("median")
    #expect(median.isAsExpected && mean.violations.isEmpty)
    #expect(try #require(median.heldOutAccuracy) > #require(mean.heldOutAccuracy) + 0.3)
  }

  private static func library(_ name: String, _ changes: [ConfigurationChange] = []) throws -> SimulationResult {
    try SimulationRun(
      SimulationScenario.load(path: "\(repository)/Simulations/\(name).yaml", changes: changes).scenario
    ).run()
  }

  @Test("The scenarios of the repository end as they say", arguments: ["malicious-coordinator", "malicious-workers"])
  func isAsExpected(name: String) throws { #expect(try Self.library(name).isAsExpected) }

  @Test("What nobody notices fails the scenario, by name")
  func unnoticed() throws {
    let parties = try VirtualParties(smallScenario().population, seed: 1)
    let attempt = AttemptID(run: "r", round: 1, attempt: 0)
    let coordinator = Malice(.init(coordinator: .init(kind: .bothShares)), parties: parties)
    #expect(coordinator.unnoticed == ["malicious: the coordinator never came to 'both-shares'"])
    coordinator.coordinatorSpoiled(attempt)
    #expect(coordinator.unnoticed.count == 1 && coordinator.unnoticed[0].contains("nobody noticed 'both-shares'"))
    coordinator.refused("refused: badSignature", by: "worker-1")
    #expect(coordinator.unnoticed.count == 1)
    coordinator.refused("refused: secondSurvivorSet", by: "worker-1")
    #expect(coordinator.unnoticed.isEmpty)

    let split = Malice(.init(coordinator: .init(kind: .splitSurvivors)), parties: parties)
    split.coordinatorSpoiled(attempt)
    split.refused("refused: quorumTooSmall", by: "worker-1")
    split.published(attempt)
    #expect(split.unnoticed == ["malicious: a version came of attempt \(attempt), expected none"])

    let worker = Malice(.init(workers: [2: .init(kind: .wrongShares)]), parties: parties)
    #expect(worker.unnoticed == ["malicious: worker-3 never came to 'wrong-shares'"])
    worker.workerSpoiled("worker-3")
    worker.blamed("worker-4", fault: "complainedAbout")
    #expect(worker.unnoticed.count == 2 && worker.unnoticed[1].contains("worker-4 is honest"))
  }

  @Test(
    "Malicious parties that cannot be are named with their key",
    arguments: [
      (["malicious": "{worker-9: wrong-shares}"], "malicious.worker-9"),
      (["malicious": "{coordinator: wrong-shares}"], "malicious.coordinator"),
      (["malicious": "{worker-3: split-survivors}"], "malicious.worker-3"),
      (["malicious": "{worker-3: over-norm}"], "malicious.worker-3"),
      (["malicious": "{worker-3: {wrong-shares: {round: 4}}}"], "malicious.worker-3.wrong-shares.round"),
      (["malicious": "{coordinator: split-survivors}", "run.aggregation": "plain"], "malicious.coordinator"),
      (["malicious": "{worker-3: sign-flip}", "expectations.malicious": "noticed"], "malicious.worker-3"),
      (["expectations.malicious": "noticed"], "expectations.malicious"),
      (["malicious": "{worker-3: wrong-shares}", "fidelity": "fast"], "fidelity"),
      (["misfortunes": "[{party: worker-1, step: 1, kind: crash, for: 1s}]", "fidelity": "fast"], "fidelity"),
    ] as [(KeyValuePairs<String, String>, String)])
  func refuses(changes: KeyValuePairs<String, String>, key: String) throws {
    let file = try smallScenarioFile(changes: changes)
    let error = #expect(throws: ConfigurationError.self) { try SimulationScenario.read(file) }
    #expect(error?.key == key, "\(error.map { "\($0)" } ?? "")")
  }
}
