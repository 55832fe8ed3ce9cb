import CKernels
import Cryptography
import Federation

/// The rotation that spreads an update over all coordinates, so that narrow rings lose little (sa1 "Rotation").
///
/// Two overlapping passes, each random signs and a Walsh–Hadamard transform on a window of P = 2^⌊log2 d⌋ elements: the
/// first window at the start, the second at the end. Orthogonal, so it keeps the length; the same for all workers of a
/// transcript, so sums can be turned back.
package enum Rotation {
  /// Rotates in place; `d ≥ 1`. The same bits for any `runner`.
  package static func apply(
    _ x: inout [Double], transcript: Digest, on runner: some PartRunner = SequentialRunner()
  ) {
    for pass in windows(x.count) {
      transform(&x, pass) { window, scale in
        let signs = signBytes(transcript: transcript, pass: pass.number, count: (window.count + 7) / 8)
        signs.withUnsafeBufferPointer { flip(window, $0, runner) }
        hadamard(window, runner)
        multiply(window, scale, runner)
      }
    }
  }

  /// Undoes `apply`.
  package static func invert(
    _ x: inout [Double], transcript: Digest, on runner: some PartRunner = SequentialRunner()
  ) {
    for pass in windows(x.count).reversed() {
      transform(&x, pass) { window, scale in
        hadamard(window, runner)
        multiply(window, scale, runner)
        let signs = signBytes(transcript: transcript, pass: pass.number, count: (window.count + 7) / 8)
        signs.withUnsafeBufferPointer { flip(window, $0, runner) }
      }
    }
  }

  /// The first bytes of the sign stream of a pass: one bit an element, least significant first, 1 for −1.
  package static func signBytes(transcript: Digest, pass: UInt8, count: Int) -> [UInt8] {
    var info = CanonicalBytes(label: "rotation")
    info.append(pass)
    let input = SecretBytes(copying: transcript.bytes)
    let key = HKDF.derive(salt: transcript.bytes, input: input, info: info.bytes, count: 16)
    return [UInt8](unsafeUninitializedCapacity: count) { out, filled in
      Keystream(key: key).fill(UnsafeMutableRawBufferPointer(out))
      filled = count
    }
  }

  private struct Pass {
    let number: UInt8
    let window: Range<Int>
  }

  private static func windows(_ d: Int) -> [Pass] {
    precondition(d >= 1, "nothing to rotate")
    let p = 1 << (Int.bitWidth - 1 - d.leadingZeroBitCount)
    return [Pass(number: 0, window: 0..<p), Pass(number: 1, window: (d - p)..<d)]
  }

  private static func transform(
    _ x: inout [Double], _ pass: Pass, _ body: (UnsafeMutableBufferPointer<Double>, Double) -> Void
  ) {
    let scale = 1 / Double(pass.window.count).squareRoot()
    x.withUnsafeMutableBufferPointer { x in
      body(UnsafeMutableBufferPointer(rebasing: x[pass.window]), scale)
    }
  }

  /// Elements of a block that is transformed in the first-level cache: 16 KiB.
  private static let blockElements = 2_048

  private static func flip(
    _ window: UnsafeMutableBufferPointer<Double>, _ signs: UnsafeBufferPointer<UInt8>, _ runner: some PartRunner
  ) {
    guard let x = window.baseAddress, let bits = signs.baseAddress else { return }
    nonisolated(unsafe) let (start, firstBits) = (x, bits)  // Ranges are disjoint.
    runner.forEachRange(of: 0..<window.count, multiple: 8, least: blockElements) { range in
      RingKernels.table.flip_signs(range.count, start + range.lowerBound, firstBits + range.lowerBound / 8)
    }
  }

  private static func multiply(
    _ window: UnsafeMutableBufferPointer<Double>, _ factor: Double, _ runner: some PartRunner
  ) {
    guard let x = window.baseAddress else { return }
    nonisolated(unsafe) let start = x  // Ranges are disjoint.
    runner.forEachRange(of: 0..<window.count, multiple: 8, least: blockElements) { range in
      RingKernels.table.scale(range.count, start + range.lowerBound, factor)
    }
  }

  /// Walsh–Hadamard in natural (Sylvester) order, not normalised.
  ///
  /// The stages h = 1, 2, 4 … as one after another would do them, element for element, but grouped so that the elements
  /// pass through the cache few times: first all stages inside blocks, then three stages at a time.
  private static func hadamard(_ window: UnsafeMutableBufferPointer<Double>, _ runner: some PartRunner) {
    guard let x = window.baseAddress else { return }
    let count = window.count
    let block = min(blockElements, count)
    nonisolated(unsafe) let start = x  // Blocks are disjoint, and so are butterflies.
    runner.forEachRange(of: 0..<count, multiple: block, least: block) { range in
      for first in stride(from: range.lowerBound, to: range.upperBound, by: block) {
        RingKernels.table.hadamard_block(block, start + first)
      }
    }
    var h = block
    while h < count {
      let distance = h
      let stages = min(3, (count / h).trailingZeroBitCount)
      runner.forEachRange(of: 0..<(count >> stages), multiple: 64, least: blockElements) { range in
        RingKernels.table.hadamard_pass(range.lowerBound, range.upperBound, distance, UInt32(stages), start)
      }
      h <<= stages
    }
  }
}
