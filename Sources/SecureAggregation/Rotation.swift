import Cryptography
import Federation

/// The rotation that spreads an update over all coordinates, so that narrow rings lose little (sa1 "Rotation").
///
/// Two overlapping passes, each random signs and a Walsh–Hadamard transform on a window of P = 2^⌊log2 d⌋ elements: the
/// first window at the start, the second at the end. Orthogonal, so it keeps the length; the same for all workers of a
/// transcript, so sums can be turned back.
package enum Rotation {
  /// Rotates in place; `d ≥ 1`.
  package static func apply(_ x: inout [Double], transcript: Digest) {
    for pass in windows(x.count) {
      transform(&x, pass, transcript) { window, signs, scale in
        for e in window.indices { window[e] = window[e] * signs.sign(e) }
        hadamard(window)
        for e in window.indices { window[e] = window[e] * scale }
      }
    }
  }

  /// Undoes `apply`.
  package static func invert(_ x: inout [Double], transcript: Digest) {
    for pass in windows(x.count).reversed() {
      transform(&x, pass, transcript) { window, signs, scale in
        hadamard(window)
        for e in window.indices { window[e] = window[e] * scale * signs.sign(e) }
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

  private struct Signs {
    let bytes: UnsafeBufferPointer<UInt8>
    @inline(__always) func sign(_ e: Int) -> Double { bytes[e >> 3] >> UInt8(e & 7) & 1 == 1 ? -1 : 1 }
  }

  private static func windows(_ d: Int) -> [Pass] {
    precondition(d >= 1, "nothing to rotate")
    let p = 1 << (Int.bitWidth - 1 - d.leadingZeroBitCount)
    return [Pass(number: 0, window: 0..<p), Pass(number: 1, window: (d - p)..<d)]
  }

  private static func transform(
    _ x: inout [Double], _ pass: Pass, _ transcript: Digest,
    _ body: (UnsafeMutableBufferPointer<Double>, Signs, Double) -> Void
  ) {
    let p = pass.window.count
    let bytes = signBytes(transcript: transcript, pass: pass.number, count: (p + 7) / 8)
    let scale = 1 / Double(p).squareRoot()
    bytes.withUnsafeBufferPointer { bytes in
      x.withUnsafeMutableBufferPointer { x in
        body(UnsafeMutableBufferPointer(rebasing: x[pass.window]), Signs(bytes: bytes), scale)
      }
    }
  }

  /// Walsh–Hadamard in natural (Sylvester) order, not normalised.
  private static func hadamard(_ x: UnsafeMutableBufferPointer<Double>) {
    var h = 1
    while h < x.count {
      for i in stride(from: 0, to: x.count, by: 2 * h) {
        for j in i..<i + h {
          let a = x[j]
          let b = x[j + h]
          x[j] = a + b
          x[j + h] = a - b
        }
      }
      h *= 2
    }
  }
}
