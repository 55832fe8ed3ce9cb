import ClusterConfiguration
import Federation
import Rounds
import Simulation
import Testing

@Suite("Checkers")
struct CheckerTests {
  @Test("An input that is added twice is found")
  func doubleCount() throws {
    let transcript = try Transcript(try smallScenario(), plantedBug: .inputAddedTwice("worker-2"))
    #expect(transcript.result.violations.contains { $0.contains("the opened counts are not the sum") })
    #expect(transcript.result.roundsCommitted == 0)
    #expect(transcript.lines.last?.contains("\"event\":\"violation\"") == true)
  }

  @Test("A worker that releases both shares is found")
  func bothShares() throws {
    let result = try Transcript(try smallScenario(), plantedBug: .bothSharesReleased("worker-5")).result
    #expect(result.violations.count == 6)
    #expect(result.violations.allSatisfy { $0.hasPrefix("worker-5 released both shares of worker ") })
  }

  @Test("A run that cannot end is found")
  func liveness() throws {
    let faults = (1...6).map { "{worker: worker-\($0), round: 1, at: training, kind: crash}" }
    let result = try Transcript(try smallScenario(faults: "[\(faults.joined(separator: ", "))]")).result
    #expect(result.violations.isEmpty == (result.outcome != nil))
    #expect(!result.isAsExpected)
    #expect(result.roundsCommitted == 0)
  }

  @Test("An accuracy that is not reached fails the scenario, by name")
  func accuracy() throws {
    let result = try Transcript(try smallScenario(rounds: 1, accuracy: 0.99)).result
    #expect(result.violations.isEmpty)
    #expect(result.failedExpectations.count == 1)
    #expect(result.failedExpectations.first?.hasPrefix("accuracy: found 0.") == true)
  }
}

@Suite("Aggregation modes")
struct ModeTests {
  @Test("Plain averaging ends within half a point of secure averaging")
  func plain() throws {
    let secure = try Transcript(try smallScenario(rounds: 8)).result
    let plain = try Transcript(try smallScenario(rounds: 8, run: "aggregation: plain")).result
    #expect(secure.isAsExpected)
    #expect(plain.isAsExpected)
    let difference = try abs(#require(secure.heldOutAccuracy) - #require(plain.heldOutAccuracy))
    #expect(difference <= 0.005)
    #expect(secure.modelDigest != plain.modelDigest)
  }

  @Test("A worker that dies in a plain round stops nothing", arguments: ["training", "masked-input", "reported"])
  func plainCrash(at point: String) throws {
    let scenario = try smallScenario(
      faults: "[{worker: worker-4, round: 2, at: \(point), kind: crash, for: 1s}]", run: "aggregation: plain")
    let result = try Transcript(scenario).result
    #expect(result.isAsExpected)
  }

  @Test("Semi-honest mode goes without the consistency check")
  func semiHonest() throws {
    let transcript = try Transcript(try smallScenario(rounds: 1, run: "mode: semi-honest"))
    #expect(transcript.result.roundsCommitted == 0)  // The standard law of a worker does not allow it.
    #expect(transcript.lines.contains { $0.contains("the policy does not allow the mode") })
  }
}
