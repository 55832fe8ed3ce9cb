import Federation
import Rounds
import SecureAggregation

internal import CFederationMessages

extension Bitmap {
  init(wire message: UnsafeMutablePointer<Murmur__Bitmap>?, _ field: String) throws(WireError) {
    let message = try Field.required(message, field)
    let count = try Field.number(message.count, field + ".count", in: 1...UInt32(WireLimits.rosterCountMax))
    let bytes = try Field.bytes(message.bits, field + ".bits", count: (Int(count) + 7) / 8)
    do throws(Refusal) {
      try self.init(bytes: bytes, count: Int(count))
    } catch {
      throw .badField(field + ".bits", found: error.rawValue, expected: "no bit from \(count) on")
    }
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__Bitmap> {
    arena.make(murmur__bitmap__init) {
      $0.count = UInt32(count)
      $0.bits = arena.data(bytes)
    }
  }
}

/// What most adverts of a roster have in common, sent once.
private struct OfferReference {
  let modelDigest: Digest
  let configurationDigest: Digest
  let offerSignature: Signature
}

extension KeyAdvert {
  init(wire message: Murmur__KeyAdvert) throws(WireError) { try self.init(wire: message, offer: nil) }

  /// - Parameter offer: stands in for each of the three fields that is empty; nil if none may be.
  fileprivate init(wire message: Murmur__KeyAdvert, offer: OfferReference?) throws(WireError) {
    func shared<T: FixedBytes>(
      _ data: ProtobufCBinaryData, _ field: String, _ common: T?
    ) throws(WireError) -> T {
      if data.len == 0, let common { common } else { try Field.fixed(data, field) }
    }
    self.init(
      entry: RosterEntry(
        worker: try Field.name(message.worker, "advert.worker"),
        certificateFingerprint: try Field.fixed(message.certificate_fingerprint, "advert.certificate_fingerprint"),
        encryptionKey: try Field.fixed(message.encryption_key, "advert.encryption_key"),
        maskKey: try Field.fixed(message.mask_key, "advert.mask_key")),
      modelDigest: try shared(message.model_digest, "advert.model_digest", offer?.modelDigest),
      configurationDigest: try shared(
        message.configuration_digest, "advert.configuration_digest", offer?.configurationDigest),
      offerSignature: try shared(message.offer_signature, "advert.offer_signature", offer?.offerSignature),
      signature: try Field.fixed(message.signature, "advert.signature"))
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__KeyAdvert> { draft(in: arena, offer: nil) }

  /// Leaves out what equals `offer`'s.
  fileprivate func draft(in arena: MessageArena, offer: OfferReference?) -> UnsafeMutablePointer<Murmur__KeyAdvert> {
    arena.make(murmur__key_advert__init) {
      $0.worker = arena.text(entry.worker)
      $0.certificate_fingerprint = arena.data(entry.certificateFingerprint)
      $0.encryption_key = arena.data(entry.encryptionKey)
      $0.mask_key = arena.data(entry.maskKey)
      if modelDigest != offer?.modelDigest { $0.model_digest = arena.data(modelDigest) }
      if configurationDigest != offer?.configurationDigest {
        $0.configuration_digest = arena.data(configurationDigest)
      }
      if offerSignature != offer?.offerSignature { $0.offer_signature = arena.data(offerSignature) }
      $0.signature = arena.data(signature)
    }
  }
}

extension RosterMessage {
  init(wire message: Murmur__Roster) throws(WireError) {
    let offer = OfferReference(
      modelDigest: try Field.fixed(message.model_digest, "roster.model_digest"),
      configurationDigest: try Field.fixed(message.configuration_digest, "roster.configuration_digest"),
      offerSignature: try Field.fixed(message.offer_signature, "roster.offer_signature"))
    let adverts = try Field.list(
      message.adverts, count: message.n_adverts, "roster.adverts", max: WireLimits.rosterCountMax
    ) { (advert: Murmur__KeyAdvert) throws(WireError) in try KeyAdvert(wire: advert, offer: offer) }
    guard !adverts.isEmpty else { throw .badField("roster.adverts", found: "none", expected: "at least one") }
    var part: RosterMessage.Part?
    if message.parts > 0 {
      let count = try Field.number(message.parts, "roster.parts", in: 2...UInt32(RosterMessage.partsMax))
      part = .init(
        index: Int(try Field.number(message.part, "roster.part", in: 0...count - 1)), count: Int(count))
    }
    self.init(
      adverts: adverts, signature: try Field.fixed(message.signature, "roster.signature"), part: part)
  }

