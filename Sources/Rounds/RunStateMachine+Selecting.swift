import Cryptography
import Federation
import SecureAggregation

/// Selecting: who is offered the next attempt, and when.
extension RunStateMachine {
  /// Waits for workers, and offers the next attempt as soon as there are enough.
  mutating func gather() -> [Action] {
    state = .gathering
    gatheringSince = time
    settleBudget()
    let actions = select()
    return actions + impatience(after: plan.patience)
  }

  /// The deadline of a wait that has begun, unless one is running.
  mutating func impatience(after duration: Duration) -> [Action] {
    guard isShort, !isPatienceRunning else { return [] }
    isPatienceRunning = true
    return [.startDeadline(DeadlineID(kind: .patience, attempt: attemptID), duration)]
  }

  /// The deadline may be of an earlier wait: then what is left of this one follows.
  mutating func patiencePassed() -> [Action] {
    isPatienceRunning = false
    guard isShort, !isPauseWanted else { return [] }
    let waited = time.since(gatheringSince)
    guard waited >= plan.patience else { return impatience(after: plan.patience - waited) }
    return finish(.failed(reason: "waited \(plan.patience) for workers: \(shortage)"))
  }

  /// Whether there are fewer workers here than any attempt needs.
  package var lacksWorkers: Bool { eligibleCount < minimumWorkers }

  /// Whether nothing happens until workers come.
  private var isShort: Bool {
    if case .gathering = state { true } else { isStarving }
  }

  var eligibleCount: Int { available.subtracting(excluded).filter(isEligible).count }

  /// What a run that waits for workers is waiting for.
  package var shortage: String {
    "\(eligibleCount) of \(expectedWorkers) are here, \(minimumWorkers) are needed\(bufferShortage)"
  }

  /// Offers the next attempt if enough workers are here.
  mutating func select() -> [Action] {
    guard case .gathering = state, !isHeldBack else { return refill() }
    // Before the first attempt workers come one by one: nothing is drawn while some are missing.
    guard isReady else { return [] }
    // While a thousand come one by one, most of them change nothing: their certificates are looked at once there are
    // enough.
    guard available.count >= min(expectedWorkers, minimumWorkers) else { return [] }
    let everyone = available.subtracting(excluded).subtracting(turn.busy).filter(isEligible).sorted()
    let candidates = everyone.filter { !exhausted.contains($0) }
    let cohort = choose(from: candidates)
    if turn.busy.isEmpty, !exhausted.isEmpty, !isPromising(cohort), isPromising(choose(from: everyone)) {
      return block()
    }
    // With everyone here whom the plan expects, a cohort that cannot work is offered once, to be refused by name. With
    // fewer, waiting is better than spending an attempt: after a restart the workers come back one by one.
    guard candidates.count >= expectedWorkers || (mayOfferWithoutAll && isPromising(cohort)) else { return [] }
    hasOffered = true
    sampling.drawn(from: candidates)
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
    guard cohort.count >= minimumWorkers else { return false }
    let (configuration, task) = next
    guard task.aggregation == .secure else { return true }
    return (groupRules.map { groups(of: cohort, $0) } ?? [cohort]).allSatisfy { summed in
      let organisations = summed.compactMap { membership[$0]?.certificate.organisation }
      return
        (try? Thresholds.compute(organisations: organisations, mode: configuration.mode, policy: plan.policy)) != nil
    }
  }

  /// The rules and the task of the next attempt.
  private var next: (configuration: RoundConfiguration, task: TrainingTask) {
    guard !isEvaluationRound else { return (plan.evaluationConfiguration, plan.evaluationTask) }
    var configuration = plan.configuration
    if let rule = plan.reportDeadline {
      configuration.inputDeadline = reportTimes.deadline(rule, longest: configuration.inputDeadline)
    }
    var task = plan.task
    if let control {
      task.control = control.task(in: round)
      configuration.trainer = .sha256(of: task.canonicalBytes)
    }
    return (configuration, task)
  }

  /// Of the next attempt to train. Workers cannot take back what they made their own on a version that was taken back: all
  /// begin anew.
  private var control: ControlBlob.Reference? { base.version == newest ? base.control : nil }

