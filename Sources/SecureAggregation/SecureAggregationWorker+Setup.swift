import Cryptography
import Federation

/// Roster, sealed shares, complaints: everything before an input exists (M2–M4b).
extension SecureAggregationWorker {
  mutating func receive(_ message: RosterMessage) throws(Refusal) -> [Action] {
    guard case .advertised = state else {
      // One roster per attempt: the first one stands. Its repetition asks for the bundle again, after a lost link.
      if case .sharing(let roster, _, _, let bundle) = state, message.adverts.map(\.entry) == roster.entries {
        return [.sendBundle(bundle)]
      }
      return [.ignored(.repeated)]
    }
    guard let maskKey, let encryptionKey else { return [.ignored(.outOfOrder)] }
    let roster = try check(message)
    let helpers = (0..<roster.count).filter { $0 != roster.index }
    let selfMaskSeed = secrets.secret(32)
    let (bundle, ownShare) = try ShareBundle.deal(
      transcript: roster.transcript, dealer: roster.index, threshold: roster.thresholds.threshold,
      seed: selfMaskSeed, maskSecret: maskKey, encryptionSecret: encryptionKey,
      helpers: helpers.map { ($0, roster.entries[$0].encryptionKey) }, secrets: secrets)
    let signed = SignedBundle(
      transcript: roster.transcript, dealer: roster.index, bundle: bundle,
      signature: signingKey.signature(
        over: SignedString.bundle(
          transcript: roster.transcript, dealer: roster.index, bodyDigest: bundle.bodyDigest)))
    state = .sharing(roster, selfMaskSeed: selfMaskSeed, ownShare: ownShare, bundle: signed)
    return [.sendBundle(signed)]
  }

  /// The checks on M2, in the order of the specification.
  ///
  /// Everyone masks with everyone here. A roster that needs the sparse graph has thresholds made for that graph, far too
  /// low for this one, so it is refused.
  private func check(_ message: RosterMessage) throws(Refusal) -> Roster {
    let entries = message.adverts.map(\.entry)
    guard entries.count <= context.configuration.completeGraphRosterMax else { throw .rosterTooLarge }
    var adverts: [RosterAdvert] = []
    for advert in message.adverts {
      guard let member = context.membership[advert.entry.worker],
        member.certificate.fingerprint == advert.entry.certificateFingerprint
      else { throw .certificateNotSigned }
      try RoundChecks.checkCertificate(
        member, authority: context.membership.authorityKey, time: context.now, role: .worker,
        name: advert.entry.worker)
      adverts.append(
        RosterAdvert(
          entry: advert.entry, organisation: member.certificate.organisation,
          signingKey: member.certificate.signingKey, offerSignature: advert.offerSignature,
          signature: advert.signature))
    }
    let thresholds = try RoundChecks.checkRoster(
      roundID: context.roundID, adverts: adverts, ownEntry: advert.entry, coordinator: context.coordinatorKey,
      rosterSignature: message.signature, mode: context.configuration.mode, policy: policy)
    guard let index = entries.firstIndex(where: { $0.worker == worker }) else { throw .ownEntryChanged }
    let transcript = Transcript.transcript(
      roundID: context.roundID, rosterDigest: Transcript.rosterDigest(roundID: context.roundID, entries: entries))
    return Roster(
      transcript: transcript, index: index, entries: entries, organisations: adverts.map(\.organisation),
      signingKeys: adverts.map(\.signingKey), thresholds: thresholds)
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
      encryptionKey = nil  // Every share addressed to this worker is open; nothing else may be sealed with it.
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
    guard let encryptionKey else { return (held, complaints) }
    var seen: Set<Int> = []
    for entry in message.entries where entry.dealer != roster.index && (0..<roster.count).contains(entry.dealer) {
      guard seen.insert(entry.dealer).inserted, entry.sealed.helper == roster.index else {
        held[entry.dealer] = nil
        complaints.insert(entry.dealer)
        continue
      }
      do throws(Refusal) {
        let key = try ShareSealing.key(
          transcript: roster.transcript, secret: encryptionKey,
          publicKey: roster.entries[entry.dealer].encryptionKey, dealer: entry.dealer, helper: roster.index)
        held[entry.dealer] = try ShareSealing.open(
          entry.sealed, key: key, transcript: roster.transcript, dealer: entry.dealer)
      } catch {
        complaints.insert(entry.dealer)
      }
    }
    complaints.formUnion((0..<roster.count).filter { $0 != roster.index && !seen.contains($0) })
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
        message.dealers, me: roster.index, accepted: Set(held.keys), thresholds: roster.thresholds)
      guard let maskKey else { return [.ignored(.outOfOrder)] }
      let order = try maskingOrder(roster: roster, dealers: message.dealers, seed: seed, maskKey: maskKey)
      state = .masking(roster, dealers: message, held: held, ownShare: ownShare)
      self.maskKey = nil  // The pair keys of this attempt are derived; the key itself has no further use here.
      return [.maskInput(order)]
    case .masking(_, let dealers, _, _):
      // One U2 per transcript: the first one stands and is signed in M5 and M7.
      return [.ignored(message.transcript == dealers.transcript ? .repeated : .otherTranscript)]
    case .advertised, .sharing, .closed: return [.ignored(.outOfOrder)]
    case .agreed, .released: return [.ignored(.repeated)]
    }
  }

  private func maskingOrder(
    roster: Roster, dealers: Bitmap, seed: SecretBytes, maskKey: SecretBytes
  ) throws(Refusal) -> MaskingOrder {
    let vectors = VectorSpecification.all(for: context.configuration)
    var shared: [Int: SecretBytes] = [:]
    for peer in dealers.members where peer != roster.index {
      shared[peer] = try Agreement.sharedSecret(maskKey, roster.entries[peer].maskKey)
    }
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
