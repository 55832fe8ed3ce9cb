/// Decides on access tokens of one issuer (RFC 7519, section 7.2; RFC 8725; RFC 9068, section 4).
struct TokenVerifier: Sendable {
  /// By how much the clocks of issuers and this node may differ, in seconds.
  static let skewMax: UInt64 = 60

  let issuer: TrustedIssuer
  let keys: KeySetKeeper

  /// Whose token it is.
  ///
  /// What costs nothing is checked before keys are asked for and a signature is computed: the form, the algorithm, the
  /// times and the audience.
  ///
  /// - Precondition: the token names this issuer.
  func principal(of token: CompactToken, now: UInt64) async throws(AccessError) -> Principal {
    precondition(token.claims.issuer == issuer.issuer)
    let claims = token.claims
    guard let algorithm = SigningAlgorithm(rawValue: token.algorithm), issuer.algorithms.contains(algorithm) else {
      throw .algorithmNotAllowed
    }
    guard claims.audiences.contains(issuer.audience) else { throw .wrongAudience }
    guard now < claims.expires + Self.skewMax else { throw .expired }
    guard (claims.notBefore ?? 0) <= now + Self.skewMax else { throw .notYetValid }
    let key = try await keys.key(token.kid, now: now)
    guard key.algorithms.contains(algorithm) else { throw .algorithmNotAllowed }
    guard key.isValid(token.signature, by: algorithm, of: token.signed) else { throw .badSignature }
    return Principal(
      key: .subject(claims.subject, issuer: claims.issuer), tenant: issuer.tenant,
      scopes: claims.scopes(in: issuer.scopeClaim), expires: claims.expires)
  }
}
