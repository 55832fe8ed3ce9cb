import Federation
import Rounds
import Wire

/// The lines of a run's progress: a header, then one aligned line per attempt.
enum RoundTable {
  private static let columns: [(title: String, width: Int)] = [
    ("round", 5), ("cohort", 6), ("reported", 8), ("dropped", 7), ("loss", 7), ("accuracy", 8), ("seconds", 7),
    ("up/worker", 9),
  ]

  static let header = columns.map { TextTable.pad($0.title, to: $0.width, .right) }.joined(separator: "  ")

  /// Loss and accuracy are of the model that the round trained on, over the hold-outs of the workers in it; the last
  /// line of a run, from the round that only evaluates, is of the last version.
  static func line(_ row: RoundRow) -> String {
    let cells = [
      row.isEvaluation ? "final" : "\(row.attempt.round)", "\(row.cohort)", "\(row.reported)", "\(row.dropped)",
      row.evaluation.map { Readable.decimal($0.loss, 4) } ?? "-",
      row.evaluation.map { Readable.decimal($0.accuracy, 4) } ?? "-",
      Readable.decimal(row.seconds, 2), Readable.bytes(row.bytesUpPerWorker),
    ]
    let line = zip(cells, columns).map { TextTable.pad($0, to: $1.width, .right) }.joined(separator: "  ")
    guard row.outcome == .committed else { return "\(line)  abandoned: \(row.reason)" }
    let notes = [
      row.groups.map(groups), row.staleness.map(staleness), row.central.map(central),
      row.saturated > 0 ? saturation(row) : nil,
    ].compactMap { $0 }
    return ([line] + notes).joined(separator: "  ")
  }

  /// Of how many groups of its cohort the round is made.
  private static func groups(_ tally: GroupTally) -> String {
    "groups: \(tally.summed) of \(tally.count)" + (tally.leftOut.isEmpty ? "" : " (\(tally.leftOut))")
  }

  /// By how many versions the updates of the round were behind.
  private static func staleness(_ staleness: Staleness) -> String {
    "behind: \(Readable.decimal(staleness.mean, 1)), at most \(staleness.largest)"
  }

  /// What the coordinator's own data says of the version that the round made.
  private static func central(_ evaluation: RoundRow.Evaluation) -> String {
    "made: loss \(Readable.decimal(evaluation.loss, 4)), accuracy \(Readable.decimal(evaluation.accuracy, 4))"
  }

  /// What a round says whose updates did not fit their integers.
  static func saturation(_ row: RoundRow) -> String {
    "saturated: \(row.saturated) element\(row.saturated == 1 ? "" : "s") cut off"
  }
}

extension RoundRow {
  /// Committed without a new version: the round at the end that only evaluates.
  var isEvaluation: Bool { outcome == .committed && published == nil }
}

/// The JSON form of an attempt.
struct RoundResult: Codable {
  let run: String
  let round: UInt64
  let attempt: UInt32
  /// `committed`, `evaluated` or `abandoned`.
  let outcome: String
  let reason: String?
  let cohort: UInt32
  let reported: UInt32
  let dropped: UInt32
  let loss: Double?
  let accuracy: Double?
  /// Of the version that the round made, on the coordinator's own data.
  let centralLoss: Double?
  let centralAccuracy: Double?
  /// By how many versions the updates were behind.
  let stalenessMean: Double?
  let stalenessLargest: Int?
  /// Groups that the cohort was divided into, those in the version, and why others are not.
  let groups: Int?
  let groupsSummed: Int?
  let groupsLeftOut: String?
  let seconds: Double
  let bytesUpPerWorker: UInt64
  /// Of all messages from and to the workers that were asked; absent where it was not counted.
  let bytesUp: UInt64?
  let bytesDown: UInt64?
  /// Elements of updates that did not fit their integers.
  let saturated: UInt64
  let version: UInt64?
  let modelDigest: String?

  init(_ row: RoundRow) {
    run = row.attempt.run.text
    round = row.attempt.round.value
    attempt = row.attempt.attempt.value
    outcome = row.isEvaluation ? "evaluated" : row.outcome == .committed ? "committed" : "abandoned"
    reason = row.reason.isEmpty ? nil : row.reason
    cohort = row.cohort
    reported = row.reported
    dropped = row.dropped
    loss = row.evaluation?.loss
    accuracy = row.evaluation?.accuracy
    centralLoss = row.central?.loss
    centralAccuracy = row.central?.accuracy
    stalenessMean = row.staleness?.mean
    stalenessLargest = row.staleness?.largest
    (groups, groupsSummed) = (row.groups?.count, row.groups?.summed)
    groupsLeftOut = row.groups.flatMap { $0.leftOut.isEmpty ? nil : $0.leftOut }
    seconds = row.seconds
    bytesUpPerWorker = row.bytesUpPerWorker
    (bytesUp, bytesDown) = (row.traffic?.up, row.traffic?.down)
    saturated = row.saturated
    version = row.published?.version.value
    modelDigest = row.published.map { "sha256:\($0.modelDigest)" }
  }
}
