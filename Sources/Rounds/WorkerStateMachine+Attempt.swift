import Cryptography
import Federation
import SecureAggregation

/// From offer to result.
extension WorkerStateMachine {
  /// Beyond the coordinator's own deadline: its message may be on the way.
  static let slack: Duration = .seconds(5)

  mutating func receive(_ offer: RoundOffer, now: UInt64) -> [Action] {
    if let work, work.offer.attempt == offer.attempt { return repeated(offer, in: work) }
    guard ledger.isNew(offer.attempt) else {
      return decline(.stale, "attempt \(offer.attempt) is not newer than what was seen", attempt: offer.attempt)
    }
    let context = AttemptContext(
      attempt: offer.attempt, modelDigest: offer.modelDigest, configuration: offer.configuration,
      membership: membership, coordinatorKey: coordinatorKey, now: now, computations: computations)
    guard offer.signature.isValid(over: SignedString.offer(roundID: context.roundID), by: coordinatorKey) else {
      return decline(
        .badOffer, "the offer is not signed by the coordinator of this federation", attempt: offer.attempt)
    }
    // What was said of another model of this run the coordinator has forgotten; other runs may go on beside it.
    statements.removeAll { $0.attempt.run == offer.attempt.run && $0.modelDigest != offer.modelDigest }
    // The coordinator has moved on: whatever is in hand can no longer count.
    var actions = work == nil ? [] : secure(.failed(.deadline)) + end(.abandoned(reason: "a newer attempt"))
    if let (reason, detail) = objection(to: offer) {
      return actions + decline(reason, detail, attempt: offer.attempt)
    }
    actions.append(record(.attemptBegun(offer.attempt)))
    work = Work(offer: offer, context: context)
    actions.append(.fetchModel(offer))
    let patience = Duration.milliseconds(Int64(clamping: offer.configuration.advertDeadline))
    if let deadline = step(patience + Self.slack) { actions.append(deadline) }
    return actions
  }

  /// The coordinator asks again after a lost link: the answer may not have arrived.
  private func repeated(_ offer: RoundOffer, in work: Work) -> [Action] {
    guard offer == work.offer else { return [.note(.ignored(kind: "offer", why: "another offer of this attempt"))] }
    guard work.isModelHeld else { return [.note(.ignored(kind: "offer", why: "repeated"))] }
    guard let machine = work.secure else { return [.send(.accept(offer.attempt))] }
    return [.send(.advert(offer.attempt, machine.advert))]
  }

  /// The own law, and that both sides hold the same list of members.
  private func objection(to offer: RoundOffer) -> (DeclineReason, String)? {
    guard offer.configuration.trainer == .sha256(of: offer.task.canonicalBytes) else {
      return (.badOffer, "the configuration names another task")
    }
    guard offer.configuration.issuanceLog == issuanceLog,
      offer.configuration.revocationList == .sha256(of: membership.revocationListBytes)
    else { return (.policy, "the coordinator holds another membership list") }
    guard !isTrainerHanging else { return (.busy, "training of an earlier attempt hangs") }
    if let objection = offer.controlObjection { return (.badOffer, objection) }
    let isTraining = offer.task.kind == .train
    guard (offer.configuration.vectorLength > 0) == isTraining,
      (offer.configuration.localEpochs > 0) == isTraining
    else { return (.badOffer, "vector length and local epochs do not fit the task") }
    if let objection = policy.objection(to: offer) { return (.policy, objection) }
    if let charge = offer.configuration.privacy.map(PrivacyCharge.init),
      let objection = policy.privacy?.objection(to: charge, after: ledger.privacy)
    {
      return (.policy, objection)
    }
    let contributions = ledger.contributionCount(run: offer.attempt.run, modelDigest: offer.modelDigest)
    guard contributions < policy.maximumAttemptsPerModel else {
      return (.contributionsExhausted, "this model was contributed to \(contributions) times")
    }
    return nil
  }

  mutating func modelHeld(_ digest: Digest) -> [Action] {
    guard var work, !work.isModelHeld else { return [] }
    guard digest == work.offer.modelDigest else {
      let detail = "the model held is \(digest.short), the offer says \(work.offer.modelDigest.short)"
      return decline(.badOffer, detail, attempt: work.offer.attempt) + end(.refused(.wrongDigest))
    }
    work.isModelHeld = true
    let configuration = work.offer.configuration
    // Setup and training run side by side here, but the coordinator starts the time for inputs after the setup.
    let setup = configuration.advertDeadline + 2 * configuration.shareDeadline
    let deadline = Duration.milliseconds(Int64(clamping: setup + configuration.inputDeadline)) + Self.slack
    switch work.offer.task.aggregation {
    case .secure:
      let machine = SecureAggregationWorker(
        context: work.context, certificate: certificate, offerSignature: work.offer.signature,
        policy: policy.strictest(with: work.offer.configuration), signingKey: signingKey,
        secrets: secrets.source(for: "\(work.offer.attempt)"))
      work.secure = machine
      self.work = work
      let timer = step(deadline)
      return translate(machine.start()) + [.train(work.offer)] + [timer].compactMap { $0 }
    case .plain:
      self.work = work
      let timer = step(deadline)
      return [.send(.accept(work.offer.attempt)), .train(work.offer)] + [timer].compactMap { $0 }
    }
  }

