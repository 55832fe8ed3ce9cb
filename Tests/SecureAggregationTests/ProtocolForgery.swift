import Cryptography
import Federation
import SecureAggregation

/// Messages as a dishonest coordinator, or a dishonest worker with its own key, can make them.
struct ProtocolForgery: Sendable {
  let federation: ProtocolFederation
  let context: AttemptContext

  // MARK: With the coordinator's key

  func roster(_ adverts: [KeyAdvert]) -> RosterMessage {
    let digest = Transcript.rosterDigest(roundID: context.roundID, entries: adverts.map(\.entry))
    let signed = SignedString.roster(roundID: context.roundID, rosterDigest: digest)
    return RosterMessage(adverts: adverts, signature: federation.coordinatorKey.signature(over: signed))
  }

  func dealers(_ members: [Int], count: Int, like message: DealerSet) -> DealerSet {
    let bitmap = Bitmap(members: members, count: count)
    let signed = SignedString.dealers(transcript: message.transcript, bitmap: bitmap)
    return DealerSet(
      transcript: message.transcript, dealers: bitmap, signature: federation.coordinatorKey.signature(over: signed))
  }

  func survivors(
    _ members: [Int], count: Int, like message: SurvivorSet, inputs: [RelayedInput] = []
  ) -> SurvivorSet {
    let bitmap = Bitmap(members: members, count: count)
    let signed = SignedString.survivors(
      transcript: message.transcript, dealersDigest: message.dealersDigest, bitmap: bitmap)
    return SurvivorSet(
      transcript: message.transcript, dealersDigest: message.dealersDigest, survivors: bitmap, inputs: inputs,
      signature: federation.coordinatorKey.signature(over: signed))
  }

  func result(_ members: [Int], like message: AttemptResult) -> AttemptResult {
    let bitmap = Bitmap(members: members, count: message.survivors.count)
    let signed = SignedString.result(
      transcript: message.transcript, survivorsDigest: bitmap.digest, modelDigest: message.modelDigest,
      weight: message.weight)
    return AttemptResult(
      transcript: message.transcript, survivors: bitmap, modelDigest: message.modelDigest, weight: message.weight,
      signature: federation.coordinatorKey.signature(over: signed))
  }

  // MARK: With a worker's key

  func key(_ index: Int) -> SigningKey { federation.keys[federation.workers[index]] ?? federation.authority }

  func advert(
    _ advert: KeyAdvert, encryptionKey: AgreementPublicKey? = nil, maskKey: AgreementPublicKey? = nil,
    fingerprint: Digest? = nil, signedBy signer: SigningKey
  ) -> KeyAdvert {
    let entry = RosterEntry(
      worker: advert.entry.worker, certificateFingerprint: fingerprint ?? advert.entry.certificateFingerprint,
      encryptionKey: encryptionKey ?? advert.entry.encryptionKey, maskKey: maskKey ?? advert.entry.maskKey)
    let signed = SignedString.advert(
      roundID: context.roundID, entry: entry, offerSignature: advert.offerSignature)
    return KeyAdvert(
      entry: entry, modelDigest: advert.modelDigest, configurationDigest: advert.configurationDigest,
      offerSignature: advert.offerSignature, signature: signer.signature(over: signed))
  }

  func bundle(_ bundle: SignedBundle, dealer: Int? = nil, _ change: (ShareBundle) -> ShareBundle) -> SignedBundle {
    let changed = change(bundle.bundle)
    let signed = SignedString.bundle(
      transcript: bundle.transcript, dealer: dealer ?? bundle.dealer, bodyDigest: changed.bodyDigest)
    return SignedBundle(
      transcript: bundle.transcript, dealer: dealer ?? bundle.dealer, bundle: changed,
      signature: key(bundle.dealer).signature(over: signed))
  }

  /// A bundle whose entries for `helpers` cannot be opened, otherwise in order.
  func spoiled(_ signed: SignedBundle, for helpers: Set<Int>) -> SignedBundle {
    bundle(signed) { body in
      ShareBundle(
        seedCommitment: body.seedCommitment, ownShareCommitment: body.ownShareCommitment,
        entries: body.entries.map { entry in
          guard helpers.contains(entry.helper) else { return entry }
          return ShareBundle.Entry(
            helper: entry.helper, nonce: entry.nonce, ciphertext: entry.ciphertext.map { $0 ^ 1 },
            selfMaskCommitment: entry.selfMaskCommitment, maskKeyCommitment: entry.maskKeyCommitment)
        })
    }
  }

  /// A bundle in which every share opens and fits its commitment, but those of `kind` are not values of one polynomial.
  func inconsistent(_ signed: SignedBundle, kind: ShareSealing.Kind, entries roster: [RosterEntry]) throws
    -> SignedBundle
  {
    let dealer = signed.dealer
    let secrets = federation.secrets(of: federation.workers[dealer], in: context)
    let encryption = secrets.secret(32)
    let maskKey = secrets.secret(32)
    _ = secrets.secret(32)
    let seed = secrets.secret(32)
    let others = SeededSecretSource(seed: [UInt8](repeating: 7, count: 9))
    let helpers = roster.indices.filter { $0 != dealer }
    func shares(_ secret: SecretBytes, isSpoiled: Bool) -> [Shamir.Share] {
      // One polynomial for each helper instead of one for all.
      guard isSpoiled else {
        return Shamir.split(secret, threshold: 3, helpers: helpers + [dealer], coefficients: others)
      }
      return (helpers + [dealer]).map {
        Shamir.split(secret, threshold: 3, helpers: [$0], coefficients: others)[0]
      }
    }
    let selfMasks = shares(seed, isSpoiled: kind == .selfMask)
    let maskKeys = shares(maskKey, isSpoiled: kind == .maskKey)
    let entries = try helpers.enumerated().map { place, helper in
      ShareSealing.seal(
        SharePair(selfMask: selfMasks[place], maskKey: maskKeys[place]),
        key: try ShareSealing.key(
          transcript: signed.transcript, secret: encryption, publicKey: roster[helper].encryptionKey, dealer: dealer,
          helper: helper),
        nonce: others.bytes(12), transcript: signed.transcript, dealer: dealer, helper: helper)
    }
    return bundle(signed) { body in
      ShareBundle(seedCommitment: body.seedCommitment, ownShareCommitment: body.ownShareCommitment, entries: entries)
    }
  }

  func shareCheck(_ check: SignedShareCheck, complaints: [Int]) -> SignedShareCheck {
    let bitmap = Bitmap(members: complaints, count: check.complaints.count)
    let signed = SignedString.shareCheck(transcript: check.transcript, helper: check.helper, complaints: bitmap)
    return SignedShareCheck(
      transcript: check.transcript, helper: check.helper, complaints: bitmap,
      signature: key(check.helper).signature(over: signed))
  }

  func header(_ header: InputHeader, vectors: [VectorSpecification]) -> InputHeader {
    let signed = SignedString.inputHeader(
      transcript: header.transcript, worker: header.worker, dealersDigest: header.dealersDigest, vectors: vectors)
    return InputHeader(
      transcript: header.transcript, worker: header.worker, dealersDigest: header.dealersDigest, vectors: vectors,
      signature: key(header.worker).signature(over: signed))
  }
}
