/// Why a caller is not let in, or not that far.
///
/// Descriptions go to callers and logs: they hold nothing of a credential.
package enum AccessError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What is wrong with the form of a credential.
  package enum Flaw: String, Hashable, Sendable {
    case scheme = "the Authorization header has another scheme than Bearer"
    case several = "there is more than one credential"
    case key = "the API key has not the form that keys of this node have"
    case tooLong = "the token is longer than 16,384 bytes"
    case parts = "the token is not three parts in base64url with dots between them"
    case header = "the token's header is not a JSON object with 'alg' and 'kid'"
    case critical = "the token's header demands extensions, and this node has none"
    case claims = "the token's claims are not a JSON object with 'iss', 'sub', 'aud' and 'exp' of the right types"
  }

  /// No credential, where one is needed.
  case missing
  case malformed(Flaw)
  /// No API key of that id, or another secret: which of them is not said.
  case unknownKey
  case expired
  case notYetValid
  case wrongAudience
  case unknownIssuer
  case algorithmNotAllowed
  /// No such key among those that the issuer publishes for signatures.
  case unknownKid
  case badSignature
  /// The issuer's keys could not be fetched: the caller may be right, and may try again.
  case keysUnavailable
  /// A valid credential without the scope for it.
  case forbidden(Permission, model: String)

  /// The kind of refusal in one word, for counters and logs.
  package var word: String {
    switch self {
    case .missing: "missing"
    case .malformed: "malformed"
    case .unknownKey: "unknownKey"
    case .expired: "expired"
    case .notYetValid: "notYetValid"
    case .wrongAudience: "wrongAudience"
    case .unknownIssuer: "unknownIssuer"
    case .algorithmNotAllowed: "algorithmNotAllowed"
    case .unknownKid: "unknownKid"
    case .badSignature: "badSignature"
    case .keysUnavailable: "keysUnavailable"
    case .forbidden: "forbidden"
    }
  }

  package var description: String {
    switch self {
    case .missing: "found no credential, expected a bearer token or an API key"
    case .malformed(let flaw): "the credential cannot be read: \(flaw.rawValue)"
    case .unknownKey: "found an API key that this node does not know, expected a valid one"
    case .expired: "the credential has expired"
    case .notYetValid: "the token is not valid yet"
    case .wrongAudience: "the token is for another audience than this node"
    case .unknownIssuer: "the token is from an issuer that this node does not trust"
    case .algorithmNotAllowed: "the token is signed by an algorithm that this node does not allow to its issuer"
    case .unknownKid: "the token is signed by a key that its issuer does not publish"
    case .badSignature: "the token's signature is not that of its issuer"
    case .keysUnavailable: "the keys of the token's issuer cannot be had now"
    case .forbidden(.admin, _): "the credential does not permit 'admin'"
    case .forbidden(let permission, let model): "the credential does not permit '\(permission.rawValue)' for '\(model)'"
    }
  }
}
