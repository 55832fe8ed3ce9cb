import Access
import Synchronization
import Testing

@Suite("Published keys")
struct KeySetTests {
  private func outcome(
    _ issuer: TestIssuer, publishing text: String, now: UInt64 = TestIssuer.now
  ) async throws -> AccessError? {
    let (gatekeeper, publisher) = Publisher.gatekeeper(trusting: [issuer])
    publisher.publish(text: text, of: issuer)
    return await gatekeeper.verify(try issuer.token(), now: now).failure
  }

  private func set(_ keys: [String]) -> String { "{\"keys\":[\(keys.joined(separator: ","))]}" }

  @Test("Keys of unknown kinds, for encryption, without id or damaged do not spoil the others")
  func others() async throws {
    let issuer = try await TestIssuer()
    let strange = [
      #"{"kty":"AKP","kid":"a","alg":"ML-DSA-65","pub":"AA"}"#, #"{"kty":"oct","kid":"b","k":"AAAA"}"#,
      #"{"kty":"OKP","crv":"X25519","kid":"c","x":"AAAA"}"#, #"{"kty":"RSA","kid":"d","n":"AQAB","e":"AQAB"}"#,
      #"{"kty":"EC","crv":"P-256","kid":"e","x":"AA","y":"AA"}"#, #"{"kid":"f"}"#, #"{"kty":"RSA","kid":7}"#, "null",
      "7", "[]", issuer.publicKey(["use": "\"enc\""]), issuer.publicKey(["kid": nil]),
    ]
    #expect(try await outcome(issuer, publishing: set(strange + [issuer.publicKey()])) == nil)
    #expect(try await outcome(issuer, publishing: set(strange)) == .unknownKid)
  }

  @Test("An id that two keys have is no key's")
  func duplicate() async throws {
    let (issuer, other) = (try await TestIssuer(), try await TestIssuer())
    #expect(try await outcome(issuer, publishing: set([issuer.publicKey(), other.publicKey()])) == .unknownKid)
    #expect(try await outcome(issuer, publishing: set([other.publicKey(), issuer.publicKey()])) == .unknownKid)
  }

  @Test(
    "A key that is for another purpose or algorithm is not used for signatures by this one",
    arguments: [
      (["use": "\"enc\""], .unknownKid), (["key_ops": "[\"sign\"]"], .unknownKid), (["crv": "\"Ed448\""], .unknownKid),
      (["alg": "\"RS256\""], .unknownKid), (["alg": "\"Ed25519\""], .algorithmNotAllowed),
      (["alg": "\"EdDSA\"", "key_ops": "[\"verify\"]", "use": nil], nil),
    ] as [([String: String?], AccessError?)])
  func purposes(_ changes: [String: String?], _ error: AccessError?) async throws {
    let issuer = try await TestIssuer()
    #expect(try await outcome(issuer, publishing: set([issuer.publicKey(changes)])) == error)
  }

  @Test("The name that RFC 9864 gives to Ed25519 is allowed where the list has it")
  func ed25519() async throws {
    let issuer = try await TestIssuer()
    let (gatekeeper, _) = Publisher.gatekeeper(trusting: [issuer], algorithms: [.ed25519])
    #expect(await gatekeeper.verify(try issuer.token(header: ["alg": "\"Ed25519\""])).failure == nil)
    #expect(await gatekeeper.verify(try issuer.token()).failure == .algorithmNotAllowed)
  }

  @Test("Thirty-two keys are a set, thirty-three and 64 kB are not")
  func bounds() async throws {
    let issuer = try await TestIssuer()
    let others = (0..<31).map { "{\"kty\":\"oct\",\"kid\":\"\($0)\"}" }
    #expect(try await outcome(issuer, publishing: set(others + [issuer.publicKey()])) == nil)
    let many = set(others + ["null", issuer.publicKey()])
    #expect(try await outcome(issuer, publishing: many) == .keysUnavailable)
    let text = set([issuer.publicKey()])
    let largest = text + String(repeating: " ", count: 65_536 - text.utf8.count)
    #expect(try await outcome(issuer, publishing: largest) == nil)
    #expect(try await outcome(issuer, publishing: largest + " ") == .keysUnavailable)
  }

