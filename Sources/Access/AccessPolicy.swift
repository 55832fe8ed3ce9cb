/// Who is known at a node: its API keys, the issuers it trusts, and what everybody may do.
package struct AccessPolicy: Hashable, Sendable {
  package let keys: APIKeyTable
  /// By what their tokens have in `iss`.
  package let issuers: [String: TrustedIssuer]
  /// What callers without a credential may do; empty to let none in.
  package let anonymous: [Scope]

  /// - Precondition: issuers differ.
  package init(keys: APIKeyTable = APIKeyTable(), issuers: [TrustedIssuer] = [], anonymous: [Scope] = []) {
    self.keys = keys
    self.issuers = Dictionary(uniqueKeysWithValues: issuers.map { ($0.issuer, $0) })
    self.anonymous = anonymous
  }
}
