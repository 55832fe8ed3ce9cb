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
    case inputRejected(from: WorkerID, reason: String)
    case deadlinePassed(DeadlineID, now: UInt64)
    case sumOpened(SumSummary)
    case committed(BaseModel)
    /// The driver could not do what an action ordered.
    case failed(reason: String)
    case stopRequested
  }

  package enum Action: Sendable {
    case send(CoordinatorMessage, to: WorkerID)
    case startDeadline(DeadlineID, Duration)
    /// Durable before the offers leave.
    case recordAttempt(AttemptID, cohort: [WorkerID])
    case openUploads(UploadPlan)
    case acceptUpload(from: WorkerID)
    case refuseUpload(from: WorkerID, reason: String)
    case addInput(from: WorkerID)
    case closeUploads
    /// Subtract these masks, then report `sumOpened`.
    case unmask(UnmaskingOrder)
    /// The plain sum is complete: report `sumOpened`.
    case openPlainSum
    /// Make, store and sign the next version, then report `committed`.
    case commit(CommitOrder)
    case report(RoundReport)
    case blame(WorkerID, fault: String)
    /// Somebody signed what cannot both be honest: keep it, for people.
    case keepEvidence(Evidence)
    /// The run waits for people.
    case blocked(reason: String)
    case ignored(from: WorkerID, why: String)
    case finished(Outcome)
  }

  package enum Outcome: Hashable, Sendable {
    case completed(ModelVersion)
    case failed(reason: String)
    case stopped
  }

  /// Names one deadline; a deadline of an attempt that has ended says nothing.
  package struct DeadlineID: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
      case gather
      case retry
      case stage(SecureAggregationStage)
      case plainReport
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
  }

  /// What closing a round needs beside the open sum.
  package struct CommitOrder: Sendable {
    package let attempt: AttemptID
    package let base: BaseModel
    package let version: ModelVersion
    package let summary: SumSummary
    package let configuration: RoundConfiguration
    package let rosterCount: Int
    package let cohort: Int
    package let reported: Int
    /// Nil in plain mode; rotation and value bits follow from it in secure mode.
    package let transcript: Digest?
  }

  enum Aggregator: Sendable {
    case secure(SecureAggregationCoordinator)
    case plain(PlainAttempt)
  }

  struct Attempt: Sendable {
    let context: AttemptContext
    let offer: RoundOffer
    let cohort: [WorkerID]
    let isEvaluation: Bool
    var aggregator: Aggregator
    var survivors: [WorkerID] = []
    var summary: SumSummary?

    /// Whether the driver has been told to open the sum.
    var isSumDue: Bool {
      switch aggregator {
      case .secure(let machine): machine.isReconstructed
      case .plain(let machine): machine.isClosed
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
  package private(set) var base: BaseModel
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
  var gatherDeadlinePassed = false
  /// Whether this process has offered an attempt: from then on it does not gather again.
  var hasOffered = false
  /// A version is being committed: the run stops as soon as that is done.
  var stopsAfterCommit = false

  /// - Parameters:
  ///   - base: the committed model to go on from; the round that trains on it is `round`.
  ///   - attempt: the first attempt number of that round that was never recorded.
  ///   - computations: remembers certificates by itself; shared with the workers of a simulation.
  package init(
    plan: RunPlan, membership: MembershipList, certificate: Certificate, signingKey: SigningKey, base: BaseModel,
    round: RoundNumber, attempt: AttemptNumber,
    computations: any RoundComputations = RememberedComputations(servesMany: false)
  ) {
    self.computations = computations
    self.plan = plan
    self.membership = membership
    self.certificate = certificate
    self.signingKey = signingKey
    self.base = base
    self.round = round
    self.attempt = attempt
  }

  /// Whether the next attempt is the evaluation-only one.
  var isEvaluationRound: Bool { round.value > plan.rounds }

  var attemptID: AttemptID { AttemptID(run: plan.run, round: round, attempt: attempt) }

  /// Workers on the roster of the attempt in hand.
  package var rosterCount: Int {
    switch state {
    case .attempting(let attempt), .closing(let attempt):
      if case .secure(let machine) = attempt.aggregator { machine.rosterWorkers.count } else { attempt.cohort.count }
    case .idle, .gathering, .waitingToRetry, .blocked, .finished: 0
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
      case .secure(let machine):
        switch machine.stage {
        case .consistencyCheck, .unmask, nil: "unmasking"
        case .advertiseKeys, .shareKeys, .checkShares, .maskedInput: "reporting"
        }
      case .plain: "reporting"
      }
    case .closing: "closing"
    case .finished(.completed): "completed"
    case .finished(.failed): "failed"
    case .finished(.stopped): "stopped"
    }
  }

  package mutating func handle(_ event: Event) -> [Action] {
    if case .finished = state { return afterTheEnd(event) }
    switch event {
    case .started(let now):
      self.now = now
      guard case .idle = state else { return [] }
      state = .gathering
      return [.startDeadline(DeadlineID(kind: .gather, attempt: attemptID), plan.gatherDeadline)] + select()
    case .workerJoined(let worker):
      available.insert(worker)
      return returned(worker) + select()
    case .workerRestarted(let worker):
      available.insert(worker)
      exhausted.remove(worker)
      let actions = restarted(worker)
      if case .blocked = state { state = .gathering }
      return actions + select()
    case .workerLost(let worker):
      available.remove(worker)
      return gone(worker)
    case .received(let message, let worker): return receive(message, from: worker)
    case .uploadOpened(let header, let worker): return uploadOpened(header, from: worker)
    case .uploadCompleted(let trailer, let digest, let worker):
      return uploadCompleted(trailer, payload: digest, from: worker)
    case .inputRejected(let worker, let reason): return inputRejected(from: worker, reason: reason)
    case .deadlinePassed(let deadline, let now):
      self.now = now
      return deadlinePassed(deadline)
    case .sumOpened(let summary): return sumOpened(summary)
    case .committed(let model): return committed(model)
    case .failed(let reason): return finish(.failed(reason: reason))
    case .stopRequested:
      if case .closing = state {
        stopsAfterCommit = true
        return []
      }
      return finish(.stopped)
    }
  }

  private func afterTheEnd(_ event: Event) -> [Action] {
    switch event {
    case .uploadOpened(_, let worker), .uploadCompleted(_, _, let worker):
      [.refuseUpload(from: worker, reason: "the run has ended")]
    case .received(_, let worker): [.ignored(from: worker, why: "the run has ended")]
    case .started, .workerJoined, .workerRestarted, .workerLost, .inputRejected, .deadlinePassed, .sumOpened,
      .committed, .failed,
      .stopRequested:
      []
    }
  }

  // MARK: Selecting

  /// Offers the next attempt if enough workers are here.
  mutating func select() -> [Action] {
    guard case .gathering = state else { return [] }
    // Before the first attempt workers come one by one: nothing is drawn while some are missing.
    guard hasOffered || gatherDeadlinePassed || available.count >= plan.expectedWorkers else { return [] }
    // While a thousand come one by one, most of them change nothing: their certificates are looked at once there are enough.
    guard available.count >= min(plan.expectedWorkers, plan.minimumWorkers) else { return [] }
    let everyone = available.subtracting(excluded).filter(isEligible).sorted()
    let candidates = everyone.filter { !exhausted.contains($0) }
    let cohort = choose(from: candidates)
    if !exhausted.isEmpty, !isPromising(cohort), isPromising(choose(from: everyone)) { return block() }
    // With everyone here whom the plan expects, a cohort that cannot work is offered once, to be refused by name. With
    // fewer, waiting is better than spending an attempt: after a restart the workers come back one by one.
    guard candidates.count >= plan.expectedWorkers || ((gatherDeadlinePassed || hasOffered) && isPromising(cohort))
    else { return [] }
    hasOffered = true
    return offer(to: cohort)
  }

  /// Those who could make the next attempt have contributed to this model as often as their own law allows.
  private mutating func block() -> [Action] {
    state = .blocked
    attemptsThisRound = 0
    let names = exhausted.sorted().prefix(8).map(\.text).joined(separator: ", ")
    return [
      .blocked(
        reason: "contributions exhausted: \(names)\(exhausted.count > 8 ? " and \(exhausted.count - 8) more" : "") "
          + "contributed to this model as often as their policies allow; the run goes on when their owners raise "
          + "maximum-attempts-per-model and restart them")
    ]
  }

  /// Whether an attempt with this cohort can be committed if nobody drops out.
  private func isPromising(_ cohort: [WorkerID]) -> Bool {
    guard cohort.count >= plan.minimumWorkers else { return false }
    let (configuration, task) = next
    guard task.aggregation == .secure else { return true }
    let organisations = cohort.compactMap { membership[$0]?.certificate.organisation }
    return (try? Thresholds.compute(organisations: organisations, mode: configuration.mode, policy: plan.policy)) != nil
  }

  /// The rules and the task of the next attempt.
  private var next: (configuration: RoundConfiguration, task: TrainingTask) {
    isEvaluationRound ? (plan.evaluationConfiguration, plan.evaluationTask) : (plan.configuration, plan.task)
  }

  /// Whether the other workers would accept this one on a roster: a worker's certificate of the authority, valid now.
  private func isEligible(_ worker: WorkerID) -> Bool {
    guard let member = membership[worker] else { return false }
    return
      (try? RoundChecks.checkCertificate(
        member, authority: membership.authorityKey, time: now, role: .worker, name: worker,
        computations: computations)) != nil
  }

  /// Uniform without replacement, seeded by run, round and attempt (Fisher–Yates); in secure mode no organisation above
  /// its cap, as long as that leaves enough workers.
  private func choose(from candidates: [WorkerID]) -> [WorkerID] {
    var generator = SeededGenerator(seed: plan.seed, stream: "cohort \(attemptID)")
    var pool = candidates
    for i in pool.indices.dropLast() { pool.swapAt(i, Int.random(in: i..<pool.count, using: &generator)) }
    // Two who are in a dispute spoil each other's attempts; without them there may be too few, and that has to be said.
    let peaceful = cohort(of: disputes.withoutOpponents(pool))
    return isPromising(peaceful) ? peaceful : cohort(of: pool)
  }

  /// As many of `pool` as the plan wants, those earlier in it first.
  private func cohort(of pool: [WorkerID]) -> [WorkerID] {
    let (configuration, task) = next
    let uniform = pool.prefix(plan.cohortTarget).sorted()
    guard task.aggregation == .secure else { return uniform }
    let organisations = pool.compactMap { membership[$0]?.certificate.organisation }
    let largest = min(plan.cohortTarget, Int(clamping: configuration.maximumRoster))
    let capped = plan.policy.largestSetWithinCap(organisations, atMost: largest).map { pool[$0] }.sorted()
    return capped.count >= plan.minimumWorkers ? capped : uniform
  }

  private mutating func offer(to cohort: [WorkerID]) -> [Action] {
    let evaluation = isEvaluationRound
    let (configuration, task) = next
    let context = AttemptContext(
      attempt: attemptID, modelDigest: base.modelDigest, configuration: configuration, membership: membership,
      coordinatorKey: certificate.signingKey, now: now, computations: computations)
    let signature = signingKey.signature(over: SignedString.offer(roundID: context.roundID))
    let message = RoundOffer(
      attempt: attemptID, modelName: plan.modelName, baseVersion: base.version, modelDigest: base.modelDigest,
      tensors: base.tensors, configuration: configuration, task: task, signature: signature)
    let offers =
      [Action.recordAttempt(attemptID, cohort: cohort)]
      + pastAttempts.statements(for: cohort).map { .send(.aborts($0.statements), to: $0.worker) }
      + cohort.map { .send(.offer(message), to: $0) }
    attemptsThisRound += 1
    switch task.aggregation {
    case .secure:
      let machine = SecureAggregationCoordinator(
        context: context, cohort: cohort, offerSignature: signature, policy: plan.policy, signingKey: signingKey)
      let started = machine.start()
      state = .attempting(
        Attempt(
          context: context, offer: message, cohort: cohort, isEvaluation: evaluation, aggregator: .secure(machine)))
      return offers + translate(started)
    case .plain:
      let machine = PlainAttempt(context: context, cohort: cohort, minimum: plan.minimumWorkers)
      let started = machine.start()
      state = .attempting(
        Attempt(
          context: context, offer: message, cohort: cohort, isEvaluation: evaluation, aggregator: .plain(machine)))
      return offers + translate(started)
    }
  }

  private mutating func deadlinePassed(_ deadline: DeadlineID) -> [Action] {
    guard deadline.attempt == attemptID else { return [] }
    switch (deadline.kind, state) {
    case (.gather, .gathering):
      gatherDeadlinePassed = true
      return select()
    case (.retry, .waitingToRetry):
      state = .gathering
      return select()
    case (.stage(let stage), .attempting): return secure(.deadlinePassed(stage))
    case (.plainReport, .attempting): return plain { $0.deadlinePassed() }
    case (.gather, _), (.retry, _), (.stage, _), (.plainReport, _): return []
    }
  }

  // MARK: Closing

  private mutating func sumOpened(_ summary: SumSummary) -> [Action] {
    guard case .attempting(var attempt) = state, attempt.isSumDue else { return [] }
    attempt.summary = summary
    guard summary.weight > 0 || attempt.isEvaluation else {
      return abandon(attempt, reason: "the summed weight is zero")
    }
    if attempt.isEvaluation {
      state = .closing(attempt)
      return close(attempt, model: base)
    }
    state = .closing(attempt)
    var transcript: Digest?
    var rosterCount = attempt.cohort.count
    if case .secure(let machine) = attempt.aggregator {
      transcript = machine.transcript
      rosterCount = machine.rosterWorkers.count
    }
    return [
      .commit(
        CommitOrder(
          attempt: attemptID, base: base, version: base.version.next, summary: summary,
          configuration: attempt.context.configuration, rosterCount: rosterCount, cohort: attempt.cohort.count,
          reported: attempt.survivors.count, transcript: transcript))
    ]
  }

  private mutating func committed(_ model: BaseModel) -> [Action] {
    guard case .closing(let attempt) = state, !attempt.isEvaluation else { return [] }
    precondition(model.version == base.version.next, "a commit of version \(model.version) after \(base.version)")
    return close(attempt, model: model)
  }

  /// Tells everyone, reports, and moves on to the next round.
  private mutating func close(_ attempt: Attempt, model: BaseModel) -> [Action] {
    guard let summary = attempt.summary else { return [] }
    var actions: [Action] = []
    switch attempt.aggregator {
    case .secure(let machine):
      let result = machine.result(modelDigest: model.modelDigest, weight: summary.weight)
      actions += machine.rosterWorkers.map { .send(.result(result), to: $0) }
    case .plain(let machine):
      actions += attempt.cohort.map {
        .send(
          .ended(attemptID, machine.completed.contains($0) ? .committed : .notCounted, reason: ""), to: $0)
      }
    }
    actions.append(
      .report(
        RoundReport(
          attempt: attemptID, baseVersion: base.version, cohort: attempt.cohort.count,
          reported: attempt.survivors.count, dropped: attempt.cohort.count - attempt.survivors.count,
          summary: summary,
          outcome: attempt.isEvaluation ? .evaluated : .committed(model.version, modelDigest: model.modelDigest))))
    state = .gathering
    if attempt.isEvaluation { return actions + finish(.completed(base.version)) }
    base = model
    round = round.next
    self.attempt = 0
    attemptsThisRound = 0
    pastAttempts.forget()
    exhausted = []
    if stopsAfterCommit { return actions + finish(.stopped) }
    return actions + select()
  }

  mutating func abandon(_ attempt: Attempt, reason: String) -> [Action] {
    var actions: [Action] = [.closeUploads]
    actions += attempt.cohort.map { .send(.ended(attemptID, .abandoned, reason: reason), to: $0) }
    actions.append(
      .report(
        RoundReport(
          attempt: attemptID, baseVersion: base.version, cohort: attempt.cohort.count,
          reported: attempt.survivors.count, dropped: attempt.cohort.count - attempt.survivors.count, summary: nil,
          outcome: .abandoned(reason: reason))))
    if case .secure(let machine) = attempt.aggregator, let members = machine.members {
      pastAttempts.add(attemptID, names: members.names, members: members.keys, statements: machine.aborts)
    }
    self.attempt = self.attempt.next
    guard attemptsThisRound < plan.attemptsPerRoundMax else {
      return actions
        + finish(.failed(reason: "round \(round) was abandoned \(attemptsThisRound) times; last: \(reason)"))
    }
    state = .waitingToRetry
    let delay = plan.retryDelay * (1 << min(Int(attemptsThisRound) - 1, 6))
    return actions + [.startDeadline(DeadlineID(kind: .retry, attempt: attemptID), delay)]
  }

  private mutating func finish(_ outcome: Outcome) -> [Action] {
    var actions: [Action] = []
    switch state {
    case .attempting(let attempt), .closing(let attempt):
      actions.append(.closeUploads)
      actions += attempt.cohort.map { .send(.ended(attemptID, .abandoned, reason: "the run ends"), to: $0) }
    case .idle, .gathering, .waitingToRetry, .blocked, .finished: break
    }
    state = .finished(outcome)
    return actions + [.finished(outcome)]
  }

  /// Structural claims that hold after every event.
  package func checkInvariants() {
    switch state {
    case .attempting(let attempt), .closing(let attempt):
      precondition(Set(attempt.survivors).isSubset(of: attempt.cohort), "a survivor outside the cohort")
    case .idle, .gathering, .waitingToRetry, .blocked, .finished: break
    }
    precondition(round.value <= plan.rounds + 1, "a round after the last")
  }
}
