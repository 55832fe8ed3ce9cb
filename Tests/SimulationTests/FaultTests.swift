import ClusterConfiguration
import Federation
import Rounds
import Simulation
import Testing

@Suite("Faults")
struct FaultTests {
  @Test(
    "A worker that dies at any point of a round stops no round",
    arguments: SimulationScenario.Fault.Point.allCases)
  func crash(at point: SimulationScenario.Fault.Point) throws {
    let scenario = try smallScenario(
      faults: "[{worker: worker-4, round: 2, at: \(point.rawValue), kind: crash}]")
    let result = try Transcript(scenario).result
    #expect(result.violations.isEmpty)
    #expect(result.failedExpectations.isEmpty)
    #expect(result.outcome == .completed(3))
    #expect(result.rounds.last?.report.cohort == 5)
  }

  @Test(
    "A worker that dies and starts again is in a later round",
    arguments: SimulationScenario.Fault.Point.allCases)
  func restart(at point: SimulationScenario.Fault.Point) throws {
    let scenario = try smallScenario(
      faults: "[{worker: worker-4, round: 1, at: \(point.rawValue), kind: crash, for: 100ms}]", rounds: 5)
    let result = try Transcript(scenario).result
    #expect(result.isAsExpected)
    #expect(result.rounds.last?.report.cohort == 6)
  }

  @Test(
    "A worker that cannot be reached for a while is in a later round",
    arguments: SimulationScenario.Fault.Point.allCases, [2, 40])
  func partition(at point: SimulationScenario.Fault.Point, seconds: Int) throws {
    let scenario = try smallScenario(
      faults: "[{worker: worker-1, round: 1, at: \(point.rawValue), kind: partition, for: \(seconds)s}]", rounds: 3)
    let result = try Transcript(scenario).result
    #expect(result.violations.isEmpty)
    #expect(result.outcome == .completed(3))
  }

  @Test("What a worker promises while it cannot be reached is said when it can be, and does no harm")
  func saysLater() throws {
    let scenario = try smallScenario(
      faults: "[{worker: worker-1, round: 1, at: masked-input, kind: partition, for: 4s}]", rounds: 12, input: "2s")
    let transcript = try Transcript(scenario)
    #expect(transcript.result.violations.isEmpty)
    let lines = transcript.lines
    func place(of pieces: String..., from start: Int) -> Int? {
      lines.indices.dropFirst(start).first { line in pieces.allSatisfy(lines[line].contains) }
    }
    let lost = try #require(place(of: "worker-1", "sessionLost", from: 0))
    let promised = try #require(place(of: "worker-1", "recorded", "promised", from: lost))
    let opened = try #require(place(of: "worker-1", "sessionOpened", from: promised))
    #expect(place(of: "\"coordinator\"", "received", "\"abort\"", "worker-1", from: opened) != nil)
  }

  @Test("Over links that lose, repeat and reorder, every seed finishes", arguments: UInt64(1)...24)
  func roughNetwork(seed: UInt64) throws {
    let scenario = try smallScenario(
      network: """
        {latency: {minimum: 1ms, maximum: 90ms}, bandwidth: 1 MB/s, loss: 0.002, duplication: 0.05, reordering: 0.05}
        """, rounds: 2, run: "maximum-attempts: 50")
    let result = try Transcript(scenario, seed: seed).result
    #expect(result.violations.isEmpty)
    #expect(result.outcome == .completed(2))
  }

  @Test("Too many deaths end an attempt, not the run: the next attempt goes on with who is left")
  func retries() throws {
    let faults = (1...3).map { "{worker: worker-\($0), round: 2, at: masked-input, kind: crash, for: 3s}" }
    let scenario = try smallScenario(
      faults: "[\(faults.joined(separator: ", "))]", run: "maximum-attempts: 20")
    let result = try Transcript(scenario).result
    #expect(result.isAsExpected)
    #expect(result.roundsCommitted == 3)
    #expect(result.rounds.count > 4)
  }

  @Test("A fault that never happens is an expectation that failed")
  func faultThatNeverHappens() throws {
    let scenario = try smallScenario(
      faults: """
        [{worker: worker-4, round: 1, at: unmask, kind: crash}, {worker: worker-4, round: 3, at: unmask, kind: crash}]
        """)
    let result = try Transcript(scenario).result
    #expect(result.violations.isEmpty)
    #expect(result.failedExpectations.count == 1)
    #expect(!result.isAsExpected)
  }
}
