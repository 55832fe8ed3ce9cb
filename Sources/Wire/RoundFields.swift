import Federation
import Rounds
import SecureAggregation
import Transfer

internal import CFederationMessages

extension AttemptID {
  init(wire message: UnsafeMutablePointer<Murmur__Attempt>?, _ field: String) throws(WireError) {
    let message = try Field.required(message, field)
    self.init(
      run: try Field.name(message.run, field + ".run"),
      round: RoundNumber(try Field.number(message.round, field + ".round", in: 1...UInt64(Int64.max))),
      attempt: AttemptNumber(message.attempt))
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__Attempt> {
    arena.make(murmur__attempt__init) {
      $0.run = arena.text(run)
      $0.round = round.value
      $0.attempt = attempt.value
    }
  }
}

extension TensorReference {
  /// Bytes of one element by dtype code, from code 1 (Protocols/secure-aggregation.md, "Model").
  private static let elementBytes: [UInt64] = [1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 8, 8, 8]

  init(wire message: Murmur__TensorReference) throws(WireError) {
    let dtype = try Field.number(message.dtype, "tensors.dtype", in: 1...UInt32(Self.elementBytes.count))
    let shape = try Field.values(
      message.shape, count: message.n_shape, "tensors.shape", max: WireLimits.rankMax
    ) { (dimension: UInt64) throws(WireError) in dimension }
    var byteCount = Self.elementBytes[Int(dtype) - 1]
    for dimension in shape {
      let (product, overflow) = byteCount.multipliedReportingOverflow(by: dimension)
      guard !overflow else { throw .badField("tensors.shape", found: "\(shape)", expected: "fewer elements") }
      byteCount = product
    }
    byteCount = try Field.number(byteCount, "tensors.shape", in: 0...TransferLimits.transferBytesMax)
    guard byteCount == message.byte_count else {
      throw .badField("tensors.byte_count", found: "\(message.byte_count)", expected: "\(byteCount)")
    }
    self.init(
      name: try Field.text(message.name, "tensors.name", min: 1, max: WireLimits.tensorNameBytesMax),
      dtypeCode: UInt8(dtype), shape: shape, digest: try Field.fixed(message.digest, "tensors.digest"),
      byteCount: byteCount)
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__TensorReference> {
    arena.make(murmur__tensor_reference__init) {
      $0.name = arena.text(name)
      $0.dtype = UInt32(dtypeCode)
      $0.n_shape = shape.count
      $0.shape = arena.values(shape)
      $0.digest = arena.data(digest)
      $0.byte_count = byteCount
    }
  }
}

extension TrainingTask {
  init(wire message: UnsafeMutablePointer<Murmur__TrainingTask>?) throws(WireError) {
    let message = try Field.required(message, "offer.task")
    let kind: Kind =
      switch message.kind {
      case MURMUR__TASK_KIND__TASK_KIND_TRAIN: .train
      case MURMUR__TASK_KIND__TASK_KIND_EVALUATE: .evaluate
      default: throw .badField("offer.task.kind", found: "\(message.kind.rawValue)", expected: "1 or 2")
      }
    let aggregation: AggregationMode =
      switch message.aggregation {
      case MURMUR__AGGREGATION_MODE__AGGREGATION_MODE_SECURE: .secure
      case MURMUR__AGGREGATION_MODE__AGGREGATION_MODE_PLAIN: .plain
      default: throw .badField("offer.task.aggregation", found: "\(message.aggregation.rawValue)", expected: "1 or 2")
      }
    let text = try Field.text(
      message.optimizer, "offer.task.optimizer", min: 1, max: LocalOptimizer.textByteCountMax)
    guard let optimizer = LocalOptimizer(parsing: text) else {
      throw .badField("offer.task.optimizer", found: "'\(text)'", expected: "a local optimizer such as 'sgd, clip 1.0'")
    }
    self.init(
      kind: kind, aggregation: aggregation,
      architecture: try Field.text(
        message.architecture, "offer.task.architecture", min: 1, max: WireLimits.architectureBytesMax),
      dataScale: try Field.finite(message.data_scale, "offer.task.data_scale"),
      holdOutFraction: try Field.finite(message.hold_out_fraction, "offer.task.hold_out_fraction"),
      seed: message.seed, optimizer: optimizer)
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__TrainingTask> {
    arena.make(murmur__training_task__init) {
      $0.kind =
        switch kind {
        case .train: MURMUR__TASK_KIND__TASK_KIND_TRAIN
        case .evaluate: MURMUR__TASK_KIND__TASK_KIND_EVALUATE
        }
      $0.aggregation =
        switch aggregation {
        case .secure: MURMUR__AGGREGATION_MODE__AGGREGATION_MODE_SECURE
        case .plain: MURMUR__AGGREGATION_MODE__AGGREGATION_MODE_PLAIN
        }
      $0.architecture = arena.text(architecture)
      $0.data_scale = dataScale
      $0.hold_out_fraction = holdOutFraction
      $0.seed = seed
      $0.optimizer = arena.text(optimizer.description)
    }
  }
}

extension RoundOffer {
  init(wire message: Murmur__RoundOffer) throws(WireError) {
    let tensors = try Field.list(
      message.tensors, count: message.n_tensors, "offer.tensors", max: Self.tensorCountMax
    ) { (tensor: Murmur__TensorReference) throws(WireError) in try TensorReference(wire: tensor) }
    for (a, b) in zip(tensors, tensors.dropFirst()) where !a.name.utf8.lexicographicallyPrecedes(b.name.utf8) {
      throw .badField("offer.tensors", found: "names out of order or twice", expected: "names in byte order")
    }
    var task = try TrainingTask(wire: message.task)
    var control: TensorReference?
    if let reference = message.control {
      let tensor = try TensorReference(wire: reference.pointee)
      let since = try Field.number(message.control_since, "offer.control_since", in: 1...UInt64(Int64.max))
      task.control = TrainingTask.Control(digest: tensor.digest, since: RoundNumber(since))
      control = tensor
    }
    self.init(
      attempt: try AttemptID(wire: message.attempt, "offer.attempt"),
      modelName: try Field.name(message.model_name, "offer.model_name"),
      baseVersion: ModelVersion(message.base_version),
      modelDigest: try Field.fixed(message.model_digest, "offer.model_digest"), tensors: tensors,
      configuration: try Self.configuration(message.configuration), task: task, control: control,
      signature: try Field.fixed(message.signature, "offer.signature"))
  }