  /// An empty roster is sent as it is and refused by its receiver.
  func draft(of attempt: AttemptID, in arena: MessageArena) -> UnsafeMutablePointer<Murmur__Roster> {
    let offer = adverts.first.map {
      OfferReference(
        modelDigest: $0.modelDigest, configurationDigest: $0.configurationDigest, offerSignature: $0.offerSignature)
    }
    return arena.make(murmur__roster__init) {
      $0.attempt = attempt.draft(in: arena)
      $0.n_adverts = adverts.count
      $0.adverts = arena.list(adverts) { $0.draft(in: arena, offer: offer) }
      $0.signature = arena.data(signature)
      if let part {
        $0.part = UInt32(part.index)
        $0.parts = UInt32(part.count)
      }
      if let offer {
        $0.model_digest = arena.data(offer.modelDigest)
        $0.configuration_digest = arena.data(offer.configurationDigest)
        $0.offer_signature = arena.data(offer.offerSignature)
      }
    }
  }
}

extension SignedBundle {
  /// Entries of the largest neighbourhood that a roster can have.
  private static let bodyBytesMax = 68 + WireLimits.rosterCountMax * ShareBundle.Entry.byteCount

  init(wire message: Murmur__SignedBundle) throws(WireError) {
    let body = try Field.bytes(message.body, "bundle.body", max: Self.bodyBytesMax)
    let bundle: ShareBundle
    do throws(Refusal) {
      bundle = try ShareBundle(bodyBytes: body)
    } catch {
      throw .badField("bundle.body", found: error.rawValue, expected: "the body of M3")
    }
    if let last = bundle.entries.last { _ = try Field.index(UInt32(clamping: last.helper), "bundle.body.helper") }
    self.init(
      transcript: try Field.fixed(message.transcript, "bundle.transcript"),
      dealer: try Field.index(message.dealer, "bundle.dealer"), bundle: bundle,
      signature: try Field.fixed(message.signature, "bundle.signature"))
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__SignedBundle> {
    arena.make(murmur__signed_bundle__init) {
      $0.transcript = arena.data(transcript)
      $0.dealer = UInt32(dealer)
      $0.body = arena.data(bundle.bodyBytes)
      $0.signature = arena.data(signature)
    }
  }
}

extension PeerShares {
  init(wire message: Murmur__PeerShares) throws(WireError) {
    self.init(
      transcript: try Field.fixed(message.transcript, "peer_shares.transcript"),
      entries: try Field.list(
        message.shares, count: message.n_shares, "peer_shares.shares", max: WireLimits.rosterCountMax
      ) { (share: Murmur__SealedShare) throws(WireError) in
        Entry(
          dealer: try Field.index(share.dealer, "peer_shares.shares.dealer"),
          sealed: ShareBundle.Entry(
            helper: try Field.index(share.helper, "peer_shares.shares.helper"),
            nonce: try Field.bytes(share.nonce, "peer_shares.shares.nonce", count: 12),
            ciphertext: try Field.bytes(
              share.ciphertext, "peer_shares.shares.ciphertext", count: ShareSealing.ciphertextByteCount),
            selfMaskCommitment: try Field.fixed(
              share.self_mask_commitment, "peer_shares.shares.self_mask_commitment"),
            maskKeyCommitment: try Field.fixed(share.mask_key_commitment, "peer_shares.shares.mask_key_commitment")))
      })
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__PeerShares> {
    arena.make(murmur__peer_shares__init) {
      $0.transcript = arena.data(transcript)
      $0.n_shares = entries.count
      $0.shares = arena.list(entries) { entry in
        arena.make(murmur__sealed_share__init) {
          $0.dealer = UInt32(entry.dealer)
          $0.helper = UInt32(entry.sealed.helper)
          $0.nonce = arena.data(entry.sealed.nonce)
          $0.ciphertext = arena.data(entry.sealed.ciphertext)
          $0.self_mask_commitment = arena.data(entry.sealed.selfMaskCommitment)
          $0.mask_key_commitment = arena.data(entry.sealed.maskKeyCommitment)
        }
      }
    }
  }
}

extension SignedShareCheck {
  init(wire message: Murmur__ShareCheck) throws(WireError) {
    self.init(
      transcript: try Field.fixed(message.transcript, "share_check.transcript"),
      helper: try Field.index(message.helper, "share_check.helper"),
      complaints: try Bitmap(wire: message.complaints, "share_check.complaints"),
      signature: try Field.fixed(message.signature, "share_check.signature"))
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__ShareCheck> {
    arena.make(murmur__share_check__init) {
      $0.transcript = arena.data(transcript)
      $0.helper = UInt32(helper)
      $0.complaints = complaints.draft(in: arena)
      $0.signature = arena.data(signature)
    }
  }
}

extension DealerSet {
  init(wire message: Murmur__DealerSet) throws(WireError) {
    self.init(
      transcript: try Field.fixed(message.transcript, "dealers.transcript"),
      dealers: try Bitmap(wire: message.dealers, "dealers.dealers"),
      signature: try Field.fixed(message.signature, "dealers.signature"))
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__DealerSet> {
    arena.make(murmur__dealer_set__init) {
      $0.transcript = arena.data(transcript)
      $0.dealers = dealers.draft(in: arena)
      $0.signature = arena.data(signature)
    }
  }
}

extension SurvivorSet {
  init(wire message: Murmur__SurvivorSet) throws(WireError) {
    self.init(
      transcript: try Field.fixed(message.transcript, "survivors.transcript"),
      dealersDigest: try Field.fixed(message.dealers_digest, "survivors.dealers_digest"),
      survivors: try Bitmap(wire: message.survivors, "survivors.survivors"),
      inputs: try Field.list(
        message.inputs, count: message.n_inputs, "survivors.inputs", max: WireLimits.neighboursMax
      ) { (input: Murmur__RelayedInput) throws(WireError) in
        RelayedInput(
          worker: try Field.index(input.worker, "survivors.inputs.worker"),
          payloadDigest: try Field.fixed(input.payload_digest, "survivors.inputs.payload_digest"),
          signature: try Field.fixed(input.signature, "survivors.inputs.signature"))
      },
      signature: try Field.fixed(message.signature, "survivors.signature"))
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__SurvivorSet> {
    arena.make(murmur__survivor_set__init) {
      $0.transcript = arena.data(transcript)
      $0.dealers_digest = arena.data(dealersDigest)
      $0.survivors = survivors.draft(in: arena)
      $0.n_inputs = inputs.count
      $0.inputs = arena.list(inputs) { input in
        arena.make(murmur__relayed_input__init) {
          $0.worker = UInt32(input.worker)
          $0.payload_digest = arena.data(input.payloadDigest)
          $0.signature = arena.data(input.signature)
        }
      }
      $0.signature = arena.data(signature)
    }
  }
}

extension SurvivorAgreement {
  init(wire message: Murmur__Agreement) throws(WireError) {
    self.init(
      transcript: try Field.fixed(message.transcript, "agree.transcript"),
      worker: try Field.index(message.worker, "agree.worker"),
      signature: try Field.fixed(message.signature, "agree.signature"))
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__Agreement> {
    arena.make(murmur__agreement__init) {
      $0.transcript = arena.data(transcript)
      $0.worker = UInt32(worker)
      $0.signature = arena.data(signature)
    }
  }
}

extension QuorumCertificate {
  init(wire message: Murmur__QuorumCertificate) throws(WireError) {
    self.init(
      transcript: try Field.fixed(message.transcript, "quorum.transcript"),
      signers: try Field.list(
        message.signers, count: message.n_signers, "quorum.signers", max: WireLimits.rosterCountMax
      ) { (signer: Murmur__QuorumSigner) throws(WireError) in
        Signer(
          worker: try Field.index(signer.worker, "quorum.signers.worker"),
          signature: try Field.fixed(signer.signature, "quorum.signers.signature"))
      })
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__QuorumCertificate> {
    arena.make(murmur__quorum_certificate__init) {
      $0.transcript = arena.data(transcript)
      $0.n_signers = signers.count
      $0.signers = arena.list(signers) { signer in
        arena.make(murmur__quorum_signer__init) {
          $0.worker = UInt32(signer.worker)
          $0.signature = arena.data(signer.signature)
        }
      }
    }
  }
}

extension UnmaskShares.Entry {
  /// Whether the limbs are canonical and match the dealer's commitment is the receiver's to check.
  fileprivate init(wire message: Murmur__OwnedShare) throws(WireError) {
    self.init(
      owner: try Field.index(message.owner, "unmask.owner"),
      share: try Field.bytes(message.share, "unmask.share", count: Shamir.Share.byteCount))
  }

