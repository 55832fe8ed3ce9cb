/// A name given by people: compared and sorted by its UTF-8 bytes, never by locale.
package protocol Name: Hashable, Comparable, Sendable, Codable, CustomStringConvertible, ExpressibleByStringLiteral {
  var text: String { get }
  init(unchecked text: String)
}

extension Name {
  /// Longest name a peer may send, in UTF-8 bytes.
  package static var byteCountMax: Int { 128 }

  /// The name if it is 1…128 bytes of letters, digits, `.`, `_` and `-` and starts with a letter or digit; nil otherwise.
  ///
  /// Names become file names, log fields and link identities, so nothing else is allowed in.
  package init?(_ text: String) {
    let bytes = Array(text.utf8)
    func isAlphanumeric(_ c: UInt8) -> Bool { (48...57).contains(c) || (65...90).contains(c) || (97...122).contains(c) }
    guard let first = bytes.first, bytes.count <= Self.byteCountMax, isAlphanumeric(first),
      bytes.allSatisfy({ isAlphanumeric($0) || $0 == 46 || $0 == 95 || $0 == 45 })
    else { return nil }
    self.init(unchecked: text)
  }

  package init(stringLiteral value: String) { self.init(unchecked: value) }
  package var description: String { text }
  /// Names are ASCII, of which the order of strings is that of their bytes.
  package static func < (a: Self, b: Self) -> Bool { a.text < b.text }
  package init(from decoder: any Decoder) throws {
    let text = try decoder.singleValueContainer().decode(String.self)
    guard let name = Self(text) else {
      throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "not a name: \(text)"))
    }
    self = name
  }
  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(text)
  }
}

/// A party that holds private data and trains on it; the name in its certificate.
package struct WorkerID: Name {
  package let text: String
  package init(unchecked text: String) { self.text = text }
}

/// Who operates a worker: the unit of collusion.
package struct OrganisationID: Name {
  package let text: String
  package init(unchecked text: String) { self.text = text }
}

/// One federation: one authority, one membership list.
package struct FederationID: Name {
  package let text: String
  package init(unchecked text: String) { self.text = text }
}

/// One training run on a federation.
package struct RunID: Name {
  package let text: String
  package init(unchecked text: String) { self.text = text }
}

/// The name under which versions of a model are published.
package struct ModelName: Name {
  package let text: String
  package init(unchecked text: String) { self.text = text }
}

/// A whole number with a meaning of its own.
package protocol Ordinal: Hashable, Comparable, Sendable, Codable, CustomStringConvertible,
  ExpressibleByIntegerLiteral
{
  associatedtype RawValue: FixedWidthInteger & Sendable & Codable
  var value: RawValue { get }
  init(_ value: RawValue)
}

extension Ordinal {
  package static func < (a: Self, b: Self) -> Bool { a.value < b.value }
  package var description: String { String(value) }
  /// The number after this one.
  package var next: Self { Self(value + 1) }
  package init(from decoder: any Decoder) throws {
    self.init(try decoder.singleValueContainer().decode(RawValue.self))
  }
  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(value)
  }
}

/// The round of a run, from 1; moves only when a round commits.
package struct RoundNumber: Ordinal {
  package let value: UInt64
  package init(_ value: UInt64) { self.value = value }
  package init(integerLiteral value: UInt64) { self.value = value }
}

/// The attempt at a round, from 0; durably incremented before its offer leaves.
package struct AttemptNumber: Ordinal {
  package let value: UInt32
  package init(_ value: UInt32) { self.value = value }
  package init(integerLiteral value: UInt32) { self.value = value }
}

/// The version of a model, per model name; 0 is the signed initial model.
package struct ModelVersion: Ordinal {
  package let value: UInt64
  package init(_ value: UInt64) { self.value = value }
  package init(integerLiteral value: UInt64) { self.value = value }
}

/// Which attempt at which round of which run: the name of a unit of work before a roster exists.
package struct AttemptID: Hashable, Comparable, Sendable, CustomStringConvertible {
  package let run: RunID
  package let round: RoundNumber
  package let attempt: AttemptNumber

  package init(run: RunID, round: RoundNumber, attempt: AttemptNumber) {
    self.run = run
    self.round = round
    self.attempt = attempt
  }

  package var description: String { "\(run)/\(round).\(attempt)" }
  package static func < (a: Self, b: Self) -> Bool {
    (a.run, a.round, a.attempt) < (b.run, b.round, b.attempt)
  }
}
