import Cryptography
import Federation

/// The two shares that a dealer gives one helper: of its self-mask seed (B) and of its mask key (S).
package struct SharePair: Sendable {
  package let selfMask: Shamir.Share
  package let maskKey: Shamir.Share

  package init(selfMask: Shamir.Share, maskKey: Shamir.Share) {
    self.selfMask = selfMask
    self.maskKey = maskKey
  }
}

/// How shares travel through the coordinator: sealed to their helper, committed to for everyone.
package enum ShareSealing {
  package static let ciphertextByteCount = 2 * Shamir.Share.byteCount + ChaCha20Poly1305.tagByteCount

  /// Which of a dealer's two secrets a share belongs to.
  package enum Kind: String, Sendable {
    case selfMask = "commit-sB"
    case maskKey = "commit-sS"
  }

  /// `cB`: what a reconstructed self-mask seed must fit.
  package static func seedCommitment(transcript: Digest, dealer: Int, seed: SecretBytes) -> Digest {
    var head = CanonicalBytes(label: "commit-b")
    head.append(transcript)
    head.append(UInt32(dealer))
    return digest(head, seed)
  }

  /// `hB`, `hS`: what a released share must fit.
  package static func shareCommitment(
    _ kind: Kind, transcript: Digest, dealer: Int, helper: Int, share: Shamir.Share
  ) -> Digest {
    shareCommitment(kind, transcript: transcript, dealer: dealer, helper: helper, bytes: share.bytes)
  }

  /// The key under which `dealer` seals for `helper`; the same from both ends, another one in the other direction.
  ///
  /// - Parameters:
  ///   - secret: encryption secret of one end.
  ///   - publicKey: encryption key of the other end.
  /// - Throws: `allZeroSharedSecret`.
  package static func key(
    transcript: Digest, secret: SecretBytes, publicKey: AgreementPublicKey, dealer: Int, helper: Int
  ) throws(Refusal) -> SecretBytes {
    key(
      transcript: transcript, agreed: try Agreement.sharedSecret(secret, publicKey), dealer: dealer, helper: helper)
  }

  /// The same from what both ends agreed on, which serves both directions.
  package static func key(transcript: Digest, agreed: SecretBytes, dealer: Int, helper: Int) -> SecretBytes {
    var info = CanonicalBytes(label: "share-enc")
    info.append(UInt32(dealer))
    info.append(UInt32(helper))
    return HKDF.derive(
      salt: transcript.bytes, input: agreed, info: info.bytes, count: ChaCha20Poly1305.keyByteCount)
  }

  /// A sealed pair with the commitments that stand beside it.
  package static func seal(
    _ pair: SharePair, key: SecretBytes, nonce: [UInt8], transcript: Digest, dealer: Int, helper: Int
  ) -> ShareBundle.Entry {
    let selfCommitment = shareCommitment(
      .selfMask, transcript: transcript, dealer: dealer, helper: helper, share: pair.selfMask)
    let keyCommitment = shareCommitment(
      .maskKey, transcript: transcript, dealer: dealer, helper: helper, share: pair.maskKey)
    let plaintext = SecretBytes(count: 2 * Shamir.Share.byteCount) { out in
      pair.selfMask.bytes.withUnsafeBytes { out.copyMemory(from: $0) }
      pair.maskKey.bytes.withUnsafeBytes {
        UnsafeMutableRawBufferPointer(rebasing: out[Shamir.Share.byteCount...]).copyMemory(from: $0)
      }
    }
    let ciphertext = ChaCha20Poly1305.seal(
      key: key, nonce: nonce,
      associatedData: associatedData(transcript, dealer, helper, selfCommitment, keyCommitment), plaintext: plaintext)
    return ShareBundle.Entry(
      helper: helper, nonce: nonce, ciphertext: ciphertext, selfMaskCommitment: selfCommitment,
      maskKeyCommitment: keyCommitment)
  }

  /// What a helper does with its entry of a dealer's bundle (M4), in this order: length, authenticity, both
  /// commitments, limbs of both.
  ///
  /// - Throws: `badLength`, `shareNotAuthentic`, `shareCommitment`, `nonCanonicalLimb`; each is a complaint.
  package static func open(
    _ entry: ShareBundle.Entry, key: SecretBytes, transcript: Digest, dealer: Int
  ) throws(Refusal) -> SharePair {
    guard entry.ciphertext.count == ciphertextByteCount else { throw .badLength }
    let helper = entry.helper
    let plaintext: SecretBytes
    do {
      plaintext = try ChaCha20Poly1305.open(
        key: key, nonce: entry.nonce,
        associatedData: associatedData(
          transcript, dealer, helper, entry.selfMaskCommitment, entry.maskKeyCommitment),
        ciphertext: entry.ciphertext)
    } catch {
      throw .shareNotAuthentic
    }
    let halves = [0, Shamir.Share.byteCount].map { start in
      plaintext.withUnsafeBytes { raw in
        SecretBytes(copying: UnsafeRawBufferPointer(rebasing: raw[start..<start + Shamir.Share.byteCount]))
      }
    }
    let commitments = [(Kind.selfMask, entry.selfMaskCommitment), (.maskKey, entry.maskKeyCommitment)]
    var shares: [Shamir.Share] = []
    for (half, (kind, commitment)) in zip(halves, commitments) {
      let found = shareCommitment(kind, transcript: transcript, dealer: dealer, helper: helper, bytes: half)
      guard found == commitment || !Canary.checksShares else { throw .shareCommitment }
      shares.append(try Shamir.Share(half))
    }
    return SharePair(selfMask: shares[0], maskKey: shares[1])
  }

  private static func shareCommitment(
    _ kind: Kind, transcript: Digest, dealer: Int, helper: Int, bytes: SecretBytes
  ) -> Digest {
    var head = CanonicalBytes(label: kind.rawValue)
    head.append(transcript)
    head.append(UInt32(dealer))
    head.append(UInt32(helper))
    return digest(head, bytes)
  }

  private static func digest(_ head: CanonicalBytes, _ secret: SecretBytes) -> Digest {
    var hash = SHA256()
    hash.update(head.bytes)
    secret.withUnsafeBytes { hash.update($0) }
    return Digest(unchecked: hash.finalize())
  }

  private static func associatedData(
    _ transcript: Digest, _ dealer: Int, _ helper: Int, _ selfCommitment: Digest, _ keyCommitment: Digest
  ) -> [UInt8] {
    var out = CanonicalBytes()
    out.append(transcript)
    out.append(UInt32(dealer))
    out.append(UInt32(helper))
    out.append(selfCommitment)
    out.append(keyCommitment)
    return out.bytes
  }
}

/// X25519 in the words of the protocol.
package enum Agreement {
  package static func publicKey(of secret: SecretBytes) -> AgreementPublicKey {
    AgreementPublicKey(unchecked: X25519.publicKey(of: secret))
  }

  /// Whether an agreement with this key can succeed: false for the few points of small order, with which every secret
  /// agrees on zero.
  package static func isUsable(_ publicKey: AgreementPublicKey) -> Bool {
    (try? sharedSecret(probe, publicKey)) != nil
  }

  /// Any scalar shows it, because X25519 makes every scalar a multiple of the cofactor.
  private static let probe = SecretBytes(copying: [UInt8](repeating: 1, count: 32))

  /// - Throws: `allZeroSharedSecret` for a public key of small order.
  package static func sharedSecret(
    _ secret: SecretBytes, _ publicKey: AgreementPublicKey
  ) throws(Refusal) -> SecretBytes {
    do {
      return try X25519.agree(secret, with: publicKey.bytes)
    } catch {
      throw .allZeroSharedSecret
    }
  }
}