  private static func configuration(_ data: ProtobufCBinaryData) throws(WireError) -> RoundConfiguration {
    let bytes = try Field.bytes(data, "offer.configuration", max: WireLimits.configurationBytesMax)
    do throws(Refusal) {
      return try RoundConfiguration(canonicalBytes: bytes)
    } catch {
      guard !RoundConfiguration.namesReservedSuite(bytes) else {
        throw .badField(
          "offer.configuration", found: RoundConfiguration.Suite.reservedMeaning, expected: "suite 1 or 2")
      }
      throw .badField("offer.configuration", found: error.rawValue, expected: "canonical bytes")
    }
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__RoundOffer> {
    arena.make(murmur__round_offer__init) {
      $0.attempt = attempt.draft(in: arena)
      $0.model_name = arena.text(modelName)
      $0.base_version = baseVersion.value
      $0.model_digest = arena.data(modelDigest)
      $0.n_tensors = tensors.count
      $0.tensors = arena.list(tensors) { $0.draft(in: arena) }
      $0.configuration = arena.data(configuration.canonicalBytes)
      $0.task = task.draft(in: arena)
      $0.control = control?.draft(in: arena)
      $0.control_since = task.control?.since.value ?? 0
      $0.signature = arena.data(signature)
    }
  }
}

extension CoordinatorMessage {
  func write(to draft: EnvelopeDraft) {
    switch self {
    case .offer(let offer): draft.set(MURMUR__ENVELOPE__BODY_OFFER) { $1.offer = offer.draft(in: $0) }
    case .roster(let attempt, let roster):
      draft.set(MURMUR__ENVELOPE__BODY_ROSTER) { $1.roster = roster.draft(of: attempt, in: $0) }
    case .peerShares(let shares):
      draft.set(MURMUR__ENVELOPE__BODY_PEER_SHARES) { $1.peer_shares = shares.draft(in: $0) }
    case .dealers(let dealers): draft.set(MURMUR__ENVELOPE__BODY_DEALERS) { $1.dealers = dealers.draft(in: $0) }
    case .survivors(let survivors):
      draft.set(MURMUR__ENVELOPE__BODY_SURVIVORS) { $1.survivors = survivors.draft(in: $0) }
    case .quorum(let quorum): draft.set(MURMUR__ENVELOPE__BODY_QUORUM) { $1.quorum = quorum.draft(in: $0) }
    case .result(let result): draft.set(MURMUR__ENVELOPE__BODY_RESULT) { $1.result = result.draft(in: $0) }
    case .ended(let attempt, let outcome, let reason):
      draft.set(MURMUR__ENVELOPE__BODY_ENDED) { arena, envelope in
        envelope.ended = arena.make(murmur__attempt_ended__init) {
          $0.attempt = attempt.draft(in: arena)
          $0.outcome = Murmur__AttemptOutcome(outcome.rawValue)
          $0.reason = arena.prose(reason)
        }
      }
    case .aborts(let statements):
      draft.set(MURMUR__ENVELOPE__BODY_ABORTS) { $1.aborts = statements.draft(in: $0) }
    }
  }

