import Federation
import SecureAggregation

/// The nested machine of the running attempt: events in, its actions translated.
extension RunStateMachine {
  /// - Parameter worker: who caused the event: nil for a deadline, which has no group.
  mutating func secure(_ event: SecureAggregationCoordinator.Event, of worker: WorkerID? = nil) -> [Action] {
    if let worker, case .grouped = openAttempt?.aggregator { return grouped { $0.handle(event, of: worker) } }
    guard case .attempting(var attempt) = state, case .secure(var machine) = attempt.aggregator else { return [] }
    let actions = machine.handle(event)
    attempt.aggregator = .secure(machine)
    if !machine.survivors.isEmpty { attempt.survivors = machine.survivors }
    state = .attempting(attempt)
    return translate(actions)
  }

  mutating func plain(_ step: (inout PlainAttempt) -> [PlainAttempt.Action]) -> [Action] {
    guard case .attempting(var attempt) = state, case .plain(var machine) = attempt.aggregator else { return [] }
    let actions = step(&machine)
    attempt.aggregator = .plain(machine)
    state = .attempting(attempt)
    return translate(actions)
  }

  mutating func abridged(_ step: (inout AbridgedAttempt) -> [AbridgedAttempt.Action]) -> [Action] {
    guard case .attempting(var attempt) = state, case .abridged(var machine) = attempt.aggregator else { return [] }
    let actions = step(&machine)
    attempt.aggregator = .abridged(machine)
    state = .attempting(attempt)
    return translate(actions)
  }

  /// - Parameter group: of the cohort, by its place; nil if the cohort is one.
  mutating func translate(_ actions: [SecureAggregationCoordinator.Action], ofGroup group: Int? = nil) -> [Action] {
    var out: [Action] = []
    for action in actions {
      switch action {
      case .sendRoster(let message, let workers):
        let parts = message.parts
        out += workers.flatMap { worker in parts.map { .send(.roster(attemptID, $0), to: worker) } }
      case .sendPeerShares(let message, let worker): out.append(.send(.peerShares(message), to: worker))
      case .sendDealers(let message, let workers): out += workers.map { .send(.dealers(message), to: $0) }
      case .sendSurvivors(let message, let workers): out += workers.map { .send(.survivors(message), to: $0) }
      case .sendQuorum(let message, let workers): out += workers.map { .send(.quorum(message), to: $0) }
      case .startDeadline(let stage, let duration):
        let kind: DeadlineID.Kind = group.map { .groupStage($0, stage) } ?? .stage(stage)
        out.append(.startDeadline(DeadlineID(kind: kind, attempt: attemptID), duration))
      case .openInputs(let transcript, let vectors, let workers):
        guard case .attempting(let attempt) = state else { continue }
        reportTimes.begin(workers, at: time, asGroup: group != nil)
        out.append(
          .openUploads(
            UploadPlan(
              upload: transcript, aggregation: .secure, configuration: attempt.context.configuration,
              vectors: vectors, workers: workers, beside: attempt.uploads(besideGroup: group))))
      case .acceptInput(let worker): out.append(.acceptUpload(from: worker))
      case .refuseInput(let worker, let refusal):
        out.append(.refuseUpload(from: worker, reason: refusal.rawValue))
      case .addInput(let worker):
        reportTimes.reported(worker, at: time)
        out.append(.addInput(from: worker))
      case .repeatOffer(let worker):
        guard case .attempting(let attempt) = state else { continue }
        out.append(.send(.offer(attempt.offer), to: worker))
      case .leaveOut(let workers):
        out += workers.map { .send(.ended(attemptID, .notCounted, reason: "the attempt goes on without it"), to: $0) }
      case .closeInputs: out.append(openAttempt?.upload(ofGroup: group).map(Action.closeUpload) ?? .closeUploads)
      case .unmask(let order): out.append(.unmask(order))
      case .ignored(let worker, let why): out.append(.ignored(from: worker, why: "\(why)"))
      case .keepEvidence(let evidence): out.append(.keepEvidence(evidence))
      case .blame(let worker, let fault):
        if fault.isProven { excluded.insert(worker) }
        if case .inDispute(let others) = fault { disputes.note(worker, with: others) }
        out.append(.blame(worker, fault: "\(fault)"))
      case .abandon(let reason):
        guard case .attempting(let attempt) = state else { continue }
        out += abandon(attempt, reason: reason.description)
      }
    }
    return out
  }

