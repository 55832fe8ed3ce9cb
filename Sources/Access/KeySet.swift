import FoundationEssentials
import JWTKit

/// A public key of an issuer, ready to check signatures with.
struct VerifyingKey: Sendable {
  /// By the algorithms that the key may be used with.
  private let checks: [SigningAlgorithm: any JWTAlgorithm]

  var algorithms: Set<SigningAlgorithm> { Set(checks.keys) }

  /// nil for a key of another kind than those of `SigningAlgorithm`, and for one that is too weak or damaged.
  init?(_ published: PublishedKey) async {
    var checks: [SigningAlgorithm: any JWTAlgorithm] = [:]
    for algorithm in SigningAlgorithm.allCases {
      guard published.alg == nil || published.alg == algorithm.rawValue, let key = published.key(for: algorithm) else {
        continue
      }
      // The collection of one key gives that key, whatever is asked for.
      checks[algorithm] = try? await JWTKeyCollection().add(jwk: key).getKey()
    }
    guard !checks.isEmpty else { return nil }
    self.checks = checks
  }

  /// Whether the signature is the key's, by that algorithm, of these bytes.
  func isValid(_ signature: [UInt8], by algorithm: SigningAlgorithm, of bytes: [UInt8]) -> Bool {
    guard let check = checks[algorithm] else { return false }
    return (try? check.verify(signature, signs: bytes)) ?? false
  }
}

/// The public keys of an issuer by their ids: a JSON Web Key Set (RFC 7517, section 5).
struct KeySet: Sendable {
  /// Most keys of a set that is read.
  static let countMax = 32
  /// Longest id of a key, in bytes.
  static let kidByteCountMax = 256

  private let keys: [String: VerifyingKey]

  var kids: Set<String> { Set(keys.keys) }

  /// Keys that are not for signatures, have no id, are of an unknown kind or cannot be used are left out, and so is an
  /// id that two others have: which of them signed could not be said.
  ///
  /// - Throws: `KeySetError` for what is no set, or too large.
  init(_ json: [UInt8]) async throws(KeySetError) {
    guard json.count <= KeySetLocation.byteCountMax else { throw .tooLarge(byteCount: json.count) }
    guard let found = try? JSONDecoder().decode(PublishedKeySet.self, from: Data(json)) else { throw .notAKeySet }
    guard found.keys.count <= Self.countMax else { throw .tooManyKeys(found.keys.count) }
    let signing = found.keys.compactMap(\.key).filter(\.isForSignatures)
    var keys: [String: VerifyingKey] = [:]
    var repeated: Set<String> = []
    for published in signing {
      guard let kid = published.kid, (1...Self.kidByteCountMax).contains(kid.utf8.count),
        let key = await VerifyingKey(published)
      else { continue }
      if keys.updateValue(key, forKey: kid) != nil { repeated.insert(kid) }
    }
    self.keys = keys.filter { !repeated.contains($0.key) }
  }

  subscript(kid: String) -> VerifyingKey? { keys[kid] }
}

/// Why what an issuer publishes is not taken for its keys.
package enum KeySetError: Error, Hashable, Sendable, CustomStringConvertible {
  case tooLarge(byteCount: Int)
  case tooManyKeys(Int)
  case notAKeySet

  package var description: String {
    switch self {
    case .tooLarge(let count): "found a key set of \(count) bytes, expected at most \(KeySetLocation.byteCountMax)"
    case .tooManyKeys(let count): "found \(count) keys, expected at most \(KeySet.countMax)"
    case .notAKeySet: "found something else, expected a JSON Web Key Set (RFC 7517)"
    }
  }
}

/// The members of a JSON Web Key that are about public keys (RFC 7517, section 4; RFC 7518, section 6; RFC 8037).
struct PublishedKey: Decodable {
  let kty: String
  let kid: String?
  let use: String?
  let keyOperations: [String]?
  let alg: String?
  let crv: String?
  let n: String?
  let e: String?
  let x: String?
  let y: String?

  private enum CodingKeys: String, CodingKey {
    case kty, kid, use, alg, crv, n, e, x, y
    case keyOperations = "key_ops"
  }

  var isForSignatures: Bool { use ?? "sig" == "sig" && keyOperations?.contains("verify") ?? true }

  /// The key for one algorithm; nil if it is of another kind.
  func key(for algorithm: SigningAlgorithm) -> JWK? {
    switch algorithm {
    case .rs256: rsaKey(.rs256)
    case .rs384: rsaKey(.rs384)
    case .rs512: rsaKey(.rs512)
    case .ps256: rsaKey(.ps256)
    case .ps384: rsaKey(.ps384)
    case .ps512: rsaKey(.ps512)
    case .es256: ellipticKey(.es256, on: .p256)
    case .es384: ellipticKey(.es384, on: .p384)
    case .es512: ellipticKey(.es512, on: .p521)
    case .edDSA, .ed25519: edwardsKey
    }
  }

  private var identifier: JWKIdentifier { JWKIdentifier(string: kid ?? "") }

  private func rsaKey(_ name: JWK.Algorithm) -> JWK? {
    guard kty == "RSA", hasModulusInRange else { return nil }
    return .rsa(name, identifier: identifier, modulus: n, exponent: e)
  }

  private func ellipticKey(_ name: JWK.Algorithm, on curve: ECDSACurve) -> JWK? {
    guard kty == "EC", crv == curve.rawValue else { return nil }
    return .ecdsa(name, identifier: identifier, x: x, y: y, curve: curve)
  }

  private var edwardsKey: JWK? {
    guard kty == "OKP", crv == EdDSACurve.ed25519.rawValue else { return nil }
    return .octetKeyPair(.eddsa, identifier: identifier, x: x, y: nil, curve: .ed25519)
  }

  /// At least 2,048 bits (RFC 7518, section 3.3), and not so many that a check takes long.
  private var hasModulusInRange: Bool {
    guard let n, let bytes = Base64URL.decode(n.utf8) else { return false }
    let significant = bytes.drop { $0 == 0 }
    let bitCount = significant.first.map { significant.count * 8 - $0.leadingZeroBitCount } ?? 0
    return (2048...8192).contains(bitCount)
  }
}

private struct PublishedKeySet: Decodable {
  /// An element that is no key, which does not spoil the others.
  struct Element: Decodable {
    let key: PublishedKey?

    init(from decoder: any Decoder) { key = try? PublishedKey(from: decoder) }
  }

  let keys: [Element]
}
