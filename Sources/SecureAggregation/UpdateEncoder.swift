import Cryptography
import Federation

/// One worker's update as integers of the ring, made element by element and always the same (sa1 "Encoder").
///
/// clip to L2 norm C → weight → rotate, if on → divide by step → round at random, unbiased → clamp to ±B. All in
/// binary64 in index order; the random bits of element e stand at byte 4e of a keystream, so any chunk can be made
/// again alone.
package struct UpdateEncoder: Sendable {
  package let rules: EncodingRules
  /// L, before clipping.
  package let norm: Double
  package let isClipped: Bool
  /// What every element is multiplied by: clipping and weight.
  package let factor: Double
  /// min(w, W_max).
  package let weight: UInt64
  /// How many elements are clamped.
  package let saturated: Int
  private let elements: Elements
  private let roundingKey: SecretBytes

  private enum Elements: Sendable {
    case plain([Float])
    case rotated([Double])
  }

  /// - Parameters:
  ///   - update: Float32 values, `rules.vectorLength` of them.
  ///   - exampleCount: w, at least 1.
  ///   - roundingSeed: ρ, fresh for every transcript.
  /// - Throws: `badLength`, `notFinite` for NaN or infinity anywhere, `noExamples`.
  package init(
    update: [Float], exampleCount: UInt64, rules: EncodingRules, transcript: Digest, roundingSeed: SecretBytes
  ) throws(Refusal) {
    guard update.count == rules.vectorLength else { throw .badLength }
    guard exampleCount >= 1 else { throw .noExamples }
    var sum = 0.0
    var largest = 0.0
    for value in update {
      let x = Double(value)
      sum += x * x
      largest = max(largest, abs(x))
    }
    guard sum.isFinite else { throw .notFinite }  // Squares of Float32 cannot overflow binary64 in any real length.
    norm = sum.squareRoot()
    isClipped = norm > rules.clip
    weight = min(exampleCount, rules.maximumWeight)
    factor = (isClipped ? rules.clip / norm : 1) * (Double(weight) / Double(rules.maximumWeight))
    self.rules = rules
    roundingKey = Self.roundingKey(transcript: transcript, seed: roundingSeed)
    if rules.isRotated, !update.isEmpty {
      let factor = factor
      var x = update.map { Double($0) * factor }
      Rotation.apply(&x, transcript: transcript)
      largest = x.reduce(0) { max($0, abs($1)) }
      elements = .rotated(x)
    } else {
      largest *= factor
      elements = .plain(update)
    }
    // Rounding moves a value by less than one, so nothing is clamped unless something is that near to B.
    if largest / rules.step <= Double(rules.bound) - 1 {
      saturated = 0
    } else {
      saturated = Self.walk(elements, 0..<update.count, factor, rules, roundingKey) { _, _ in }
    }
  }

  /// `HKDF(T, ρ, D("round-rng"), 16)`.
  package static func roundingKey(transcript: Digest, seed: SecretBytes) -> SecretBytes {
    HKDF.derive(salt: transcript.bytes, input: seed, info: CanonicalBytes(label: "round-rng").bytes, count: 16)
  }

  /// d.
  package var count: Int { rules.vectorLength }

  /// The clipped, weighted and rotated value of an element, before rounding.
  package func scaledValue(at e: Int) -> Double { Self.scaled(elements, e, factor) }

  /// The integers of these elements.
  package func encode(_ range: Range<Int>) -> [Int64] {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "elements outside the update")
    return [Int64](unsafeUninitializedCapacity: range.count) { out, filled in
      _ = Self.walk(elements, range, factor, rules, roundingKey) { out.initializeElement(at: $0, to: $1) }
      filled = range.count
    }
  }

  /// Writes the lanes of these elements in memory form.
  func encode(_ range: Range<Int>, _ width: LaneWidth, into lanes: UnsafeMutableRawPointer) {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "elements outside the update")
    _ = Self.walk(elements, range, factor, rules, roundingKey) { RingLanes.store(width, $1, in: lanes, at: $0) }
  }

  private static func scaled(_ elements: Elements, _ e: Int, _ factor: Double) -> Double {
    switch elements {
    case .plain(let x): Double(x[e]) * factor
    case .rotated(let x): x[e]
    }
  }

  /// Rounds the elements of `range` and hands each integer on with its place in the range.
  ///
  /// - Returns: how many were clamped.
  @inline(__always)
  private static func walk(
    _ elements: Elements, _ range: Range<Int>, _ factor: Double, _ rules: EncodingRules, _ roundingKey: SecretBytes,
    _ body: (Int, Int64) -> Void
  ) -> Int {
    switch elements {
    case .plain(let x):
      x.withUnsafeBufferPointer { x in
        round(range, rules, roundingKey, { Double(x[$0]) * factor }, body)
      }
    case .rotated(let x):
      x.withUnsafeBufferPointer { x in round(range, rules, roundingKey, { x[$0] }, body) }
    }
  }

  @inline(__always)
  private static func round(
    _ range: Range<Int>, _ rules: EncodingRules, _ roundingKey: SecretBytes, _ scaled: (Int) -> Double,
    _ body: (Int, Int64) -> Void
  ) -> Int {
    let words = Keystream(key: roundingKey)
    words.seek(toByte: 4 * range.lowerBound)
    let bound = rules.bound
    let step = rules.step
    var clamped = 0
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: wordsPerPiece) { scratch in
      defer { SecretBytes.wipe(UnsafeMutableRawBufferPointer(scratch)) }
      for start in stride(from: 0, to: range.count, by: wordsPerPiece) {
        let count = min(wordsPerPiece, range.count - start)
        words.fill(UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(scratch)[..<(4 * count)]))
        for i in 0..<count {
          let v = scaled(range.lowerBound + start + i) / step
          let floor = v.rounded(.down)
          // (v − ⌊v⌋)·2^32 is exact: up with probability frac v to within 2^−32, and an integer never moves.
          let isUp = Double(UInt32(littleEndian: scratch[i])) < (v - floor) * 4_294_967_296
          let q = Int64(floor) + (isUp ? 1 : 0)
          let kept = max(-bound, min(bound, q))
          clamped += kept == q ? 0 : 1
          body(start + i, kept)
        }
      }
    }
    return clamped
  }

  /// 64 KiB of random bits at a time.
  private static let wordsPerPiece = 16_384
}
