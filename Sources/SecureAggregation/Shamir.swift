import Cryptography

/// Shamir's sharing of 32-byte secrets over GF(2^61 − 1): any t shares give the secret, fewer give nothing.
///
/// A secret is five limbs (bytes 7, 7, 7, 7, 4, little-endian), each the constant term of its own polynomial of degree
/// t − 1; the share of worker i is their values at x = i + 1.
package enum Shamir {
  package static let secretByteCount = 32
  static let limbCount = 5

  /// The value of the five polynomials at one worker's abscissa: 40 bytes, five canonical limbs.
  package struct Share: Sendable, CustomStringConvertible {
    package static let byteCount = 40

    /// Five `u64`, little-endian, each below p.
    package let bytes: SecretBytes

    /// - Throws: `badLength` if there are not 40 bytes, `nonCanonicalLimb` for a limb from p on.
    package init(_ bytes: SecretBytes) throws(Refusal) {
      guard bytes.count == Self.byteCount else { throw .badLength }
      let isCanonical = bytes.withUnsafeBytes { raw in
        (0..<limbCount).allSatisfy { limb($0, of: raw) < PrimeField.p }
      }
      guard isCanonical else { throw .nonCanonicalLimb }
      self.bytes = bytes
    }

    init(evaluated bytes: SecretBytes) { self.bytes = bytes }

    /// The 40 bytes in the clear, for the one message that releases them.
    package var released: [UInt8] { bytes.withUnsafeBytes { Array($0) } }
    package var description: String { "share of \(Self.byteCount) bytes" }
  }

  /// Deals to workers 0…count−1.
  package static func split(
    _ secret: SecretBytes, threshold: Int, count: Int, coefficients: any SecretSource
  ) -> [Share] {
    split(secret, threshold: threshold, helpers: Array(0..<count), coefficients: coefficients)
  }

  /// Deals to the workers with these indices, in this order.
  ///
  /// Coefficients are uniform in [0, p): 61 random bits each, p itself drawn again.
  /// - Precondition: the secret has 32 bytes, `threshold ≥ 1`.
  package static func split(
    _ secret: SecretBytes, threshold: Int, helpers: [Int], coefficients source: any SecretSource
  ) -> [Share] {
    split(secret, threshold: threshold, helpers: helpers) { raw in
      source.fill(raw)
      let words = raw.bindMemory(to: UInt64.self)
      for i in words.indices {
        words[i] &= PrimeField.p
        while words[i] == PrimeField.p {
          source.fill(UnsafeMutableRawBufferPointer(start: words.baseAddress.map { $0 + i }, count: 8))
          words[i] &= PrimeField.p
        }
      }
    }
  }

  /// Deals with given coefficients, for known answers: `coefficient(limb, degree)`, each below p.
  package static func split(
    _ secret: SecretBytes, threshold: Int, helpers: [Int], coefficient: (Int, Int) -> UInt64
  ) -> [Share] {
    split(secret, threshold: threshold, helpers: helpers) { raw in
      let words = raw.bindMemory(to: UInt64.self)
      for limb in 0..<limbCount {
        for degree in 1..<max(threshold, 1) { words[(degree - 1) * limbCount + limb] = coefficient(limb, degree) }
      }
    }
  }

  /// Coefficients stand degree by degree from 1, five limbs each, in a buffer that is wiped afterwards.
  private static func split(
    _ secret: SecretBytes, threshold: Int, helpers: [Int], fillCoefficients: (UnsafeMutableRawBufferPointer) -> Void
  ) -> [Share] {
    precondition(secret.count == secretByteCount && threshold >= 1)
    let coefficients = SecretBytes(count: 8 * limbCount * (threshold - 1)) {
      if !$0.isEmpty { fillCoefficients($0) }
    }
    return coefficients.withUnsafeBytes { coefficients in
      secret.withUnsafeBytes { secret in
        helpers.map { helper in
          precondition(helper >= 0)
          let x = UInt64(helper) + 1
          return Share(
            evaluated: SecretBytes(count: Share.byteCount) { out in
              for a in 0..<limbCount {
                var value: UInt64 = 0
                for degree in stride(from: threshold - 2, through: 0, by: -1) {
                  let c = limb(degree * limbCount + a, of: coefficients)
                  value = PrimeField.multiply(PrimeField.add(value, c), x)
                }
                value = PrimeField.add(value, secretLimb(a, of: secret))
                out.storeBytes(of: value.littleEndian, toByteOffset: 8 * a, as: UInt64.self)
              }
            })
        }
      }
    }
  }

  /// The Lagrange weights at 0 of one set of helpers: computed once, used for every secret that these helpers release.
  package struct Weights: Sendable {
    /// In ascending order.
    package let helpers: [Int]
    fileprivate let values: [UInt64]

    /// - Throws: `duplicateShare` if a helper stands twice.
    package init(helpers: some Sequence<Int>) throws(Refusal) {
      let sorted = helpers.sorted()
      for (a, b) in zip(sorted, sorted.dropFirst()) where a == b { throw .duplicateShare }
      self.helpers = sorted
      let xs = sorted.map { UInt64($0) + 1 }
      let product = xs.reduce(1, PrimeField.multiply)
      // λ_i = Π_j x_j ÷ (x_i · Π_{j≠i} (x_j − x_i)); all denominators share one inversion.
      let denominators = xs.map { x in
        xs.reduce(x) { $1 == x ? $0 : PrimeField.multiply($0, PrimeField.subtract($1, x)) }
      }
      var prefixes: [UInt64] = [1]
      for d in denominators { prefixes.append(PrimeField.multiply(prefixes[prefixes.count - 1], d)) }
      var inverse = PrimeField.inverse(prefixes[denominators.count])
      var values = [UInt64](repeating: 0, count: xs.count)
      for i in denominators.indices.reversed() {
        values[i] = PrimeField.multiply(product, PrimeField.multiply(inverse, prefixes[i]))
        inverse = PrimeField.multiply(inverse, denominators[i])
      }
      self.values = values
    }

    /// The weights of the first `threshold` of these helpers in ascending order.
    ///
    /// - Throws: `tooFewShares`, `duplicateShare`.
    package init(firstOf helpers: some Sequence<Int>, threshold: Int) throws(Refusal) {
      let sorted = helpers.sorted()
      guard threshold >= 1, sorted.count >= threshold else { throw .tooFewShares }
      try self.init(helpers: sorted.prefix(threshold))
    }
  }

  /// The secret behind the shares of `weights.helpers`, in that order.
  ///
  /// - Throws: `tooFewShares` for another number of shares, `nonCanonicalSecret` if what they give is not five limbs of
  ///   a secret (then at least one share is wrong).
  package static func combine(_ shares: [Share], weights: Weights) throws(Refusal) -> SecretBytes {
    guard shares.count == weights.values.count, !shares.isEmpty else { throw .tooFewShares }
    return try SecretBytes(count: secretByteCount) { (out) throws(Refusal) in
      var excess: UInt64 = 0
      for a in 0..<limbCount {
        var value: UInt64 = 0
        for i in shares.indices {
          let y = shares[i].bytes.withUnsafeBytes { limb(a, of: $0) }
          value = PrimeField.add(value, PrimeField.multiply(weights.values[i], y))
        }
        let byteCount = a == limbCount - 1 ? 4 : 7
        excess |= value >> UInt64(8 * byteCount)
        for b in 0..<byteCount { out[7 * a + b] = UInt8(truncatingIfNeeded: value >> UInt64(8 * b)) }
      }
      guard excess == 0 else { throw .nonCanonicalSecret }
    }
  }

  /// The secret behind the first `threshold` of these shares, by ascending worker index.
  ///
  /// - Throws: `tooFewShares`, `duplicateShare`, `nonCanonicalSecret`.
  package static func combine(
    _ shares: [(index: Int, share: Share)], threshold: Int
  ) throws(Refusal) -> SecretBytes {
    let weights = try Weights(firstOf: shares.map(\.index), threshold: threshold)
    let sorted = shares.sorted { $0.index < $1.index }
    return try combine(sorted.prefix(threshold).map(\.share), weights: weights)
  }

  @inline(__always)
  private static func limb(_ index: Int, of raw: UnsafeRawBufferPointer) -> UInt64 {
    UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self))
  }

  /// Bytes 7·a and on of a 32-byte secret: seven, of the last limb four.
  @inline(__always)
  private static func secretLimb(_ a: Int, of raw: UnsafeRawBufferPointer) -> UInt64 {
    var value: UInt64 = 0
    for b in 0..<(a == limbCount - 1 ? 4 : 7) { value |= UInt64(raw[7 * a + b]) << UInt64(8 * b) }
    return value
  }
}
