import ClusterConfiguration
import Federation
import Rounds
import Wire

/// Whose turn it is to take workers.
extension CoordinatorDriver {
  /// Ends the leases of attempts that are over, and gives every run that waits for workers its turn, until none of them
  /// can offer anything.
  ///
  /// Called after every event that may have changed who is there, who is free or who waits. A turn may end at once (the
  /// disk takes no attempt): then there is another pass, and the run waits in it no more.
  func settle() {
    guard !isSettling else { return }
    isSettling = true
    defer { isSettling = false }
    repeat { notePauses() } while pass()
    measureWorkers()
  }

  /// - Returns: whether an attempt was offered that is over already.
  private func pass() -> Bool {
    for (name, run) in active { scheduler.release(name, except: Set(run.machine.cohort)) }
    let waiting = active.filter(\.value.machine.isWaitingForWorkers).keys.sorted()
    var hasEnded = false
    for name in scheduler.beginPass(waiting: waiting) {
      let hasOffered = giveTurn(to: name)
      if hasOffered, active[name]?.machine.cohort.isEmpty != false { hasEnded = true }
    }
    return hasEnded
  }

  /// - Returns: whether the run has offered an attempt.
  private func giveTurn(to name: RunID) -> Bool {
    guard var run = active[name] else { return false }
    let suited = present.filter { worker in traits[worker].map(run.configuration.suits) ?? false }
    let turn = RunStateMachine.Turn(
      busy: suited.subtracting(scheduler.free(of: suited)),
      unsuitedCount: traits.count { !run.configuration.suits($0.value) })
    let actions = run.machine.handle(.turn(turn), at: .now)
    run.machine.checkInvariants()
    active[name]?.machine = run.machine
    measurePhase(of: name)
    let leased = scheduler.cohort(of: name)
    let asked = run.machine.cohort.filter { !leased.contains($0) }
    // Before its actions: the first of them may already end it.
    if asked.isEmpty {
      scheduler.passedOver(
        name, suited: suited.subtracting(leased), isReady: run.machine.isReady && run.machine.isWaitingForWorkers,
        takesSingly: run.machine.takesWorkersSingly)
    } else {
      scheduler.lease(asked, to: name)
    }
    perform(actions, of: name)
    return !asked.isEmpty
  }

  /// Runs that were to pause have done so when their attempts have ended.
  private func notePauses() {
    for (name, run) in active.sorted(by: { $0.key < $1.key })
    where run.machine.isPaused && runs[name]?.stored.state == .pausing {
      change(name, to: .paused, reason: "paused by an operator")
    }
  }
}