  mutating func translate(_ actions: [PlainAttempt.Action]) -> [Action] {
    var out: [Action] = []
    for action in actions {
      switch action {
      case .startDeadline(let duration):
        out.append(.startDeadline(DeadlineID(kind: .plainReport, attempt: attemptID), duration))
      case .openUploads(let upload, let vectors, let workers):
        guard case .attempting(let attempt) = state else { continue }
        reportTimes.begin(workers, at: time)
        out.append(
          .openUploads(
            UploadPlan(
              upload: upload, aggregation: .plain, configuration: attempt.context.configuration, vectors: vectors,
              workers: workers)))
      case .acceptUpload(let worker): out.append(.acceptUpload(from: worker))
      case .refuseUpload(let worker, let reason): out.append(.refuseUpload(from: worker, reason: reason))
      case .addInput(let worker):
        reportTimes.reported(worker, at: time)
        out.append(.addInput(from: worker))
      case .closeUploads(let late):
        out.append(.closeUploads)
        out += late.map { .send(.ended(attemptID, .notCounted, reason: "the updates are closed"), to: $0) }
      case .repeatOffer(let worker):
        guard case .attempting(let attempt) = state else { continue }
        out.append(.send(.offer(attempt.offer), to: worker))
      case .openSum(let survivors): out += openPlainSum(of: survivors)
      case .abandon(let reason): out += abandonAttempt(reason)
      }
    }
    return out
  }

  private mutating func translate(_ actions: [AbridgedAttempt.Action]) -> [Action] {
    var out: [Action] = []
    for action in actions {
      switch action {
      case .startDeadline(let duration):
        out.append(.startDeadline(DeadlineID(kind: .plainReport, attempt: attemptID), duration))
      case .reportsExpected(let workers): reportTimes.begin(workers, at: time)
      case .reported(let worker, let time):
        reportTimes.reported(worker, at: time)
        out.append(.addInput(from: worker))
      case .openSum(let survivors): out += openPlainSum(of: survivors)
      case .abandon(let reason): out += abandonAttempt(reason)
      }
    }
    return out
  }

  private mutating func openPlainSum(of survivors: [WorkerID]) -> [Action] {
    guard case .attempting(var attempt) = state else { return [] }
    attempt.survivors = survivors
    state = .attempting(attempt)
    return [.openPlainSum]
  }

  mutating func abandonAttempt(_ reason: String) -> [Action] {
    guard case .attempting(let attempt) = state else { return [] }
    return abandon(attempt, reason: reason)
  }

  mutating func returned(_ worker: WorkerID) -> [Action] {
    guard let attempt = openAttempt else { return [] }
    switch attempt.aggregator {
    case .secure, .grouped: return secure(.workerReturned(worker), of: worker)
    case .plain: return plain { $0.workerReturned(worker) }
    case .abridged: return []
    case .buffered: return buffered { $0.workerReturned(worker) }
    }
  }

  /// A new process of the worker: in the running attempt it has nothing any more, in the next it counts like any other.
  mutating func restarted(_ worker: WorkerID) -> [Action] {
    guard let attempt = openAttempt else { return [] }
    switch attempt.aggregator {
    case .secure, .grouped: return secure(.workerRestarted(worker), of: worker)
    case .plain: return plain { $0.workerLeft(worker) }
    case .abridged: return abridged { $0.left(worker) }
    case .buffered: return buffered { $0.workerLeft(worker) }
    }
  }

  /// The attempt that still hears of its workers: while its result is made, an asynchronous one alone does.
  var openAttempt: Attempt? {
    switch state {
    case .attempting(let attempt): return attempt
    case .closing(let attempt):
      if case .buffered = attempt.aggregator { return attempt }
      return nil
    case .idle, .gathering, .waitingToRetry, .blocked, .finished: return nil
    }
  }

  mutating func noteFailure(of worker: WorkerID) {
    guard case .attempting(var attempt) = state else { return }
    attempt.failures.insert(worker)
    state = .attempting(attempt)
  }

  mutating func gone(_ worker: WorkerID) -> [Action] {
    reportTimes.excuse(worker)
    guard let attempt = openAttempt else { return [] }
    switch attempt.aggregator {
    case .secure, .grouped: return secure(.workerLost(worker), of: worker)
    case .plain: return plain { $0.workerGone(worker) }
    case .abridged: return abridged { $0.left(worker) }
    case .buffered: return buffered { $0.workerGone(worker) }
    }
  }

