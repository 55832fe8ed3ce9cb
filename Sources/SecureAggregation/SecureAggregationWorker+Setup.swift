import Cryptography
import Federation
import Synchronization

/// Roster, sealed shares, complaints: everything before an input exists (M2–M4b).
extension SecureAggregationWorker {
  mutating func receive(_ message: RosterMessage) throws(Refusal) -> [Action] {
    guard case .advertised = state else { return try repeated(message) }
    guard let maskKey, let encryptionKey else { return [.ignored(.outOfOrder)] }
    let roster = try check(message)
    agreed = try agree(encryptionKey, with: roster.neighbours) { roster.entries[$0].encryptionKey }
    self.encryptionKey = nil  // What it agrees on serves both directions; the key itself has no further use.
    let selfMaskSeed = secrets.secret(32)
    let (bundle, ownShare) = ShareBundle.deal(
      transcript: roster.transcript, dealer: roster.index, threshold: roster.thresholds.threshold,
      seed: selfMaskSeed, maskSecret: maskKey, helpers: agreed.sorted { $0.key < $1.key }.map { ($0.key, $0.value) },
      secrets: secrets)
    let signed = SignedBundle(
      transcript: roster.transcript, dealer: roster.index, bundle: bundle,
      signature: signingKey.signature(
        over: SignedString.bundle(
          transcript: roster.transcript, dealer: roster.index, bodyDigest: bundle.bodyDigest)))
    state = .sharing(roster, selfMaskSeed: selfMaskSeed, ownShare: ownShare, bundle: signed)
    return [.sendBundle(signed)]
  }

  /// The secrets that `secret` shares with each of `peers`, several at once where there are threads.
  private func agree(
    _ secret: SecretBytes, with peers: [Int], key: @Sendable (Int) -> AgreementPublicKey
  ) throws(Refusal) -> [Int: SecretBytes] {
    let found = Mutex<[Int: SecretBytes]>([:])
    let areUsable = context.computations.allHold(peers.count) { place in
      guard let shared = try? Agreement.sharedSecret(secret, key(peers[place])) else { return false }
      found.withLock { $0[peers[place]] = shared }
      return true
    }
    guard areUsable else { throw .allZeroSharedSecret }
    return found.withLock { $0 }
  }

  func coordinatorStatement(_ string: [UInt8], _ signature: Signature) -> Evidence.Statement {
    Evidence.Statement(
      signer: context.coordinator, key: context.coordinatorKey, string: string, signature: signature)
  }

  mutating func keep(_ kind: Evidence.Kind, accused: WorkerID?, _ statements: [Evidence.Statement]) {
    found.append(Evidence(kind: kind, attempt: context.attempt, accused: accused, statements: statements))
  }

  mutating func receive(_ message: PeerShares) throws(Refusal) -> [Action] {
    switch state {
    case .sharing(let roster, let seed, let ownShare, _):
      guard message.transcript == roster.transcript else { return [.ignored(.otherTranscript)] }
      let (held, complaints) = open(message, in: roster)
      let bitmap = Bitmap(members: complaints.sorted(), count: roster.count)
      let check = SignedShareCheck(
        transcript: roster.transcript, helper: roster.index, complaints: bitmap,
        signature: signingKey.signature(
          over: SignedString.shareCheck(
            transcript: roster.transcript, helper: roster.index, complaints: bitmap)))
      state = .checking(roster, selfMaskSeed: seed, held: held, ownShare: ownShare, check: check)
      agreed = [:]  // Every share addressed to this worker is open; nothing else may be sealed for it.
      return [.sendShareCheck(check)]
    case .advertised, .closed: return [.ignored(.outOfOrder)]
    case .checking(let roster, _, _, _, let check):
      return message.transcript == roster.transcript ? [.sendShareCheck(check)] : [.ignored(.otherTranscript)]
    case .masking, .agreed, .released: return [.ignored(.repeated)]
    }
  }

