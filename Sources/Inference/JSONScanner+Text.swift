/// A string of a JSON document, checked and not yet copied.
struct JSONText {
  /// What stands between the quotes.
  let start: Int
  let end: Int
  /// Whether these bytes are the string itself, without escapes.
  let isPlain: Bool
}

extension JSONScanner {
  /// Reads a string; its escapes and its UTF-8 are valid afterwards.
  mutating func text() throws(InferenceError) -> JSONText {
    guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else { throw refusal("a string") }
    position += 1
    let start = position
    var isPlain = true
    var isASCII = true
    while position < bytes.count {
      let byte = bytes[position]
      switch byte {
      case UInt8(ascii: "\""):
        if !isASCII { try checkUTF8(from: start) }
        position += 1
        return JSONText(start: start, end: position - 1, isPlain: isPlain)
      case UInt8(ascii: "\\"):
        isPlain = false
        _ = try escaped()
      case 0..<0x20: throw refusal("no control character in a string")
      default:
        isASCII = isASCII && byte < 0x80
        position += 1
      }
    }
    throw refusal("the end of the string that starts at byte \(start - 1)")
  }

  private func checkUTF8(from start: Int) throws(InferenceError) {
    guard String(validating: bytes[start..<position], as: UTF8.self) != nil else {
      throw InferenceError(.invalid, "JSON, byte \(start): found a string that is not UTF-8, expected UTF-8")
    }
  }

  /// Whether the string is this one.
  func matches(_ text: JSONText, _ word: String) -> Bool {
    if text.isPlain {
      return text.end - text.start == word.utf8.count && bytes[text.start..<text.end].elementsEqual(word.utf8)
    }
    return contents(of: text).elementsEqual(word.utf8)
  }

  func string(_ text: JSONText) -> String {
    if text.isPlain { return String(decoding: bytes[text.start..<text.end], as: UTF8.self) }
    return String(decoding: contents(of: text), as: UTF8.self)
  }

  /// The string in UTF-8; at most as many bytes as the document has for it.
  func contents(of text: JSONText) -> [UInt8] {
    if text.isPlain { return Array(bytes[text.start..<text.end]) }
    var reader = JSONScanner(UnsafeRawBufferPointer(rebasing: bytes[text.start..<text.end]), depthMax: 0)
    var out: [UInt8] = []
    out.reserveCapacity(text.end - text.start)
    while reader.position < reader.bytes.count {
      if reader.bytes[reader.position] == UInt8(ascii: "\\") {
        guard let scalar = try? reader.escaped() else { preconditionFailure("an escape was checked and is wrong") }
        out.append(contentsOf: UTF8.encode(scalar).unsafelyUnwrapped)
      } else {
        out.append(reader.bytes[reader.position])
        reader.position += 1
      }
    }
    return out
  }

  /// Reads one escape, both halves of a surrogate pair as one (RFC 8259 §7).
  private mutating func escaped() throws(InferenceError) -> Unicode.Scalar {
    let start = position
    let kind = position + 1 < bytes.count ? bytes[position + 1] : 0
    position = min(position + 2, bytes.count)
    switch kind {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(kind)
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"):
      if let scalar = Unicode.Scalar(surrogatePair() ?? 0xD800) { return scalar }
    default: break
    }
    position = start
    throw refusal("an escape sequence of JSON")
  }

  /// The code point behind `\u`; nil, or a surrogate, where there is none.
  private mutating func surrogatePair() -> UInt32? {
    guard let high = hexadecimalQuad() else { return nil }
    guard (0xD800..<0xDC00).contains(high) else { return high }
    guard position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"), bytes[position + 1] == UInt8(ascii: "u")
    else { return nil }
    position += 2
    guard let low = hexadecimalQuad(), (0xDC00..<0xE000).contains(low) else { return nil }
    return 0x10000 + (high - 0xD800) << 10 + (low - 0xDC00)
  }

  private mutating func hexadecimalQuad() -> UInt32? {
    guard position + 4 <= bytes.count else { return nil }
    var code: UInt32 = 0
    for byte in bytes[position..<position + 4] {
      guard let digit = Self.hexadecimalDigit(byte) else { return nil }
      code = code << 4 | digit
    }
    position += 4
    return code
  }

  private static func hexadecimalDigit(_ byte: UInt8) -> UInt32? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0"))
    case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(byte - UInt8(ascii: "a") + 10)
    case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt32(byte - UInt8(ascii: "A") + 10)
    default: nil
    }
  }
}
