import Cryptography
import Federation

/// The text of an API key: `murmur_`, the id of its record, `_` and a secret of 32 bytes in base64url.
///
/// Whoever has it may do what the record says; a node keeps no more of it than a digest. It does not print.
package struct APIKey: Sendable, CustomStringConvertible, CustomReflectable {
  package static let prefix = "murmur_"
  private static let idByteCount = 6
  private static let secretByteCount = 32
  private static let secretTextByteCount = 43
  private static let idByteCountMax = 32
  private static let textByteCountMax = prefix.utf8.count + idByteCountMax + 1 + secretTextByteCount

  package let id: String
  private let secret: String

  /// A new key; its id, 48 random bits, is not secret.
  package init(from secrets: any SecretSource) {
    id = secrets.bytes(Self.idByteCount).hex
    secret = secrets.secret(Self.secretByteCount).withUnsafeBytes { Base64URL.encode($0) }
  }

  /// - Throws: `AccessError.malformed` for what no key looks like.
  package init(_ text: String) throws(AccessError) {
    let bytes = text.utf8
    guard bytes.starts(with: Self.prefix.utf8), bytes.count <= Self.textByteCountMax else { throw .malformed(.key) }
    // An id has no '_', which a secret may have.
    let parts = text.dropFirst(Self.prefix.count).split(
      separator: "_", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, Self.isID(String(parts[0])), parts[1].utf8.count == Self.secretTextByteCount,
      Base64URL.decode(parts[1].utf8) != nil
    else { throw .malformed(.key) }
    id = String(parts[0])
    secret = String(parts[1])
  }

  /// Whether a text can be the id of a key: 1 to 32 small letters and digits.
  package static func isID(_ text: String) -> Bool {
    (1...idByteCountMax).contains(text.utf8.count)
      && text.utf8.allSatisfy { (48...57).contains($0) || (97...122).contains($0) }
  }

  /// What is shown once, to whom the key is for.
  package var text: String { "\(Self.prefix)\(id)_\(secret)" }

  /// SHA-256 of the secret's 43 characters.
  package var digest: Digest { Digest(unchecked: SHA256.hash(Array(secret.utf8))) }

  package var description: String { "API key \(id)" }
  package var customMirror: Mirror { Mirror(self, children: []) }
}

/// For people: whose an API key is, or what it is for. Several may have the same.
package struct APIKeyName: Name {
  package let text: String
  package init(unchecked text: String) { self.text = text }
}

/// What a node keeps of an API key.
package struct APIKeyRecord: Hashable, Sendable {
  package let id: String
  package let name: APIKeyName
  /// SHA-256 of the secret's characters. The secret has 256 random bits, so that a plain digest gives nobody anything.
  package let digest: Digest
  package let scopes: [Scope]
  /// Seconds since 1970 from which on the key is not valid; nil for never.
  package let expires: UInt64?
  /// In place of the limit for everyone; nil for that.
  package let rate: RateLimit?

  package init(
    id: String, name: APIKeyName, digest: Digest, scopes: [Scope], expires: UInt64? = nil, rate: RateLimit? = nil
  ) {
    self.id = id
    self.name = name
    self.digest = digest
    self.scopes = scopes
    self.expires = expires
    self.rate = rate
  }
}

/// All API keys of a node; a new table replaces the whole.
package struct APIKeyTable: Hashable, Sendable {
  /// Most keys that a node has.
  package static let countMax = 65_536

  private let records: [String: APIKeyRecord]

  /// - Precondition: ids differ.
  package init(_ records: [APIKeyRecord] = []) {
    self.records = Dictionary(uniqueKeysWithValues: records.map { ($0.id, $0) })
  }

  package var count: Int { records.count }

  /// Who has the key.
  ///
  /// - Parameter now: seconds since 1970.
  /// - Throws: `AccessError.malformed`, `unknownKey` and, to whom knows the secret, `expired`.
  package func principal(of text: String, now: UInt64) throws(AccessError) -> Principal {
    let key = try APIKey(text)
    guard let record = records[key.id], Self.isEqual(record.digest, key.digest) else { throw .unknownKey }
    if let expires = record.expires, now >= expires { throw .expired }
    return Principal(
      key: .apiKey(id: record.id), scopes: record.scopes, expires: record.expires, rate: record.rate)
  }

  /// Whether digests are the same, in time that does not depend on where they differ.
  private static func isEqual(_ a: Digest, _ b: Digest) -> Bool {
    var difference: UInt8 = 0
    for (x, y) in zip(a.bytes, b.bytes) { difference |= x ^ y }
    return difference == 0
  }
}