  /// Opens what was sealed for this worker; whoever sent something else, or nothing, is complained about.
  private func open(_ message: PeerShares, in roster: Roster) -> (held: [Int: SharePair], complaints: Set<Int>) {
    var held: [Int: SharePair] = [:], complaints: Set<Int> = []
    var seen: Set<Int> = []
    let neighbours = Set(roster.neighbours)
    for entry in message.entries where neighbours.contains(entry.dealer) {
      guard seen.insert(entry.dealer).inserted, entry.sealed.helper == roster.index else {
        held[entry.dealer] = nil
        complaints.insert(entry.dealer)
        continue
      }
      do throws(Refusal) {
        guard let agreed = agreed[entry.dealer] else { throw .shareNotAuthentic }
        let key = ShareSealing.key(
          transcript: roster.transcript, agreed: agreed, dealer: entry.dealer, helper: roster.index)
        held[entry.dealer] = try ShareSealing.open(
          entry.sealed, key: key, transcript: roster.transcript, dealer: entry.dealer)
      } catch {
        complaints.insert(entry.dealer)
      }
    }
    complaints.formUnion(neighbours.subtracting(seen))
    return (held, complaints)
  }

  mutating func receive(_ message: DealerSet) throws(Refusal) -> [Action] {
    switch state {
    case .checking(let roster, let seed, let held, let ownShare, _):
      guard message.transcript == roster.transcript else { return [.ignored(.otherTranscript)] }
      guard
        message.signature.isValid(
          over: SignedString.dealers(transcript: roster.transcript, bitmap: message.dealers),
          by: context.coordinatorKey)
      else { throw .badSignature }
      guard message.dealers.count == roster.count else { throw .badBitmap }
      try RoundChecks.checkDealers(
        message.dealers, me: roster.index, accepted: Set(held.keys),
        neighbours: roster.graph.isComplete ? nil : Set(roster.neighbours), thresholds: roster.thresholds)
      guard let maskKey else { return [.ignored(.outOfOrder)] }
      let order = try maskingOrder(roster: roster, dealers: message.dealers, seed: seed, maskKey: maskKey)
      state = .masking(roster, dealers: message, held: held, ownShare: ownShare)
      self.maskKey = nil  // The pair keys of this attempt are derived; the key itself has no further use here.
      return [.maskInput(order)]
    case .masking(_, let dealers, _, _), .agreed(_, let dealers, _, _, _, _), .released(_, let dealers, _, _):
      return try repeated(message, after: dealers)
    case .advertised, .sharing, .closed: return [.ignored(.outOfOrder)]
    }
  }

  /// One U2 per transcript: the first one stands and is signed in M5 and M7. Another one that is signed too proves a
  /// coordinator that shows different sets.
  private mutating func repeated(_ message: DealerSet, after first: DealerSet) throws(Refusal) -> [Action] {
    guard message.transcript == first.transcript else { return [.ignored(.otherTranscript)] }
    func signed(_ set: DealerSet) -> Evidence.Statement {
      coordinatorStatement(
        SignedString.dealers(transcript: set.transcript, bitmap: set.dealers), set.signature)
    }
    guard message.dealers != first.dealers, signed(message).isAuthentic else { return [.ignored(.repeated)] }
    keep(.twoDealerSets, accused: context.coordinator, [signed(first), signed(message)])
    throw .secondDealerSet
  }

  private func maskingOrder(
    roster: Roster, dealers: Bitmap, seed: SecretBytes, maskKey: SecretBytes
  ) throws(Refusal) -> MaskingOrder {
    let vectors = VectorSpecification.all(for: context.configuration)
    let shared = try agree(maskKey, with: roster.neighbours.filter(dealers.contains)) { roster.entries[$0].maskKey }
    let keys = vectors.map {
      MaskKeys(
        transcript: roster.transcript, worker: roster.index, vector: $0, suite: context.configuration.suite,
        selfMaskSeed: seed, sharedSecrets: shared)
    }
    let header = SignedString.inputHeader(
      transcript: roster.transcript, worker: roster.index, dealersDigest: dealers.digest, vectors: vectors)
    return MaskingOrder(
      transcript: roster.transcript, worker: roster.index, rosterCount: roster.count, dealersDigest: dealers.digest,
      header: InputHeader(
        transcript: roster.transcript, worker: roster.index, dealersDigest: dealers.digest, vectors: vectors,
        signature: signingKey.signature(over: header)),
      keys: keys, roundingSeed: roundingSeed, signingKey: signingKey)
  }
}
