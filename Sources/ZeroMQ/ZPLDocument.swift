/// The two levels of ZeroMQ's property language (RFC 4) that certificates use: sections, and names with values in them.
///
///     section            # comment
///         name = "value"
struct ZPLDocument {
  struct Entry: Equatable {
    let section: String
    let name: String
    let value: String
    /// From 1.
    let line: Int
  }

  private(set) var entries: [Entry] = []

  /// Reads a document; deeper levels are errors, because certificates have none.
  init(parsing text: String, file: String) throws(CurveCertificateError) {
    var section: String?
    let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    for (index, rawLine) in lines.enumerated() {
      let line = index + 1
      func malformed(_ reason: String) -> CurveCertificateError { .malformed(file: file, line: line, reason: reason) }
      let indentation = rawLine.prefix { $0 == " " || $0 == "\t" }
      let content = rawLine.dropFirst(indentation.count)
      if content.isEmpty || content.first == "#" { continue }
      let name = String(content.prefix { Self.isNameCharacter($0) })
      guard !name.isEmpty else { throw malformed("expected a name, found \(content.prefix(1))") }
      let rest = content.dropFirst(name.count).drop { $0 == " " || $0 == "\t" }
      if indentation.isEmpty {
        // A value at the top level is legal ZPL (czmq writes none); it opens a section of that name all the same.
        guard rest.isEmpty || rest.first == "#" || rest.first == "=" else {
          throw malformed("unexpected text after section \(name)")
        }
        section = name
        continue
      }
      guard let section else { throw malformed("\(name) stands outside of a section") }
      guard rest.first == "=" else { throw malformed("expected = after \(name)") }
      guard let value = Self.value(in: rest.dropFirst()) else { throw malformed("the value of \(name) is not closed") }
      guard !entries.contains(where: { $0.section == section && $0.name == name }) else {
        throw malformed("\(name) appears twice in \(section)")
      }
      entries.append(Entry(section: section, name: name, value: value, line: line))
    }
  }

  func first(in section: String, named name: String) -> Entry? {
    entries.first { $0.section == section && $0.name == name }
  }

  /// An indented line that this and other readers understand, or nil if there is none for this name and value.
  static func line(name: String, value: String) -> String? {
    guard !name.isEmpty, name.allSatisfy(isNameCharacter), !value.contains(where: \.isNewline),
      !value.contains("\""), !value.contains("\0")
    else { return nil }
    return "    \(name) = \"\(value)\""
  }

  private static func isNameCharacter(_ character: Character) -> Bool {
    character.isASCII && (character.isLetter || character.isNumber || "$-_@.&+/".contains(character))
  }

  /// The value after `=`: quoted by " or ', or up to a comment. Nil if a quote is not closed.
  private static func value(in text: Substring) -> String? {
    let text = text.drop { $0 == " " || $0 == "\t" }
    guard let quote = text.first, quote == "\"" || quote == "'" else {
      let value = text.prefix { $0 != "#" }
      return String(value.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
    }
    let body = text.dropFirst()
    guard let end = body.firstIndex(of: quote) else { return nil }
    return String(body[..<end])
  }
}
