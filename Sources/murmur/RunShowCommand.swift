import ArgumentParser
import ClusterRuntime
import Federation
import Foundation
import Wire

extension RunCommand {
  /// `murmur run show NAME`.
  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "show",
      abstract: "Show a run: where it stands, its configuration, and every attempt with its metrics.",
      discussion: """
        Example:

            murmur run show digits --home demo/coordinator
        """)

    @OptionGroup var argument: RunNameArgument
    @OptionGroup var options: OperatorOptions
    @OptionGroup var output: OutputOption

    func run() async throws {
      let name = try runID(argument.name)
      let client = try options.client()
      let detail = try await client.show(run: name)
      let rounds = try await client.rounds(of: name)
      if output.json {
        Terminal.print(try JSONOutput.document(RunDetailResult(detail, rounds)))
      } else {
        for line in RunDetailText.lines(detail, rounds) { Terminal.print(line) }
      }
    }
  }
}

/// A run for people.
enum RunDetailText {
  static func lines(_ detail: RunDetail, _ rounds: [RoundRow]) -> [String] {
    let run = detail.run
    var facts = [
      ("run", run.run.text), ("state", "\(run.state)"), ("model", run.model.text),
      ("rounds", "\(run.roundsCommitted) of \(run.roundsPlanned)"),
    ]
    if !run.reason.isEmpty { facts.append(("reason", run.reason)) }
    if let evaluation = run.evaluation { facts.append(("accuracy", Readable.decimal(evaluation.accuracy, 4))) }
    if detail.submittedAt > 0 { facts.append(("submitted", Self.time(detail.submittedAt))) }
    if !detail.phase.isEmpty {
      facts.append(("phase", detail.phase))
      facts.append(("workers that suit it", "\(detail.suitedWorkers)"))
    }
    if !detail.cohort.isEmpty { facts.append(("cohort", detail.cohort.map(\.text).joined(separator: ", "))) }
    facts.append(("attempts", "\(rounds.count), in \(Readable.decimal(rounds.reduce(0) { $0 + $1.seconds }, 1)) s"))
    let (received, sent) = Self.bytes(rounds)
    facts.append(("client updates", "\(Self.updates(rounds))"))
    facts.append(("received, sent", "\(Readable.bytes(received)), \(Readable.bytes(sent))"))
    let width = facts.map(\.0.count).max() ?? 0
    return facts.map { "\(TextTable.pad($0, to: width, .left))  \($1)" }
      + ["", "configuration"] + detail.configuration.split(separator: "\n").map { "  \($0)" }
      + ["", rounds.isEmpty ? "no attempt has ended" : RoundTable.header] + rounds.map(RoundTable.line)
  }

  /// From and to the workers, payload only.
  static func bytes(_ rounds: [RoundRow]) -> (received: UInt64, sent: UInt64) {
    (
      rounds.reduce(0) { $0 + ($1.traffic?.up ?? $1.bytesUpPerWorker * UInt64($1.reported)) },
      rounds.reduce(0) { $0 + ($1.traffic?.down ?? 0) }
    )
  }

  /// In the versions that the run made.
  static func updates(_ rounds: [RoundRow]) -> UInt64 {
    rounds.reduce(0) { $0 + ($1.published == nil ? 0 : UInt64($1.reported)) }
  }

  static func time(_ seconds: UInt64) -> String {
    Date(timeIntervalSince1970: TimeInterval(seconds)).formatted(.iso8601)
  }
}

/// The JSON form of `murmur run show`.
struct RunDetailResult: Encodable {
  let run: RunResult
  let configuration: String
  let submitted: String?
  let phase: String?
  let cohort: [String]
  let suitedWorkers: UInt32
  let seconds: Double
  let bytesReceived: UInt64
  let bytesSent: UInt64
  let clientUpdates: UInt64
  let rounds: [RoundResult]

  init(_ detail: RunDetail, _ rounds: [RoundRow]) {
    run = RunResult(detail.run)
    configuration = detail.configuration
    submitted = detail.submittedAt > 0 ? RunDetailText.time(detail.submittedAt) : nil
    phase = detail.phase.isEmpty ? nil : detail.phase
    cohort = detail.cohort.map(\.text)
    suitedWorkers = detail.suitedWorkers
    seconds = rounds.reduce(0) { $0 + $1.seconds }
    (bytesReceived, bytesSent) = RunDetailText.bytes(rounds)
    clientUpdates = RunDetailText.updates(rounds)
    self.rounds = rounds.map(RoundResult.init)
  }
}
