import ClusterConfiguration
import Federation
import Rounds
import SecureAggregation
import Transfer
import Wire

/// What a malicious worker says: the protocol's own machine runs, and between it and the coordinator messages are made
/// into others, signed with the worker's key.
final class MaliciousWorker {
  typealias Kind = SimulationScenario.WorkerMalice

  /// How much longer an update is that was turned around: as long as the clip bound lets it be.
  private static let flipFactor: Float = 10

  let kind: Kind
  private let conduct: SimulationScenario.Conduct<Kind>
  private let party: VirtualParties.Party
  /// Of the upload in hand: its header, and the digests of the chunks that left.
  private var header: InputHeader?
  private var digests: [UInt64: Digest] = [:]

  init(_ conduct: SimulationScenario.Conduct<Kind>, party: VirtualParties.Party) {
    self.conduct = conduct
    self.party = party
    kind = conduct.kind
  }

  func isActive(in attempt: AttemptID?) -> Bool { attempt.map { conduct.isDone(in: $0.round) } ?? false }

  /// What it has learnt instead.
  func learning(_ update: ClientUpdate) -> ClientUpdate {
    guard kind == .signFlip else { return update }
    var flipped = update
    flipped.difference = update.difference.map { -Self.flipFactor * $0 }
    return flipped
  }

  // MARK: Control

  /// What it says instead.
  func saying(_ message: WorkerMessage) -> [WorkerMessage] {
    switch (kind, message) {
    case (.wrongShares, .bundle(let bundle)): [.bundle(spoiled(bundle))]
    case (.wrongSignature, .bundle(let bundle)):
      [
        .bundle(
          SignedBundle(
            transcript: bundle.transcript, dealer: bundle.dealer, bundle: bundle.bundle,
            signature: Signature(unchecked: bundle.signature.bytes.reversed())))
      ]
    case (.equivocation, .bundle(let bundle)): [message, .bundle(spoiled(bundle))]
    case (.falseComplaint, .shareCheck(let check)): [.shareCheck(complaining(check))]
    case (.wrongReleasedShares, .unmask(let shares)): [.unmask(mistaken(shares))]
    default: [message]  // Kinds of other messages.
    }
  }

  /// Shares for everyone that nobody can open.
  private func spoiled(_ bundle: SignedBundle) -> SignedBundle {
    let body = ShareBundle(
      seedCommitment: bundle.bundle.seedCommitment, ownShareCommitment: bundle.bundle.ownShareCommitment,
      entries: bundle.bundle.entries.map { entry in
        ShareBundle.Entry(
          helper: entry.helper, nonce: entry.nonce, ciphertext: entry.ciphertext.map { $0 ^ 1 },
          selfMaskCommitment: entry.selfMaskCommitment, maskKeyCommitment: entry.maskKeyCommitment)
      })
    let signed = SignedString.bundle(
      transcript: bundle.transcript, dealer: bundle.dealer, bodyDigest: body.bodyDigest)
    return SignedBundle(
      transcript: bundle.transcript, dealer: bundle.dealer, bundle: body,
      signature: party.signingKey.signature(over: signed))
  }

  private func complaining(_ check: SignedShareCheck) -> SignedShareCheck {
    let count = check.complaints.count
    let everyone = Bitmap(members: (0..<count).filter { $0 != check.helper }, count: count)
    let signed = SignedString.shareCheck(transcript: check.transcript, helper: check.helper, complaints: everyone)
    return SignedShareCheck(
      transcript: check.transcript, helper: check.helper, complaints: everyone,
      signature: party.signingKey.signature(over: signed))
  }

  /// Each owner's share is another owner's.
  private func mistaken(_ shares: UnmaskShares) -> UnmaskShares {
    func shifted(_ entries: [UnmaskShares.Entry]) -> [UnmaskShares.Entry] {
      let others = entries.dropFirst() + entries.prefix(1)
      return zip(entries, others).map { UnmaskShares.Entry(owner: $0.owner, share: $1.share) }
    }
    return UnmaskShares(
      transcript: shares.transcript, helper: shares.helper, selfMaskShares: shifted(shares.selfMaskShares),
      maskKeyShares: shifted(shares.maskKeyShares))
  }

  // MARK: Uploads

  /// What it uploads instead.
  func uploading(_ message: BulkToCoordinator, _ payload: [UInt8]?) -> (BulkToCoordinator, [UInt8]?) {
    switch message {
    case .request: return (message, payload)
    case .open(let header):
      self.header = header
      digests = [:]
      return (message, payload)
    case .chunk(let chunk):
      guard let payload, let header, let (vector, index) = header.place(of: chunk.number) else {
        return (message, payload)
      }
      let changed = changed(payload, of: vector)
      digests[chunk.number] = ChunkDigests.chunk(
        transcript: header.transcript, worker: header.worker, vector: vector.id, index: index, bytes: changed)
      return (message, changed)
    case .close(let trailer): return (.close(closing(trailer)), payload)
    }
  }

  private func changed(_ payload: [UInt8], of vector: VectorSpecification) -> [UInt8] {
    var bytes = payload
    guard bytes.count >= 4, vector.id != VectorSpecification.auxiliaryID else { return bytes }
    let first: Float? = kind == .nonFinite ? .nan : kind == .overNorm ? 1e6 : nil
    if let first {
      withUnsafeBytes(of: first.bitPattern.littleEndian) { bytes.replaceSubrange(0..<4, with: $0) }
    } else if kind == .alteredChunks {
      bytes[0] ^= 1
    }
    return bytes
  }

  /// A signature over what was sent, if the chunks are to be believed.
  private func closing(_ trailer: InputTrailer) -> InputTrailer {
    let payload: Digest
    switch kind {
    case .wrongDigest: payload = .sha256(of: [1])
    case .nonFinite, .overNorm: payload = ChunkDigests.payload(digests.sorted { $0.key < $1.key }.map(\.value))
    default: return trailer  // Kinds of other messages.
    }
    let signed = SignedString.input(
      transcript: trailer.transcript, worker: trailer.worker, dealersDigest: trailer.dealersDigest,
      payloadDigest: payload)
    return InputTrailer(
      transcript: trailer.transcript, worker: trailer.worker, dealersDigest: trailer.dealersDigest,
      payloadDigest: payload, signature: party.signingKey.signature(over: signed))
  }
}

extension InputHeader {
  /// The vector of a chunk that is numbered through all of them, and its number there.
  fileprivate func place(of number: UInt64) -> (VectorSpecification, Int)? {
    var index = Int(clamping: number)
    for vector in vectors {
      if index < vector.chunkCount { return (vector, index) }
      index -= vector.chunkCount
    }
    return nil
  }
}
