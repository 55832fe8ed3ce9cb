import Federation

/// M1, worker → coordinator: fresh keys for one attempt, bound to the offer they answer.
///
/// The signature covers `D("advert") ‖ rid ‖ LP(workerId) ‖ certFp ‖ encPk ‖ maskPk ‖ sig_S`; the two digests travel
/// beside it so that a foreign offer can be recognised as evidence (rulings A6, A17).
package struct KeyAdvert: Hashable, Sendable {
  package let entry: RosterEntry
  package let modelDigest: Digest
  package let configurationDigest: Digest
  /// `sig_S` of the offer that the worker answers.
  package let offerSignature: Signature
  package let signature: Signature

  package init(
    entry: RosterEntry, modelDigest: Digest, configurationDigest: Digest, offerSignature: Signature,
    signature: Signature
  ) {
    self.entry = entry
    self.modelDigest = modelDigest
    self.configurationDigest = configurationDigest
    self.offerSignature = offerSignature
    self.signature = signature
  }
}

/// M2, coordinator → workers: every advert of the roster, sorted by worker.
package struct RosterMessage: Hashable, Sendable {
  /// Which part of a roster that one frame does not hold.
  package struct Part: Hashable, Sendable {
    /// From 0.
    package let index: Int
    package let count: Int

    package init(index: Int, count: Int) {
      self.index = index
      self.count = count
    }
  }

  /// As many adverts as fit one control frame, whatever their workers are called.
  package static let advertsMax = 2_500
  package static let partsMax = 4

  package let adverts: [KeyAdvert]
  /// Over `D("roster-sig") ‖ rid ‖ hRoster`, of the whole roster in every part.
  package let signature: Signature
  /// Nil: the whole roster.
  package let part: Part?

  package init(adverts: [KeyAdvert], signature: Signature, part: Part? = nil) {
    self.adverts = adverts
    self.signature = signature
    self.part = part
  }

  /// The frames that carry it, in order.
  package var parts: [RosterMessage] {
    guard adverts.count > Self.advertsMax else { return [self] }
    let starts = Array(stride(from: 0, to: adverts.count, by: Self.advertsMax))
    return starts.enumerated().map { index, start in
      RosterMessage(
        adverts: Array(adverts[start..<min(start + Self.advertsMax, adverts.count)]), signature: signature,
        part: Part(index: index, count: starts.count))
    }
  }
}

/// Parts of one roster as they come, in any order.
package struct RosterAssembly: Sendable {
  private struct Question: Equatable, Sendable {
    let parts: [RosterMessage]
  }

  private var parts: [RosterMessage?] = []

  package init() {}

  /// The whole roster once the last part is here; nil until then. Whatever does not fit what came before starts anew.
  package mutating func add(
    _ message: RosterMessage, computations: any RoundComputations = DirectComputations()
  ) -> RosterMessage? {
    guard let part = message.part else { return message }
    guard part.count <= RosterMessage.partsMax, (0..<part.count).contains(part.index) else { return nil }
    let isOther = parts.contains { $0.map { $0.signature != message.signature } ?? false }
    if parts.count != part.count || isOther { parts = Array(repeating: nil, count: part.count) }
    parts[part.index] = message
    let known = parts.compactMap { $0 }
    guard known.count == part.count else { return nil }
    parts = []
    return try? computations.answer(Question(parts: known)) { () throws(Refusal) in
      RosterMessage(adverts: known.flatMap(\.adverts), signature: message.signature)
    }
  }
}

/// M3, worker → coordinator: sealed shares for every neighbour, signed as one body.
package struct SignedBundle: Hashable, Sendable {
  package let transcript: Digest
  package let dealer: Int
  package let bundle: ShareBundle
  package let signature: Signature

  package init(transcript: Digest, dealer: Int, bundle: ShareBundle, signature: Signature) {
    self.transcript = transcript
    self.dealer = dealer
    self.bundle = bundle
    self.signature = signature
  }
}

/// M4, coordinator → one worker: the entry addressed to it in each dealer's bundle.
package struct PeerShares: Hashable, Sendable {
  package struct Entry: Hashable, Sendable {
    package let dealer: Int
    package let sealed: ShareBundle.Entry
    package init(dealer: Int, sealed: ShareBundle.Entry) {
      self.dealer = dealer
      self.sealed = sealed
    }
  }

  package let transcript: Digest
  /// Ascending by dealer.
  package let entries: [Entry]

  package init(transcript: Digest, entries: [Entry]) {
    self.transcript = transcript
    self.entries = entries
  }
}

/// M4's answer, worker → coordinator: whose shares were missing or bad (ruling A3); nobody when all is well.
package struct SignedShareCheck: Hashable, Sendable {
  package let transcript: Digest
  package let helper: Int
  package let complaints: Bitmap
  package let signature: Signature

  package init(transcript: Digest, helper: Int, complaints: Bitmap, signature: Signature) {
    self.transcript = transcript
    self.helper = helper
    self.complaints = complaints
    self.signature = signature
  }
}

