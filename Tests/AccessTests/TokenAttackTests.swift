import Access
import Foundation
import Testing

/// What attackers have done to verifiers of tokens (RFC 8725), done to this one.
@Suite("Attacks by tokens")
struct TokenAttackTests {
  private func verdict(
    header: [String: String?] = [:], claims: [String: String?] = [:], now: UInt64 = TestIssuer.now
  ) async throws -> AccessError? {
    let issuer = try await TestIssuer()
    let (gatekeeper, _) = Publisher.gatekeeper(trusting: [issuer])
    return await gatekeeper.verify(try issuer.token(header: header, claims: claims), now: now).failure
  }

  @Test("A token without anything wrong is let in, so that what follows is refused for its own reason")
  func valid() async throws { #expect(try await verdict() == nil) }

  @Test(
    "No spelling of none, and no algorithm with a shared secret, is an algorithm",
    arguments: ["none", "None", "NONE", "nOnE", "", "none ", "HS256", "HS384", "HS512", "eddsa", "EDDSA", "RSA-OAEP"])
  func algorithms(_ name: String) async throws {
    #expect(try await verdict(header: ["alg": "\"\(name)\""]) == .algorithmNotAllowed)
  }

  @Test("An algorithm that the issuer's key fits, but that is not in the list, is refused")
  func notInTheList() async throws {
    let issuer = try await TestIssuer()
    let (gatekeeper, publisher) = Publisher.gatekeeper(trusting: [issuer], algorithms: [.rs256, .es256])
    #expect(await gatekeeper.verify(try issuer.token()).failure == .algorithmNotAllowed)
    #expect(publisher.count == 0)
  }

  @Test("An algorithm of the list that is not one for the key is refused")
  func otherKindOfKey() async throws {
    let issuer = try await TestIssuer()
    let (gatekeeper, _) = Publisher.gatekeeper(trusting: [issuer], algorithms: [.edDSA, .rs256, .es256])
    for name in ["RS256", "ES256"] {
      let token = try issuer.token(header: ["alg": "\"\(name)\""])
      #expect(await gatekeeper.verify(token).failure == .algorithmNotAllowed)
    }
  }

  @Test(
    "Headers that are no headers, name no key, or demand extensions are malformed",
    arguments: [
      (["alg": nil], .header), (["alg": "1"], .header), (["alg": "[\"EdDSA\"]"], .header), (["kid": nil], .header),
      (["kid": "7"], .header), (["kid": "\"\(String(repeating: "k", count: 257))\""], .header),
      (["crit": "[\"b64\"]", "b64": "false"], .critical), (["crit": "null"], .critical),
    ] as [([String: String?], AccessError.Flaw)])
  func headers(_ header: [String: String?], _ flaw: AccessError.Flaw) async throws {
    #expect(try await verdict(header: header) == .malformed(flaw))
  }

  @Test("A key that the token brings along is not used")
  func embeddedKey() async throws {
    let (issuer, attacker) = (try await TestIssuer(), try await TestIssuer())
    let (gatekeeper, publisher) = Publisher.gatekeeper(trusting: [issuer])
    publisher.publish([attacker.publicKey()], of: try await TestIssuer("https://evil.example"))
    for header in [
      ["jwk": attacker.publicKey()], ["jku": "\"https://evil.example/jwks.json\""],
      ["x5u": "\"https://evil.example/jwks.json\""],
    ] as [[String: String?]] {
      #expect(await gatekeeper.verify(try attacker.token(header: header)).failure == .badSignature)
    }
    #expect(publisher.count == 1)
  }

  @Test(
    "Audiences, times and issuers decide",
    arguments: [
      (["aud": "\"other\""], .wrongAudience), (["aud": "[\"other\",\"murmur2\"]"], .wrongAudience),
      (["aud": "[]"], .wrongAudience), (["aud": "\"MURMUR\""], .wrongAudience),
      (["exp": "\(TestIssuer.now - 60)"], .expired), (["exp": "0"], .expired),
      (["nbf": "\(TestIssuer.now + 61)"], .notYetValid), (["nbf": "\(TestIssuer.now + 60).5"], .notYetValid),
      (["iss": "\"https://login.example.net\""], .unknownIssuer),
      (["iss": "\"https://login.example.org/\""], .unknownIssuer),
    ] as [([String: String?], AccessError)])
  func claims(_ claims: [String: String?], _ error: AccessError) async throws {
    #expect(try await verdict(claims: claims) == error)
  }

  @Test(
    "Clocks may differ by a minute, and several audiences may be meant",
    arguments: [
      ["exp": "\(TestIssuer.now - 59)"], ["exp": "\(TestIssuer.now).75"], ["nbf": "\(TestIssuer.now + 60)"],
      ["aud": "[\"other\",\"murmur\"]"], ["sub": "\"\\u00e9\""], ["iat": "\(TestIssuer.now + 5)"],
    ] as [[String: String?]])
  func tolerated(_ claims: [String: String?]) async throws { #expect(try await verdict(claims: claims) == nil) }

  @Test(
    "Claims that are missing or of another type are malformed",
    arguments: [
      ["exp": nil], ["exp": "\"\(TestIssuer.now + 600)\""], ["exp": "true"], ["exp": "-1"], ["exp": "1e300"],
      ["exp": "null"], ["aud": nil], ["aud": "7"], ["aud": "{\"murmur\":1}"], ["aud": "[\"murmur\",1]"], ["iss": nil],
      ["iss": "[\"https://login.example.org\"]"], ["sub": nil], ["sub": "\"\""], ["sub": "7"], ["nbf": "\"0\""],
      ["nbf": "-5"], ["sub": "\"\(String(repeating: "a", count: 513))\""],
    ] as [[String: String?]])
  func badClaims(_ claims: [String: String?]) async throws {
    #expect(try await verdict(claims: claims) == .malformed(.claims))
  }

  @Test("A signature that is stripped, or one bit of which is another, is not the issuer's")
  func signature() async throws {
    let issuer = try await TestIssuer()
    let (gatekeeper, _) = Publisher.gatekeeper(trusting: [issuer])
    let signed = issuer.text()
    let token = try issuer.token()
    let signature = try #require(bytes(base64URL: String(token.split(separator: ".")[2])))
    #expect(await gatekeeper.verify(signed + ".").failure == .badSignature)
    for bit in stride(from: 0, to: signature.count * 8, by: 7) {
      var flipped = signature
      flipped[bit / 8] ^= 1 << UInt8(bit % 8)
      #expect(await gatekeeper.verify("\(signed).\(base64URL(Data(flipped)))").failure == .badSignature)
    }
    #expect(await gatekeeper.verify("\(signed).\(base64URL(Data(signature + [0])))").failure == .badSignature)
    #expect(await gatekeeper.verify("\(signed).\(base64URL(Data(signature.dropLast())))").failure == .badSignature)
  }

  @Test("Claims that are changed under a signature are not the issuer's")
  func changedClaims() async throws {
    let issuer = try await TestIssuer()
    let (gatekeeper, _) = Publisher.gatekeeper(trusting: [issuer])
    let signature = try issuer.token().split(separator: ".")[2]
    for claims in [["scope": "\"admin\""], ["sub": "\"bob\""], ["exp": "\(TestIssuer.now + 601)"]]
      as [[String: String?]]
    {
      #expect(await gatekeeper.verify("\(issuer.text(claims: claims)).\(signature)").failure == .badSignature)
    }
  }

  @Test(
    "Text that is not three parts in plain base64url is malformed",
    arguments: [
      "", ".", "..", "a", "a.b", "a.b.c.d", "e30.e30", "e30=.e30=.AA==", "e30.e30.A A", "e30.e30.+/", "é.é.é",
    ])
  func parts(_ token: String) async throws {
    let issuer = try await TestIssuer()
    let (gatekeeper, _) = Publisher.gatekeeper(trusting: [issuer])
    guard case .malformed? = await gatekeeper.verify(token).failure else {
      Issue.record("found \(await gatekeeper.verify(token)), expected it malformed")
      return
    }
  }

  @Test("A signature in another form of base64url is no second token")
  func malleability() async throws {
    let issuer = try await TestIssuer()
    let (gatekeeper, _) = Publisher.gatekeeper(trusting: [issuer])
    // The last of 86 characters has four bits more than 64 bytes.
    let token = try issuer.token()
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    let last = try #require(token.last.flatMap(alphabet.firstIndex))
    let other = String(token.dropLast()) + String(alphabet[last + 1])
    #expect(await gatekeeper.verify(token).failure == nil)
    #expect(await gatekeeper.verify(other).failure == .malformed(.parts))
    #expect(await gatekeeper.verify(token + "=").failure == .malformed(.parts))
  }

  @Test("A huge token is refused before it is read, and one of the largest size is read")
  func huge() async throws {
    let issuer = try await TestIssuer()
    let (gatekeeper, _) = Publisher.gatekeeper(trusting: [issuer])
    let padding = String(repeating: "x", count: 12_000)
    #expect(await gatekeeper.verify(try issuer.token(claims: ["pad": "\"\(padding)\""])).failure == nil)
    let huge = String(repeating: "A", count: 16_385)
    #expect(gatekeeper.known(.bearer(huge), now: TestIssuer.now) == .refused(.malformed(.tooLong)))
    #expect(await gatekeeper.verify(huge).failure == .malformed(.tooLong))
  }

  @Test("Claims nested without end are malformed, and end nothing")
  func nested() async throws {
    let deep = String(repeating: "[", count: 5000) + String(repeating: "]", count: 5000)
    #expect(try await verdict(claims: ["deep": deep]) == .malformed(.claims))
  }

  @Test("An issuer cannot sign in the name of another, not even with a key of the same id")
  func swappedIssuer() async throws {
    let a = try await TestIssuer("https://a.example", kid: "shared"),
      b = try await TestIssuer("https://b.example", kid: "shared")
    let (gatekeeper, _) = Publisher.gatekeeper(trusting: [a, b])
    #expect(await gatekeeper.verify(try a.token(claims: ["iss": "\"https://b.example\""])).failure == .badSignature)
    #expect(await gatekeeper.verify(try b.token(claims: ["iss": "\"https://a.example\""])).failure == .badSignature)
  }

  @Test("The id of another issuer's key is unknown")
  func othersKid() async throws {
    let a = try await TestIssuer("https://a.example", kid: "a"), b = try await TestIssuer("https://b.example", kid: "b")
    let (gatekeeper, _) = Publisher.gatekeeper(trusting: [a, b])
    #expect(await gatekeeper.verify(try a.token()).failure == nil)
    #expect(await gatekeeper.verify(try a.token(claims: ["iss": "\"https://b.example\""])).failure == .unknownKid)
    #expect(await gatekeeper.verify(try a.token(header: ["kid": "\"b\""])).failure == .unknownKid)
  }

  @Test("Two issuers' subjects of the same name are two callers")
  func sameSubject() async throws {
    let a = try await TestIssuer("https://a.example"), b = try await TestIssuer("https://b.example")
    let (gatekeeper, _) = Publisher.gatekeeper(trusting: [a, b])
    let (first, second) = (try await gatekeeper.verify(a.token()).get(), try await gatekeeper.verify(b.token()).get())
    #expect(first.key == .subject("alice", issuer: "https://a.example"))
    #expect(second.key == .subject("alice", issuer: "https://b.example"))
    #expect(first.key != second.key)
  }

  @Test("What is said of a bad token has nothing of it")
  func descriptions() {
    let errors: [AccessError] = [
      .missing, .malformed(.parts), .unknownKey, .expired, .notYetValid, .wrongAudience, .unknownIssuer,
      .algorithmNotAllowed, .unknownKid, .badSignature, .keysUnavailable, .forbidden(.infer, model: "digits"),
      .forbidden(.admin, model: ""),
    ]
    #expect(Set(errors.map(\.description)).count == errors.count)
    for error in errors { #expect(!error.description.contains("\n") && error.description.utf8.count < 160) }
  }

  private func bytes(base64URL text: String) -> [UInt8]? {
    let plain = text.replacing("-", with: "+").replacing("_", with: "/")
    return Data(base64Encoded: plain + String(repeating: "=", count: (4 - plain.count % 4) % 4)).map(Array.init)
  }
}

/// Tokens that another implementation made: `Vectors/joserfc`.
@Suite("Tokens of joserfc")
struct TokenVectorTests {
  struct File: Decodable, Sendable {
    struct Token: Decodable, Sendable, CustomTestStringConvertible {
      let name: String
      let token: String
      let verdict: String
      var testDescription: String { name }
    }

    let now: UInt64
    let issuer: String
    let audience: String
    let subject: String
    let tokens: [Token]
  }

  private static let json = try? Data(
    contentsOf: URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Vectors/joserfc/tokens.json"))

  static func file() throws -> File { try JSONDecoder().decode(File.self, from: #require(json)) }

  @Test("are let in or refused as they should be", arguments: try file().tokens)
  func vector(_ vector: File.Token) async throws {
    let file = try Self.file()
    let json = try #require(Self.json)
    let object = try #require(try JSONSerialization.jsonObject(with: json) as? [String: Any])
    let set = Array(try JSONSerialization.data(withJSONObject: #require(object["keySet"])))
    let issuer = TrustedIssuer(
      issuer: file.issuer, audience: file.audience, algorithms: [.rs256, .ps256, .es256, .es384, .edDSA],
      keys: .web("https://login.example.org/jwks.json"))
    let gatekeeper = Gatekeeper(AccessPolicy(issuers: [issuer])) { _ in set }
    switch await gatekeeper.verify(.bearer(vector.token), now: file.now) {
    case .success(let caller):
      #expect(vector.verdict == "granted")
      #expect(caller.key == .subject(file.subject, issuer: file.issuer))
      #expect(caller.scopes.map(\.description) == ["model:infer:digits*", "model:read"])
    case .failure(let error):
      #expect(error.word == vector.verdict)
    }
  }

  @Test("cover every algorithm of two kinds of key and more, and as many that are refused as let in")
  func coverage() throws {
    let tokens = try Self.file().tokens
    #expect(tokens.filter { $0.verdict == "granted" }.count >= 5)
    #expect(tokens.filter { $0.verdict != "granted" }.count >= 5)
  }
}
