import Cryptography
import Federation
import SecureAggregation

/// One run at the coordinator: round after round, attempt after attempt (DESIGN: selecting, reporting, unmasking,
/// closing; Bonawitz et al. 2019, §2.2).
///
///     gathering ─▶ attempting ─ sum open ▶ closing ─ committed ▶ gathering … ─▶ evaluating ─▶ finished
///         ▲            └── abandoned ──▶ waitingToRetry ──┘
package struct RunStateMachine: Sendable {
  package enum Event: Sendable {
    case started(now: UInt64)
    /// A worker is there: for the first time, or its process lived on and the link came back.
    case workerJoined(WorkerID)
    /// Another process of the worker is there; what the one before knew of an attempt is gone.
    case workerRestarted(WorkerID)
    case workerLost(WorkerID)
    case received(WorkerMessage, from: WorkerID)
    case uploadOpened(InputHeader, from: WorkerID)
    /// `payloadDigest` is computed from the chunks that arrived.
    case uploadCompleted(InputTrailer, payloadDigest: Digest, from: WorkerID)
    /// What a plain upload holds breaks a rule, or an upload of either mode cannot be finished; it was not added. Comes
    /// before `sumOpened`.
    case inputRejected(from: WorkerID, upload: Digest, reason: String)
    /// What a plain upload says of the model that its worker trained on.
    case inputMeasured(RoundMetrics, from: WorkerID)
    /// In the simulator's fast fidelity: these are on the roster.
    case rosterFormed([WorkerID])
    /// In the simulator's fast fidelity: inputs are complete, in this order.
    case inputsReported([AbridgedReport])
    case deadlinePassed(DeadlineID, now: UInt64)
    case sumOpened(SumSummary)
    /// The answer to `prepare`, from the coordinator's own data.
    case candidateMeasured(RoundMetrics, base: RoundMetrics?)
    /// The strategy makes no model of the inputs, or of their sum, or none that is a number or fits the coordinator's own
    /// data: in place of `sumOpened`, of `candidateMeasured` or of `committed`. Nothing was published.
    case sumRefused(reason: String)
    case committed(BaseModel)
    /// The driver could not do what an action ordered.
    case failed(reason: String)
    case stopRequested
    /// It is the run's turn to take workers of the fleet.
    case turn(Turn)
    /// No attempt is offered behind the one in hand until `resumeRequested`.
    case pauseRequested
    case resumeRequested
  }

  package enum Action: Sendable {
    case send(CoordinatorMessage, to: WorkerID)
    case startDeadline(DeadlineID, Duration)
    /// Durable before the offers leave.
    case recordAttempt(AttemptID, cohort: [WorkerID])
    /// More workers are asked under an attempt that was recorded; durable before their offers leave.
    case extendAttempt(AttemptID, by: [WorkerID])
    case openUploads(UploadPlan)
    /// The plan with this name takes an upload of this worker, too; no other plan does any more.
    case admitUpload(from: WorkerID, upload: Digest)
    case acceptUpload(from: WorkerID)
    case refuseUpload(from: WorkerID, reason: String)
    case addInput(from: WorkerID)
    case closeUploads
    /// The same for one group of a cohort: the uploads of the others go on.
    case closeUpload(Digest)
    /// Subtract these masks, then report `sumOpened`.
    case unmask(UnmaskingOrder)
    /// Subtract these masks from the sums of a cohort's groups, combine their means, then report `sumOpened`.
    case openGroups(GroupsOrder)
    /// The plain sum is complete: report `sumOpened`.
    case openPlainSum
    /// The buffer is full: combine the groups' sums and report `sumOpened`. The sums are empty then, and later updates of
    /// the same groups are for the next buffer.
    case openBuffer(BufferOrder)
    /// Make the next version, but publish nothing yet: report `candidateMeasured`, with the base's metrics if those are
    /// wanted, too.
    case prepare(CommitOrder, measuresBase: Bool)
    /// Make, store and sign the next version, or that which was prepared, then report `committed`.
    case commit(CommitOrder)
    /// `version` turned out to be bad: nothing trains on it or serves it as the latest any more; `base` takes its place.
    case takeBack(version: ModelVersion, base: BaseModel, reason: String)
    /// This version is the best that was measured so far.
    case foundBest(ModelVersion)
    case report(RoundReport)
    /// The attempt goes on without a group of its cohort.
    case groupLeftOut(AttemptID, LeftOutGroup)
    case blame(WorkerID, fault: String)
    /// Somebody signed what cannot both be honest: keep it, for people.
    case keepEvidence(Evidence)
    /// The run waits for people.
    case blocked(reason: String)
    case ignored(from: WorkerID, why: String)
    case finished(Outcome)
  }

  package enum Outcome: Hashable, Sendable {
    /// All rounds, or as many as it took: see `endReason`.
    case completed(ModelVersion)
    case failed(reason: String)
    case stopped
  }

  /// Names one deadline; a deadline of an attempt that has ended says nothing.
  package struct DeadlineID: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
      case gather
      /// Nobody waits for workers for ever.
      case patience
      case retry
      case stage(SecureAggregationStage)
      /// The same of one group of a cohort, which is named by its place.
      case groupStage(Int, SecureAggregationStage)
      case plainReport
      /// Of a candidate, on the coordinator's own data.
      case measurement
      /// Of one worker of an asynchronous run.
      case update(WorkerID)
    }
    package let kind: Kind
    package let attempt: AttemptID

    package init(kind: Kind, attempt: AttemptID) {
      self.kind = kind
      self.attempt = attempt
    }
  }

  /// Which uploads the bulk socket may take, and where they go.
  package struct UploadPlan: Sendable {
    package let upload: Digest
    package let aggregation: AggregationMode
    package let configuration: RoundConfiguration
    package let vectors: [VectorSpecification]
    package let workers: [WorkerID]
    /// Plans of earlier attempts of the run that go on beside this one; every other is over.
    package var beside: [Digest] = []
  }

  /// What closing a round needs beside the open sum.
  package struct CommitOrder: Sendable {
    package let attempt: AttemptID
    package let base: BaseModel
    package let version: ModelVersion
    package let summary: SumSummary
    package let configuration: RoundConfiguration
    package let task: TrainingTask
    package let rosterCount: Int
    package let cohort: Int
    package let reported: Int
    /// Nil in plain mode and with groups, each of which has its own; rotation and value bits follow from it.
    package let transcript: Digest?
  }

  enum Aggregator: Sendable {
    case secure(SecureAggregationCoordinator)
    case grouped(GroupedAttempt)
    case plain(PlainAttempt)
    case abridged(AbridgedAttempt)
    case buffered(UpdateBuffer)
  }

  struct Attempt: Sendable {
    let context: AttemptContext
    let offer: RoundOffer
    /// Everyone who was offered it.
    var cohort: [WorkerID]
    let isEvaluation: Bool
    var aggregator: Aggregator
    var survivors: [WorkerID] = []
    var summary: SumSummary?
    /// Of the version that the attempt makes, on the coordinator's data.
    var central: RoundMetrics?
    /// Workers who could not train on the model.
    var failures: Set<WorkerID> = []

    /// Whether the driver has been told to open the sum.
    var isSumDue: Bool {
      switch aggregator {
      case .secure(let machine): machine.isReconstructed
      case .grouped(let groups): groups.isOpening
      case .plain(let machine): machine.isClosed
      case .abridged(let machine): machine.isClosed
      case .buffered(let buffer): buffer.isClosed
      }
    }
  }

  enum State: Sendable {
    case idle
    case gathering
    case waitingToRetry
    /// Data owners have to consent before it goes on (ruling A8).
    case blocked
    case attempting(Attempt)
    case closing(Attempt)
    case finished(Outcome)
  }

  package let plan: RunPlan
  let membership: MembershipList
  let certificate: Certificate
  let signingKey: SigningKey
  let computations: any RoundComputations
  package internal(set) var base: BaseModel
  /// Where `base` can be taken back to, newest last.
  var ancestors: [BaseModel]
  /// The greatest version number that was ever published.
  package internal(set) var newest: ModelVersion
  /// What the workers' hold-outs say.
  var watch: ModelWatch
  /// What the coordinator's own data says; nil without. It then decides which version is the best, and when the run ends.
  var central: ModelWatch?
  var reportTimes = ReportTimes()
  var sampling = SamplingHistory()
  /// Why the run ends before its last round: no further round trains, the evaluation at the end does not wait for it.
  package internal(set) var endReason: String?
  /// Client updates in the versions that the run made, those of processes before this one too.
  package internal(set) var updatesUsed: UInt64
  /// Bytes of messages from and to the run's workers in this process: to be told before a commit and before a retry.
  package var bytesMoved: UInt64 = 0
  package internal(set) var round: RoundNumber
  package internal(set) var attempt: AttemptNumber
  var attemptsThisRound: UInt32 = 0
  var state: State = .idle
  package internal(set) var available: Set<WorkerID> = []
  /// Convicted in this run: never selected again.
  var excluded: Set<WorkerID> = []
  /// In this run.
  var disputes = Disputes()
  /// On the model in hand.
  var pastAttempts = PastAttempts()
  /// Have contributed to the model in hand as often as their own law allows; until they restart with another law.
  var exhausted: Set<WorkerID> = []
  var now: UInt64 = 0
  /// Of the event in hand.
  var time = MonotonicTime(nanoseconds: 0)
  var startedAt = MonotonicTime(nanoseconds: 0)
  /// When the wait for workers in hand began.
  var gatheringSince = MonotonicTime(nanoseconds: 0)
  /// Whether the driver runs a deadline for that wait; there is one at most.
  var isPatienceRunning = false
  /// Nobody trains for the buffer in hand, and nobody can be asked.
  var isStarving = false
  var gatherDeadlinePassed = false
  /// Whether this process has offered an attempt: from then on it does not gather again.
  var hasOffered = false
  /// A version is being committed: the run stops as soon as that is done.
  var stopsAfterCommit = false
  /// Attempts are offered in `turn` alone: other runs want workers of the same fleet.
  package var isHeld = false
  var isPauseWanted = false
  var turn = Turn()

  /// - Parameters:
  ///   - start: the committed model to go on from, and what is known of those before it.
  ///   - attempt: the first attempt number of that round that was never recorded.
  ///   - computations: remembers certificates by itself; shared with the workers of a simulation.
  package init(
    plan: RunPlan, membership: MembershipList, certificate: Certificate, signingKey: SigningKey, start: RunStart,
    attempt: AttemptNumber,
    computations: any RoundComputations = RememberedComputations(servesMany: false)
  ) {
    self.computations = computations
    self.plan = plan
    self.membership = membership
    self.certificate = certificate
    self.signingKey = signingKey
    base = start.base
    ancestors = start.ancestors
    newest = start.newest
    round = start.round
    updatesUsed = start.updates
    watch = ModelWatch(rules: plan.watch)
    central = plan.isMeasuredCentrally ? ModelWatch(rules: plan.watch) : nil
    self.attempt = attempt
    for measured in start.history {
      guard case .enough(let reason) = watch.take(measured, parent: nil), central == nil else { continue }
      endReason = reason
    }
    for measured in start.centralHistory {
      guard case .enough(let reason)? = central?.take(measured, parent: nil) else { continue }
      endReason = Self.onOwnData(reason)
    }
  }

  /// Whether the next attempt is the evaluation-only one.
  var isEvaluationRound: Bool { round.value > plan.rounds || endReason != nil }

  var attemptID: AttemptID { AttemptID(run: plan.run, round: round, attempt: attempt) }

  /// Workers on the roster of the attempt in hand.
  package var rosterCount: Int {
    switch state {
    case .attempting(let attempt), .closing(let attempt):
      switch attempt.aggregator {
      case .secure(let machine): machine.rosterWorkers.count
      case .grouped(let groups): groups.rosterCount
      case .plain, .buffered: attempt.cohort.count
      case .abridged(let machine): machine.rosterCount
      }
    case .idle, .gathering, .waitingToRetry, .blocked, .finished: 0
    }
  }

  /// Whose inputs are in the sum of the attempt in hand; empty before it is closed.
  package var survivors: [WorkerID] {
    switch state {
    case .attempting(let attempt), .closing(let attempt): attempt.survivors
    case .idle, .gathering, .waitingToRetry, .blocked, .finished: []
    }
  }

  package var outcome: Outcome? { if case .finished(let outcome) = state { outcome } else { nil } }

  /// The phase as the operator sees it.
  package var phase: String {
    switch state {
    case .idle: "idle"
    case .gathering, .waitingToRetry: "selecting"
    case .blocked: "blocked: contributions exhausted"
    case .attempting(let attempt):
      switch attempt.aggregator {
      case .secure(let machine): Self.phase(of: machine.stage)
      case .grouped(let groups): Self.phase(of: groups.stage)
      case .plain, .buffered, .abridged: "reporting"
      }
    case .closing: "closing"
    case .finished(.completed): "completed"
    case .finished(.failed): "failed"
    case .finished(.stopped): "stopped"
    }
  }

  private static func phase(of stage: SecureAggregationStage?) -> String {
    switch stage {
    case .consistencyCheck, .unmask, nil: "unmasking"
    case .advertiseKeys, .shareKeys, .checkShares, .maskedInput: "reporting"
    }
  }

  /// - Parameter time: of the event, on a clock that begins with the machine or before.
  package mutating func handle(_ event: Event, at time: MonotonicTime) -> [Action] {
    self.time = time
    if case .finished = state { return afterTheEnd(event) }
    switch event {
    case .started(let now):
      self.now = now
      guard case .idle = state else { return [] }
      startedAt = time
      return [.startDeadline(DeadlineID(kind: .gather, attempt: attemptID), plan.gatherDeadline)] + gather()
    case .workerJoined(let worker):
      available.insert(worker)
      return returned(worker) + select()
    case .workerRestarted(let worker):
      available.insert(worker)
      exhausted.remove(worker)
      let actions = restarted(worker)
      if case .blocked = state { return actions + gather() }
      return actions + select()
    case .workerLost(let worker):
      available.remove(worker)
      return gone(worker)
    case .received(let message, let worker): return receive(message, from: worker)
    case .uploadOpened(let header, let worker): return uploadOpened(header, from: worker)
    case .uploadCompleted(let trailer, let digest, let worker):
      return uploadCompleted(trailer, payload: digest, from: worker)
    case .inputRejected(let worker, let upload, let reason):
      return inputRejected(from: worker, upload: upload, reason: reason)
    case .inputMeasured(let metrics, let worker):
      if let loss = metrics.loss { sampling.reported(loss, by: worker) }
      return []
    case .rosterFormed(let workers): return abridged { $0.formed(workers) }
    case .inputsReported(let reports): return abridged { $0.reported(reports) }
    case .deadlinePassed(let deadline, let now):
      self.now = now
      return deadlinePassed(deadline)
    case .sumOpened(let summary): return sumOpened(summary)
    case .candidateMeasured(let metrics, let base): return candidateMeasured(metrics, base: base)
    case .sumRefused(let reason): return sumRefused(reason)
    case .committed(let model): return committed(model)
    case .failed(let reason): return finish(.failed(reason: reason))
    case .stopRequested:
      if case .closing = state {
        stopsAfterCommit = true
        return []
      }
      return finish(.stopped)
    case .turn(let turn): return take(turn)
    case .pauseRequested:
      isPauseWanted = true
      return refill()
    case .resumeRequested:
      isPauseWanted = false
      if case .gathering = state { return gather() }
      return refill()
    }
  }

  private func afterTheEnd(_ event: Event) -> [Action] {
    switch event {
    case .uploadOpened(_, let worker), .uploadCompleted(_, _, let worker):
      [.refuseUpload(from: worker, reason: "the run has ended")]
    case .received(_, let worker): [.ignored(from: worker, why: "the run has ended")]
    case .started, .workerJoined, .workerRestarted, .workerLost, .inputRejected, .inputMeasured, .rosterFormed,
      .inputsReported, .deadlinePassed, .sumOpened, .candidateMeasured, .sumRefused, .committed, .failed,
      .stopRequested, .turn, .pauseRequested,
      .resumeRequested:
      []
    }
  }

  private mutating func deadlinePassed(_ deadline: DeadlineID) -> [Action] {
    if deadline.kind == .patience { return patiencePassed() }
    if case .update(let worker) = deadline.kind { return buffered { $0.updateOverdue(worker, deadline.attempt) } }
    guard deadline.attempt == attemptID else { return [] }
    switch (deadline.kind, state) {
    case (.gather, .gathering):
      gatherDeadlinePassed = true
      return select()
    case (.retry, .waitingToRetry): return gather()
    case (.stage(let stage), .attempting):
      if stage == .maskedInput { reportTimes.expired(at: time) }
      return secure(.deadlinePassed(stage))
    case (.groupStage(let place, let stage), .attempting):
      if stage == .maskedInput { reportTimes.expired(at: time) }
      return grouped { $0.deadlinePassed(stage, ofGroup: place) }
    case (.plainReport, .attempting):
      reportTimes.expired(at: time)
      return plain { $0.deadlinePassed() } + buffered { $0.roundOverdue() } + abridged { $0.deadlinePassed() }
    case (.measurement, .closing): return measurementPassed()
    case (.gather, _), (.retry, _), (.stage, _), (.groupStage, _), (.plainReport, _), (.measurement, _), (.patience, _),
      (.update, _):
      return []
    }
  }

  /// Structural claims that hold after every event.
  package func checkInvariants() {
    switch state {
    case .attempting(let attempt), .closing(let attempt):
      guard case .buffered(let buffer) = attempt.aggregator else {
        precondition(Set(attempt.survivors).isSubset(of: attempt.cohort), "a survivor outside the cohort")
        if case .grouped(let groups) = attempt.aggregator { groups.checkInvariants() }
        break
      }
      buffer.checkInvariants()
    case .idle, .gathering, .waitingToRetry, .blocked, .finished: break
    }
    precondition(round.value <= plan.rounds + 1, "a round after the last")
    precondition(newest >= base.version, "a base that is newer than the newest version")
    precondition(ancestors.count <= RunStart.ancestorsMax, "too many ancestors")
    precondition(ancestors.allSatisfy { $0.version < base.version }, "an ancestor that is no older than the base")
  }
}