  /// Whether the other workers would accept this one on a roster: a worker's certificate of the authority, valid now.
  func isEligible(_ worker: WorkerID) -> Bool {
    guard let member = membership[worker] else { return false }
    return
      (try? RoundChecks.checkCertificate(
        member, authority: membership.authorityKey, time: now, role: .worker, name: worker,
        computations: computations)) != nil
  }

  /// Without replacement, seeded by run, round and attempt; no organisation above its cap, as long as that leaves enough
  /// workers.
  private func choose(from candidates: [WorkerID]) -> [WorkerID] {
    let pool = ordered(candidates, stream: "cohort \(attemptID)")
    // Two who are in a dispute spoil each other's attempts; without them there may be too few, and that has to be said.
    let peaceful = cohort(of: disputes.withoutOpponents(pool))
    return isPromising(peaceful) ? peaceful : cohort(of: pool)
  }

  func ordered(_ candidates: [WorkerID], stream: String) -> [WorkerID] {
    var generator = SeededGenerator(seed: plan.seed, stream: stream)
    return sampling.ordered(candidates, by: plan.sampling, using: &generator)
  }

  /// As many of `pool` as the plan wants, those earlier in it first.
  private func cohort(of pool: [WorkerID]) -> [WorkerID] {
    let (configuration, task) = next
    let uniform = pool.prefix(plan.cohortTarget).sorted()
    // In plain mode everybody may take part who is here; the cap is for those who are drawn.
    guard task.aggregation == .secure || pool.count > plan.cohortTarget else { return uniform }
    let organisations = pool.compactMap { membership[$0]?.certificate.organisation }
    let largest = min(plan.cohortTarget, Int(clamping: configuration.maximumRoster))
    let capped = plan.policy.largestSetWithinCap(organisations, atMost: largest).map { pool[$0] }.sorted()
    return capped.count >= minimumWorkers ? capped : uniform
  }

  /// The next attempt, and what its workers are asked.
  func nextOffer() -> (context: AttemptContext, message: RoundOffer) {
    let (configuration, task) = next
    let context = AttemptContext(
      attempt: attemptID, modelDigest: base.modelDigest, configuration: configuration, membership: membership,
      coordinatorKey: certificate.signingKey, now: now, computations: computations)
    let message = RoundOffer(
      attempt: attemptID, modelName: plan.modelName, baseVersion: base.version, modelDigest: base.modelDigest,
      tensors: base.tensors, configuration: configuration, task: task,
      control: isEvaluationRound ? nil : control?.tensor,
      signature: signingKey.signature(over: SignedString.offer(roundID: context.roundID)))
    return (context, message)
  }

  private mutating func offer(to cohort: [WorkerID]) -> [Action] {
    let evaluation = isEvaluationRound
    if let rules = plan.buffer, !evaluation {
      return begin(UpdateBuffer(rules: rules, minimum: plan.minimumWorkers), asking: cohort)
    }
    let (context, message) = nextOffer()
    let offers =
      [Action.recordAttempt(attemptID, cohort: cohort)]
      + pastAttempts.statements(for: cohort).map { .send(.aborts($0.statements), to: $0.worker) }
      + cohort.map { .send(.offer(message), to: $0) }
    attemptsThisRound += 1
    guard !plan.isAbridged else {
      state = .attempting(
        Attempt(
          context: context, offer: message, cohort: cohort, isEvaluation: evaluation,
          aggregator: .abridged(
            AbridgedAttempt(
              context: context, cohort: cohort, mode: message.task.aggregation, policy: plan.policy,
              minimum: plan.minimumWorkers))))
      return offers
    }
    func secured(_ workers: [WorkerID]) -> SecureAggregationCoordinator {
      SecureAggregationCoordinator(
        context: context, cohort: workers, offerSignature: message.signature, policy: plan.policy,
        signingKey: signingKey)
    }
    switch message.task.aggregation {
    case .secure:
      if let rules = groupRules {
        var groups = GroupedAttempt(
          rules: rules, smallest: plan.minimumWorkers, machines: groups(of: cohort, rules).map(secured))
        let started = groups.start()
        state = .attempting(
          Attempt(
            context: context, offer: message, cohort: cohort, isEvaluation: evaluation, aggregator: .grouped(groups)))
        return offers + translate(started)
      }
      let machine = secured(cohort)
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
}
