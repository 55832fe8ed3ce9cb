import Aggregation
import Federation
import SecureAggregation

/// Rounds without cohorts: whoever is free is asked, and a version is made whenever the buffer is full (`UpdateBuffer`).
///
/// An attempt is in hand from the first offer to the end of training: the next one begins in the moment in which a version
/// is committed, and takes over whoever still trains.
extension RunStateMachine {
  /// Begins the attempt of this round.
  ///
  /// - Parameter cohort: whom to ask at once.
  mutating func begin(_ buffer: UpdateBuffer, asking cohort: [WorkerID]) -> [Action] {
    let (context, offer) = nextOffer()
    var buffer = buffer
    buffer.isLast = isBufferLast
    isStarving = false
    attemptsThisRound += 1
    let actions = [.recordAttempt(attemptID, cohort: cohort)] + buffer.begin(context, offer) + buffer.ask(cohort)
    state = .attempting(
      Attempt(context: context, offer: offer, cohort: cohort, isEvaluation: false, aggregator: .buffered(buffer)))
    return actions
  }

  /// A version was committed: the next round begins at once, unless none trains.
  mutating func goOn(with buffer: UpdateBuffer) -> [Action] {
    var buffer = buffer
    guard !isEvaluationRound, !isPauseWanted, !stopsAfterCommit else {
      let endings = buffer.end(.notCounted, reason: "no further version is made")
      return endings + (stopsAfterCommit ? finish(.stopped) : gather())
    }
    return begin(buffer, asking: []) + buffered { $0.takeHeld() }
  }

  /// Whether nothing trains behind the buffer in hand.
  private var isBufferLast: Bool { isPauseWanted || round.value >= plan.rounds || endReason != nil }

  /// One step of the buffer in hand, and what follows for those who are free.
  mutating func buffered(_ step: (inout UpdateBuffer) -> [Action]) -> [Action] {
    switch state {
    case .attempting(let attempt):
      guard let (changed, actions) = stepped(attempt, step) else { return [] }
      state = .attempting(changed)
      return actions + refill()
    case .closing(let attempt):
      guard let (changed, actions) = stepped(attempt, step) else { return [] }
      state = .closing(changed)
      return actions
    case .idle, .gathering, .waitingToRetry, .blocked, .finished: return []
    }
  }

  private func stepped(
    _ attempt: Attempt, _ step: (inout UpdateBuffer) -> [Action]
  ) -> (Attempt, [Action])? {
    guard case .buffered(var buffer) = attempt.aggregator else { return nil }
    buffer.isLast = isBufferLast
    let actions = step(&buffer)
    var changed = attempt
    changed.aggregator = .buffered(buffer)
    if buffer.isClosed { changed.survivors = buffer.survivors }
    return (changed, actions)
  }

  /// Asks whoever is free. If nobody trains and nobody can be asked, what is in the buffer has to do.
  mutating func refill() -> [Action] {
    guard case .attempting(var attempt) = state, case .buffered(let buffer) = attempt.aggregator, !buffer.isClosed,
      !isHeld || isPauseWanted
    else { return [] }
    let askable =
      isPauseWanted ? Set() : available.subtracting(excluded).subtracting(exhausted).filter(buffer.mayAsk)
    let room = max(0, plan.cohortTarget - buffer.awaited.count)
    let pool = room > 0 ? askable.subtracting(turn.busy).sorted() : []
    let order = ordered(pool, stream: "cohort \(attemptID) \(attempt.cohort.count)")
    let chosen = order.lazy.filter(isEligible).prefix(room).sorted()
    guard chosen.isEmpty else {
      sampling.drawn(from: pool)
      isStarving = false
      attempt.cohort += chosen
      state = .attempting(attempt)
      return [.extendAttempt(attemptID, by: chosen)] + buffered { $0.ask(chosen) }
    }
    guard buffer.awaited.isEmpty, !askable.contains(where: isEligible) else {
      isStarving = false
      return []
    }
    return starve(attempt, buffer)
  }

  /// - Precondition: nobody trains who is here, and nobody can be asked.
  private mutating func starve(_ attempt: Attempt, _ buffer: UpdateBuffer) -> [Action] {
    let hasStarved = isStarving
    isStarving = false
    if buffer.count >= plan.minimumWorkers { return buffered { $0.close() } }
    let tooFew = "\(buffer.count) updates arrived, \(plan.minimumWorkers) are needed"
    if isPauseWanted {
      attemptsThisRound = 0  // People end this attempt: it is no failure of the round.
      return abandon(attempt, reason: "paused: \(tooFew)")
    }
    if eligibleCount >= plan.minimumWorkers { return abandon(attempt, reason: tooFew) }
    if !hasStarved { gatheringSince = time }
    isStarving = true
    return impatience(after: plan.patience)
  }

  /// What the buffer in hand lacks.
  var bufferShortage: String {
    guard case .attempting(let attempt) = state, case .buffered(let buffer) = attempt.aggregator else { return "" }
    return "; \(buffer.count) of \(buffer.rules.size) updates are in the buffer"
  }

  // MARK: Events

  mutating func receive(_ message: WorkerMessage, from worker: WorkerID, for buffer: UpdateBuffer) -> [Action] {
    switch message {
    case .accept(let id), .progress(let id, _, _, _):
      return buffer.inFlight[worker] == id ? [] : [.ignored(from: worker, why: "another attempt")]
    case .decline(let id, let reason, let detail):
      guard buffer.inFlight[worker] == id else { return [.ignored(from: worker, why: "another attempt")] }
      if reason == .contributionsExhausted { exhausted.insert(worker) }
      if reason == .trainingFailed, id == attemptID { noteFailure(of: worker) }
      return [.ignored(from: worker, why: "declined: \(reason) \(detail)")]
        + buffered { $0.workerLeft(worker) }
    case .advert, .bundle, .shareCheck, .agree, .unmask, .abort:
      return [.ignored(from: worker, why: "nothing is masked in this attempt")]
    }
  }

  mutating func bufferedInputRejected(from worker: WorkerID, upload: Digest, reason: String) -> [Action] {
    guard openUpload(of: worker) == upload else {
      return [.ignored(from: worker, why: "an upload of an attempt that is over for it: \(reason)")]
    }
    excluded.insert(worker)
    return [.blame(worker, fault: reason)] + buffered { $0.inputRejected(from: worker) }
  }

  private func openUpload(of worker: WorkerID) -> Digest? {
    switch state {
    case .attempting(let attempt), .closing(let attempt):
      if case .buffered(let buffer) = attempt.aggregator { buffer.upload(of: worker) } else { nil }
    case .idle, .gathering, .waitingToRetry, .blocked, .finished: nil
    }
  }
}
