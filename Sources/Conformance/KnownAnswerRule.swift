import Cryptography
import Federation

/// Where the "secrets" and inputs of vector files come from: `SHA-256("KAT/" ‖ salt ‖ label ‖ u32 …)`.
struct KnownAnswerRule {
  let salt: String

  func bytes(_ label: String, _ arguments: Int...) -> [UInt8] { bytes(label, arguments) }

  private func bytes(_ label: String, _ arguments: [Int]) -> [UInt8] {
    var out = CanonicalBytes()
    out.append(raw: "KAT/\(salt)\(label)".utf8)
    for argument in arguments { out.append(UInt32(truncatingIfNeeded: argument)) }
    return SHA256.hash(out.bytes)
  }

  /// A polynomial's coefficient: eight bytes modulo p (biased, for known answers only).
  func coefficient(_ label: String, dealer: Int, limb: Int, degree: Int) -> UInt64 {
    word(bytes(label, dealer, limb, degree), 0, UInt64.self) % ((1 << 61) - 1)
  }

  /// Numbers that are exact in Float32: 24-bit integers times 2^(exponent − 23), eight from each digest.
  func floats(_ label: String, _ index: Int, count: Int, exponent: Int) -> [Float] {
    let scale = Double(sign: .plus, exponent: exponent - 23, significand: 1)
    var out: [Float] = []
    out.reserveCapacity(count)
    for block in 0..<(count + 7) / 8 {
      let digest = bytes(label, index, block)
      for lane in 0..<min(8, count - 8 * block) {
        out.append(Float(Double(Int32(bitPattern: word(digest, 4 * lane, UInt32.self)) >> 8) * scale))
      }
    }
    return out
  }

  private func word<T: FixedWidthInteger>(_ bytes: [UInt8], _ start: Int, _: T.Type) -> T {
    bytes[start..<start + MemoryLayout<T>.size].reversed().reduce(0) { $0 << 8 | T($1) }
  }
}

extension [Float] {
  /// Little-endian Float32, one after another.
  var wireBytes: [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(4 * count)
    for value in self { Swift.withUnsafeBytes(of: value.bitPattern.littleEndian) { out.append(contentsOf: $0) } }
    return out
  }

  /// Reads `wireBytes`; nil for a length that is no multiple of 4.
  init?(wireBytes bytes: [UInt8]) {
    guard bytes.count % 4 == 0 else { return nil }
    self = stride(from: 0, to: bytes.count, by: 4).map { start in
      Float(bitPattern: bytes[start..<start + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) })
    }
  }
}
