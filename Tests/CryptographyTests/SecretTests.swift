import Cryptography
import Testing

@Suite("Secrets")
struct SecretTests {
  /// Bytes that show in any form in which something could print them.
  private static let telling: [UInt8] = [0xde, 0xad, 0xbe, 0xef, 0xde, 0xad, 0xbe, 0xef]

  struct Holder {  // Not private: then its name would be an address.
    let secret: SecretBytes
    let optional: SecretBytes?
    let many: [String: [SecretBytes]]
  }

  /// All texts that the language makes of a value unasked.
  private func texts(of value: Any) -> [String] {
    var dumped = ""
    dump(value, to: &dumped)
    var printed = ""
    print(value, to: &printed)
    return [dumped, printed, "\(value)", String(describing: value), String(reflecting: value)]
  }

  @Test("A secret prints its length and nothing else, alone and within other values")
  func description() {
    let secret = SecretBytes(copying: Self.telling)
    let holder = Holder(secret: secret, optional: secret, many: ["a": [secret, secret]])
    #expect("\(secret)" == "secret of 8 bytes")
    #expect(Mirror(reflecting: secret).children.isEmpty)
    for text in texts(of: secret) + texts(of: holder) {
      #expect(text.contains("secret of 8 bytes"))
      let forms = ["222", "173", "dead", "DEAD", "3q2+", "0x0"]
      #expect(!forms.contains { text.contains($0) }, "\(text)")
    }
  }

  @Test("A signing key prints what it is and nothing else")
  func keyDescription() throws {
    let key = try SigningKey(seed: SecretBytes(copying: [UInt8](repeating: 0xde, count: 32)))
    #expect(["\(key)", String(reflecting: key)] == ["Ed25519 private key", "Ed25519 private key"])
  }

  @Test("A secret cannot be encoded, hashed, or compared by ==, which stops at the first difference")
  func conformances() {
    let secret: Any = SecretBytes(copying: [1])
    #expect(!(secret is any Encodable))
    #expect(!(secret is any Equatable))
    #expect(!(secret is any Sequence))
  }

  @Test("Secrets are equal if count and bytes are")
  func equality() {
    let secret = SecretBytes(copying: [1, 2, 3])
    #expect(secret.isEqual(to: SecretBytes(copying: [1, 2, 3])))
    #expect(!secret.isEqual(to: SecretBytes(copying: [1, 2, 4])))
    #expect(!secret.isEqual(to: SecretBytes(copying: [1, 2])))
    #expect(SecretBytes(copying: []).isEqual(to: SecretBytes(copying: [])))
  }

  @Test("A seeded source repeats itself, whatever the sizes of the requests; another seed gives other bytes")
  func seeded() {
    let a = SeededSecretSource(seed: [1])
    let b = SeededSecretSource(seed: [1])
    let c = SeededSecretSource(seed: [2])
    let whole = a.bytes(100)
    #expect(b.bytes(33) + b.bytes(67) == whole)
    #expect(c.bytes(100) != whole)
    #expect(a.secret(32).count == 32)
  }

  @Test("The system's source does not repeat itself")
  func system() {
    let source = SystemSecretSource()
    #expect(!source.secret(32).isEqual(to: source.secret(32)))
  }
}