  mutating func receive(_ message: WorkerMessage, from worker: WorkerID) -> [Action] {
    if case .abort(let abort) = message, pastAttempts.note(abort, from: worker) { return [] }
    guard let attempt = openAttempt else { return [.ignored(from: worker, why: "no attempt is open")] }
    if case .buffered(let buffer) = attempt.aggregator { return receive(message, from: worker, for: buffer) }
    switch message {
    case .accept(let id):
      return id == attemptID ? [] : [.ignored(from: worker, why: "another attempt")]
    case .progress: return []
    case .decline(let id, let reason, let detail):
      guard id == attemptID else { return [.ignored(from: worker, why: "another attempt")] }
      if reason == .contributionsExhausted { exhausted.insert(worker) }
      if reason == .trainingFailed, attempt.cohort.contains(worker) { noteFailure(of: worker) }
      reportTimes.excuse(worker)
      let note = Action.ignored(from: worker, why: "declined: \(reason) \(detail)")
      switch attempt.aggregator {
      case .secure, .grouped: return [note] + secure(.workerDeclined(worker), of: worker)
      case .plain, .buffered: return [note] + plain { $0.workerLeft(worker) }
      case .abridged: return [note] + abridged { $0.failed(worker) }
      }
    case .advert(let id, let advert):
      guard id == attemptID else { return [.ignored(from: worker, why: "another attempt")] }
      return secure(.advertReceived(advert, from: worker), of: worker)
    case .bundle(let bundle): return secure(.bundleReceived(bundle, from: worker), of: worker)
    case .shareCheck(let check): return secure(.shareCheckReceived(check, from: worker), of: worker)
    case .agree(let agreement): return secure(.agreementReceived(agreement, from: worker), of: worker)
    case .unmask(let shares): return secure(.unmaskReceived(shares, from: worker), of: worker)
    case .abort(let abort): return secure(.abortReceived(abort, from: worker), of: worker)
    }
  }

  mutating func uploadOpened(_ header: InputHeader, from worker: WorkerID) -> [Action] {
    guard let attempt = openAttempt else { return [.refuseUpload(from: worker, reason: "no attempt is open")] }
    switch attempt.aggregator {
    case .secure, .grouped: return secure(.inputOpened(header, from: worker), of: worker)
    case .plain: return plain { $0.uploadOpened(header, from: worker) }
    case .abridged: return [.refuseUpload(from: worker, reason: "the attempt takes no uploads")]
    case .buffered: return buffered { $0.uploadOpened(header, from: worker) }
    }
  }

  mutating func uploadCompleted(_ trailer: InputTrailer, payload: Digest, from worker: WorkerID) -> [Action] {
    guard let attempt = openAttempt else { return [.refuseUpload(from: worker, reason: "no attempt is open")] }
    switch attempt.aggregator {
    case .secure, .grouped:
      return secure(.inputCompleted(trailer, payloadDigest: payload, from: worker), of: worker)
    case .plain: return plain { $0.uploadCompleted(trailer, payload: payload, from: worker) }
    case .abridged: return [.refuseUpload(from: worker, reason: "the attempt takes no uploads")]
    case .buffered: return buffered { $0.uploadCompleted(trailer, payload: payload, from: worker) }
    }
  }

  mutating func inputRejected(from worker: WorkerID, upload: Digest, reason: String) -> [Action] {
    if case .buffered = openAttempt?.aggregator {
      return bufferedInputRejected(from: worker, upload: upload, reason: reason)
    }
    guard case .attempting(var attempt) = state, attempt.cohort.contains(worker) else { return [] }
    // Nobody sees what a masked input holds: only its transfer can have failed, which convicts nobody.
    switch attempt.aggregator {
    case .secure, .grouped:
      return [.ignored(from: worker, why: "its upload failed: \(reason)")]
        + secure(.inputFailed(from: worker), of: worker)
    case .plain, .abridged, .buffered: break
    }
    excluded.insert(worker)
    attempt.survivors.removeAll { $0 == worker }
    state = .attempting(attempt)
    return [.blame(worker, fault: reason)] + plain { $0.inputRejected(from: worker) }
      + abridged { $0.failed(worker) }
  }
}
