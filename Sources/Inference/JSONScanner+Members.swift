extension JSONScanner {
  /// Reads an object of which a few members mean something: each of these at most once, in any order.
  ///
  /// RFC 8259 §4 leaves open what a repeated name means, so that two readers may see two requests: it is refused.
  mutating func members<Member: RawRepresentable<String> & CaseIterable>(
    of type: Member.Type, others: (inout JSONScanner) throws(InferenceError) -> Void = Self.skip,
    _ member: (inout JSONScanner, Member) throws(InferenceError) -> Void
  ) throws(InferenceError) {
    var seen: UInt64 = 0
    try members { (scanner, name) throws(InferenceError) in
      for (bit, known) in Member.allCases.enumerated() where scanner.matches(name, known.rawValue) {
        guard seen >> UInt64(bit) & 1 == 0 else {
          throw InferenceError(
            .invalid, "JSON, byte \(name.start): found a second member \(known.rawValue), expected one")
        }
        seen |= 1 << UInt64(bit)
        return try member(&scanner, known)
      }
      try others(&scanner)
    }
  }

  static func skip(_ scanner: inout JSONScanner) throws(InferenceError) { try scanner.skipValue() }

  /// Reads `parameters`, whose values are strings, numbers and truth values, also where nobody here knows the name.
  mutating func parameters<Member: RawRepresentable<String> & CaseIterable>(
    of type: Member.Type, _ member: (inout JSONScanner, Member) throws(InferenceError) -> Void
  ) throws(InferenceError) {
    if acceptNull() { return }
    let scalar = { (scanner: inout JSONScanner) throws(InferenceError) in
      guard !"{[n".utf8.contains(scanner.next()) else { throw scanner.refusal("a string, a number, true or false") }
      try scanner.skipValue()
    }
    try members(of: type, others: scalar, member)
  }

  /// Reads a string of bounded length, or nothing where there is null.
  mutating func optionalString(
    _ what: @autoclosure () -> String, bytesMax: Int
  ) throws(InferenceError) -> String? {
    if acceptNull() { return nil }
    return try boundedString(what(), bytesMax: bytesMax)
  }

  mutating func boundedString(
    _ what: @autoclosure () -> String, bytesMax: Int
  ) throws(InferenceError) -> String {
    skipBlanks()
    let text = try text()
    guard text.end - text.start <= bytesMax else {
      throw InferenceError(
        .invalid, "found \(what()) of \(text.end - text.start) bytes, expected at most \(bytesMax)")
    }
    return string(text)
  }
}