  /// Nil for a body that is not the coordinator's part of a round.
  init?(envelope: Murmur__Envelope) throws(WireError) {
    switch envelope.body_case {
    case MURMUR__ENVELOPE__BODY_OFFER: self = .offer(try RoundOffer(wire: Field.required(envelope.offer, "offer")))
    case MURMUR__ENVELOPE__BODY_ROSTER:
      let message = try Field.required(envelope.roster, "roster")
      self = .roster(try AttemptID(wire: message.attempt, "roster.attempt"), try RosterMessage(wire: message))
    case MURMUR__ENVELOPE__BODY_PEER_SHARES:
      self = .peerShares(try PeerShares(wire: Field.required(envelope.peer_shares, "peer_shares")))
    case MURMUR__ENVELOPE__BODY_DEALERS:
      self = .dealers(try DealerSet(wire: Field.required(envelope.dealers, "dealers")))
    case MURMUR__ENVELOPE__BODY_SURVIVORS:
      self = .survivors(try SurvivorSet(wire: Field.required(envelope.survivors, "survivors")))
    case MURMUR__ENVELOPE__BODY_QUORUM:
      self = .quorum(try QuorumCertificate(wire: Field.required(envelope.quorum, "quorum")))
    case MURMUR__ENVELOPE__BODY_RESULT:
      self = .result(try AttemptResult(wire: Field.required(envelope.result, "result")))
    case MURMUR__ENVELOPE__BODY_ENDED:
      let message = try Field.required(envelope.ended, "ended")
      self = .ended(
        try AttemptID(wire: message.attempt, "ended.attempt"),
        try Field.choice(message.outcome.rawValue, "ended.outcome"),
        reason: try Field.text(message.reason, "ended.reason"))
    case MURMUR__ENVELOPE__BODY_ABORTS:
      self = .aborts(try AbortStatements(wire: Field.required(envelope.aborts, "aborts")))
    default: return nil
    }
  }
}

extension WorkerMessage {
  func write(to draft: EnvelopeDraft) {
    switch self {
    case .accept(let attempt):
      draft.set(MURMUR__ENVELOPE__BODY_ACCEPT) { arena, envelope in
        envelope.accept = arena.make(murmur__offer_accepted__init) { $0.attempt = attempt.draft(in: arena) }
      }
    case .decline(let attempt, let reason, let detail):
      draft.set(MURMUR__ENVELOPE__BODY_DECLINE) { arena, envelope in
        envelope.decline = arena.make(murmur__offer_declined__init) {
          $0.attempt = attempt.draft(in: arena)
          $0.reason = Murmur__DeclineReason(reason.rawValue)
          $0.detail = arena.prose(detail)
        }
      }
    case .progress(let attempt, let phase, let quarters, let stalledSeconds):
      draft.set(MURMUR__ENVELOPE__BODY_PROGRESS) { arena, envelope in
        envelope.progress = arena.make(murmur__progress__init) {
          $0.attempt = attempt.draft(in: arena)
          $0.phase = Murmur__WorkPhase(phase.rawValue)
          $0.quarters = quarters
          $0.stalled_seconds = stalledSeconds
        }
      }
    case .advert(let attempt, let advert):
      draft.set(MURMUR__ENVELOPE__BODY_ADVERT) { arena, envelope in
        envelope.advert = arena.make(murmur__advertisement__init) {
          $0.attempt = attempt.draft(in: arena)
          $0.advert = advert.draft(in: arena)
        }
      }
    case .bundle(let bundle): draft.set(MURMUR__ENVELOPE__BODY_BUNDLE) { $1.bundle = bundle.draft(in: $0) }
    case .shareCheck(let check):
      draft.set(MURMUR__ENVELOPE__BODY_SHARE_CHECK) { $1.share_check = check.draft(in: $0) }
    case .agree(let agreement): draft.set(MURMUR__ENVELOPE__BODY_AGREE) { $1.agree = agreement.draft(in: $0) }
    case .unmask(let shares): draft.set(MURMUR__ENVELOPE__BODY_UNMASK) { $1.unmask = shares.draft(in: $0) }
    case .abort(let abort): draft.set(MURMUR__ENVELOPE__BODY_ABORT) { $1.abort = abort.draft(in: $0) }
    }
  }

