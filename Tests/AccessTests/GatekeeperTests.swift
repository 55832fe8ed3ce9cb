import Access
import Cryptography
import Federation
import Testing

@Suite("The gatekeeper")
struct GatekeeperTests {
  private static let now = TestIssuer.now

  @Test("A token is unverified at first, and known without waiting once it was verified")
  func remembered() async throws {
    let issuer = try await TestIssuer()
    let (gatekeeper, _) = Publisher.gatekeeper(trusting: [issuer])
    let credential = Credential.bearer(try issuer.token())
    #expect(gatekeeper.known(credential, now: Self.now) == .unverified)
    let caller = try await gatekeeper.verify(credential, now: Self.now).get()
    #expect(gatekeeper.known(credential, now: Self.now) == .granted(caller))
    #expect(caller.may(.read, model: "digits") && !caller.may(.infer, model: "digits"))
  }

  @Test("A refused token is not remembered as anything")
  func refused() async throws {
    let (issuer, stranger) = (try await TestIssuer(), try await TestIssuer())
    let (gatekeeper, _) = Publisher.gatekeeper(trusting: [issuer])
    let credential = Credential.bearer(try stranger.token())
    #expect(await gatekeeper.verify(credential, now: Self.now).failure == .badSignature)
    #expect(gatekeeper.known(credential, now: Self.now) == .unverified)
  }

  @Test("A token is remembered until a minute after it expires, and then refused")
  func expiry() async throws {
    let issuer = try await TestIssuer()
    let (gatekeeper, _) = Publisher.gatekeeper(trusting: [issuer])
    let credential = Credential.bearer(try issuer.token())
    let caller = try await gatekeeper.verify(credential, now: Self.now).get()
    #expect(gatekeeper.known(credential, now: Self.now + 659) == .granted(caller))
    #expect(gatekeeper.known(credential, now: Self.now + 660) == .unverified)
    #expect(await gatekeeper.verify(credential, now: Self.now + 660).failure == .expired)
  }

