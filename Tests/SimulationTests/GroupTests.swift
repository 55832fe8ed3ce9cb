import Federation
import Rounds
import Testing

@testable import ClusterConfiguration
@testable import Simulation

@Suite("Groups of a cohort")
struct GroupTests {
  private static func scenario(
    strategy: String = "{name: median, groups: 3}", workers: Int = 13, rounds: Int = 2, faults: String = "[]",
    run: String = "", changes: [(String, String)] = []
  ) throws -> SimulationScenario {
    let weight = strategy.contains("geometric") ? "1024" : "1"
    let file = try smallScenarioFile(
      workers: workers, faults: faults, rounds: rounds, input: "6s", cohort: "{minimum: 4}",
      run: "strategy: \(strategy)\n  \(run)", changes: ["run.maximum-weight": weight])
    return try SimulationScenario.read(
      file.changed(by: changes.map { ConfigurationChange(key: $0.0, value: $0.1) }))
  }

  /// The lines of the log about groups that were left out.
  private static func leftOut(_ transcript: Transcript) -> [String] {
    transcript.lines.filter { $0.contains("\"event\":\"groupLeftOut\"") }
  }

  @Test(
    "Under every rule the versions are what the rule makes of the groups' own means, and the same bits again",
    arguments: [
      "{name: median, groups: 3}", "{name: trimmed-mean, trim: 0.34, groups: 3}",
      "{name: geometric-median, groups: 3}",
    ])
  func rules(strategy: String) throws {
    let scenario = try Self.scenario(strategy: strategy)
    let transcript = try Transcript(scenario)
    #expect(transcript.result.violations.isEmpty, "\(transcript.result.violations)")
    #expect(transcript.result.outcome == .completed(2))
    #expect(Self.leftOut(transcript).isEmpty)
    #expect(transcript.result.rounds.allSatisfy { $0.report.reported == 13 })
    #expect(try Transcript(scenario).lines == transcript.lines)
  }

  @Test("The rules that choose among groups do so, too", arguments: ["krum", "multi-krum"])
  func krum(name: String) throws {
    let transcript = try Transcript(
      Self.scenario(strategy: "{name: \(name), byzantine: 1, groups: 5}", workers: 20))
    #expect(transcript.result.violations.isEmpty, "\(transcript.result.violations)")
    #expect(transcript.result.outcome == .completed(2))
  }

  @Test(
    "A worker that dies takes its group with it, or only itself where the group bears it; the version is made",
    arguments: [
      ("masked-input", 13), ("masked-input", 15), ("consistency-check", 13), ("unmask", 15), ("share-keys", 13),
    ])
  func death(stage: String, workers: Int) throws {
    let transcript = try Transcript(
      Self.scenario(
        workers: workers, faults: "[{worker: worker-3, round: 2, at: \(stage), kind: crash, for: 60s}]"))
    #expect(transcript.result.violations.isEmpty, "\(transcript.result.violations)")
    #expect(transcript.result.outcome == .completed(2))
    let round = try #require(transcript.result.rounds.first { $0.report.attempt.round == 2 })
    // Of 15 in groups of five one may be missing; a group of four of the 13 is left out as a whole.
    #expect(round.report.reported >= workers - 5)
  }

  @Test("Under chaos no group is opened below its threshold, and the run ends", arguments: UInt64(1)...12)
  func chaos(seed: UInt64) throws {
    let scenario = try Self.scenario(
      workers: 16, run: "maximum-attempts: 50",
      changes: [
        ("chaos", "{worker-crash: 0.003, coordinator-crash: 0.001, outage: {minimum: 100ms, maximum: 1s}, rounds: 2}"),
        ("policy", "{maximum-attempts-per-model: 100, allow-groups: true}"),
      ])
    let transcript = try Transcript(scenario, seed: seed)
    #expect(transcript.result.violations.isEmpty, "\(transcript.result.violations)")
    #expect(transcript.result.outcome == .completed(2))
  }

  @Test("Workers whose law says nothing of groups decline them, and the run says why nothing comes of it")
  func law() throws {
    let transcript = try Transcript(
      Self.scenario(rounds: 1, run: "maximum-attempts: 1", changes: [("policy", "{minimum-cohort: 3}")]))
    #expect(transcript.result.roundsCommitted == 0)
    #expect(transcript.lines.count { $0.contains("the policy allows no sums of groups") } >= 13)
  }

  @Test("Updates that are turned around move the mean of a secure sum, and hardly the rules over its groups")
  func signFlip() throws {
    func result(_ strategy: String) throws -> SimulationResult {
      try SimulationRun(
        SimulationScenario.load(
          path: "\(repository)/Simulations/poisoned-updates-grouped.yaml",
          changes: [ConfigurationChange(key: "run.strategy", value: strategy)]
        ).scenario
      ).run()
    }
    let mean = try result("{name: fedavg}"), grouped = try result("{name: median, groups: 7}")
    #expect(grouped.isAsExpected && mean.violations.isEmpty)
    #expect(try #require(grouped.heldOutAccuracy) > #require(mean.heldOutAccuracy) + 0.1)
  }

  @Test(
    "What groups have no counterpart for is named with its key",
    arguments: [
      ("fidelity", "fast", "fidelity"), ("malicious", "{coordinator: second-roster}", "malicious.coordinator"),
      ("run.strategy.groups", "4", "strategy.groups"),
    ])
  func refuses(change: String, value: String, key: String) throws {
    let error = #expect(throws: ConfigurationError.self) {
      let scenario = try Self.scenario(rounds: 1, changes: [(change, value)])
      _ = try scenario.run.forecast(
        organisations: (0..<13).map { OrganisationID(unchecked: "o\($0)") }, file: "small.yaml")
    }
    #expect(error?.key == key, "\(error.map { "\($0)" } ?? "")")
  }
}
