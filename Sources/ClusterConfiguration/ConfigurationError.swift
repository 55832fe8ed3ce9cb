/// The first thing wrong with a configuration: where it stands, what was found there and what was expected.
///
/// Its description is one line for people: `FILE:LINE: key 'a.b': found X, expected Y`.
package struct ConfigurationError: Error, Equatable, Sendable, CustomStringConvertible {
  /// As the user named the file.
  package let file: String
  /// From 1; nil if the problem is the file itself.
  package let line: Int?
  /// Dotted path of the key from the top of the file; empty if the problem is the file itself.
  package let key: String
  package let found: String
  package let expected: String

  /// Of a file that is not there.
  static let missingFile = "no such file"
  /// Whether the file itself is not there, as opposed to something in it.
  package var isMissingFile: Bool { line == nil && key.isEmpty && found == Self.missingFile }

  package init(file: String, line: Int?, key: String, found: String, expected: String) {
    self.file = file
    self.line = line
    self.key = key
    self.found = found
    self.expected = expected
  }

  package var description: String {
    let place = line.map { "\(file):\($0)" } ?? file
    let subject = key.isEmpty ? "" : " key '\(key)':"
    return "\(place):\(subject) found \(found), expected \(expected)"
  }
}
