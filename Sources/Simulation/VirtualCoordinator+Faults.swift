import ClusterConfiguration
import Federation
import Membership
import Rounds

/// Faults of the coordinator's own, and what it does about a disk that takes nothing.
extension VirtualCoordinator {
  /// - Returns: whether the process is gone.
  func meetsFault(before action: RunStateMachine.Action) -> Bool {
    switch action {
    case .recordAttempt(let attempt, _): return world.coordinatorReached(.offer, attempt.round)
    case .closeUploads, .openPlainSum, .openBuffer, .openGroups:
      guard let round = machine?.round else { return false }
      return world.coordinatorReached(.inputs, round)
    case .commit(let order): return world.coordinatorReached(.commit, order.attempt.round)
    default: return false  // The others are no point of the schedule.
    }
  }

  /// The same, for what has happened.
  func meetsFault(behind action: RunStateMachine.Action) -> Bool {
    guard case .report(let report) = action, case .committed = report.outcome else { return false }
    return world.coordinatorReached(.published, report.attempt.round)
  }

  // MARK: A full disk

  /// As in the cluster's driver: the machine ends, and the run does not.
  func interrupt(_ what: String) {
    isInterrupted = true
    handle(.failed(reason: "\(what): cannot write: the disk is full"))
  }

  /// The run waits for room on the disk.
  func setAside(_ outcome: RunStateMachine.Outcome) {
    isInterrupted = false
    desk.closeUploads()
    forgetRun()
    pausedBecause = outcome.text
    world.note("coordinator", "paused", ["why": .text(outcome.text)])
  }

  /// There is room again: as an operator orders it, the run goes on from its last committed version.
  func resume() throws {
    guard isAlive, pausedBecause != nil else { return }
    pausedBecause = nil
    world.note("coordinator", "resumed")
    try takeUp()
    for worker in table.present.sorted() where isSuited(worker) { handle(.workerJoined(worker)) }
  }
}
