import ClusterConfiguration
import Federation
import Rounds
import SecureAggregation
import Testing
import Wire

@testable import Simulation

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

  @Test(
    "Every planted mistake is found, by name",
    arguments: [
      (.inputAltered("worker-1"), "of the average is not that of the workers' own updates"),
      (.secondSetAgreed("worker-3"), "worker-3 agreed to two sets of survivors of"),
      (.promiseBroken("worker-4"), "worker-4 promised of"),
      (.secondInputSent("worker-6"), "worker-6 sent two inputs under"),
    ] as [(PlantedBug, String)])
  func canary(_ bug: PlantedBug, claim: String) throws {
    let result = try Transcript(try smallScenario(), plantedBug: bug).result
    #expect(result.violations.contains { $0.contains(claim) }, "\(result.violations)")
  }

  @Test("More contributions to a model than the workers' law allows are found")
  func tooManyContributions() throws {
    let membership = MembershipList(
      federation: "f", authorityKey: SigningPublicKey(unchecked: Array(repeating: 1, count: 32)), members: [])
    var checker = FrameChecker(membership: membership, contributionsMax: 1)
    var broken: [String] = []
    for attempt in [0, 1] as [AttemptNumber] {
      let configuration = RoundConfiguration(
        vectorLength: 1, issuanceLog: .sha256(of: []), revocationList: .sha256(of: []))
      let id = AttemptID(run: "r", round: 1, attempt: attempt), model = Digest.sha256(of: [7])
      let zero = Signature(unchecked: Array(repeating: 0, count: 64))
      let offer = RoundOffer(
        attempt: id, modelName: "m", baseVersion: 0, modelDigest: model, tensors: [], configuration: configuration,
        task: TrainingTask(
          kind: .train, aggregation: .secure, architecture: "softmax 3-2", dataScale: 1, holdOutFraction: 0.2, seed: 1),
        signature: zero)
      broken += checker.sent(.offer(offer))
      broken += checker.sent(.roster(id, RosterMessage(adverts: [], signature: zero)))
      let roundID = SecureAggregation.Transcript.roundID(
        federation: "f", attemptID: id, modelDigest: model, configurationDigest: configuration.digest)
      let transcript = SecureAggregation.Transcript.transcript(
        roundID: roundID, rosterDigest: SecureAggregation.Transcript.rosterDigest(roundID: roundID, entries: []))
      let header = InputHeader(
        transcript: transcript, worker: 0, dealersDigest: model, vectors: [], signature: zero)
      broken += checker.sent(.open(header), payload: nil, by: "w")
      broken += checker.sent(.open(header), payload: nil, by: "w")
    }
    #expect(broken.count == 2)
    #expect(broken.allSatisfy { $0.hasPrefix("w contributed 2 times to model ") })
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

  @Test("Semi-honest mode goes without the consistency check, and only where every worker's law allows it")
  func semiHonest() throws {
    var scenario = try smallScenario(rounds: 1, run: "mode: semi-honest")
    let allowed = try Transcript(scenario)
    #expect(allowed.result.roundsCommitted == 1)
    #expect(!allowed.lines.contains { $0.contains("\"agree\"") })
    scenario.policy = .standard
    let refused = try Transcript(scenario)
    #expect(refused.result.roundsCommitted == 0)
    #expect(refused.lines.contains { $0.contains("the policy does not allow the mode") })
  }
}
