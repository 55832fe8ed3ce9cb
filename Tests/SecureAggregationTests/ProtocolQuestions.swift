import Federation
import SecureAggregation

/// What a test asks of a finished attempt.
extension ProtocolRound {
  var abandonment: SecureAggregationCoordinator.Abandonment? {
    for case .abandon(let reason) in coordinatorActions { return reason }
    return nil
  }

  var blames: [WorkerID: [SecureAggregationCoordinator.Fault]] {
    coordinatorActions.reduce(into: [:]) { found, action in
      if case .blame(let worker, let fault) = action { found[worker, default: []].append(fault) }
    }
  }

  var refusedInputs: [WorkerID: [Refusal]] {
    coordinatorActions.reduce(into: [:]) { found, action in
      if case .refuseInput(let worker, let refusal) = action { found[worker, default: []].append(refusal) }
    }
  }

  var ignoredByCoordinator: [SecureAggregationCoordinator.Ignored] {
    coordinatorActions.compactMap { if case .ignored(_, let why) = $0 { why } else { nil } }
  }

  var leftOut: [WorkerID] {
    coordinatorActions.flatMap { (action) -> [WorkerID] in
      if case .leaveOut(let workers) = action { workers } else { [] }
    }
  }

  func outcome(of worker: WorkerID) -> SecureAggregationWorker.Outcome? {
    for case .closed(let outcome) in workerActions[worker] ?? [] { return outcome }
    return nil
  }

  func ignored(by worker: WorkerID) -> [SecureAggregationWorker.IgnoredMessage] {
    (workerActions[worker] ?? []).compactMap { if case .ignored(let why) = $0 { why } else { nil } }
  }

  func aborts(of worker: WorkerID) -> [WorkerAbort] {
    (workerActions[worker] ?? []).compactMap { if case .sendAbort(let abort) = $0 { abort } else { nil } }
  }

  /// The names of a worker's actions in order.
  func story(of worker: WorkerID) -> [String] {
    (workerActions[worker] ?? []).map { String(describing: $0).prefix { $0 != "(" }.description }
  }

  /// The plain sum of the integers of these workers, vector by vector.
  func plainSum(of workers: [WorkerID]) -> [[Int64]] {
    var sum: [[Int64]] = []
    for worker in workers {
      guard let vectors = integers[worker] else { return [] }
      sum = sum.isEmpty ? vectors : zip(sum, vectors).map { zip($0, $1).map(&+) }
    }
    return sum
  }

  var names: [WorkerID] { federation.workers }
}
