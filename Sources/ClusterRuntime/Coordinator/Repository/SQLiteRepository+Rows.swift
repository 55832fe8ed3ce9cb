import Federation
import GRDB
import ModelRegistry
import Rounds
import Wire

/// Rows of SQLite as values; nil for a row that no coordinator has written.
extension StoredRun {
  init?(_ row: Row) {
    guard let name = RunID(row["name"] as String), let identity = RunID(row["identity"] as String),
      let model = ModelName(row["model"] as String), let state = RunState(rawValue: row["state"] as UInt32)
    else { return nil }
    self.init(
      name: name, identity: identity, yaml: row["yaml"], model: model, roundsPlanned: row.number("rounds_planned"),
      submittedAt: row.number("submitted_at"), state: state, reason: row["reason"],
      roundsCommitted: row.number("rounds_committed"), evaluation: RoundRow.Evaluation(row))
  }
}

extension StoredAttempt {
  init?(_ row: Row) {
    guard let run = RunID(row["run"] as String) else { return nil }
    let attempt = AttemptID(
      run: run, round: RoundNumber(row.number("round")), attempt: AttemptNumber(UInt32(clamping: row.number("attempt")))
    )
    let roster = (row["roster"] as String).split(separator: " ").compactMap { WorkerID(String($0)) }
    self.init(attempt: attempt, cohort: roster, startedAt: row.number("started_at"), result: RoundRow(row, of: attempt))
  }
}

extension RoundRow {
  /// Nil for an attempt that has not ended.
  fileprivate init?(_ row: Row, of attempt: AttemptID) {
    guard let number = row["outcome"] as UInt32?, let outcome = AttemptOutcome(rawValue: number) else { return nil }
    var published: Published?
    if let version = row["version"] as Int64?, let digest = (row["model_digest"] as String?).flatMap(Digest.init(hex:))
    {
      published = Published(version: ModelVersion(UInt64(clamping: version)), modelDigest: digest)
    }
    self.init(
      attempt: attempt, cohort: UInt32(clamping: row.number("cohort")),
      reported: UInt32(clamping: row.number("reported")), dropped: UInt32(clamping: row.number("dropped")),
      evaluation: Evaluation(row), seconds: row["seconds"] ?? 0, bytesUpPerWorker: row.number("bytes_up"),
      published: published, outcome: outcome, reason: row["reason"] ?? "", saturated: row.number("saturated"),
      central: Evaluation(row, "central_"), staleness: Staleness(row), groups: GroupTally(row), traffic: Traffic(row))
  }
}

extension RoundRow.Evaluation {
  fileprivate init?(_ row: Row, _ prefix: String = "") {
    guard let loss = row[prefix + "loss"] as Double?, let accuracy = row[prefix + "accuracy"] as Double? else {
      return nil
    }
    self.init(loss: loss, accuracy: accuracy)
  }
}

extension RoundRow.Traffic {
  fileprivate init?(_ row: Row) {
    guard row["traffic_up"] as Int64? != nil else { return nil }
    self.init(up: row.number("traffic_up"), down: row.number("traffic_down"))
  }
}

extension Staleness {
  fileprivate init?(_ row: Row) {
    guard let mean = row["staleness_mean"] as Double?, let largest = row["staleness_largest"] as Int? else {
      return nil
    }
    self.init(mean: mean, largest: largest)
  }
}

extension GroupTally {
  fileprivate init?(_ row: Row) {
    guard let count = row["groups_count"] as Int?, let summed = row["groups_summed"] as Int? else { return nil }
    self.init(count: count, summed: summed, leftOut: row["groups_left_out"] ?? "")
  }
}

extension VersionRecord {
  init?(_ row: Row) {
    guard let model = ModelName(row["model"] as String), let run = RunID(row["run"] as String),
      let digest = Digest(hex: row["digest"] as String), let modelDigest = Digest(hex: row["model_digest"] as String)
    else { return nil }
    self.init(
      model: model, version: ModelVersion(row.number("version")), run: run, round: RoundNumber(row.number("round")),
      digest: digest, modelDigest: modelDigest)
  }
}

extension AliasEvent {
  init?(_ row: Row) {
    guard let model = ModelName(row["model"] as String), let alias = Alias(row["alias"] as String),
      let change = AliasChange(rawValue: row["change"] as UInt32)
    else { return nil }
    func version(_ column: String) -> ModelVersion? {
      (row[column] as Int64?).map { ModelVersion(UInt64(clamping: $0)) }
    }
    self.init(
      move: AliasMove(model: model, alias: alias, from: version("old"), to: version("new")), change: change,
      by: row["by"], at: row.number("at"))
  }
}

extension RunEvent {
  /// - Parameter row: of an event, joined with the attempt that it tells of, if it tells of one.
  init?(_ row: Row, of run: StoredRun) {
    let kind: Kind
    if row["run"] as String? != nil {
      guard let result = StoredAttempt(row)?.result else { return nil }
      kind = .round(result)
    } else {
      guard let state = RunState(rawValue: row["event_state"] as UInt32) else { return nil }
      var then = run
      then.state = state
      then.reason = row["event_reason"]
      then.roundsCommitted = row.number("event_rounds")
      then.evaluation = nil
      kind = .run(then.row)
    }
    self.init(sequence: row.number("sequence"), kind: kind)
  }
}

extension Row {
  /// 0 where nothing was written.
  fileprivate func number(_ column: String) -> UInt64 { UInt64(clamping: (self[column] as Int64?) ?? 0) }
}
