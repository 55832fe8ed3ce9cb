import Federation

/// A movable name for a version: `latest`, `champion`. Starts with a letter, so that it is never taken for a number.
package struct Alias: Hashable, Comparable, Sendable, CustomStringConvertible {
  package let text: String

  /// The newest published version that was not taken back.
  package static let latest = Alias(unchecked: "latest")
  /// Of a run's versions the one that the workers' hold-outs say is the best.
  package static let best = Alias(unchecked: "best")

  private init(unchecked text: String) { self.text = text }

  /// The alias if it is 1…64 letters, digits, `-` and `_` and starts with a letter; nil otherwise.
  package init?(_ text: String) {
    guard text.utf8.count <= 64, let first = text.utf8.first, Self.isLetter(first),
      text.utf8.allSatisfy({ Self.isLetter($0) || (48...57).contains($0) || $0 == 45 || $0 == 95 })
    else { return nil }
    self.init(unchecked: text)
  }

  private static func isLetter(_ byte: UInt8) -> Bool { (65...90).contains(byte) || (97...122).contains(byte) }

  package var description: String { text }
  package static func < (a: Alias, b: Alias) -> Bool { a.text.utf8.lexicographicallyPrecedes(b.text.utf8) }
}

/// Which version of which model: `digits@3`, `digits@latest`, `digits@sha256:…`.
package struct ModelReference: Hashable, Sendable, CustomStringConvertible {
  package enum Selector: Hashable, Sendable {
    case version(ModelVersion)
    case alias(Alias)
    /// Of the manifest.
    case digest(Digest)
  }

  package let model: ModelName
  package let selector: Selector

  package init(model: ModelName, selector: Selector) {
    self.model = model
    self.selector = selector
  }

  /// Reads what a user typed.
  package init(parsing text: String) throws(ModelReferenceError) {
    let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    guard let model = ModelName(parts[0]) else { throw .badName(text) }
    guard parts.count == 2, !parts[1].isEmpty else { throw .missingVersion(text) }
    self.model = model
    let written = parts[1]
    if written.hasPrefix("sha256:") {
      guard let digest = Digest(hex: String(written.dropFirst(7))) else { throw .badDigest(text) }
      selector = .digest(digest)
    } else if written.utf8.allSatisfy({ (48...57).contains($0) }) {
      guard let number = UInt64(written) else { throw .badVersion(text) }
      selector = .version(ModelVersion(number))
    } else {
      guard let alias = Alias(written) else { throw .badVersion(text) }
      selector = .alias(alias)
    }
  }

  package var description: String {
    switch selector {
    case .version(let version): "\(model)@\(version)"
    case .alias(let alias): "\(model)@\(alias)"
    case .digest(let digest): "\(model)@sha256:\(digest)"
    }
  }
}

/// Why a text names no version. Each case carries the text.
package enum ModelReferenceError: Error, Equatable, Sendable, CustomStringConvertible {
  case badName(String)
  case missingVersion(String)
  case badVersion(String)
  case badDigest(String)

  package var description: String {
    switch self {
    case .badName(let text): "found '\(text)', expected NAME@VERSION with a name of letters, digits, '.', '_' and '-'"
    case .missingVersion(let text): "found '\(text)', expected a version behind the name, such as NAME@latest"
    case .badVersion(let text): "found '\(text)', expected NAME@3, NAME@latest, NAME@alias or NAME@sha256:DIGEST"
    case .badDigest(let text): "found '\(text)', expected 64 hexadecimal digits behind 'sha256:'"
    }
  }
}
