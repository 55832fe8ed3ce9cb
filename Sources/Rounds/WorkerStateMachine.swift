import Cryptography
import Federation
import SecureAggregation

/// A worker's part in the attempts it is offered, one at a time.
///
///     idle ─ offer ▶ fetching ─ model held ▶ working (train ∥ key setup) ─ both ▶ reporting ─▶ waiting ─ result ▶ idle
///
/// Training and the setup of secure aggregation run side by side: masking costs two small round trips after training.
package struct WorkerStateMachine: Sendable {
  package enum Event: Sendable {
    /// A session with the coordinator has begun, or begun again: what was said before it may never have left.
    case connected
    case received(CoordinatorMessage, now: UInt64)
    /// The blobs of the offered model are here; `modelDigest` is computed from them.
    case modelHeld(AttemptID, modelDigest: Digest)
    case modelUnavailable(AttemptID, reason: String)
    case trained(AttemptID)
    case trainingFailed(AttemptID, reason: String)
    /// The thread that trains does not come back from an attempt that is over: nothing can be trained.
    case trainerHung
    /// It is back.
    case trainerReady
    case uploaded(AttemptID)
    case uploadRefused(AttemptID, reason: String)
    case deadlinePassed(DeadlineID)
    /// The process is asked to stop.
    case stopRequested
  }

  package enum Action: Sendable {
    case send(WorkerMessage)
    case record(WorkerLedger.Entry)
    /// Somebody signed what cannot both be honest: keep it, for people.
    case keepEvidence(Evidence)
    case fetchModel(RoundOffer)
    /// Evaluate, and train unless the task says otherwise, on the model held.
    case train(RoundOffer)
    case upload(UploadOrder)
    /// The update counts in a version: what training made of the worker's control variate is its own from now on, durably.
    case keepControl(AttemptID)
    /// Drop what belongs to this attempt: training, update, upload.
    case cancelWork(AttemptID)
    case startDeadline(DeadlineID, Duration)
    case note(Note)
  }

  /// What the driver logs; nothing in it is secret.
  package enum Note: Hashable, Sendable {
    case declined(AttemptID, DeclineReason, detail: String)
    case ignored(kind: String, why: String)
    case ended(AttemptID, Ending)
  }

  package enum Ending: Hashable, Sendable {
    case committed(modelDigest: Digest?, counted: Bool)
    case notCounted
    /// In the buffer that the next version is made of.
    case counted
    case abandoned(reason: String)
    case refused(Refusal)
    case aborted(reason: String)
  }

  package struct DeadlineID: Hashable, Sendable {
    package let attempt: AttemptID
    /// Every step of an attempt has a deadline of its own; older ones say nothing.
    package let step: UInt32

    package init(attempt: AttemptID, step: UInt32) {
      self.attempt = attempt
      self.step = step
    }
  }

  /// How the trained update leaves the worker.
  package enum UploadOrder: Sendable {
    case secure(AttemptID, MaskingOrder, RoundConfiguration)
    case plain(AttemptID, PlainUploadOrder, RoundConfiguration)
  }

  struct Work: Sendable {
    let offer: RoundOffer
    let context: AttemptContext
    var secure: SecureAggregationWorker?
    var isModelHeld = false
    var isTrained = false
    var masking: MaskingOrder?
    var isUploading = false
    var step: UInt32 = 0
    /// A large roster comes in parts.
    var roster = RosterAssembly()
    /// Of the transcript, once there is one.
    var members: TranscriptMembers?
  }

  /// An attempt that is over and that something masked left for: it counts until it is shown to be sealed.
  struct Contribution: Sendable {
    let attempt: AttemptID
    let modelDigest: Digest
    let members: TranscriptMembers
  }

  /// What was said of an attempt that is over, and on which model that was.
  struct Statement: Sendable {
    let attempt: AttemptID
    let modelDigest: Digest
    let abort: WorkerAbort
  }

  /// Older contributions count for ever.
  static let contributionsMax = 16
  /// The coordinator keeps no more of them.
  package static let statementsMax = PastAttempts.attemptsMax

  let certificate: Certificate
  let membership: MembershipList
  let coordinatorKey: SigningPublicKey
  let policy: WorkerPolicy
  let signingKey: SigningKey
  let secrets: any SecretSource
  package private(set) var ledger: WorkerLedger
  var work: Work?
  /// Nothing can be trained: see `Event.trainerHung`.
  var isTrainerHanging = false
  /// In this process, oldest first.
  var contributions: [Contribution] = []
  /// In this process, oldest first: as many as a coordinator keeps, on the model in hand.
  var statements: [Statement] = []
  let computations: any RoundComputations

  /// - Parameters:
  ///   - ledger: everything recorded before.
  ///   - secrets: the system's generator; seeded only in the simulator.
  ///   - computations: remembers certificates by itself; shared by all workers of a simulation. A process with threads
  ///     to spare checks signatures on them.
  package init(
    certificate: Certificate, membership: MembershipList, coordinatorKey: SigningPublicKey, policy: WorkerPolicy,
    signingKey: SigningKey, secrets: any SecretSource, ledger: WorkerLedger,
    computations: any RoundComputations = RememberedComputations(servesMany: false)
  ) {
    self.certificate = certificate
    self.membership = membership
    self.coordinatorKey = coordinatorKey
    self.policy = policy
    self.signingKey = signingKey
    self.secrets = secrets
    self.ledger = ledger
    self.computations = computations
  }

  /// The attempt in hand.
  package var attempt: AttemptID? { work?.offer.attempt }

  /// What the worker is doing, for people and progress messages.
  package var phase: WorkPhase? {
    guard let work else { return nil }
    if work.isUploading { return .reporting }
    if work.isTrained { return .waiting }
    return work.isModelHeld ? .training : .fetchingModel
  }

  package mutating func handle(_ event: Event) -> [Action] {
    switch event {
    // Nobody asks for these again: a coordinator that has not heard one cannot know of it.
    case .connected: return statements.map { .send(.abort($0.abort)) }
    case .received(let message, let now): return receive(message, now: now)
    case .modelHeld(let attempt, let digest): return current(attempt) { $0.modelHeld(digest) }
    case .modelUnavailable(let attempt, let reason):
      return current(attempt) {
        $0.decline(.modelUnavailable, reason, attempt: attempt) + $0.end(.aborted(reason: reason))
      }
    case .trained(let attempt): return current(attempt) { $0.trained() }
    case .trainingFailed(let attempt, let reason):
      return current(attempt) {
        $0.secure(.failed(.ownFailure)) + $0.decline(.trainingFailed, reason, attempt: attempt)
          + $0.end(.aborted(reason: reason))
      }
    case .trainerHung:
      isTrainerHanging = true
      return []
    case .trainerReady:
      isTrainerHanging = false
      return []
    case .uploaded(let attempt): return current(attempt) { $0.uploaded() }
    case .uploadRefused(let attempt, let reason):
      return current(attempt) { machine in
        machine.secure(.failed(.ownFailure)) + machine.end(.aborted(reason: "upload refused: \(reason)"))
      }
    case .deadlinePassed(let deadline):
      guard deadline.step == work?.step else { return [] }
      return current(deadline.attempt) { $0.secure(.deadlinePassed) + $0.end(.aborted(reason: "deadline")) }
    case .stopRequested:
      guard work != nil else { return [] }
      return secure(.failed(.ownFailure)) + end(.aborted(reason: "the worker stops"))
    }
  }

  /// Events of an attempt that is over say nothing.
  private mutating func current(
    _ attempt: AttemptID, _ body: (inout WorkerStateMachine) -> [Action]
  ) -> [Action] {
    work?.offer.attempt == attempt ? body(&self) : []
  }

  private mutating func receive(_ message: CoordinatorMessage, now: UInt64) -> [Action] {
    switch message {
    case .offer(let offer): return receive(offer, now: now)
    case .roster(let attempt, let roster):
      guard work?.offer.attempt == attempt else {
        return [.note(.ignored(kind: message.kind, why: "another attempt"))]
      }
      let computations = computations
      guard let whole = work?.roster.add(roster, computations: computations) else { return [] }
      return secure(.rosterReceived(whole))
    case .peerShares(let shares): return secure(.peerSharesReceived(shares))
    case .dealers(let dealers): return secure(.dealersReceived(dealers))
    case .survivors(let survivors): return secure(.survivorsReceived(survivors))
    case .quorum(let quorum): return secure(.quorumReceived(quorum))
    case .result(let result): return secure(.resultReceived(result))
    case .ended(let attempt, let outcome, let reason):
      return current(attempt) { machine in
        switch outcome {
        case .committed:
          // In secure mode only the signed result says so.
          guard machine.work?.offer.task.aggregation == .plain else { return [] }
          return machine.end(.committed(modelDigest: nil, counted: true))
        case .counted:
          guard machine.work?.offer.task.aggregation == .plain else { return [] }
          return machine.end(.counted)
        // Its secrets go, and with them any possibility to release: the others are told so (ruling A8).
        case .notCounted: return machine.secure(.failed(.attemptEnded)) + machine.end(.notCounted)
        case .abandoned:
          return machine.secure(.failed(.attemptEnded)) + machine.end(.abandoned(reason: reason))
        }
      }
    case .aborts(let statements): return receive(statements)
    }
  }

  mutating func record(_ entry: WorkerLedger.Entry) -> Action {
    ledger.apply(entry)
    return .record(entry)
  }

  func decline(_ reason: DeclineReason, _ detail: String, attempt: AttemptID) -> [Action] {
    [
      .send(.decline(attempt, reason, detail: String(detail.prefix(200)))),
      .note(.declined(attempt, reason, detail: detail)),
    ]
  }

  /// Leaves the attempt: its secrets go with the machine that held them.
  mutating func end(_ ending: Ending) -> [Action] {
    guard let ended = work else { return [] }
    let attempt = ended.offer.attempt
    if ended.isUploading, let members = ended.members {
      contributions.append(
        Contribution(attempt: attempt, modelDigest: ended.offer.modelDigest, members: members))
      if contributions.count > Self.contributionsMax { contributions.removeFirst() }
    }
    work = nil
    var actions: [Action] = [.cancelWork(attempt), .note(.ended(attempt, ending))]
    if case .committed(_, counted: true) = ending, ended.offer.usesControlVariates {
      actions.insert(.keepControl(attempt), at: 0)
    }
    return actions
  }

  /// Starts the deadline of the next step.
  mutating func step(_ duration: Duration) -> Action? {
    guard work != nil else { return nil }
    work?.step += 1
    guard let work else { return nil }
    return .startDeadline(DeadlineID(attempt: work.offer.attempt, step: work.step), duration)
  }

  /// Structural claims that hold after every event.
  package func checkInvariants() {
    work?.secure?.checkInvariants()
    if let work {
      precondition(!work.isUploading || work.isTrained, "an upload before training ended")
      precondition(!ledger.isNew(work.offer.attempt), "work on an attempt that was never recorded")
    }
    precondition(ledger.releases.isDisjoint(with: ledger.promises), "released what was promised not to be released")
    precondition(
      statements.allSatisfy { $0.abort.hasReleased || ledger.promises.contains($0.abort.transcript) },
      "a promise to be said again that was never recorded")
    precondition(statements.count <= Self.statementsMax, "statements are kept without end")
  }
}

/// What a worker needs to report in plain mode.
package struct PlainUploadOrder: Sendable {
  package let roundID: Digest
  package let header: InputHeader
  let signingKey: SigningKey

  init(context: AttemptContext, signingKey: SigningKey) {
    let vectors = PlainAttempt.vectors(for: context.configuration)
    roundID = context.roundID
    self.signingKey = signingKey
    header = InputHeader(
      transcript: context.roundID, worker: 0, dealersDigest: PlainAttempt.noDealers, vectors: vectors,
      signature: signingKey.signature(
        over: SignedString.inputHeader(
          transcript: context.roundID, worker: 0, dealersDigest: PlainAttempt.noDealers, vectors: vectors)))
  }

  /// The trailer over all chunk digests, vectors in header order, chunks by index.
  package func trailer(chunkDigests: [Digest]) -> InputTrailer {
    let payload = ChunkDigests.payload(chunkDigests)
    return InputTrailer(
      transcript: roundID, worker: 0, dealersDigest: PlainAttempt.noDealers, payloadDigest: payload,
      signature: signingKey.signature(
        over: SignedString.input(
          transcript: roundID, worker: 0, dealersDigest: PlainAttempt.noDealers, payloadDigest: payload)))
  }
}
