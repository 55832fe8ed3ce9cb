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

  /// One roster per attempt: the first one stands. Its repetition asks for the bundle again, after a lost link; another
  /// one that is signed too proves a coordinator that shows different rosters.
  private mutating func repeated(_ message: RosterMessage) throws(Refusal) -> [Action] {
    guard let roster else { return [.ignored(.outOfOrder)] }
    let entries = message.adverts.map(\.entry)
    if entries == roster.entries {
      guard case .sharing(_, _, _, let bundle) = state else { return [.ignored(.repeated)] }
      return [.sendBundle(bundle)]
    }
    func signed(_ entries: [RosterEntry], _ signature: Signature) -> Evidence.Statement {
      let digest = Transcript.rosterDigest(roundID: context.roundID, entries: entries)
      return coordinatorStatement(
        SignedString.roster(roundID: context.roundID, rosterDigest: digest), signature)
    }
    let second = signed(entries, message.signature)
    guard second.isAuthentic else { return [.ignored(.repeated)] }
    keep(.twoRosters, accused: context.coordinator, [signed(roster.entries, roster.signature), second])
    throw .secondRoster
  }

  /// The checks on M2, in the order of the specification.
  private mutating func check(_ message: RosterMessage) throws(Refusal) -> Roster {
    let question = CheckedRoster.Question(
      message: message, roundID: context.roundID, membership: context.membership, coordinator: context.coordinatorKey,
      now: context.now, maximum: context.configuration.maximumRoster, mode: context.configuration.mode, policy: policy)
    let checked: CheckedRoster
    do throws(Refusal) {
      checked = try context.computations.answer(question) { () throws(Refusal) in try examine(message) }
    } catch {
      if error == .advertOfAnotherOffer { keepEvidence(of: message.adverts, try adverts(of: message)) }
      throw error
    }
    guard let index = checked.index[worker], checked.entries[index] == advert.entry else { throw .ownEntryChanged }
    return Roster(
      transcript: checked.transcript, index: index, entries: checked.entries, organisations: checked.organisations,
      signingKeys: checked.signingKeys, thresholds: checked.thresholds, graph: checked.graph,
      neighbours: checked.graph.neighbours(of: index), signature: message.signature)
  }

  private func examine(_ message: RosterMessage) throws(Refusal) -> CheckedRoster {
    let entries = message.adverts.map(\.entry)
    guard entries.count <= context.configuration.maximumRoster else { throw .rosterTooLarge }
    let adverts = try adverts(of: message)
    guard let own = entries.firstIndex(where: { $0.worker == worker }) else { throw .ownEntryChanged }
    let transcript = Transcript.transcript(
      roundID: context.roundID, rosterDigest: Transcript.rosterDigest(roundID: context.roundID, entries: entries))
    let thresholds = try RoundChecks.checkRoster(
      roundID: context.roundID, adverts: adverts, ownEntry: advert.entry, coordinator: context.coordinatorKey,
      rosterSignature: message.signature, mode: context.configuration.mode, policy: policy,
      sample: sample(of: entries.count, index: own, transcript: transcript), computations: context.computations)
    return CheckedRoster(
      transcript: transcript, entries: entries, organisations: adverts.map(\.organisation),
      signingKeys: adverts.map(\.signingKey),
      index: Dictionary(uniqueKeysWithValues: entries.enumerated().map { ($1.worker, $0) }), thresholds: thresholds,
      graph: try MaskingGraph(transcript: transcript, thresholds: thresholds, computations: context.computations))
  }

  /// The adverts with who is behind them.
  ///
  /// - Throws: `certificateNotSigned` for a stranger, and the reasons of `RoundChecks.checkCertificate`.
  private func adverts(of message: RosterMessage) throws(Refusal) -> [RosterAdvert] {
    var adverts: [RosterAdvert] = []
    for advert in message.adverts {
      guard let member = context.membership[advert.entry.worker],
        member.certificate.fingerprint == advert.entry.certificateFingerprint
      else { throw .certificateNotSigned }
      try RoundChecks.checkCertificate(
        member, authority: context.membership.authorityKey, time: context.now, role: .worker,
        name: advert.entry.worker, computations: context.computations)
      adverts.append(
        RosterAdvert(
          entry: advert.entry, organisation: member.certificate.organisation,
          signingKey: member.certificate.signingKey, offerSignature: advert.offerSignature,
          signature: advert.signature))
    }
    return adverts
  }

  /// Whose adverts to verify: everyone's, on a large roster the neighbours' and some that nobody can foretell.
  private func sample(of count: Int, index: Int, transcript: Digest) -> Set<Int>? {
    guard count > RoundChecks.fullCheckMax, !context.computations.servesMany,
      let graph = try? context.computations.graph(transcript: transcript, rosterCount: count)
    else { return nil }
    var sample = Set(graph.neighbours(of: index))
    let wanted = min(count, sample.count + RoundChecks.sampleCount)
    while sample.count < wanted {
      let draw = secrets.bytes(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      sample.insert(Int(draw % UInt64(count)))
    }
    return sample
  }

  /// Which adverts do not answer this worker's offer, and whether they prove that there were two (rulings A6, A17).
  private mutating func keepEvidence(of messages: [KeyAdvert], _ adverts: [RosterAdvert]) {
    let offer = SignedString.offer(roundID: context.roundID)
    for (message, advert) in zip(messages, adverts) {
      let string = advert.signedString(context.roundID)
      if advert.signature.isValid(over: string, by: advert.signingKey),
        advert.offerSignature.isValid(over: offer, by: context.coordinatorKey)
      {
        continue
      }
      let foreign = Transcript.roundID(
        federation: context.membership.federation, attemptID: context.attempt, modelDigest: message.modelDigest,
        configurationDigest: message.configurationDigest)
      if RoundChecks.provesTwoOffers(
        message, federation: context.membership.federation, attemptID: context.attempt, ownRoundID: context.roundID,
        coordinator: context.coordinatorKey)
      {
        keep(
          .twoOffers, accused: context.coordinator,
          [
            coordinatorStatement(offer, self.advert.offerSignature),
            coordinatorStatement(SignedString.offer(roundID: foreign), message.offerSignature),
          ])
      } else {
        keep(
          .badAdvert, accused: nil,
          [
            Evidence.Statement(
              signer: message.entry.worker, key: advert.signingKey, string: string, signature: message.signature)
          ])
      }
      return  // One advert is enough to leave by.
    }
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

/// A roster that has passed its checks: what is the same for each of its workers.
private struct CheckedRoster: Sendable {
  /// Everything that the checks read, except who asks.
  struct Question: Equatable, Sendable {
    let message: RosterMessage
    let roundID: Digest
    let membership: MembershipList
    let coordinator: SigningPublicKey
    let now: UInt64
    let maximum: UInt64
    let mode: RoundConfiguration.Mode
    let policy: CohortPolicy
  }

  let transcript: Digest
  let entries: [RosterEntry]
  let organisations: [OrganisationID]
  let signingKeys: [SigningPublicKey]
  let index: [WorkerID: Int]
  let thresholds: Thresholds
  let graph: MaskingGraph
}