  @Test("As many tokens are remembered as there is room for, and those that expire first are forgotten first")
  func bounded() async throws {
    let issuer = try await TestIssuer()
    let (gatekeeper, _) = Publisher.gatekeeper(trusting: [issuer])
    func credential(_ i: Int) throws -> Credential {
      .bearer(try issuer.token(claims: ["exp": "\(Self.now + 600 + UInt64(i % 2))", "sub": "\"\(i)\""]))
    }
    let credentials = try (0..<4196).map(credential)
    for credential in credentials { #expect(await gatekeeper.verify(credential, now: Self.now).failure == nil) }
    let forgotten = credentials.indices.filter {
      gatekeeper.known(credentials[$0], now: Self.now) == .unverified
    }
    #expect(forgotten.count == 100)
    #expect(forgotten.allSatisfy { $0 % 2 == 0 })
  }

  @Test(
    "Scopes stand in the issuer's claim, as words or as a list; what is no scope of ours is for others",
    arguments: [
      ("scope", "\"openid model:read  model:infer:digits*\"", ["model:read", "model:infer:digits*"]),
      ("scp", "[\"model:read\",\"profile\",\"admin\"]", ["model:read", "admin"]), ("scope", "\"\"", []),
      ("scope", "7", []), ("scope", "{}", []), ("scp", "[\"admin\",7]", []), ("roles", "null", []),
      ("scope", "\"job:run model:read:*x\"", []),
    ])
  func scopes(_ claim: String, _ value: String, _ scopes: [String]) async throws {
    let issuer = try await TestIssuer()
    let publisher = Publisher()
    publisher.publish([issuer.publicKey()], of: issuer)
    let policy = AccessPolicy(issuers: [issuer.trusted(tenant: "acme", scopeClaim: claim)])
    let claims = ["scope": nil].merging([claim: value]) { $1 }
    let gatekeeper = Gatekeeper(policy, fetch: publisher.fetch)
    let caller = try await gatekeeper.verify(issuer.token(claims: claims)).get()
    #expect(caller.scopes.map(\.description) == scopes)
    #expect(caller.tenant == "acme")
  }

  @Test("Without a credential nobody is let in, unless everybody may do something")
  func anonymous() async throws {
    let closed = Gatekeeper(AccessPolicy()) { _ in [] }
    #expect(closed.known(.none, now: 0) == .refused(.missing))
    let open = Gatekeeper(AccessPolicy(anonymous: [Scope(.read)])) { _ in [] }
    let caller = try await open.verify(.none, now: 0).get()
    #expect(caller.key == .anonymous)
    #expect(caller.may(.read, model: "digits") && !caller.may(.infer, model: "digits"))
    // Who shows a credential wants to be somebody.
    #expect(open.known(.apiKey("murmur_k1_x"), now: 0) == .refused(.malformed(.key)))
  }

  @Test("API keys are known without waiting, and replaced with their table")
  func keys() async throws {
    let key = APIKey(from: SystemSecretSource())
    let record = APIKeyRecord(id: key.id, name: "dashboards", digest: key.digest, scopes: [Scope(.read)])
    let gatekeeper = Gatekeeper(AccessPolicy(keys: APIKeyTable([record]))) { _ in [] }
    let credential = Credential.apiKey(key.text)
    guard case .granted(let caller) = gatekeeper.known(credential, now: 0) else {
      Issue.record("the key is not known")
      return
    }
    #expect(caller.key == .apiKey(id: key.id))
    #expect(try await gatekeeper.verify(credential, now: 0).get() == caller)
    gatekeeper.replace(with: AccessPolicy())
    #expect(gatekeeper.known(credential, now: 0) == .refused(.unknownKey))
  }

  @Test("A policy without an issuer does not know the tokens that the one before let in")
  func replaced() async throws {
    let issuer = try await TestIssuer()
    let (gatekeeper, publisher) = Publisher.gatekeeper(trusting: [issuer])
    let credential = Credential.bearer(try issuer.token())
    _ = try await gatekeeper.verify(credential, now: Self.now).get()
    gatekeeper.replace(with: AccessPolicy())
    #expect(gatekeeper.known(credential, now: Self.now) == .unverified)
    #expect(await gatekeeper.verify(credential, now: Self.now).failure == .unknownIssuer)
    #expect(publisher.count == 1)
  }

  @Test("A policy that keeps an issuer keeps its keys, and asks again where they are elsewhere")
  func keptKeys() async throws {
    let issuer = try await TestIssuer()
    let (gatekeeper, publisher) = Publisher.gatekeeper(trusting: [issuer])
    _ = try await gatekeeper.verify(issuer.token()).get()
    gatekeeper.replace(with: AccessPolicy(issuers: [issuer.trusted(tenant: "acme")]))
    #expect(try await gatekeeper.verify(issuer.token()).get().tenant == "acme")
    #expect(publisher.count == 1)
    let moved = TrustedIssuer(
      issuer: issuer.name, audience: "murmur", algorithms: [.edDSA], keys: .file(path: "/keys.json"))
    gatekeeper.replace(with: AccessPolicy(issuers: [moved]))
    #expect(await gatekeeper.verify(try issuer.token()).failure == .keysUnavailable)
    #expect(publisher.count == 2)
  }

  @Test("What was verified under one policy is not remembered under the next")
  func generations() async throws {
    let issuer = try await TestIssuer()
    let (asked, ask) = AsyncStream.makeStream(of: Void.self)
    let (gate, open) = AsyncStream.makeStream(of: Void.self)
    let set = Array("{\"keys\":[\(issuer.publicKey())]}".utf8)
    let gatekeeper = Gatekeeper(AccessPolicy(issuers: [issuer.trusted()])) { _ in
      ask.finish()
      for await _ in gate { break }
      return set
    }
    let credential = Credential.bearer(try issuer.token())
    async let verdict = gatekeeper.verify(credential, now: Self.now)
    for await _ in asked {}
    gatekeeper.replace(with: AccessPolicy())
    open.finish()
    _ = await verdict
    #expect(gatekeeper.known(credential, now: Self.now) == .unverified)
  }
}