  mutating func trained() -> [Action] {
    work?.isTrained = true
    return uploadIfReady()
  }

  /// The contribution is recorded before anything masked leaves (ruling A8).
  private mutating func uploadIfReady() -> [Action] {
    guard var work, work.isTrained, !work.isUploading else { return [] }
    let order: UploadOrder
    switch work.offer.task.aggregation {
    case .secure:
      guard let masking = work.masking else { return [] }
      order = .secure(work.offer.attempt, masking, work.offer.configuration)
    case .plain:
      order = .plain(
        work.offer.attempt, PlainUploadOrder(context: work.context, signingKey: signingKey), work.offer.configuration)
    }
    work.isUploading = true
    work.masking = nil
    self.work = work
    let charges = work.offer.configuration.privacy.map { record(.charged(work.offer.attempt, PrivacyCharge($0))) }
    return [charges].compactMap { $0 } + [
      record(.contributed(work.offer.attempt, modelDigest: work.offer.modelDigest)),
      .send(.progress(work.offer.attempt, .reporting, quarters: 0)), .upload(order),
    ]
  }

  /// The coordinator holds the whole input; what follows is bounded by its remaining deadlines.
  mutating func uploaded() -> [Action] {
    guard let work else { return [] }
    let configuration = work.offer.configuration
    // Of a divided cohort one group may be done while another is still being set up.
    let isDivided = Strategy(parsing: configuration.strategy)?.groups != nil
    let setup = isDivided ? configuration.advertDeadline + 2 * configuration.shareDeadline : 0
    let rest = setup + configuration.inputDeadline + configuration.agreeDeadline + configuration.unmaskDeadline
    return [step(.milliseconds(Int64(clamping: rest)) + Self.slack)].compactMap { $0 }
  }

  mutating func secure(_ event: SecureAggregationWorker.Event) -> [Action] {
    guard var machine = work?.secure else {
      return []
    }
    let actions = machine.handle(event)
    work?.secure = machine
    if let members = machine.members { work?.members = members }
    return translate(actions)
  }

  /// Promises of an earlier attempt: with enough of them nothing of it can ever be opened, and it does not count.
  mutating func receive(_ message: AbortStatements) -> [Action] {
    guard let place = contributions.firstIndex(where: { $0.members.transcript == message.transcript }),
      contributions[place].members.isSealed(by: message.statements)
    else { return [.note(.ignored(kind: "aborts", why: "they do not seal a contribution of this worker"))] }
    let sealed = contributions.remove(at: place)
    return [
      record(
        .excused(sealed.attempt, modelDigest: sealed.modelDigest, transcript: sealed.members.transcript))
    ]
  }

  /// Keeps what is said of the attempt in hand, until it is of no use to a coordinator.
  private mutating func keep(_ abort: WorkerAbort) {
    guard let offer = work?.offer else { return }
    statements.append(Statement(attempt: offer.attempt, modelDigest: offer.modelDigest, abort: abort))
    if statements.count > Self.statementsMax { statements.removeFirst() }
  }

  private mutating func translate(_ actions: [SecureAggregationWorker.Action]) -> [Action] {
    var out: [Action] = []
    var saysWhy = false
    for action in actions {
      switch action {
      case .sendAdvert(let advert):
        guard let attempt = work?.offer.attempt else { continue }
        out.append(.send(.advert(attempt, advert)))
      case .sendBundle(let bundle): out.append(.send(.bundle(bundle)))
      case .sendShareCheck(let check): out.append(.send(.shareCheck(check)))
      case .sendAgreement(let agreement): out.append(.send(.agree(agreement)))
      case .sendUnmask(let shares): out.append(.send(.unmask(shares)))
      case .sendAbort(let abort):
        saysWhy = true
        keep(abort)
        out.append(.send(.abort(abort)))
      case .maskInput(let order):
        work?.masking = order
        out += uploadIfReady()
      case .recordSurvivors(let transcript, let digest):
        out.append(record(.survivorsSigned(transcript: transcript, survivorsDigest: digest)))
      case .recordRelease(let transcript): out.append(record(.released(transcript: transcript)))
      case .recordPromise(let transcript): out.append(record(.promised(transcript: transcript)))
      case .keepEvidence(let evidence): out.append(.keepEvidence(evidence))
      case .ignored(let why): out.append(.note(.ignored(kind: "secure aggregation", why: "\(why)")))
      case .closed(let outcome):
        switch outcome {
        case .committed(let digest, let counted):
          out += end(.committed(modelDigest: digest, counted: counted))
        case .refused(let refusal):
          // Before the roster there is no transcript to abort: the coordinator hears it this way.
          if let attempt = work?.offer.attempt, !saysWhy {
            out += decline(.badOffer, refusal.rawValue, attempt: attempt)
          }
          out += end(.refused(refusal))
        case .aborted: break  // Ended by whoever caused it.
        }
      }
    }
    return out
  }
}

extension WorkerStateMachine {
  private struct IssuanceLogQuestion: Equatable, Sendable {
    let membership: MembershipList
  }

  /// Of the membership list that this worker holds.
  fileprivate var issuanceLog: Digest? {
    try? computations.answer(IssuanceLogQuestion(membership: membership)) { () throws(Refusal) -> Digest in
      .sha256(of: membership.issuanceLogBytes)
    }
  }
}
