import Federation
import SecureAggregation

/// One tensor of a model as an offer names it: the blob with `digest` holds its raw little-endian bytes.
package struct TensorReference: Hashable, Sendable {
  package let name: String
  /// The dtype code of Protocols/secure-aggregation.md; 10 is F32.
  package let dtypeCode: UInt8
  package let shape: [UInt64]
  package let digest: Digest
  package let byteCount: UInt64

  package init(name: String, dtypeCode: UInt8, shape: [UInt64], digest: Digest, byteCount: UInt64) {
    self.name = name
    self.dtypeCode = dtypeCode
    self.shape = shape
    self.digest = digest
    self.byteCount = byteCount
  }
}

/// M0, coordinator → worker: one attempt at one round.
package struct RoundOffer: Hashable, Sendable {
  /// More tensors than this are refused before anything is allocated for them.
  package static let tensorCountMax = 4096

  package let attempt: AttemptID
  package let modelName: ModelName
  package let baseVersion: ModelVersion
  package let modelDigest: Digest
  /// In name order.
  package let tensors: [TensorReference]
  package let configuration: RoundConfiguration
  package let task: TrainingTask
  /// The blob of the server's control variate, whose digest is the task's; nil where the task names none.
  package let control: TensorReference?
  /// `sig_S` over `D("offer") ‖ rid`.
  package let signature: Signature

  package init(
    attempt: AttemptID, modelName: ModelName, baseVersion: ModelVersion, modelDigest: Digest,
    tensors: [TensorReference], configuration: RoundConfiguration, task: TrainingTask,
    control: TensorReference? = nil, signature: Signature
  ) {
    self.attempt = attempt
    self.modelName = modelName
    self.baseVersion = baseVersion
    self.modelDigest = modelDigest
    self.tensors = tensors
    self.configuration = configuration
    self.task = task
    self.control = control
    self.signature = signature
  }
}

/// Why a worker does not take part in an attempt.
package enum DeclineReason: UInt32, Sendable, CaseIterable {
  case policy = 1
  case stale = 2
  case contributionsExhausted = 3
  case modelUnavailable = 4
  case badOffer = 5
  case trainingFailed = 6
  case busy = 7
}

/// Coarse progress; all that a worker says of its work before the sum (ruling "Metrics").
package enum WorkPhase: UInt32, Sendable, CaseIterable {
  case fetchingModel = 1
  case training = 2
  case reporting = 3
  case waiting = 4
}

/// What became of an attempt, for a worker that waits to hear.
package enum AttemptOutcome: UInt32, Sendable, CaseIterable {
  case committed = 1
  case abandoned = 2
  /// The attempt goes on without this worker.
  case notCounted = 3
  /// The update is in the buffer of an asynchronous run, and this worker is free.
  case counted = 4
}

/// Signed promises of one transcript, relayed by the coordinator (ruling A8).
package struct AbortStatements: Hashable, Sendable {
  package let attempt: AttemptID
  package let transcript: Digest
  /// Ascending by worker.
  package let statements: [WorkerAbort]

  package init(attempt: AttemptID, transcript: Digest, statements: [WorkerAbort]) {
    self.attempt = attempt
    self.transcript = transcript
    self.statements = statements
  }
}

/// Control messages from the coordinator to a worker.
package enum CoordinatorMessage: Hashable, Sendable {
  case offer(RoundOffer)
  case roster(AttemptID, RosterMessage)
  case peerShares(PeerShares)
  case dealers(DealerSet)
  case survivors(SurvivorSet)
  case quorum(QuorumCertificate)
  case result(AttemptResult)
  case ended(AttemptID, AttemptOutcome, reason: String)
  /// What workers signed when they left an earlier attempt: whoever contributed to it may find that it does not count.
  case aborts(AbortStatements)

  /// The name in logs and traces.
  package var kind: String {
    switch self {
    case .offer: "offer"
    case .roster: "roster"
    case .peerShares: "peerShares"
    case .dealers: "dealers"
    case .survivors: "survivors"
    case .quorum: "quorum"
    case .result: "result"
    case .ended: "ended"
    case .aborts: "aborts"
    }
  }
}

/// Control messages from a worker to the coordinator.
package enum WorkerMessage: Hashable, Sendable {
  /// Takes part in a plain attempt; in a secure one the advert says so.
  case accept(AttemptID)
  case decline(AttemptID, DeclineReason, detail: String)
  /// `quarters` of the phase are done: 0…4; training has not finished a step for `stalledSeconds`.
  case progress(AttemptID, WorkPhase, quarters: UInt32, stalledSeconds: UInt32 = 0)
  case advert(AttemptID, KeyAdvert)
  case bundle(SignedBundle)
  case shareCheck(SignedShareCheck)
  case agree(SurvivorAgreement)
  case unmask(UnmaskShares)
  case abort(WorkerAbort)

  /// The name in logs and traces.
  package var kind: String {
    switch self {
    case .accept: "accept"
    case .decline: "decline"
    case .progress: "progress"
    case .advert: "advert"
    case .bundle: "bundle"
    case .shareCheck: "shareCheck"
    case .agree: "agree"
    case .unmask: "unmask"
    case .abort: "abort"
    }
  }
}
