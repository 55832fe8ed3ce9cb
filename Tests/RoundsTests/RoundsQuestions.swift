import Federation
import Rounds
import SecureAggregation

/// What a test asks of a run.
extension RoundsCluster {
  var reports: [RoundReport] { actions.compactMap { if case .report(let report) = $0 { report } else { nil } } }

  var outcomes: [RunStateMachine.Outcome] {
    actions.compactMap { if case .finished(let outcome) = $0 { outcome } else { nil } }
  }

  var attempts: [AttemptID] { actions.compactMap { if case .recordAttempt(let id, _) = $0 { id } else { nil } } }

  var cohorts: [[WorkerID]] {
    actions.compactMap { if case .recordAttempt(_, let cohort) = $0 { cohort } else { nil } }
  }

  /// The upload of the attempt in hand; of nothing before the first.
  var openUpload: Digest { upload ?? .sha256(of: []) }

  /// The kinds of messages to one worker, in order.
  func sent(to name: WorkerID) -> [String] {
    actions.compactMap { if case .send(let message, name) = $0 { message.kind } else { nil } }
  }

  var blamed: [WorkerID] { actions.compactMap { if case .blame(let worker, _) = $0 { worker } else { nil } } }

  func records(of name: WorkerID) -> [WorkerLedger.Entry] {
    (workerActions[name] ?? []).compactMap { if case .record(let entry) = $0 { entry } else { nil } }
  }

  func endings(of name: WorkerID) -> [WorkerStateMachine.Ending] { (workerActions[name] ?? []).endings }

  func declines(of name: WorkerID) -> [DeclineReason] { (workerActions[name] ?? []).declines }
}

extension [WorkerStateMachine.Action] {
  var endings: [WorkerStateMachine.Ending] {
    compactMap { if case .note(.ended(_, let ending)) = $0 { ending } else { nil } }
  }

  var declines: [DeclineReason] {
    compactMap { if case .send(.decline(_, let reason, _)) = $0 { reason } else { nil } }
  }

  /// What happened, in order: records and messages by name, everything else by its case.
  var story: [String] {
    map { action in
      switch action {
      case .send(let message): message.kind
      case .record(let entry): "record " + String(describing: entry).prefix { $0 != "(" }
      default: String(describing: action).prefix { $0 != "(" }.description
      }
    }
  }
}
