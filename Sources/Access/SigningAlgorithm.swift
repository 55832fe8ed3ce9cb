/// Algorithms of signatures with public keys (RFC 7518, section 3.1; RFC 8037, section 3.1; RFC 9864, section 2.2).
///
/// There is no other: `none` is no signature, and under `HS256` and its like a published key would be the secret.
package enum SigningAlgorithm: String, Hashable, Sendable, CaseIterable {
  case rs256 = "RS256"
  case rs384 = "RS384"
  case rs512 = "RS512"
  case ps256 = "PS256"
  case ps384 = "PS384"
  case ps512 = "PS512"
  case es256 = "ES256"
  case es384 = "ES384"
  case es512 = "ES512"
  /// Ed25519 under its older name, which Ed448 may have too, but not here.
  case edDSA = "EdDSA"
  case ed25519 = "Ed25519"
}
