import Federation

/// The strings under the signatures of SA1, in the order of its messages; each begins with a label of its own.
package enum SignedString {
  /// M0, by the coordinator.
  package static func offer(roundID: Digest) -> [UInt8] {
    var out = CanonicalBytes(label: "offer")
    out.append(roundID)
    return out.bytes
  }

  /// M1, by the worker; names the offer that it answers by the coordinator's signature (ruling A6).
  package static func advert(roundID: Digest, entry: RosterEntry, offerSignature: Signature) -> [UInt8] {
    var out = CanonicalBytes(label: "advert")
    out.append(roundID)
    entry.append(to: &out)
    out.append(offerSignature)
    return out.bytes
  }

  /// M2, by the coordinator.
  package static func roster(roundID: Digest, rosterDigest: Digest) -> [UInt8] {
    var out = CanonicalBytes(label: "roster-sig")
    out.append(roundID)
    out.append(rosterDigest)
    return out.bytes
  }

  /// M3, by the dealer.
  package static func bundle(transcript: Digest, dealer: Int, bodyDigest: Digest) -> [UInt8] {
    var out = start("bundle", transcript, dealer)
    out.append(bodyDigest)
    return out.bytes
  }

  /// The answer to M4, by the helper: the dealers it complains about, or none (ruling A3).
  package static func shareCheck(transcript: Digest, helper: Int, complaints: Bitmap) -> [UInt8] {
    var out = start("share-check", transcript, helper)
    out.append(raw: complaints.bytes)
    return out.bytes
  }

  /// M4b, by the coordinator: U2.
  package static func dealers(transcript: Digest, bitmap: Bitmap) -> [UInt8] {
    var out = CanonicalBytes(label: "u2")
    out.append(transcript)
    out.append(raw: bitmap.bytes)
    return out.bytes
  }

  /// M5 before its chunks, by the worker.
  package static func inputHeader(
    transcript: Digest, worker: Int, dealersDigest: Digest, vectors: [VectorSpecification]
  ) -> [UInt8] {
    var out = start("input-header", transcript, worker)
    out.append(dealersDigest)
    out.append(UInt32(vectors.count))
    for vector in vectors {
      out.append(vector.id)
      out.append(vector.ringBits)
      out.append(vector.count)
      out.append(vector.chunkElements)
    }
    return out.bytes
  }

  /// M5 after its chunks, by the worker.
  package static func input(
    transcript: Digest, worker: Int, dealersDigest: Digest, payloadDigest: Digest
  ) -> [UInt8] {
    var out = start("input-sig", transcript, worker)
    out.append(dealersDigest)
    out.append(payloadDigest)
    return out.bytes
  }

  /// M6, by the coordinator: U3.
  package static func survivors(transcript: Digest, dealersDigest: Digest, bitmap: Bitmap) -> [UInt8] {
    sets("u3", transcript, dealersDigest, bitmap)
  }

  /// M7, by every survivor.
  package static func agree(transcript: Digest, dealersDigest: Digest, bitmap: Bitmap) -> [UInt8] {
    sets("agree", transcript, dealersDigest, bitmap)
  }

  /// M10, by a worker that leaves. `released` is false only if it has released no share of this transcript and never
  /// will (ruling A8).
  package static func abort(transcript: Digest, worker: Int, released: Bool, code: AbortCode) -> [UInt8] {
    var out = start("abort", transcript, worker)
    out.append(UInt8(released ? 1 : 0))
    out.append(code.rawValue)
    return out.bytes
  }

  /// M10, by the coordinator: what came of it. `weight` is Σω.
  package static func result(
    transcript: Digest, survivorsDigest: Digest, modelDigest: Digest, weight: UInt64
  ) -> [UInt8] {
    var out = CanonicalBytes(label: "result")
    out.append(transcript)
    out.append(survivorsDigest)
    out.append(modelDigest)
    out.append(weight)
    return out.bytes
  }

  private static func start(_ label: String, _ transcript: Digest, _ index: Int) -> CanonicalBytes {
    var out = CanonicalBytes(label: label)
    out.append(transcript)
    out.append(UInt32(index))
    return out
  }

  private static func sets(
    _ label: String, _ transcript: Digest, _ dealersDigest: Digest, _ bitmap: Bitmap
  ) -> [UInt8] {
    var out = CanonicalBytes(label: label)
    out.append(transcript)
    out.append(dealersDigest)
    out.append(raw: bitmap.bytes)
    return out.bytes
  }
}

/// Why a worker left an attempt.
package enum AbortCode: UInt16, Sendable, CaseIterable {
  case deadline = 1
  case messageRefused = 2
  case ownPolicy = 3
  case ownFailure = 4
  /// The coordinator ended the attempt, or went on without this worker.
  case attemptEnded = 5
}
