import Access
import Foundation
import JWTKit
import Synchronization

/// An issuer that signs whatever a test tells it to, with an Ed25519 key.
struct TestIssuer: Sendable {
  static let now: UInt64 = 1_000_000

  let name: String
  let kid: String
  private let key: any JWTAlgorithm
  private let x: String

  init(_ name: String = "https://login.example.org", kid: String = "k1") async throws {
    let key = try EdDSA.PrivateKey()
    self.name = name
    self.kid = kid
    self.key = try await JWTKeyCollection().add(eddsa: key).getKey()
    x = base64URL(key.publicKey.rawRepresentation)
  }

  /// How a node trusts it.
  func trusted(
    algorithms: Set<SigningAlgorithm> = [.edDSA], tenant: String? = nil, scopeClaim: String = "scope"
  ) -> TrustedIssuer {
    TrustedIssuer(
      issuer: name, audience: "murmur", algorithms: algorithms, keys: .web("\(name)/jwks.json"), tenant: tenant,
      scopeClaim: scopeClaim)
  }

  /// The public key as it is published.
  ///
  /// - Parameter changes: members in JSON; nil to leave one out.
  func publicKey(_ changes: [String: String?] = [:]) -> String {
    object(["kty": "\"OKP\"", "crv": "\"Ed25519\"", "x": "\"\(x)\"", "kid": "\"\(kid)\"", "use": "\"sig\""], changes)
  }

  /// A token that is valid at `now`, but for the changes.
  func token(header: [String: String?] = [:], claims: [String: String?] = [:]) throws -> String {
    let signed = text(header: header, claims: claims)
    return "\(signed).\(base64URL(Data(try key.sign(Array(signed.utf8)))))"
  }

  /// What is signed of such a token.
  func text(header: [String: String?] = [:], claims: [String: String?] = [:]) -> String {
    let header = object(["alg": "\"EdDSA\"", "kid": "\"\(kid)\"", "typ": "\"at+jwt\""], header)
    let claims = object(
      [
        "iss": "\"\(name)\"", "sub": "\"alice\"", "aud": "\"murmur\"", "exp": "\(Self.now + 600)",
        "scope": "\"model:read\"",
      ], claims)
    return "\(base64URL(Data(header.utf8))).\(base64URL(Data(claims.utf8)))"
  }

  private func object(_ members: [String: String], _ changes: [String: String?]) -> String {
    let all = changes.reduce(into: members) { $0[$1.key] = $1.value }
    return "{" + all.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\($0.value)" }.joined(separator: ",") + "}"
  }
}

func base64URL(_ bytes: Data) -> String {
  bytes.base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
}

/// Where issuers publish keys; counts how often it is asked.
final class Publisher: Sendable {
  struct Unreachable: Error {}

  private let state = Mutex<(sets: [String: [UInt8]], count: Int)>(([:], 0))

  var count: Int { state.withLock { $0.count } }

  /// - Parameter keys: public keys in JSON; nil for a server that does not answer.
  func publish(_ keys: [String]?, of issuer: TestIssuer) {
    publish(text: keys.map { "{\"keys\":[\($0.joined(separator: ","))]}" }, of: issuer)
  }

  func publish(text: String?, of issuer: TestIssuer) {
    state.withLock { $0.sets["\(issuer.name)/jwks.json"] = text.map { Array($0.utf8) } }
  }

  func fetch(_ location: KeySetLocation) throws -> [UInt8] {
    try state.withLock { state in
      state.count += 1
      guard let set = state.sets["\(location)"] else { throw Unreachable() }
      return set
    }
  }

  /// A node that trusts the issuers, all of which publish their key.
  static func gatekeeper(
    trusting issuers: [TestIssuer], algorithms: Set<SigningAlgorithm> = [.edDSA]
  ) -> (Gatekeeper, Publisher) {
    let publisher = Publisher()
    for issuer in issuers { publisher.publish([issuer.publicKey()], of: issuer) }
    let policy = AccessPolicy(issuers: issuers.map { $0.trusted(algorithms: algorithms) })
    return (Gatekeeper(policy, fetch: publisher.fetch), publisher)
  }
}

extension Gatekeeper {
  /// What becomes of a token.
  func verify(_ token: String, now: UInt64 = TestIssuer.now) async -> Result<Principal, AccessError> {
    await verify(.bearer(token), now: now)
  }
}

extension Result {
  var failure: Failure? {
    guard case .failure(let error) = self else { return nil }
    return error
  }
}
