import Cryptography
import Federation
import Rounds
import SecureAggregation
import Wire

/// One message on its way.
enum FuzzedMessage: Sendable {
  case worker(WorkerID, CoordinatorMessage)
  case coordinator(WorkerMessage, from: WorkerID)
  case inputOpened(InputHeader, from: WorkerID)
  case inputCompleted(InputTrailer, payloadDigest: Digest, from: WorkerID)
}

/// What a dishonest coordinator, or dishonest worker 0, makes of a message: bytes of its frame changed as the input says,
/// then signed anew with a key that it has.
struct FuzzedForger {
  private let members = FuzzedMembers.all
  let roundID: Digest

  /// The message with one to four bytes of its frame changed; nil if nobody could read the frame.
  func mutated(_ message: FuzzedMessage, _ input: inout FuzzInput) -> FuzzedMessage? {
    let isSigned = input.below(4) != 0  // Seldom left with a signature that no longer fits.
    switch message {
    case .worker(let name, let body):
      guard case .round(let changed)? = changed(ControlToWorker.round(body), &input) else { return nil }
      return .worker(name, isSigned ? signed(changed) : changed)
    case .coordinator(let body, let name):
      guard case .round(let changed)? = changed(ControlToCoordinator.round(body), &input) else { return nil }
      return .coordinator(isSigned && name == FuzzedMembers.dishonest ? signed(changed) : changed, from: name)
    case .inputOpened(let header, let name):
      guard case .open(let changed)? = changed(BulkToCoordinator.open(header), &input) else { return nil }
      return .inputOpened(isSigned && name == FuzzedMembers.dishonest ? signed(changed) : changed, from: name)
    case .inputCompleted(let trailer, let digest, let name):
      guard case .close(let changed)? = changed(BulkToCoordinator.close(trailer), &input) else { return nil }
      return .inputCompleted(
        isSigned && name == FuzzedMembers.dishonest ? signed(changed) : changed, payloadDigest: digest, from: name)
    }
  }

  private func changed<M: WireMessage>(_ message: M, _ input: inout FuzzInput) -> M? {
    guard var frame = try? message.encoded(), !frame.isEmpty else { return nil }
    for _ in 0...input.below(4) {
      let position = input.below(frame.count)
      frame[position] ^= input.byte()
    }
    return try? M(decoding: frame)
  }

  // MARK: With the coordinator's key

  func signed(_ message: CoordinatorMessage) -> CoordinatorMessage {
    switch message {
    case .roster(let attempt, let roster): .roster(attempt, self.roster(roster.adverts))
    case .dealers(let set): .dealers(dealers(set.dealers, transcript: set.transcript))
    case .survivors(let set):
      .survivors(survivors(set.survivors, transcript: set.transcript, dealersDigest: set.dealersDigest))
    case .result(let result): .result(signed(result))
    case .offer(let offer): .offer(signed(offer))
    case .peerShares, .quorum, .ended, .aborts: message
    }
  }

  private func signed(_ offer: RoundOffer) -> RoundOffer {
    let roundID = Transcript.roundID(
      federation: members.membership.federation, attemptID: offer.attempt, modelDigest: offer.modelDigest,
      configurationDigest: offer.configuration.digest)
    return RoundOffer(
      attempt: offer.attempt, modelName: offer.modelName, baseVersion: offer.baseVersion,
      modelDigest: offer.modelDigest, tensors: offer.tensors, configuration: offer.configuration, task: offer.task,
      signature: members.coordinatorKey.signature(over: SignedString.offer(roundID: roundID)))
  }

  func roster(_ adverts: [KeyAdvert]) -> RosterMessage {
    let digest = Transcript.rosterDigest(roundID: roundID, entries: adverts.map(\.entry))
    return RosterMessage(
      adverts: adverts,
      signature: members.coordinatorKey.signature(
        over: SignedString.roster(roundID: roundID, rosterDigest: digest)))
  }

