import ClusterConfiguration
import Federation
import Rounds
import Simulation
import Testing

@Suite("Faults of the coordinator, of disks and of clocks")
struct DiskAndClockTests {
  private func transcript(_ faults: String, rounds: Int = 3, run: String = "") throws -> Transcript {
    try Transcript(smallScenario(faults: "[\(faults)]", rounds: rounds, run: run))
  }

  @Test(
    "A coordinator that dies at any point of a round goes on with the round, or with the next one",
    arguments: SimulationScenario.CoordinatorFault.Point.allCases)
  func crash(at point: SimulationScenario.CoordinatorFault.Point) throws {
    let result = try transcript(
      "{coordinator: true, round: 2, at: \(point.rawValue), kind: crash, for: 1s}", run: "maximum-attempts: 20"
    ).result
    #expect(result.isAsExpected, "\(result.violations) \(result.failedExpectations)")
    #expect(result.outcome == .completed(3) && result.outages == 1 && result.recoveries.count == 1)
  }

  @Test("A coordinator may die once in every round")
  func everyRound() throws {
    let result = try transcript(
      "{coordinator: true, round: every, at: published, kind: crash, for: 500ms}", rounds: 5
    ).result
    #expect(result.isAsExpected, "\(result.violations) \(result.failedExpectations)")
    #expect(result.outages == 5 && result.roundsCommitted == 5)
  }

  @Test(
    "On a full disk the run is set aside with that reason, and goes on when there is room",
    arguments: ["offer", "commit"])
  func fullDisk(at point: String) throws {
    let transcript = try transcript("{coordinator: true, round: 2, at: \(point), kind: disk-full, for: 30s}")
    #expect(transcript.result.isAsExpected, "\(transcript.result.violations) \(transcript.result.failedExpectations)")
    #expect(transcript.result.roundsCommitted == 3 && transcript.result.seconds > 30)
    let paused = try #require(transcript.lines.firstIndex { $0.contains("\"paused\"") })
    #expect(transcript.lines[paused].contains("cannot write: the disk is full"))
    #expect(
      transcript.lines[paused].contains(point == "offer" ? "cannot be recorded" : "version 2 cannot be published"))
    #expect(transcript.lines.dropFirst(paused).contains { $0.contains("\"resumed\"") })
  }

  @Test("A coordinator whose disk stays full until it dies takes the run up when there is room")
  func fullDiskAndDeath() throws {
    let result = try transcript(
      "{coordinator: true, round: 2, at: inputs, kind: disk-full, for: 20s}, "
        + "{coordinator: true, round: 2, at: commit, kind: crash, for: 2s}"
    ).result
    #expect(result.isAsExpected, "\(result.violations) \(result.failedExpectations)")
    #expect(result.roundsCommitted == 3 && result.seconds > 20)
  }

  @Test("A slow disk delays what waits for it, and nothing else")
  func slowDisk() throws {
    let plain = try transcript("").result
    let slow = try transcript("{coordinator: true, round: 1, at: offer, kind: slow-disk, delay: 2s}").result
    #expect(slow.isAsExpected && slow.modelDigest == plain.modelDigest)
    // Four attempts are recorded; three versions with what belongs to them are written.
    #expect(slow.seconds > plain.seconds + 4 * 2 + 3 * 6 - 1 && slow.seconds < plain.seconds + 4 * 2 + 3 * 6 + 5)
  }

  @Test("A worker whose clock is behind its certificates takes no part until it is right")
  func skewedWorker() throws {
    let transcript = try transcript(
      "{worker: worker-4, round: 1, at: reported, kind: clock-skew, by: -2h, for: 4s}", rounds: 12)
    #expect(transcript.result.isAsExpected, "\(transcript.result.violations) \(transcript.result.failedExpectations)")
    let reported = transcript.result.rounds.map(\.report.reported)
    #expect(reported.first == 6 && reported.contains(5) && reported.last == 6, "\(reported)")
  }

  @Test("A coordinator whose clock is ahead makes the same models, and dates them later")
  func skewedCoordinator() throws {
    let plain = try transcript("")
    let ahead = try transcript("{coordinator: true, round: 2, at: offer, kind: clock-skew, by: 2h}")
    #expect(ahead.result.isAsExpected, "\(ahead.result.violations) \(ahead.result.failedExpectations)")
    #expect(ahead.result.modelDigest == plain.result.modelDigest)
    // A manifest says when its version was made.
    func manifests(_ transcript: Transcript) -> [Substring] {
      transcript.lines.filter { $0.contains("\"published\"") }.compactMap { $0.split(separator: "manifest").last }
    }
    #expect(manifests(ahead).count == 4 && manifests(plain).count == 4)
    #expect(manifests(ahead).prefix(2) == manifests(plain).prefix(2))
    #expect(manifests(ahead).suffix(2) != manifests(plain).suffix(2))
  }

  @Test("A coordinator whose clock is outside its certificate publishes nothing that nobody would verify")
  func skewedBeforeCertificate() throws {
    let result = try transcript("{coordinator: true, round: 2, at: commit, kind: clock-skew, by: -2h}").result
    #expect(result.violations.isEmpty && result.version == 1)
    guard case .failed(let reason) = result.outcome else {
      Issue.record("found \(String(describing: result.outcome)), expected a run that ends with the reason")
      return
    }
    #expect(reason.contains("version 2 cannot be made: the certificate of coordinator is valid from"), "\(reason)")
  }

  @Test("A worker that cannot keep what it must not forget ends, and is back when there is room")
  func workersFullDisk() throws {
    let transcript = try transcript(
      "{worker: worker-4, round: 1, at: reported, kind: disk-full, for: 4s}", rounds: 12)
    #expect(transcript.result.isAsExpected, "\(transcript.result.violations) \(transcript.result.failedExpectations)")
    #expect(transcript.lines.contains { $0.contains("the ledger cannot be written: the disk is full") })
    #expect(transcript.result.rounds.last?.report.reported == 6)
  }

  @Test("A worker's slow disk delays its rounds")
  func workersSlowDisk() throws {
    let plain = try transcript("").result
    let slow = try transcript("{worker: worker-4, round: 1, at: reported, kind: slow-disk, delay: 1s}").result
    #expect(slow.isAsExpected && slow.seconds > plain.seconds + 2)
  }

  @Test("A fault of the coordinator that never happens is an expectation that failed")
  func neverHappens() throws {
    let scenario = try smallScenario(
      faults: "[{coordinator: true, round: 3, at: publish, kind: crash, for: 100s}]")
    let result = try SimulationRun(scenario).run(until: .seconds(1))
    #expect(
      result.unjudged.contains("faults: the coordinator never came to 'publish' of round 3, expected a crash there"))
  }

  @Test("What needs disks, clocks and the coordinator's process is refused at the fast fidelity by name")
  func fast() throws {
    for (fault, name) in [
      ("{coordinator: true, round: 1, at: commit, kind: crash, for: 1s}", "a crash of the coordinator"),
      ("{worker: worker-4, round: 1, at: reported, kind: clock-skew, by: 2h}", "a clock-skew of worker-4"),
    ] {
      let run = try SimulationRun(smallScenario(faults: "[\(fault)]"))
      let error = #expect(throws: SimulationError.self) { try run.at(.fast) }
      #expect(error?.description.contains("key 'faults': found \(name) at the fast fidelity") == true)
    }
  }
}
