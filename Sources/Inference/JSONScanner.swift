/// Reads JSON (RFC 8259) from left to right over bytes that the caller keeps, and allocates only for strings it is asked for.
///
/// Strict: UTF-8 without byte order mark, no comments, no trailing commas, no NaN. Nesting is bounded.
struct JSONScanner {
  let bytes: UnsafeRawBufferPointer
  let depthMax: Int
  private(set) var depth = 0
  var position = 0

  init(_ bytes: UnsafeRawBufferPointer, depthMax: Int) {
    self.bytes = bytes
    self.depthMax = depthMax
  }

  /// What stands here instead of what was expected. Never shows a byte of the document.
  @inline(never)
  func refusal(_ expected: String) -> InferenceError {
    let found = position < bytes.count ? "something else" : "the end"
    return InferenceError(.invalid, "JSON, byte \(position): found \(found), expected \(expected)")
  }

  // MARK: Structure

  /// The next byte, blanks left out; 0, with which nothing begins, at the end.
  @inline(__always)
  mutating func next() -> UInt8 {
    skipBlanks()
    return position < bytes.count ? bytes[position] : 0
  }

  @inline(__always)
  mutating func skipBlanks() {
    while position < bytes.count, bytes[position] <= 0x20 {
      guard JSONScanner.isBlank(bytes[position]) else { return }
      position += 1
    }
  }

  private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 }

  /// Consumes the character if it is next.
  @inline(__always)
  mutating func accept(_ character: Unicode.Scalar) -> Bool {
    guard next() == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  @inline(__always)
  mutating func expect(_ character: Unicode.Scalar) throws(InferenceError) {
    guard accept(character) else { throw refusal("'\(character)'") }
  }

  mutating func expectEnd() throws(InferenceError) {
    skipBlanks()
    guard position == bytes.count else { throw refusal("the end of the document") }
  }

  /// Reads an object; `member` reads the value behind each name.
  mutating func members(
    _ member: (inout JSONScanner, JSONText) throws(InferenceError) -> Void
  ) throws(InferenceError) {
    try expect("{")
    try descend()
    if !accept("}") {
      repeat {
        skipBlanks()
        let name = try text()
        try expect(":")
        try member(&self, name)
      } while accept(",")
      guard accept("}") else { throw refusal("',' or '}'") }
    }
    depth -= 1
  }

  /// Reads an array; `element` reads each value.
  mutating func elements(_ element: (inout JSONScanner) throws(InferenceError) -> Void) throws(InferenceError) {
    try expect("[")
    try descend()
    if !accept("]") {
      repeat { try element(&self) } while accept(",")
      guard accept("]") else { throw refusal("',' or ']'") }
    }
    depth -= 1
  }

  private mutating func descend() throws(InferenceError) {
    guard depth < depthMax else { throw refusal("at most \(depthMax) values inside each other") }
    depth += 1
  }

  // MARK: Values

  /// Reads any value and forgets it.
  mutating func skipValue() throws(InferenceError) {
    switch next() {
    case UInt8(ascii: "{"):
      try members { (scanner, _) throws(InferenceError) in try scanner.skipValue() }
    case UInt8(ascii: "["):
      try elements { (scanner) throws(InferenceError) in try scanner.skipValue() }
    default: try skipScalar()
    }
  }

  /// Reads a string, number, truth value or null and forgets it.
  private mutating func skipScalar() throws(InferenceError) {
    switch next() {
    case UInt8(ascii: "\""): _ = try text()
    case UInt8(ascii: "t"), UInt8(ascii: "f"): _ = try bool()
    case UInt8(ascii: "n"): guard acceptNull() else { throw refusal("a value") }
    default: _ = try number()
    }
  }

  mutating func bool() throws(InferenceError) -> Bool {
    if accept(word: "true") { return true }
    if accept(word: "false") { return false }
    throw refusal("true or false")
  }

  /// Consumes `null` if it is next.
  mutating func acceptNull() -> Bool { accept(word: "null") }

  private mutating func accept(word: StaticString) -> Bool {
    skipBlanks()
    let end = position + word.utf8CodeUnitCount
    guard end <= bytes.count, bytes[position..<end].elementsEqual(word.buffer) else { return false }
    position = end
    return true
  }

  /// A whole number without sign, at most `Int.max`.
  mutating func wholeNumber() throws(InferenceError) -> Int {
    skipBlanks()
    let start = position
    guard let value = try number().integer(as: Int.self), value >= 0 else {
      position = start
      throw refusal("a whole number from 0 to \(Int.max)")
    }
    return value
  }
}

extension StaticString {
  /// The bytes of a literal.
  var buffer: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: utf8Start, count: utf8CodeUnitCount) }
}