  fileprivate func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__OwnedShare> {
    arena.make(murmur__owned_share__init) {
      $0.owner = UInt32(owner)
      $0.share = arena.data(share)
    }
  }
}

extension UnmaskShares {
  init(wire message: Murmur__UnmaskShares) throws(WireError) {
    func read(_ share: Murmur__OwnedShare) throws(WireError) -> Entry { try Entry(wire: share) }
    self.init(
      transcript: try Field.fixed(message.transcript, "unmask.transcript"),
      helper: try Field.index(message.helper, "unmask.helper"),
      selfMaskShares: try Field.list(
        message.self_mask_shares, count: message.n_self_mask_shares, "unmask.self_mask_shares",
        max: WireLimits.rosterCountMax, read),
      maskKeyShares: try Field.list(
        message.mask_key_shares, count: message.n_mask_key_shares, "unmask.mask_key_shares",
        max: WireLimits.rosterCountMax, read))
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__UnmaskShares> {
    arena.make(murmur__unmask_shares__init) {
      $0.transcript = arena.data(transcript)
      $0.helper = UInt32(helper)
      $0.n_self_mask_shares = selfMaskShares.count
      $0.self_mask_shares = arena.list(selfMaskShares) { $0.draft(in: arena) }
      $0.n_mask_key_shares = maskKeyShares.count
      $0.mask_key_shares = arena.list(maskKeyShares) { $0.draft(in: arena) }
    }
  }
}

extension AttemptResult {
  init(wire message: Murmur__AttemptResult) throws(WireError) {
    self.init(
      transcript: try Field.fixed(message.transcript, "result.transcript"),
      survivors: try Bitmap(wire: message.survivors, "result.survivors"),
      modelDigest: try Field.fixed(message.model_digest, "result.model_digest"), weight: message.weight,
      signature: try Field.fixed(message.signature, "result.signature"))
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__AttemptResult> {
    arena.make(murmur__attempt_result__init) {
      $0.transcript = arena.data(transcript)
      $0.survivors = survivors.draft(in: arena)
      $0.model_digest = arena.data(modelDigest)
      $0.weight = weight
      $0.signature = arena.data(signature)
    }
  }
}

extension WorkerAbort {
  init(wire message: Murmur__WorkerAbort) throws(WireError) {
    self.init(
      transcript: try Field.fixed(message.transcript, "abort.transcript"),
      worker: try Field.index(message.worker, "abort.worker"), hasReleased: message.has_released != 0,
      code: try Field.choice(UInt16(clamping: message.code), "abort.code"),
      signature: try Field.fixed(message.signature, "abort.signature"))
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__WorkerAbort> {
    arena.make(murmur__worker_abort__init) {
      $0.transcript = arena.data(transcript)
      $0.worker = UInt32(worker)
      $0.has_released = hasReleased ? 1 : 0
      $0.code = UInt32(code.rawValue)
      $0.signature = arena.data(signature)
    }
  }
}

extension AbortStatements {
  init(wire message: Murmur__AbortStatements) throws(WireError) {
    self.init(
      attempt: try AttemptID(wire: message.attempt, "aborts.attempt"),
      transcript: try Field.fixed(message.transcript, "aborts.transcript"),
      statements: try Field.list(
        message.statements, count: message.n_statements, "aborts.statements", max: Thresholds.completeGraphLimit
      ) { (abort: Murmur__WorkerAbort) throws(WireError) in try WorkerAbort(wire: abort) })
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__AbortStatements> {
    arena.make(murmur__abort_statements__init) {
      $0.attempt = attempt.draft(in: arena)
      $0.transcript = arena.data(transcript)
      $0.n_statements = statements.count
      $0.statements = arena.list(statements) { $0.draft(in: arena) }
    }
  }
}
