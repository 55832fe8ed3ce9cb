import Cryptography
import Federation

/// One key whose keystream is added to, or taken from, a vector.
package struct MaskTerm: Sendable {
  package let key: SecretBytes
  package let isAdded: Bool

  package init(key: SecretBytes, isAdded: Bool) {
    self.key = key
    self.isAdded = isAdded
  }

  /// The same stream with the other sign: what takes this mask off again.
  package var removed: MaskTerm { MaskTerm(key: key, isAdded: !isAdded) }
}

extension RoundConfiguration.Suite {
  /// 16 bytes (AES-128) in suite 1, 32 bytes (AES-256) in suite 2.
  package var maskKeyByteCount: Int { self == .aes128 ? 16 : 32 }
}

/// The keys of all masks on one vector of one worker: y = q + KS(self) + Σ_{j>i} KS(pair ij) − Σ_{j<i} KS(pair ij).
package struct MaskKeys: Sendable {
  /// The self mask first, then the pairs by ascending peer.
  package let terms: [MaskTerm]

  package init(terms: [MaskTerm]) { self.terms = terms }

  /// - Parameters:
  ///   - sharedSecrets: for every peer in N(i) ∩ U2 the agreed secret `X(maskSk_i, maskPk_j)`; one agreement serves all
  ///     vectors.
  package init(
    transcript: Digest, worker: Int, vector: VectorSpecification, suite: RoundConfiguration.Suite,
    selfMaskSeed: SecretBytes, sharedSecrets: [Int: SecretBytes]
  ) {
    let own = Self.selfKey(
      transcript: transcript, worker: worker, vector: vector.id, ringBits: vector.ringBits, suite: suite,
      seed: selfMaskSeed)
    let pairs = sharedSecrets.sorted { $0.key < $1.key }.map { peer, secret in
      Self.pairTerm(
        transcript: transcript, worker: worker, peer: peer, vector: vector, suite: suite, sharedSecret: secret)
    }
    terms = [MaskTerm(key: own, isAdded: true)] + pairs
  }

  /// The mask that `worker` put on its vector for `peer`: added for a later peer, subtracted for an earlier one.
  package static func pairTerm(
    transcript: Digest, worker: Int, peer: Int, vector: VectorSpecification, suite: RoundConfiguration.Suite,
    sharedSecret: SecretBytes
  ) -> MaskTerm {
    precondition(worker != peer, "a worker has no pairwise mask with itself")
    let key = pairKey(
      transcript: transcript, worker, peer, vector: vector.id, ringBits: vector.ringBits, suite: suite,
      sharedSecret: sharedSecret)
    return MaskTerm(key: key, isAdded: worker < peer)
  }

  /// `K_ij^v`; the order of the two workers does not matter.
  package static func pairKey(
    transcript: Digest, _ a: Int, _ b: Int, vector: UInt32, ringBits: UInt8, suite: RoundConfiguration.Suite,
    sharedSecret: SecretBytes
  ) -> SecretBytes {
    var info = CanonicalBytes(label: "pair-mask")
    info.append(UInt32(min(a, b)))
    info.append(UInt32(max(a, b)))
    info.append(vector)
    info.append(ringBits)
    return HKDF.derive(
      salt: transcript.bytes, input: sharedSecret, info: info.bytes, count: suite.maskKeyByteCount)
  }

  /// `K_i^v`.
  package static func selfKey(
    transcript: Digest, worker: Int, vector: UInt32, ringBits: UInt8, suite: RoundConfiguration.Suite,
    seed: SecretBytes
  ) -> SecretBytes {
    var info = CanonicalBytes(label: "self-mask")
    info.append(UInt32(worker))
    info.append(vector)
    info.append(ringBits)
    return HKDF.derive(salt: transcript.bytes, input: seed, info: info.bytes, count: suite.maskKeyByteCount)
  }
}
