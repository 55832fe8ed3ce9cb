/// ZeroMQ Base-85 (RFC 32/Z85): four bytes, big-endian, as five printable characters.
package enum Z85 {
  private static let digits = Array(
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#".utf8)

  /// - Precondition: the number of bytes is a multiple of 4.
  package static func encode(_ bytes: [UInt8]) -> String {
    precondition(bytes.count % 4 == 0, "Z85 encodes groups of four bytes")
    var out: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: 4) {
      var value = bytes[start..<start + 4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
      var group: [UInt8] = []
      for _ in 0..<5 {
        group.append(digits[Int(value % 85)])
        value /= 85
      }
      out += group.reversed()
    }
    return String(decoding: out, as: UTF8.self)
  }

  /// The bytes; nil for another length, another character or a group above 2^32 − 1.
  package static func decode(_ text: String) -> [UInt8]? {
    let characters = Array(text.utf8)
    guard characters.count % 5 == 0 else { return nil }
    var out: [UInt8] = []
    for start in stride(from: 0, to: characters.count, by: 5) {
      var value: UInt64 = 0
      for character in characters[start..<start + 5] {
        guard let digit = digits.firstIndex(of: character) else { return nil }
        value = value * 85 + UInt64(digit)
      }
      guard let group = UInt32(exactly: value) else { return nil }
      for shift in [24, 16, 8, 0] as [UInt32] { out.append(UInt8(truncatingIfNeeded: group >> shift)) }
    }
    return out
  }
}
