import Federation

/// One run among several on a fleet, and one that people set aside for a while.
extension RunStateMachine {
  /// What the fleet has for the run whose turn it is.
  package struct Turn: Hashable, Sendable {
    /// Of the workers that are there: in an attempt of another run, or kept for one.
    package var busy: Set<WorkerID>
    /// Workers of the federation that are known not to suit this run: it does not wait for them.
    package var unsuitedCount: Int

    package init(busy: Set<WorkerID> = [], unsuitedCount: Int = 0) {
      self.busy = busy
      self.unsuitedCount = unsuitedCount
    }
  }

  /// Selects once, although the run is held.
  mutating func take(_ turn: Turn) -> [Action] {
    let wasHeld = isHeld
    isHeld = false
    defer { isHeld = wasHeld }
    self.turn = turn
    return select()
  }

  /// Whether nothing is offered although the run gathers: it waits for its turn, or for people.
  var isHeldBack: Bool { isHeld || isPauseWanted }

  /// How many workers have to be here for the first attempt.
  var expectedWorkers: Int { max(1, plan.expectedWorkers - turn.unsuitedCount) }

  /// Whether a promising cohort may be offered although not everyone is in it: the first attempt waits for everyone whom
  /// no other run has.
  var mayOfferWithoutAll: Bool { hasOffered || gatherDeadlinePassed || !turn.busy.isEmpty }

  // MARK: What a driver sees

  /// Whether it would offer if it had its turn and enough workers.
  package var isWaitingForWorkers: Bool {
    switch state {
    case .gathering: return !isPauseWanted
    case .attempting(let attempt):
      guard case .buffered(let buffer) = attempt.aggregator else { return false }
      return !buffer.isClosed && !isPauseWanted && buffer.awaited.count < plan.cohortTarget
    case .idle, .waitingToRetry, .blocked, .closing, .finished: return false
    }
  }

  /// Whether it takes workers one by one, whenever one is free, and not a cohort at once.
  package var takesWorkersSingly: Bool {
    if case .attempting(let attempt) = state, case .buffered = attempt.aggregator { true } else { false }
  }

  /// Whether nothing but workers in other attempts can keep it from offering.
  package var isReady: Bool { hasOffered || gatherDeadlinePassed || available.count >= expectedWorkers }

  /// Everyone who was offered the attempt in hand, in an asynchronous run everyone who still works for it; empty if there
  /// is none.
  package var cohort: [WorkerID] {
    switch state {
    case .attempting(let attempt), .closing(let attempt):
      if case .buffered(let buffer) = attempt.aggregator { buffer.inFlight.keys.sorted() } else { attempt.cohort }
    case .idle, .gathering, .waitingToRetry, .blocked, .finished: []
    }
  }

  /// Whether it was set aside, and its last attempt has ended.
  package var isPaused: Bool {
    switch state {
    case .idle, .gathering, .waitingToRetry, .blocked: isPauseWanted
    case .attempting, .closing, .finished: false
    }
  }
}
