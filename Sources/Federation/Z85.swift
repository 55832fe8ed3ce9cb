/// ZeroMQ's text form of binary keys, 5 characters for 4 bytes (RFC 32).
package enum Z85 {
  /// - Precondition: the number of bytes is a multiple of 4.
  package static func encode(_ bytes: [UInt8]) -> String {
    precondition(bytes.count % 4 == 0, "Z85 encodes whole groups of 4 bytes")
    var text: [UInt8] = []
    text.reserveCapacity(bytes.count / 4 * 5)
    for start in stride(from: 0, to: bytes.count, by: 4) {
      let value = bytes[start..<start + 4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
      var divisor: UInt32 = 85 * 85 * 85 * 85
      while divisor > 0 {
        text.append(alphabet[Int(value / divisor % 85)])
        divisor /= 85
      }
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// The bytes, or nil if the text is not whole groups of 5 Z85 characters, each group below 2^32.
  package static func decode(_ text: String) -> [UInt8]? {
    let characters = Array(text.utf8)
    guard characters.count % 5 == 0 else { return nil }
    var bytes = [UInt8](repeating: 0, count: characters.count / 5 * 4)
    let isValid = characters.withUnsafeBytes { characters in
      bytes.withUnsafeMutableBytes { decode(characters, into: $0) }
    }
    return isValid ? bytes : nil
  }

  /// Writes the bytes of a text to where they belong, without a copy of either.
  ///
  /// - Returns: false unless the text is Z85 of exactly as many bytes; what was written then means nothing.
  package static func decode(_ characters: UnsafeRawBufferPointer, into bytes: UnsafeMutableRawBufferPointer) -> Bool {
    guard characters.count % 5 == 0, bytes.count == characters.count / 5 * 4 else { return false }
    for start in stride(from: 0, to: characters.count, by: 5) {
      var value: UInt64 = 0
      for character in characters[start..<start + 5] {
        let digit = digits[Int(character)]
        guard digit < 85 else { return false }
        value = value * 85 + UInt64(digit)
      }
      guard let group = UInt32(exactly: value) else { return false }
      bytes.storeBytes(of: group.bigEndian, toByteOffset: start / 5 * 4, as: UInt32.self)
    }
    return true
  }

  private static let alphabet = Array(
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#".utf8)

  /// The value of each character, 255 for those outside the alphabet.
  private static let digits: [UInt8] = {
    var digits = [UInt8](repeating: 255, count: 256)
    for (value, character) in alphabet.enumerated() { digits[Int(character)] = UInt8(value) }
    return digits
  }()
}
