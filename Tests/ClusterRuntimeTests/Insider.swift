import ClusterConfiguration
import Cryptography
import Federation
import Foundation
import Membership
import Rounds
import SecureAggregation
import Testing
import Transfer
import Wire
import ZeroMQ

/// A worker's folder in the wrong hands: it runs the real worker's machine, and does one thing wrong.
final class Insider {
  enum Deviation: String, CaseIterable, Sendable {
    case advertForAnother, bundleAsAnother, bundleOfAnotherTranscript, shareCheckAsAnother, headerAsAnother
    case foreignTranscript, closeBeforeOpen, chunksWithoutGrant, wrongChunkLength, wrongDigest, agreeAsAnother
    case wrongShares, abortAsAnother, silentAfterUpload

    /// What the coordinator convicts it of; nil where nothing is proven or others were faster.
    var fault: String? {
      switch self {
      case .advertForAnother: "ownEntryChanged"
      case .bundleAsAnother, .shareCheckAsAnother, .abortAsAnother: "badSignature"
      case .wrongDigest: "wrongDigest"
      case .wrongChunkLength, .bundleOfAnotherTranscript, .headerAsAnother, .foreignTranscript, .closeBeforeOpen,
        .chunksWithoutGrant,
        .agreeAsAnother, .wrongShares, .silentAfterUpload:
        nil
      }
    }

    /// What its upload is answered with; nil where none is refused.
    var answer: String? {
      switch self {
      case .headerAsAnother: "badSignature"
      case .foreignTranscript, .closeBeforeOpen: "not counted"
      case .wrongChunkLength: "a chunk of the wrong length"
      case .wrongDigest: "wrongDigest"
      case .advertForAnother, .bundleAsAnother, .bundleOfAnotherTranscript, .shareCheckAsAnother, .chunksWithoutGrant,
        .agreeAsAnother, .wrongShares, .abortAsAnother, .silentAfterUpload:
        nil
      }
    }

    /// Whether its input is in the sum all the same.
    var isCounted: Bool {
      switch self {
      case .closeBeforeOpen, .chunksWithoutGrant, .agreeAsAnother, .wrongShares, .abortAsAnother, .silentAfterUpload:
        true
      case .advertForAnother, .bundleAsAnother, .bundleOfAnotherTranscript, .shareCheckAsAnother, .headerAsAnother,
        .foreignTranscript, .wrongChunkLength, .wrongDigest:
        false
      }
    }
  }

  private let control: HostilePeer
  private let bulk: HostilePeer
  private var machine: WorkerStateMachine
  private var deviation = Deviation.silentAfterUpload
  private var upload: UploadSource?
  private var length: UInt64 = 0
  /// Refusals of uploads that it has heard.
  private(set) var answers: [String] = []

  init(in federation: ProcessFederation, as name: String) throws {
    let home = try federation.home(name, .worker)
    control = try HostilePeer.connect(to: .control, of: federation, with: try home.keys)
    bulk = try HostilePeer.connect(to: .bulk, of: federation, with: try home.keys)
    let coordinator = try #require(home.membership.members(role: .coordinator).first)
    machine = WorkerStateMachine(
      certificate: home.certificate.certificate, membership: home.membership,
      coordinatorKey: coordinator.certificate.signingKey, policy: Rounds.WorkerPolicy(), signingKey: home.signingKey,
      secrets: SystemSecretSource(), ledger: WorkerLedger())
  }

  func join(session: UInt64) async throws {
    try #require(await control.send(ControlToCoordinator.hello(session: session)))
    try #require(await control.hears { $0.welcomes(session) })
  }

  /// Takes part in what is offered until `isOver`, then leaves.
  func takePart(deviating deviation: Deviation, until isOver: () -> Bool) async throws {
    self.deviation = deviation
    answers = []
    var beaten = ContinuousClock.now
    _ = try await eventually(within: .seconds(30)) {
      if ContinuousClock.now - beaten > .milliseconds(300) {
        _ = try await control.send(ControlToCoordinator.heartbeat)
        beaten = .now
      }
      for case .round(let message) in try await control.takeControl() {
        try await perform(machine.handle(.received(message, now: UInt64(Date.now.timeIntervalSince1970))))
      }
      for message in try await bulk.take() {
        let count = message.frames.count > 1 ? message.frames[1].count : nil
        try await hear(BulkToWorker(decoding: message.frames[0].array, payloadBytes: count))
      }
      return isOver()
    }
    try await leave()
  }

  private func leave() async throws { _ = try await control.send(ControlToCoordinator.goodbye) }

  private func perform(_ actions: [WorkerStateMachine.Action]) async throws {
    for action in actions {
      switch action {
      case .send(let message):
        for twisted in twist(message) { _ = try await control.send(ControlToCoordinator.round(twisted)) }
        // It would be waited for until a deadline: this way the others see that it is gone.
        if deviation == .bundleAsAnother || deviation == .bundleOfAnotherTranscript, case .bundle = message {
          try await leave()
        }
        if deviation == .shareCheckAsAnother, case .shareCheck = message { try await leave() }
      case .fetchModel(let offer):
        length = offer.configuration.vectorLength
        try await perform(machine.handle(.modelHeld(offer.attempt, modelDigest: offer.modelDigest)))
      case .train(let offer): try await perform(machine.handle(.trained(offer.attempt)))
      case .upload(let order): try await begin(order)
      case .record, .keepControl, .keepEvidence, .cancelWork, .startDeadline, .note: break
      }
    }
  }