  func dealers(_ dealers: Bitmap, transcript: Digest) -> DealerSet {
    DealerSet(
      transcript: transcript, dealers: dealers,
      signature: members.coordinatorKey.signature(
        over: SignedString.dealers(transcript: transcript, bitmap: dealers)))
  }

  func survivors(_ survivors: Bitmap, transcript: Digest, dealersDigest: Digest) -> SurvivorSet {
    SurvivorSet(
      transcript: transcript, dealersDigest: dealersDigest, survivors: survivors,
      signature: members.coordinatorKey.signature(
        over: SignedString.survivors(transcript: transcript, dealersDigest: dealersDigest, bitmap: survivors)))
  }

  private func signed(_ result: AttemptResult) -> AttemptResult {
    AttemptResult(
      transcript: result.transcript, survivors: result.survivors, modelDigest: result.modelDigest,
      weight: result.weight,
      signature: members.coordinatorKey.signature(
        over: SignedString.result(
          transcript: result.transcript, survivorsDigest: result.survivors.digest, modelDigest: result.modelDigest,
          weight: result.weight)))
  }

  // MARK: With the key of worker 0

  private var workerKey: SigningKey { members.key(of: FuzzedMembers.dishonest) }

  func agreement(transcript: Digest, worker: Int, dealersDigest: Digest, survivors: Bitmap) -> QuorumSignature {
    QuorumSignature(
      worker: worker,
      signature: workerKey.signature(
        over: SignedString.agree(transcript: transcript, dealersDigest: dealersDigest, bitmap: survivors)))
  }

  func signed(_ message: WorkerMessage) -> WorkerMessage {
    switch message {
    case .advert(let attempt, let advert):
      .advert(
        attempt,
        KeyAdvert(
          entry: advert.entry, modelDigest: advert.modelDigest, configurationDigest: advert.configurationDigest,
          offerSignature: advert.offerSignature,
          signature: workerKey.signature(
            over: SignedString.advert(
              roundID: roundID, entry: advert.entry, offerSignature: advert.offerSignature))))
    case .bundle(let bundle):
      .bundle(
        SignedBundle(
          transcript: bundle.transcript, dealer: bundle.dealer, bundle: bundle.bundle,
          signature: workerKey.signature(
            over: SignedString.bundle(
              transcript: bundle.transcript, dealer: bundle.dealer, bodyDigest: bundle.bundle.bodyDigest))))
    case .shareCheck(let check):
      .shareCheck(
        SignedShareCheck(
          transcript: check.transcript, helper: check.helper, complaints: check.complaints,
          signature: workerKey.signature(
            over: SignedString.shareCheck(
              transcript: check.transcript, helper: check.helper, complaints: check.complaints))))
    case .abort(let abort):
      .abort(
        WorkerAbort(
          transcript: abort.transcript, worker: abort.worker, hasReleased: abort.hasReleased, code: abort.code,
          signature: workerKey.signature(
            over: SignedString.abort(
              transcript: abort.transcript, worker: abort.worker, released: abort.hasReleased, code: abort.code))))
    case .accept, .decline, .progress, .agree, .unmask: message
    }
  }

  private func signed(_ header: InputHeader) -> InputHeader {
    InputHeader(
      transcript: header.transcript, worker: header.worker, dealersDigest: header.dealersDigest,
      vectors: header.vectors,
      signature: workerKey.signature(
        over: SignedString.inputHeader(
          transcript: header.transcript, worker: header.worker, dealersDigest: header.dealersDigest,
          vectors: header.vectors)))
  }

  private func signed(_ trailer: InputTrailer) -> InputTrailer {
    InputTrailer(
      transcript: trailer.transcript, worker: trailer.worker, dealersDigest: trailer.dealersDigest,
      payloadDigest: trailer.payloadDigest,
      signature: workerKey.signature(
        over: SignedString.input(
          transcript: trailer.transcript, worker: trailer.worker, dealersDigest: trailer.dealersDigest,
          payloadDigest: trailer.payloadDigest)))
  }
}