  /// Nil for a body that is not a worker's part of a round.
  init?(envelope: Murmur__Envelope) throws(WireError) {
    switch envelope.body_case {
    case MURMUR__ENVELOPE__BODY_ACCEPT:
      self = .accept(try AttemptID(wire: Field.required(envelope.accept, "accept").attempt, "accept.attempt"))
    case MURMUR__ENVELOPE__BODY_DECLINE:
      let message = try Field.required(envelope.decline, "decline")
      self = .decline(
        try AttemptID(wire: message.attempt, "decline.attempt"),
        try Field.choice(message.reason.rawValue, "decline.reason"),
        detail: try Field.text(message.detail, "decline.detail"))
    case MURMUR__ENVELOPE__BODY_PROGRESS:
      let message = try Field.required(envelope.progress, "progress")
      self = .progress(
        try AttemptID(wire: message.attempt, "progress.attempt"),
        try Field.choice(message.phase.rawValue, "progress.phase"),
        quarters: try Field.number(message.quarters, "progress.quarters", in: 0...4),
        stalledSeconds: message.stalled_seconds)
    case MURMUR__ENVELOPE__BODY_ADVERT:
      let message = try Field.required(envelope.advert, "advert")
      self = .advert(
        try AttemptID(wire: message.attempt, "advert.attempt"),
        try KeyAdvert(wire: Field.required(message.advert, "advert.advert")))
    case MURMUR__ENVELOPE__BODY_BUNDLE:
      self = .bundle(try SignedBundle(wire: Field.required(envelope.bundle, "bundle")))
    case MURMUR__ENVELOPE__BODY_SHARE_CHECK:
      self = .shareCheck(try SignedShareCheck(wire: Field.required(envelope.share_check, "share_check")))
    case MURMUR__ENVELOPE__BODY_AGREE:
      self = .agree(try SurvivorAgreement(wire: Field.required(envelope.agree, "agree")))
    case MURMUR__ENVELOPE__BODY_UNMASK:
      self = .unmask(try UnmaskShares(wire: Field.required(envelope.unmask, "unmask")))
    case MURMUR__ENVELOPE__BODY_ABORT: self = .abort(try WorkerAbort(wire: Field.required(envelope.abort, "abort")))
    default: return nil
    }
  }
}
