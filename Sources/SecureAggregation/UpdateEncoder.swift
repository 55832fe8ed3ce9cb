import CKernels
import Cryptography
import Federation

/// One worker's update as integers of the ring, made element by element and always the same (sa1 "Encoder").
///
/// clip to L2 norm C → weight → rotate, if on → divide by step → round at random, unbiased → clamp to ±B. All in
/// binary64 in index order; the random bits of element e stand at byte 4e of a keystream, so any chunk can be made
/// again alone.
///
/// Holds the update, or the rotated update in binary64 instead of it, and nothing else of that length.
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
  ///   - runner: threads for the rotation; the result does not depend on it.
  /// - Throws: `badLength`, `notFinite` for NaN or infinity anywhere, `noExamples`.
  package init(
    update: [Float], exampleCount: UInt64, rules: EncodingRules, transcript: Digest, roundingSeed: SecretBytes,
    on runner: some PartRunner = SequentialRunner()
  ) throws(Refusal) {
    guard update.count == rules.vectorLength else { throw .badLength }
    guard exampleCount >= 1 else { throw .noExamples }
    var sum = 0.0
    var largest: Float = 0
    for x in update {
      sum += Double(x) * Double(x)
      largest = max(largest, abs(x))
    }
    guard sum.isFinite else { throw .notFinite }  // Squares of Float32 cannot overflow binary64 in any real length.
    norm = sum.squareRoot()
    isClipped = norm > rules.clip
    weight = min(exampleCount, rules.maximumWeight)
    factor = (isClipped ? rules.clip / norm : 1) * (Double(weight) / Double(rules.maximumWeight))
    self.rules = rules
    roundingKey = Self.roundingKey(transcript: transcript, seed: roundingSeed)
    let largestScaled: Double
    if rules.isRotated, !update.isEmpty {
      let factor = factor
      var x = [Double](unsafeUninitializedCapacity: update.count) { out, filled in
        for e in update.indices { out[e] = Double(update[e]) * factor }
        filled = update.count
      }
      Rotation.apply(&x, transcript: transcript, on: runner)
      largestScaled = x.reduce(0) { max($0, abs($1)) }
      elements = .rotated(x)
    } else {
      largestScaled = Double(largest) * factor
      elements = .plain(update)
    }
    // Rounding moves a value by less than one, so nothing is clamped unless something is that near to B.
    if largestScaled / rules.step <= Double(rules.bound) - 1 {
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
  package func scaledValue(at e: Int) -> Double {
    switch elements {
    case .plain(let x): Double(x[e]) * factor
    case .rotated(let x): x[e]
    }
  }

  /// The integers of these elements, one after another: what the lanes hold, as plainly as the specification says it.
  package func encode(_ range: Range<Int>) -> [Int64] {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "elements outside the update")
    return [Int64](unsafeUninitializedCapacity: range.count) { out, filled in
      _ = Self.walk(elements, range, factor, rules, roundingKey) { out.initializeElement(at: $0, to: $1) }
      filled = range.count
    }
  }

  /// Writes the lanes of these elements in memory form.
  ///
  /// - Precondition: `width` is that of `rules`.
  func encode(_ range: Range<Int>, _ width: LaneWidth, into lanes: UnsafeMutableRawPointer) {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "elements outside the update")
    // The kernels know lanes that an Int32 fills; no update has wider ones.
    guard width != .bits64, rules.bound <= Int64(Int32.max) else {
      _ = Self.walk(elements, range, factor, rules, roundingKey) { RingLanes.store(width, $1, in: lanes, at: $0) }
      return
    }
    let table = RingKernels.table
    let (step, bound) = (rules.step, Double(rules.bound))
    Self.withWords(range, roundingKey) { piece, words in
      let target = lanes + (piece.lowerBound - range.lowerBound) * width.memoryByteCount
      switch elements {
      case .plain(let x):
        x.withUnsafeBufferPointer { x in
          let quantise: ck_ring_quantise_single = width == .bits16 ? table.quantise_single16 : table.quantise_single32
          _ = quantise(piece.count, x.baseAddress.map { $0 + piece.lowerBound }, factor, step, bound, words, target)
        }
      case .rotated(let x):
        x.withUnsafeBufferPointer { x in
          let quantise: ck_ring_quantise_double = width == .bits16 ? table.quantise_double16 : table.quantise_double32
          _ = quantise(piece.count, x.baseAddress.map { $0 + piece.lowerBound }, step, bound, words, target)
        }
      }
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
    let (step, bound) = (rules.step, Double(rules.bound))
    var clamped = 0
    withWords(range, roundingKey) { piece, words in
      for e in piece {
        let scaled: Double
        switch elements {
        case .plain(let x): scaled = Double(x[e]) * factor
        case .rotated(let x): scaled = x[e]
        }
        let v = scaled / step
        let floor = v.rounded(.down)
        // (v − ⌊v⌋)·2^32 is exact: up with probability frac v to within 2^−32, and an integer never moves.
        let word = words.loadUnaligned(fromByteOffset: 4 * (e - piece.lowerBound), as: UInt32.self)
        let q = Double(UInt32(littleEndian: word)) < (v - floor) * 4_294_967_296 ? floor + 1 : floor
        let kept = max(-bound, min(bound, q))
        clamped += kept == q ? 0 : 1
        body(e - range.lowerBound, Int64(kept))
      }
    }
    return clamped
  }

  /// Calls `body` piece by piece with the elements and their random words, little-endian u32.
  @inline(__always)
  private static func withWords(
    _ range: Range<Int>, _ roundingKey: SecretBytes, _ body: (Range<Int>, UnsafeRawPointer) -> Void
  ) {
    let words = Keystream(key: roundingKey)
    words.seek(toByte: 4 * range.lowerBound)
    withUnsafeTemporaryAllocation(byteCount: 4 * wordsPerPiece, alignment: 64) { scratch in
      defer { SecretBytes.wipe(scratch) }
      guard let start = scratch.baseAddress else { return }
      for first in stride(from: range.lowerBound, to: range.upperBound, by: wordsPerPiece) {
        let piece = first..<min(first + wordsPerPiece, range.upperBound)
        words.fill(UnsafeMutableRawBufferPointer(start: start, count: 4 * piece.count))
        body(piece, UnsafeRawPointer(start))
      }
    }
  }

  /// 8 KiB of random bits at a time stay in the first-level cache with the elements.
  private static let wordsPerPiece = 2_048
}