  @Test("What is no set has no keys", arguments: ["", "{}", "[]", "{\"keys\":{}}", "<html>", "{\"keys\":[{}"])
  func notASet(_ text: String) async throws {
    #expect(try await outcome(try await TestIssuer(), publishing: text) == .keysUnavailable)
  }

  @Test("Why keys cannot be had is told to the node's log")
  func complaints() async throws {
    let issuer = try await TestIssuer()
    let publisher = Publisher()
    let told = Mutex<[String]>([])
    let gatekeeper = Gatekeeper(AccessPolicy(issuers: [issuer.trusted()]), fetch: publisher.fetch) { location, error in
      told.withLock { $0.append("\(location): \(error)") }
    }
    #expect(await gatekeeper.verify(try issuer.token()).failure == .keysUnavailable)
    publisher.publish(text: "{}", of: issuer)
    #expect(await gatekeeper.verify(try issuer.token(), now: TestIssuer.now + 30).failure == .keysUnavailable)
    #expect(
      told.withLock { $0 } == [
        "https://login.example.org/jwks.json: Unreachable()",
        "https://login.example.org/jwks.json: found something else, expected a JSON Web Key Set (RFC 7517)",
      ])
  }

  // MARK: When keys are asked for

  @Test("Keys are asked for once, whatever is signed with them")
  func once() async throws {
    let issuer = try await TestIssuer()
    let (gatekeeper, publisher) = Publisher.gatekeeper(trusting: [issuer])
    for subject in 0..<20 {
      #expect(await gatekeeper.verify(try issuer.token(claims: ["sub": "\"\(subject)\""])).failure == nil)
    }
    #expect(publisher.count == 1)
  }

  @Test("Unknown ids make a node ask again once in thirty seconds, however many there are")
  func interval() async throws {
    let issuer = try await TestIssuer()
    let (gatekeeper, publisher) = Publisher.gatekeeper(trusting: [issuer])
    for (second, count) in [(0, 1), (1, 1), (29, 1), (30, 2), (31, 2), (59, 2), (60, 3)] as [(UInt64, Int)] {
      for kid in 0..<5 {
        let token = try issuer.token(header: ["kid": "\"unknown-\(kid)\""])
        #expect(await gatekeeper.verify(token, now: TestIssuer.now + second).failure == .unknownKid)
      }
      #expect(publisher.count == count, "after \(second) s")
    }
  }

  @Test("A key that is published later is found after the interval")
  func rotation() async throws {
    let (old, new) = (try await TestIssuer(kid: "old"), try await TestIssuer(kid: "new"))
    let (gatekeeper, publisher) = Publisher.gatekeeper(trusting: [old])
    #expect(await gatekeeper.verify(try old.token()).failure == nil)
    publisher.publish([old.publicKey(), new.publicKey()], of: old)
    #expect(await gatekeeper.verify(try new.token(), now: TestIssuer.now + 29).failure == .unknownKid)
    #expect(await gatekeeper.verify(try new.token(), now: TestIssuer.now + 30).failure == nil)
    #expect(publisher.count == 2)
  }

  @Test("A server that does not answer is asked once in thirty seconds")
  func unreachable() async throws {
    let issuer = try await TestIssuer()
    let (gatekeeper, publisher) = Publisher.gatekeeper(trusting: [issuer])
    publisher.publish(nil, of: issuer)
    for second in [0, 10, 29] as [UInt64] {
      #expect(await gatekeeper.verify(try issuer.token(), now: TestIssuer.now + second).failure == .keysUnavailable)
    }
    #expect(publisher.count == 1)
    publisher.publish([issuer.publicKey()], of: issuer)
    #expect(await gatekeeper.verify(try issuer.token(), now: TestIssuer.now + 30).failure == nil)
  }

  @Test("Keys go on to be used for an hour while their server is silent, and no longer")
  func age() async throws {
    let issuer = try await TestIssuer()
    let (gatekeeper, publisher) = Publisher.gatekeeper(trusting: [issuer])
    func token(_ subject: String) throws -> String {
      try issuer.token(claims: ["exp": "\(TestIssuer.now + 100_000)", "sub": "\"\(subject)\""])
    }
    #expect(await gatekeeper.verify(try token("a")).failure == nil)
    publisher.publish(nil, of: issuer)
    #expect(await gatekeeper.verify(try token("b"), now: TestIssuer.now + 1799).failure == nil)
    #expect(publisher.count == 1)
    #expect(await gatekeeper.verify(try token("c"), now: TestIssuer.now + 1800).failure == nil)
    #expect(publisher.count == 2)
    #expect(await gatekeeper.verify(try token("d"), now: TestIssuer.now + 3599).failure == nil)
    #expect(await gatekeeper.verify(try token("e"), now: TestIssuer.now + 3629).failure == .keysUnavailable)
  }

  @Test("A key that its issuer withdraws lets nobody in after an hour, not even who was let in before")
  func withdrawn() async throws {
    let (issuer, successor) = (try await TestIssuer(), try await TestIssuer(kid: "k2"))
    let (gatekeeper, publisher) = Publisher.gatekeeper(trusting: [issuer])
    let token = try issuer.token(claims: ["exp": "\(TestIssuer.now + 100_000)"])
    #expect(await gatekeeper.verify(token).failure == nil)
    publisher.publish([successor.publicKey()], of: issuer)
    #expect(await gatekeeper.verify(token, now: TestIssuer.now + 3599).failure == nil)
    #expect(await gatekeeper.verify(token, now: TestIssuer.now + 3600).failure == .unknownKid)
  }

  @Test("Many tokens that wait for the same keys wait for one fetch")
  func oneFetch() async throws {
    let issuer = try await TestIssuer()
    let publisher = Publisher()
    publisher.publish([issuer.publicKey()], of: issuer)
    let (gate, open) = AsyncStream.makeStream(of: Void.self)
    let arrivals = Arrivals()
    let gatekeeper = Gatekeeper(AccessPolicy(issuers: [issuer.trusted()])) { location in
      for await _ in gate { break }
      return try publisher.fetch(location)
    }
    let tokens = try (0..<50).map { try issuer.token(claims: ["sub": "\"\($0)\""]) }
    let failures = await withTaskGroup(of: AccessError?.self) { group in
      for token in tokens {
        group.addTask {
          if arrivals.next() == tokens.count { open.finish() }
          return await gatekeeper.verify(token).failure
        }
      }
      return await group.reduce(into: [AccessError]()) { if let error = $1 { $0.append(error) } }
    }
    #expect(failures == [])
    #expect(publisher.count == 1)
  }

  // MARK: Where keys are

  @Test(
    "Keys come over https, and over http from this machine only",
    arguments: [
      "https://login.example.org/jwks.json", "https://login.example.org:8443/a?b=c", "http://127.0.0.1:8080/jwks",
      "http://localhost/jwks", "http://[::1]:80/jwks", "https://[2001:db8::1]/jwks",
    ])
  func addresses(_ address: String) { #expect(KeySetLocation.web(checking: address) == .web(address)) }

  @Test(
    "Addresses that anybody between could answer, or that are none, are refused",
    arguments: [
      "http://login.example.org/jwks.json", "http://127.0.0.1.evil.example/", "http://localhost@evil.example/",
      "https://user@login.example.org/", "ftp://login.example.org/", "https://", "https:///jwks", "http://127.0.0.1:x/",
      "http://127.0.0.1:+80/",
      "http://[::1", "https://a b/", "https://é.example/", "HTTP://login.example.org/", "login.example.org", "",
      "http://localhost\\@evil.example/",
    ])
  func badAddresses(_ address: String) { #expect(KeySetLocation.web(checking: address) == nil) }
}

/// Counts those who have come.
private final class Arrivals: Sendable {
  private let count = Mutex(0)

  func next() -> Int {
    count.withLock { count in
      count += 1
      return count
    }
  }
}
