import Cryptography
import Federation
import SecureAggregation
import Testing

@Suite("Shamir's sharing")
struct ShamirTests {
  private let source = SeededSecretSource(seed: Array("shamir".utf8))

  @Test("With coefficients 1000 + limb, the secret 00…1f has the published shares and Lagrange weights")
  func knownAnswer() throws {
    let secret = SecretBytes(copying: Array(0..<32))
    let shares = Shamir.split(secret, threshold: 2, helpers: [0, 2]) { limb, _ in 1000 + UInt64(limb) }
    #expect(
      shares[0].released.hex
        == "e804020304050600f00b090a0b0c0d00f812101112131400001a1718191a1b0008211e1f00000000")
    #expect(
      shares[1].released.hex
        == "b80c020304050600c213090a0b0c0d00cc1a101112131400d6211718191a1b00e0281e1f00000000")
    #expect(try Shamir.combine([(0, shares[0]), (2, shares[1])], threshold: 2).isEqual(to: secret))
  }

  @Test(
    "Any t shares give the secret, in any order",
    arguments: [(1, 1), (2, 3), (3, 3), (4, 5), (7, 10), (67, 100)])
  func reconstructs(_ threshold: Int, _ count: Int) throws {
    let secret = source.secret(32)
    let shares = Shamir.split(secret, threshold: threshold, count: count, coefficients: source)
    var generator = SeededGenerator(seed: UInt64(count))
    for _ in 0..<10 {
      let chosen = (0..<count).shuffled(using: &generator).prefix(threshold)
      let combined = try Shamir.combine(chosen.map { ($0, shares[$0]) }, threshold: threshold)
      #expect(combined.isEqual(to: secret))
    }
  }

  @Test("Fewer than t shares are refused, and t − 1 with a made-up one give another secret or none")
  func tooFew() throws {
    let secret = source.secret(32)
    let shares = Shamir.split(secret, threshold: 3, count: 5, coefficients: source)
    let other = Shamir.split(source.secret(32), threshold: 3, count: 5, coefficients: source)
    #expect(throws: Refusal.tooFewShares) { try Shamir.combine([(0, shares[0]), (1, shares[1])], threshold: 3) }
    #expect(throws: Refusal.duplicateShare) {
      try Shamir.combine([(0, shares[0]), (0, shares[0]), (1, shares[1])], threshold: 3)
    }
    let mixed = try? Shamir.combine([(0, shares[0]), (1, shares[1]), (2, other[2])], threshold: 3)
    #expect(mixed.map { $0.isEqual(to: secret) } != true)
  }

  /// t − 1 shares are consistent with every secret: the share of one worker alone is uniform. χ² over 16 classes has 15
  /// degrees of freedom; 50 is exceeded with probability 10^−5, and the source is seeded.
  @Test("One share of two says nothing of the secret: its limbs are uniform whatever the secret is")
  func hides() {
    let secret = SecretBytes(copying: Array(repeating: 0, count: 32))
    var classes = [Int](repeating: 0, count: 16)
    let dealings = 4000
    for _ in 0..<dealings {
      let share = Shamir.split(secret, threshold: 2, helpers: [4], coefficients: source)[0]
      classes[Int(share.released[7] & 0x1f) >> 1] += 1  // The top four of 61 bits of the first limb.
    }
    let expected = Double(dealings) / 16
    let chiSquared = classes.reduce(0.0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
    #expect(chiSquared < 50)
  }

  @Test("A source that gives p itself is asked again")
  func rejectsPrime() throws {
    /// Gives 2^64 − 1, whose low 61 bits are p, for the first draw; then a stream.
    final class Stubborn: SecretSource, @unchecked Sendable {
      private let stream = SeededSecretSource(seed: [3])
      private(set) var draws = 0
      func fill(_ buffer: UnsafeMutableRawBufferPointer) {
        draws += 1
        if draws == 1 { buffer.initializeMemory(as: UInt8.self, repeating: 0xff) } else { stream.fill(buffer) }
      }
    }
    let stubborn = Stubborn()
    let secret = SecretBytes(copying: Array(repeating: 9, count: 32))
    let shares = Shamir.split(secret, threshold: 2, count: 2, coefficients: stubborn)
    #expect(stubborn.draws == 6)  // All at once, then each of the five limbs again.
    #expect(try Shamir.combine([(0, shares[0]), (1, shares[1])], threshold: 2).isEqual(to: secret))
  }

  @Test("A share prints its kind and length")
  func description() throws {
    let share = try Shamir.Share(SecretBytes(copying: Array(repeating: 1, count: 40)))
    #expect("\(share)" == "share of 40 bytes")
  }
}

@Suite("Share bundles")
struct ShareBundleTests {
  private let source = SeededSecretSource(seed: Array("bundle".utf8))
  private let transcript = Digest.sha256(of: [1])

  @Test("What a dealer deals, every helper opens, and any t helpers reconstruct both secrets")
  func roundTrip() throws {
    let secrets = (0..<5).map { _ in source.secret(32) }
    let keys = secrets.map { Agreement.publicKey(of: $0) }
    let seed = source.secret(32)
    let maskSecret = source.secret(32)
    let (bundle, own) = try ShareBundle.deal(
      transcript: transcript, dealer: 2, threshold: 3, seed: seed, maskSecret: maskSecret,
      helpers: [0, 1, 3, 4].map { ($0, try Agreement.sharedSecret(secrets[2], keys[$0])) }, secrets: source)
    let read = try ShareBundle(bodyBytes: bundle.bodyBytes)
    #expect(read == bundle)
    var pairs: [Int: SharePair] = [:]
    for helper in [0, 1, 3, 4] {
      let key = try ShareSealing.key(
        transcript: transcript, secret: secrets[helper], publicKey: keys[2], dealer: 2, helper: helper)
      let entry = try #require(read.entry(for: helper))
      pairs[helper] = try ShareSealing.open(entry, key: key, transcript: transcript, dealer: 2)
    }
    let seedShares = [(2, own)] + [1, 4].compactMap { helper in pairs[helper].map { (helper, $0.selfMask) } }
    let keyShares = [0, 3, 4].compactMap { helper in pairs[helper].map { (helper, $0.maskKey) } }
    #expect(try Shamir.combine(seedShares, threshold: 3).isEqual(to: seed))
    #expect(try Shamir.combine(keyShares, threshold: 3).isEqual(to: maskSecret))
    #expect(
      bundle.seedCommitment == ShareSealing.seedCommitment(transcript: transcript, dealer: 2, seed: seed))
    #expect(Agreement.publicKey(of: maskSecret) == Agreement.publicKey(of: try Shamir.combine(keyShares, threshold: 3)))
  }

  @Test("A body of another length, or with helpers out of order, is refused")
  func malformed() throws {
    let digest = Digest.sha256(of: [])
    let entries = [1, 2].map {
      ShareBundle.Entry(
        helper: $0, nonce: Array(repeating: 0, count: 12), ciphertext: Array(repeating: 0, count: 96),
        selfMaskCommitment: digest, maskKeyCommitment: digest)
    }
    let body = ShareBundle(seedCommitment: digest, ownShareCommitment: digest, entries: entries).bodyBytes
    for count in [0, 63, 67, body.count - 1] {
      #expect(throws: Refusal.badLength) { try ShareBundle(bodyBytes: Array(body.prefix(count))) }
    }
    #expect(throws: Refusal.badLength) { try ShareBundle(bodyBytes: body + [0]) }
    var swapped = body
    swapped[68] = 2
    #expect(throws: Refusal.rosterOrder) { try ShareBundle(bodyBytes: swapped) }
  }
}
