import Federation
import Rounds
import Simulation
import Testing

/// Runs that are judged while they run: early ends, versions that are taken back, the coordinator's own data.
@Suite("Evaluation")
struct EvaluationTests {
  private func notes(_ transcript: Transcript, _ event: String) -> Int {
    transcript.lines.count { $0.contains("\"\(event)\"") }
  }

  @Test("A run that has reached its target ends there, in both modes", arguments: ["secure", "plain"])
  func endsAtTarget(_ aggregation: String) throws {
    let transcript = try Transcript(
      smallScenario(rounds: 30, run: "aggregation: \(aggregation)\n  stop: {accuracy: 0.5}"))
    let rounds = transcript.result.rounds
    #expect(transcript.result.violations.isEmpty)
    #expect(transcript.result.outcome == .completed(ModelVersion(UInt64(rounds.count - 1))))
    #expect((3..<30).contains(rounds.count))
    let accuracies = rounds.compactMap { $0.report.summary?.metrics.accuracy }
    // The round that learns of it is the last that trains; then comes the evaluation.
    #expect(accuracies.dropLast(2).allSatisfy { $0 < 0.5 })
    #expect((accuracies.dropLast().last ?? 0) >= 0.5)
  }

  @Test("Versions made by a server that overshoots are taken back, and none of them stays the latest")
  func takesBack() throws {
    let transcript = try Transcript(
      smallScenario(rounds: 2, run: "strategy: {server-learning-rate: 60}"))
    #expect(transcript.result.violations.isEmpty)
    #expect(notes(transcript, "takenBack") == 2)
    #expect(transcript.result.outcome == .completed(0))
    #expect(transcript.result.version == 0)
  }

  @Test("On the coordinator's own data they are found before they are published")
  func judgesFirst() throws {
    let transcript = try Transcript(
      smallScenario(rounds: 3, run: "strategy: {server-learning-rate: 60}\n  evaluation: {central: true}"))
    #expect(transcript.result.violations.isEmpty)
    #expect(notes(transcript, "published") == 1)
    guard case .failed(let reason)? = transcript.result.outcome else {
      Issue.record("the run did not fail")
      return
    }
    #expect(
      reason.hasPrefix("round 1 was abandoned 3 times; last: not published: on the coordinator's data the loss of"))
  }

  @Test("With the coordinator's own data every report has both metrics, and the best version is the best on it")
  func measuresBoth() throws {
    let transcript = try Transcript(smallScenario(rounds: 5, run: "evaluation: {central: true}"))
    #expect(transcript.result.isAsExpected)
    let central = transcript.result.rounds.compactMap(\.report.central)
    #expect(central.count == 5)
    #expect(central.last == transcript.result.heldOut)
    #expect(transcript.result.rounds.allSatisfy { $0.report.summary?.metrics.evaluated ?? 0 > 0 })
    var least = Double.infinity, best = 0
    for loss in central.compactMap(\.loss) where loss < least {
      least = loss
      best += 1
    }
    #expect(notes(transcript, "best") == best)
  }
}
