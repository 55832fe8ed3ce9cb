/// Who asks, and what they may do.
package struct Principal: Hashable, Sendable {
  /// Whose limits a request counts against, and whom a log names.
  ///
  /// A subject means something beside its issuer only (OpenID Connect Core 1.0, 5.7): two issuers may both have an
  /// `alice`, who are two.
  package enum Key: Hashable, Sendable, CustomStringConvertible {
    /// Everyone without a credential, together.
    case anonymous
    case apiKey(id: String)
    case subject(String, issuer: String)

    package var description: String {
      switch self {
      case .anonymous: "anonymous"
      case .apiKey(let id): "key \(id)"
      case .subject(let subject, let issuer): "\(subject) of \(issuer)"
      }
    }
  }

  package let key: Key
  /// The organisation on whose behalf the issuer's people ask; nil for keys and anonymous callers.
  package let tenant: String?
  package let scopes: [Scope]
  /// Seconds since 1970 from which on the credential is not valid; nil for never.
  package let expires: UInt64?
  /// In place of the limit for everyone; nil for that.
  package let rate: RateLimit?

  package init(key: Key, tenant: String? = nil, scopes: [Scope], expires: UInt64? = nil, rate: RateLimit? = nil) {
    self.key = key
    self.tenant = tenant
    self.scopes = scopes
    self.expires = expires
    self.rate = rate
  }

  package func may(_ permission: Permission, model: String) -> Bool {
    scopes.contains { $0.permits(permission, model: model) }
  }

  /// - Throws: `AccessError.forbidden` if no scope permits it.
  package func require(_ permission: Permission, model: String) throws(AccessError) {
    guard may(permission, model: model) else { throw .forbidden(permission, model: model) }
  }
}
