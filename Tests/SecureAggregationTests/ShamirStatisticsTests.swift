import Cryptography
import Federation
import SecureAggregation
import Testing

@Suite("What shares show, and what they give")
struct ShamirStatisticsTests {
  private static let dealings = 100_000

  /// The top four bits of limb `limb` of a share: one of 16 classes.
  private func top(_ share: Shamir.Share, limb: Int) -> Int { Int(share.released[8 * limb + 7] & 0x1F) >> 1 }

  /// How often each pair of classes comes up for the shares of helpers 0 and 3 in `dealings` of the same secret with t = 3.
  private func counts(limb: Int, deal: (Int) -> [Shamir.Share]) -> [Int] {
    var counts = [Int](repeating: 0, count: 256)
    for dealing in 0..<Self.dealings {
      let shares = deal(dealing)
      counts[16 * top(shares[0], limb: limb) + top(shares[1], limb: limb)] += 1
    }
    return counts
  }

  @Test("Two shares of three are uniform together, whatever the secret is", arguments: [0x00, 0xFF] as [UInt8])
  func hides(_ byte: UInt8) {
    let source = SeededSecretSource(seed: [byte, 1])
    let secret = SecretBytes(copying: [UInt8](repeating: byte, count: 32))
    var counts = [[Int]](repeating: [Int](repeating: 0, count: 256), count: 5)
    for _ in 0..<Self.dealings {
      let shares = Shamir.split(secret, threshold: 3, helpers: [0, 3], coefficients: source)
      for limb in 0..<5 { counts[limb][16 * top(shares[0], limb: limb) + top(shares[1], limb: limb)] += 1 }
    }
    for limb in 0..<5 { #expect(Statistics.uniformity(of: counts[limb]) < Statistics.unlikely, "limb \(limb)") }
  }

  @Test("Coefficients of 60 bits instead of 61, or one for both degrees, would be noticed")
  func noticesBias() {
    let secret = SecretBytes(copying: [UInt8](repeating: 0, count: 32))
    var generator = SeededGenerator(seed: 9)
    let short = counts(limb: 0) { _ in
      Shamir.split(secret, threshold: 3, helpers: [0, 3]) { _, _ in UInt64.random(in: 0..<(1 << 60), using: &generator)
      }
    }
    #expect(Statistics.uniformity(of: short) > 100)
    let equal = counts(limb: 0) { _ in
      let coefficient = UInt64.random(in: 0..<PrimeField.p, using: &generator)
      return Shamir.split(secret, threshold: 3, helpers: [0, 3]) { _, _ in coefficient }
    }
    #expect(Statistics.uniformity(of: equal) > 100)
  }

  @Test("Every set of t shares gives the secret", arguments: [(1, 4), (2, 5), (3, 6), (6, 6)])
  func everySubset(_ threshold: Int, _ count: Int) throws {
    let source = SeededSecretSource(seed: [UInt8(threshold)])
    let secret = source.secret(32)
    let shares = Shamir.split(secret, threshold: threshold, count: count, coefficients: source)
    var sets = 0
    for bits in 0..<(1 << count) where bits.nonzeroBitCount == threshold {
      let chosen = (0..<count).filter { bits >> $0 & 1 == 1 }
      #expect(try Shamir.combine(chosen.map { ($0, shares[$0]) }, threshold: threshold).isEqual(to: secret))
      sets += 1
    }
    #expect(sets > 0)
  }

  private func limbs(_ share: Shamir.Share) -> [UInt64] {
    let bytes = share.released
    return (0..<5).map { limb in bytes[8 * limb..<8 * limb + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) } }
  }

  private func share(_ limbs: [UInt64]) throws -> Shamir.Share {
    try Shamir.Share(
      SecretBytes(copying: limbs.flatMap { limb in (0..<8).map { UInt8(truncatingIfNeeded: limb >> UInt64(8 * $0)) } }))
  }

  @Test("Sums of shares are shares of the sum")
  func linear() throws {
    let source = SeededSecretSource(seed: Array("linear".utf8))
    // No limb of either has its top bit, so no limb of the sum overflows.
    let a = [UInt8](repeating: 0x35, count: 32), b = [UInt8](repeating: 0x41, count: 32)
    let dealt = [a, b].map {
      Shamir.split(SecretBytes(copying: $0), threshold: 3, count: 5, coefficients: source)
    }
    let sums = try (0..<5).map { j in
      try share(zip(limbs(dealt[0][j]), limbs(dealt[1][j])).map { PrimeField.add($0, $1) })
    }
    let sum = try Shamir.combine([(0, sums[0]), (2, sums[2]), (4, sums[4])], threshold: 3)
    #expect(sum.isEqual(to: SecretBytes(copying: zip(a, b).map { $0 + $1 })))
  }

  @Test("A limb of p or more is refused wherever it stands; p − 1 is a limb", arguments: 0..<5)
  func nonCanonicalLimbs(_ limb: Int) throws {
    var values: [UInt64] = [0, 0, 0, 0, 0]
    for value in [PrimeField.p, PrimeField.p + 1, 1 << 61, .max] {
      values[limb] = value
      #expect(throws: Refusal.nonCanonicalLimb) { try share(values) }
    }
    values[limb] = PrimeField.p - 1
    _ = try share(values)
  }

  @Test("A secret whose limb does not fit its bytes is refused: 2^56, and 2^32 in the last", arguments: 0..<5)
  func nonCanonicalSecrets(_ limb: Int) throws {
    let largest: UInt64 = limb < 4 ? (1 << 56) - 1 : (1 << 32) - 1
    var values: [UInt64] = [0, 0, 0, 0, 0]
    values[limb] = largest  // With t = 1 the share is the secret.
    _ = try Shamir.combine([(0, share(values))], threshold: 1)
    values[limb] = largest + 1
    let beyond = try share(values)
    #expect(throws: Refusal.nonCanonicalSecret) { try Shamir.combine([(0, beyond)], threshold: 1) }
  }
}
