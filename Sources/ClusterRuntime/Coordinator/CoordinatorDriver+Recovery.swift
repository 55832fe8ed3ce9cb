import Federation
import Logging
import ModelRegistry
import Rounds
import Wire

/// What the end of the process before this one left open.
extension CoordinatorDriver {
  /// Attempts at one round that may end with the coordinator's process, one after the other, before their run is set
  /// aside: a run that brings the process down must not take the others with it for ever.
  static let interruptedAttemptsMax = 12
  private static let lostReason = "the coordinator's process ended"

  /// Closes the history of attempts that were open, and says where the run stands now.
  ///
  /// A version that is in the registry was committed, whether or not its row was written: the registry decides.
  ///
  /// - Returns: false if it has to wait for people; it is then set aside with the reason.
  @discardableResult
  func recover(_ name: RunID) -> Bool {
    guard let record = runs[name] else { return false }
    do {
      let attempts = try repository.attempts(of: name)
      var interrupted = 0
      for attempt in attempts {
        let isLost = try attempt.result.map { $0.reason == Self.lostReason } ?? !close(attempt, of: record.stored)
        interrupted = isLost ? interrupted + 1 : 0
      }
      switch record.stored.state {
      case .pausing: change(name, to: .paused, reason: "paused by an operator")
      case .stopping: change(name, to: .stopped, reason: "stopped by an operator")
      case .queued, .running:
        guard interrupted < Self.interruptedAttemptsMax else {
          throw RunFault.endsCoordinator(attempts.last?.attempt.round ?? 0, attempts: interrupted)
        }
      case .paused, .completed, .stopped, .failed: break
      }
      return true
    } catch {
      logger.error("run not recovered", metadata: ["run": "\(name)", "error": "\(error)"])
      if !record.stored.state.isFinal { change(name, to: .paused, reason: "\(error)") }
      return false
    }
  }

  /// - Returns: whether the attempt made a version.
  private func close(_ attempt: StoredAttempt, of run: StoredRun) throws -> Bool {
    let made = try version(of: attempt.attempt, by: run)
    let isEvaluation = run.state == .completed && attempt.attempt.round.value > run.roundsPlanned
    let row = RoundRow(
      attempt: attempt.attempt, cohort: UInt32(attempt.cohort.count),
      reported: UInt32(clamping: made?.manifest.cohortSize ?? 0), dropped: 0,
      evaluation: made?.manifest.parentMetrics.flatMap(RoundRow.Evaluation.init),
      seconds: made.map { Double(max($0.manifest.createdAt, attempt.startedAt) - attempt.startedAt) } ?? 0,
      bytesUpPerWorker: 0,
      published: made.map { .init(version: $0.manifest.version, modelDigest: $0.manifest.modelDigest) },
      outcome: made != nil || isEvaluation ? .committed : .abandoned,
      reason: made != nil || isEvaluation ? "" : Self.lostReason, saturated: 0)
    try repository.end(row, version: made.map { VersionRecord($0, of: run.name) }, at: unixTime())
    note(row)
    logger.info(
      "attempt recovered", metadata: ["attempt": "\(attempt.attempt)", "outcome": "\(row.outcome)"])
    return made != nil
  }

  /// The version that an attempt made, if it came so far.
  private func version(of attempt: AttemptID, by run: StoredRun) throws(RegistryError) -> StoredVersion? {
    guard var version = try models.finishedLatest(of: run.model) else { return nil }
    // From the newest back: as a rule it is the first.
    while version.manifest.run != run.identity || version.manifest.round > attempt.round {
      guard version.manifest.version > 0 else { return nil }
      let before = ModelVersion(version.manifest.version.value - 1)
      version = try models.find(ModelReference(model: run.model, selector: .version(before)))
    }
    let manifest = version.manifest
    return manifest.round == attempt.round && manifest.attempt == attempt.attempt && manifest.round > 0 ? version : nil
  }

  /// What a row means for the run's own line.
  func note(_ row: RoundRow) {
    if row.published != nil {
      let committed = runs[row.attempt.run]?.stored.roundsCommitted ?? 0
      runs[row.attempt.run]?.stored.roundsCommitted = max(committed, row.attempt.round.value)
    }
    if let evaluation = row.evaluation { runs[row.attempt.run]?.stored.evaluation = evaluation }
  }
}

extension RoundRow.Evaluation {
  init?(_ metrics: RoundMetrics) {
    guard let loss = metrics.loss, let accuracy = metrics.accuracy else { return nil }
    self.init(loss: loss, accuracy: accuracy)
  }
}

extension DirectoryModelStore {
  /// The newest version of a model that was not taken back, with the alias on it even if the process before this one
  /// ended just before that.
  ///
  /// - Returns: nil if there is no version.
  func finishedLatest(of model: ModelName) throws(RegistryError) -> StoredVersion? {
    try restoreLatest(of: model)
    return try newestStanding(of: model)
  }
}
