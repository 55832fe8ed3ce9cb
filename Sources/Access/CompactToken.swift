import FoundationEssentials

/// An access token as it is written (RFC 7515, section 3.1), read but not believed.
struct CompactToken: Sendable {
  /// Longest token that is read, in bytes.
  static let byteCountMax = 16 << 10

  /// As it stands there: `RS256`, `none`, or anything.
  let algorithm: String
  let kid: String
  let claims: TokenClaims
  /// What the signature is of.
  let signed: [UInt8]
  let signature: [UInt8]

  /// Takes the header's `alg` and `kid`, and never a key from it (`jwk`, `jku`, `x5c`, `x5u`): that would be the
  /// sender's own.
  ///
  /// - Throws: `AccessError.malformed`.
  init(_ text: String) throws(AccessError) {
    guard text.utf8.count <= Self.byteCountMax else { throw .malformed(.tooLong) }
    let bytes = Array(text.utf8)
    let parts = bytes.split(separator: 0x2E, maxSplits: 3, omittingEmptySubsequences: false)
    guard parts.count == 3, let header = Base64URL.decode(parts[0]), let payload = Base64URL.decode(parts[1]),
      let signature = Base64URL.decode(parts[2])
    else { throw .malformed(.parts) }
    guard let fields = try? JSONDecoder().decode(Header.self, from: Data(header)) else { throw .malformed(.header) }
    guard !fields.isCritical else { throw .malformed(.critical) }
    guard let kid = fields.kid, kid.utf8.count <= KeySet.kidByteCountMax else { throw .malformed(.header) }
    algorithm = fields.alg
    self.kid = kid
    claims = try TokenClaims(json: payload)
    signed = Array(bytes[..<parts[1].endIndex])
    self.signature = signature
  }

  private struct Header: Decodable {
    let alg: String
    let kid: String?
    let isCritical: Bool

    private enum CodingKeys: String, CodingKey {
      case alg, kid, crit
    }

    init(from decoder: any Decoder) throws {
      let fields = try decoder.container(keyedBy: CodingKeys.self)
      alg = try fields.decode(String.self, forKey: .alg)
      kid = try fields.decodeIfPresent(String.self, forKey: .kid)
      isCritical = fields.contains(.crit)  // RFC 7515, section 4.1.11: who does not understand it refuses.
    }
  }
}

/// The claims of an access token (RFC 7519, section 4.1).
struct TokenClaims: Sendable {
  private enum Value: Decodable, Sendable {
    case text(String)
    case number(Double)
    case texts([String])
    case other

    init(from decoder: any Decoder) throws {
      let value = try decoder.singleValueContainer()
      if let text = try? value.decode(String.self) {
        self = .text(text)
      } else if let number = try? value.decode(Double.self) {
        self = .number(number)
      } else if let texts = try? value.decode([String].self) {
        self = .texts(texts)
      } else {
        self = .other
      }
    }
  }

  /// Longest issuer and subject, in bytes (OpenID Connect Core 1.0, section 2, allows a subject 255).
  private static let nameByteCountMax = 512

  let issuer: String
  let subject: String
  let audiences: [String]
  /// Seconds since 1970, as are the following; a part of a second is cut off.
  let expires: UInt64
  /// A part of a second counts as a whole one.
  let notBefore: UInt64?
  private let values: [String: Value]

  /// - Throws: `AccessError.malformed(.claims)`.
  init(json: [UInt8]) throws(AccessError) {
    guard let values = try? JSONDecoder().decode([String: Value].self, from: Data(json)),
      case .text(let issuer)? = values["iss"], case .text(let subject)? = values["sub"],
      (1...Self.nameByteCountMax).contains(issuer.utf8.count), (1...Self.nameByteCountMax).contains(subject.utf8.count),
      let audiences = values["aud"].flatMap(Self.texts),
      case .number(let end)? = values["exp"], let expires = Self.seconds(end.rounded(.down))
    else { throw .malformed(.claims) }
    switch values["nbf"] {
    case nil: notBefore = nil
    case .number(let start)?:
      guard let seconds = Self.seconds(start.rounded(.up)) else { throw .malformed(.claims) }
      notBefore = seconds
    case .text, .texts, .other: throw .malformed(.claims)
    }
    self.issuer = issuer
    self.subject = subject
    self.audiences = audiences
    self.expires = expires
    self.values = values
  }

  /// The scopes in the claim of that name: words with spaces between them (RFC 8693, section 4.2), or a list. Words that
  /// are no scopes of ours are for others (`openid`, `profile`); without the claim there are none.
  func scopes(in claim: String) -> [Scope] {
    let words: [String]
    switch values[claim] {
    case .text(let text): words = text.split(separator: " ").map(String.init)
    case .texts(let texts): words = texts
    case nil, .number, .other: words = []
    }
    return words.compactMap { try? Scope($0) }
  }

  private static func texts(_ value: Value) -> [String]? {
    switch value {
    case .text(let text): [text]
    case .texts(let texts): texts
    case .number, .other: nil
    }
  }

  /// A number of seconds that doubles count exactly.
  private static func seconds(_ value: Double) -> UInt64? {
    value >= 0 && value <= 9_007_199_254_740_992 ? UInt64(value) : nil
  }
}
