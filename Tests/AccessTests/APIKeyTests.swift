import Access
import Cryptography
import Federation
import Testing

@Suite("API keys")
struct APIKeyTests {
  private let key = APIKey(from: SeededSecretSource(seed: Array("api keys".utf8)))

  private func table(expires: UInt64? = nil, rate: RateLimit? = nil) throws -> APIKeyTable {
    let other = APIKey(from: SeededSecretSource(seed: Array("another".utf8)))
    return APIKeyTable([
      APIKeyRecord(id: other.id, name: "other", digest: other.digest, scopes: [Scope(.admin)]),
      APIKeyRecord(
        id: key.id, name: "dashboards", digest: key.digest, scopes: [try Scope("model:infer:digits*")],
        expires: expires, rate: rate),
    ])
  }

  @Test("A key is murmur_, its id and a secret of 43 characters, and two keys differ in both")
  func form() throws {
    let parts = key.text.dropFirst("murmur_".count).split(separator: "_", maxSplits: 1)
    #expect(key.text.hasPrefix("murmur_"))
    #expect(parts.first.map(String.init) == key.id)
    #expect(parts.last?.utf8.count == 43)
    let secrets = SystemSecretSource()
    let (a, b) = (APIKey(from: secrets), APIKey(from: secrets))
    #expect(a.id != b.id && a.digest != b.digest)
  }

  @Test("Of the secret's characters, SHA-256 is kept")
  func digest() {
    #expect(key.digest.bytes == SHA256.hash(Array(key.text.utf8.suffix(43))))
  }

  @Test("Who has a key may do what its record says, until it expires")
  func known() throws {
    let rate = try #require(RateLimit(perSecond: 50, burst: 100))
    let table = try table(expires: 1000, rate: rate)
    let caller = try table.principal(of: key.text, now: 999)
    #expect(caller.key == .apiKey(id: key.id))
    #expect(caller.rate == rate)
    #expect(caller.may(.infer, model: "digits") && !caller.may(.read, model: "digits"))
    #expect(throws: AccessError.expired) { try table.principal(of: key.text, now: 1000) }
  }

  @Test("Another secret of a known id is as unknown as an unknown id, also when the key has expired")
  func unknown() throws {
    let stranger = APIKey(from: SystemSecretSource())
    let secret = stranger.text.suffix(43)
    let wrong = "murmur_\(key.id)_\(secret)"
    #expect(throws: AccessError.unknownKey) { try table().principal(of: wrong, now: 0) }
    #expect(throws: AccessError.unknownKey) { try table(expires: 1).principal(of: wrong, now: 2) }
    #expect(throws: AccessError.unknownKey) { try table().principal(of: stranger.text, now: 0) }
  }

  @Test("Every single character of a secret counts")
  func everyCharacter() throws {
    let table = try table()
    for position in 0..<43 {
      var text = Array(key.text.utf8)
      let index = text.count - 43 + position
      text[index] = text[index] == 0x41 ? 0x45 : 0x41
      #expect(throws: AccessError.self) { try table.principal(of: String(decoding: text, as: UTF8.self), now: 0) }
    }
  }

  /// With `…` for a secret less its last character.
  static let noKeys = [
    "", "murmur_", "murmur_k1", "murmur_k1_", "murmur__…A", "murmur_K1_…A", "murmur_k1-2_…A", "Murmur_k1_…A",
    "murmur_k1_…AA", "murmur_k1_…", "k1_…A", "murmur_k1_…=", "murmur_k1_…é", " murmur_k1_…A", "murmur_k1_…A\n",
    "murmur_kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk_…A",
    // 43 characters have two bits more than 32 bytes; a key has none set.
    "murmur_k1_…B",
  ]

  @Test("What no key looks like is malformed", arguments: noKeys)
  func malformed(_ text: String) throws {
    let key = text.replacing("…", with: String(repeating: "A", count: 42))
    #expect(throws: AccessError.malformed(.key)) { try table().principal(of: key, now: 0) }
  }

  @Test("Neither keys nor credentials print what is secret in them")
  func secrecy() {
    let credential = Credential.apiKey(key.text)
    for text in ["\(key)", String(reflecting: key), "\(credential)", String(reflecting: credential)] {
      #expect(!text.contains(key.text.suffix(43)), "\(text)")
    }
    var dumped = ""
    dump(key, to: &dumped)
    dump(credential, to: &dumped)
    #expect(!dumped.contains(key.text.suffix(43)))
  }
}

@Suite("Credentials in headers")
struct CredentialTests {
  @Test(
    "A credential is a bearer token, or an API key in either header",
    arguments: [
      ([], [], .none), (["Bearer a.b.c"], [], .bearer("a.b.c")), (["bearer  a.b.c"], [], .bearer("a.b.c")),
      (["BEARER murmur_k_s"], [], .apiKey("murmur_k_s")), ([], ["murmur_k_s"], .apiKey("murmur_k_s")),
    ] as [([String], [String], Credential)])
  func read(_ authorization: [String], _ key: [String], _ credential: Credential) throws {
    #expect(try Credential(authorization: authorization, apiKey: key) == credential)
  }

  @Test(
    "More than one credential is refused, even the same twice, and so is another scheme",
    arguments: [
      (["Bearer a", "Bearer a"], [], .several), (["Bearer a"], ["murmur_k_s"], .several), ([], ["a", "b"], .several),
      (["Basic YTpi"], [], .scheme), (["Bearer"], [], .scheme), ([""], [], .scheme), (["a.b.c"], [], .scheme),
    ] as [([String], [String], AccessError.Flaw)])
  func refused(_ authorization: [String], _ key: [String], _ flaw: AccessError.Flaw) {
    #expect(throws: AccessError.malformed(flaw)) { try Credential(authorization: authorization, apiKey: key) }
  }
}