  // MARK: Control

  private static let foreign = HostileFrames.digest(0xEE)

  /// Another index than the own one.
  private func other(_ index: Int) -> Int { index == 0 ? 1 : 0 }

  private func twist(_ message: WorkerMessage) -> [WorkerMessage] {
    switch (deviation, message) {
    case (.advertForAnother, .advert(let attempt, let advert)):
      let entry = RosterEntry(
        worker: "worker-1", certificateFingerprint: advert.entry.certificateFingerprint,
        encryptionKey: advert.entry.encryptionKey, maskKey: advert.entry.maskKey)
      return [
        .advert(
          attempt,
          KeyAdvert(
            entry: entry, modelDigest: advert.modelDigest, configurationDigest: advert.configurationDigest,
            offerSignature: advert.offerSignature, signature: advert.signature))
      ]
    case (.bundleAsAnother, .bundle(let bundle)):
      return [
        .bundle(
          SignedBundle(
            transcript: bundle.transcript, dealer: other(bundle.dealer), bundle: bundle.bundle,
            signature: bundle.signature))
      ]
    case (.bundleOfAnotherTranscript, .bundle(let bundle)):
      return [
        .bundle(
          SignedBundle(
            transcript: Self.foreign, dealer: bundle.dealer, bundle: bundle.bundle, signature: bundle.signature))
      ]
    case (.shareCheckAsAnother, .shareCheck(let check)):
      return [
        .shareCheck(
          SignedShareCheck(
            transcript: check.transcript, helper: other(check.helper), complaints: check.complaints,
            signature: check.signature))
      ]
    case (.agreeAsAnother, .agree(let agreement)):
      return [
        .agree(
          SurvivorAgreement(
            transcript: agreement.transcript, worker: other(agreement.worker), signature: agreement.signature))
      ]
    case (.abortAsAnother, .shareCheck(let check)):
      return [
        .abort(
          WorkerAbort(
            transcript: check.transcript, worker: other(check.helper), hasReleased: false, code: .ownFailure,
            signature: check.signature)), message,
      ]
    case (.wrongShares, .unmask(let shares)):
      let wrong = shares.selfMaskShares.map { entry in
        UnmaskShares.Entry(owner: entry.owner, share: entry.share.map { $0 ^ 1 })
      }
      return [
        .unmask(
          UnmaskShares(
            transcript: shares.transcript, helper: shares.helper, selfMaskShares: wrong,
            maskKeyShares: shares.maskKeyShares))
      ]
    case (.silentAfterUpload, .agree), (.silentAfterUpload, .unmask): return []
    default: return [message]
    }
  }

  // MARK: Bulk

  private func begin(_ order: WorkerStateMachine.UploadOrder) async throws {
    let update = ClientUpdate(
      difference: [Float](repeating: 0, count: Int(length)), exampleCount: 10,
      metrics: RoundMetrics(lossSum: 0, correct: 0, evaluated: 0))
    let source = try UploadSource(order, update: update)
    upload = source
    let header = source.header
    switch deviation {
    case .headerAsAnother: try await open(header, worker: other(header.worker))
    case .foreignTranscript: try await open(header, transcript: Self.foreign)
    case .closeBeforeOpen:
      try await close(source)
      try await open(header)
    case .chunksWithoutGrant:
      for number in 0..<source.chunkCount { try await send(number, of: source) }
      try await open(header)
    case .advertForAnother, .bundleAsAnother, .bundleOfAnotherTranscript, .shareCheckAsAnother, .wrongChunkLength,
      .wrongDigest, .agreeAsAnother, .wrongShares, .abortAsAnother, .silentAfterUpload:
      try await open(header)
    }
  }

  private func open(_ header: InputHeader, transcript: Digest? = nil, worker: Int? = nil) async throws {
    let header = InputHeader(
      transcript: transcript ?? header.transcript, worker: worker ?? header.worker,
      dealersDigest: header.dealersDigest, vectors: header.vectors, signature: header.signature)
    _ = try await bulk.send(BulkToCoordinator.open(header))
  }

  private func send(_ number: UInt64, of source: UploadSource, cutBy missing: Int = 0) async throws {
    let bytes = Array(source.chunk(number).bytes.dropLast(missing))
    _ = try await bulk.send(BulkToCoordinator.chunk(UploadChunk(upload: source.upload, number: number)), payload: bytes)
  }

  private func close(_ source: UploadSource) async throws {
    var digests = (0..<source.chunkCount).map { source.chunk($0).digest }
    if deviation == .wrongDigest { digests[0] = Self.foreign }
    _ = try await bulk.send(BulkToCoordinator.close(source.trailer(chunkDigests: digests)))
  }

  private func hear(_ message: BulkToWorker) async throws {
    guard let source = upload else { return }
    switch message {
    case .grant(let grant):
      for number in grant.firstChunk..<grant.firstChunk + UInt64(grant.chunks) {
        try await send(number, of: source, cutBy: deviation == .wrongChunkLength ? 4 : 0)
      }
      if grant.firstChunk + UInt64(grant.chunks) == source.chunkCount { try await close(source) }
    case .answer(let answer):
      if !answer.refusal.isEmpty { answers.append(answer.refusal) }
      if !answer.refusal.isEmpty, !deviation.isCounted { try await leave() }
      if answer.refusal.isEmpty, answer.upload == source.upload {
        try await perform(machine.handle(.uploaded(source.attempt)))
      }
    case .chunk, .unavailable: break
    }
  }
}