/// M4b, coordinator → workers: U2, the dealers whose masks every input carries.
package struct DealerSet: Hashable, Sendable {
  package let transcript: Digest
  package let dealers: Bitmap
  package let signature: Signature

  package init(transcript: Digest, dealers: Bitmap, signature: Signature) {
    self.transcript = transcript
    self.dealers = dealers
    self.signature = signature
  }
}

/// M5's first part: which vectors follow, in how many chunks.
package struct InputHeader: Hashable, Sendable {
  package let transcript: Digest
  package let worker: Int
  /// `H(U2)` of the worker.
  package let dealersDigest: Digest
  package let vectors: [VectorSpecification]
  package let signature: Signature

  package init(
    transcript: Digest, worker: Int, dealersDigest: Digest, vectors: [VectorSpecification], signature: Signature
  ) {
    self.transcript = transcript
    self.worker = worker
    self.dealersDigest = dealersDigest
    self.vectors = vectors
    self.signature = signature
  }
}

/// M5's last part: the digest of all chunks, signed.
package struct InputTrailer: Hashable, Sendable {
  package let transcript: Digest
  package let worker: Int
  package let dealersDigest: Digest
  package let payloadDigest: Digest
  package let signature: Signature

  package init(
    transcript: Digest, worker: Int, dealersDigest: Digest, payloadDigest: Digest, signature: Signature
  ) {
    self.transcript = transcript
    self.worker = worker
    self.dealersDigest = dealersDigest
    self.payloadDigest = payloadDigest
    self.signature = signature
  }
}

/// M6, coordinator → survivors: U3, whose inputs the sum will hold.
package struct SurvivorSet: Hashable, Sendable {
  package let transcript: Digest
  package let dealersDigest: Digest
  package let survivors: Bitmap
  /// Sparse graph: of every survivor that the receiver masks with, ascending; empty on the complete graph (ruling A16).
  package let inputs: [RelayedInput]
  package let signature: Signature

  package init(
    transcript: Digest, dealersDigest: Digest, survivors: Bitmap, inputs: [RelayedInput] = [], signature: Signature
  ) {
    self.transcript = transcript
    self.dealersDigest = dealersDigest
    self.survivors = survivors
    self.inputs = inputs
    self.signature = signature
  }
}

/// M7, worker → coordinator: agreement to exactly one U3.
package struct SurvivorAgreement: Hashable, Sendable {
  package let transcript: Digest
  package let worker: Int
  package let signature: Signature

  package init(transcript: Digest, worker: Int, signature: Signature) {
    self.transcript = transcript
    self.worker = worker
    self.signature = signature
  }
}

/// M8, coordinator → survivors: enough agreements to show that no other U3 can be certified.
package struct QuorumCertificate: Hashable, Sendable {
  package typealias Signer = QuorumSignature

  package let transcript: Digest
  /// Ascending by worker.
  package let signers: [Signer]

  package init(transcript: Digest, signers: [Signer]) {
    self.transcript = transcript
    self.signers = signers
  }
}

/// M9, worker → coordinator: a self-mask share of every survivor and a mask-key share of every dropout, never both.
package struct UnmaskShares: Hashable, Sendable {
  package struct Entry: Hashable, Sendable {
    package let owner: Int
    /// The 40 bytes of a `Shamir.Share`, in the clear.
    package let share: [UInt8]
    package init(owner: Int, share: [UInt8]) {
      self.owner = owner
      self.share = share
    }
  }

  package let transcript: Digest
  package let helper: Int
  /// Ascending by owner: U3.
  package let selfMaskShares: [Entry]
  /// Ascending by owner: U2 ∖ U3.
  package let maskKeyShares: [Entry]

  package init(transcript: Digest, helper: Int, selfMaskShares: [Entry], maskKeyShares: [Entry]) {
    self.transcript = transcript
    self.helper = helper
    self.selfMaskShares = selfMaskShares
    self.maskKeyShares = maskKeyShares
  }
}

/// M10, coordinator → roster: what became of the attempt.
package struct AttemptResult: Hashable, Sendable {
  package let transcript: Digest
  package let survivors: Bitmap
  package let modelDigest: Digest
  /// `Σω`: the summed capped weights behind the new model.
  package let weight: UInt64
  /// Over `D("result") ‖ T ‖ H(U3) ‖ new modelDigest ‖ u64 Σω`.
  package let signature: Signature

  package init(transcript: Digest, survivors: Bitmap, modelDigest: Digest, weight: UInt64, signature: Signature) {
    self.transcript = transcript
    self.survivors = survivors
    self.modelDigest = modelDigest
    self.weight = weight
    self.signature = signature
  }
}

/// M10, worker → coordinator: the worker leaves the attempt.
package struct WorkerAbort: Hashable, Sendable {
  package let transcript: Digest
  package let worker: Int
  /// False is a promise: no share of this transcript was released, and none ever will be (ruling A8).
  package let hasReleased: Bool
  package let code: AbortCode
  package let signature: Signature

  package init(transcript: Digest, worker: Int, hasReleased: Bool, code: AbortCode, signature: Signature) {
    self.transcript = transcript
    self.worker = worker
    self.hasReleased = hasReleased
    self.code = code
    self.signature = signature
  }
}
