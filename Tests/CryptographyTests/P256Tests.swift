import Cryptography
import Federation
import Testing

@Suite("ECDSA on P-256")
struct P256Tests {
  private static let seed: [UInt8] = Array("p256".utf8)

  private static func key() -> P256SigningKey { .make(from: SeededSecretSource(seed: seed)) }

  /// `SEQUENCE { INTEGER r, INTEGER s }` in DER.
  private static func der(_ r: [UInt8], _ s: [UInt8]) -> [UInt8] {
    func integer(_ bytes: [UInt8]) -> [UInt8] {
      var digits = Array(bytes.drop { $0 == 0 })
      if digits.first.map({ $0 >= 0x80 }) ?? true { digits.insert(0, at: 0) }
      return [0x02, UInt8(digits.count)] + digits
    }
    let body = integer(r) + integer(s)
    return [0x30, UInt8(body.count)] + body
  }

  @Test("The signatures of RFC 6979 are valid under the key of its scalar", arguments: try StandardVectors.p256())
  func standard(_ vector: StandardVectors.CurveSignature) throws {
    let key = try P256SigningKey(scalar: SecretBytes(copying: bytes(vector.scalar)))
    #expect(key.publicKey.der.suffix(65).map { $0 } == [0x04] + (try bytes(vector.x)) + (try bytes(vector.y)))
    let (r, s, message) = (try bytes(vector.r), try bytes(vector.s), try bytes(vector.message))
    #expect(key.publicKey.isValid(signature: Self.der(r, s), message: message))
    #expect(!key.publicKey.isValid(signature: Self.der(s, r), message: message))
    #expect(!key.publicKey.isValid(signature: Self.der(r, s), message: message + [0]))
  }

  @Test("A signature is valid under its own key, over its own message, as it is, and nothing else")
  func signs() throws {
    let key = Self.key()
    let message: [UInt8] = Array("a version".utf8)
    let signature = key.sign(message)
    #expect(signature.count <= P256PublicKey.signatureByteCountMax)
    #expect(key.publicKey.isValid(signature: signature, message: message))
    #expect(!key.publicKey.isValid(signature: signature, message: message.dropLast()))
    for i in signature.indices {
      var other = signature
      other[i] ^= 1
      #expect(!key.publicKey.isValid(signature: other, message: message), "byte \(i)")
    }
    for bad in [[], signature.dropLast(), signature + [0], [UInt8](repeating: 0, count: 100)] as [[UInt8]] {
      #expect(!key.publicKey.isValid(signature: bad, message: message))
    }
    let other = P256SigningKey.make(from: SeededSecretSource(seed: [1]))
    #expect(!other.publicKey.isValid(signature: signature, message: message))
  }

  @Test("A private key comes back out of its PEM text, a public key out of its PEM and DER")
  func roundTrip() throws {
    let key = Self.key()
    let text = key.pem.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    #expect(text.hasPrefix("-----BEGIN PRIVATE KEY-----\n") && text.hasSuffix("-----END PRIVATE KEY-----\n"))
    #expect(try P256SigningKey(pem: key.pem).publicKey == key.publicKey)
    #expect(key.publicKey.pem.hasPrefix("-----BEGIN PUBLIC KEY-----\n"))
    #expect(try P256PublicKey(pem: Array(key.publicKey.pem.utf8)) == key.publicKey)
    #expect(try P256PublicKey(checking: key.publicKey.der) == key.publicKey)
    #expect(Self.key().publicKey == key.publicKey)
    #expect("\(key)" == "P-256 private key")
  }

  @Test("The scalars 0, n and above are refused, n − 1 is not")
  func scalars() throws {
    let order = try bytes("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551")
    var last = order
    last[31] -= 1
    _ = try P256SigningKey(scalar: SecretBytes(copying: last))
    for bad in [[UInt8](repeating: 0, count: 32), order, [UInt8](repeating: 255, count: 32)] {
      #expect(throws: CryptographyError.badKey) {
        try P256SigningKey(scalar: SecretBytes(copying: bad))
      }
    }
    #expect(throws: CryptographyError.badKeyLength(expected: 32, found: 31)) {
      try P256SigningKey(scalar: SecretBytes(copying: Array(last.dropLast())))
    }
  }

  /// Made with `openssl genpkey`: an Ed25519 key and a key on P-384.
  private static let strangers = [
    """
    -----BEGIN PRIVATE KEY-----
    MC4CAQAwBQYDK2VwBCIEIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g
    -----END PRIVATE KEY-----

    """,
    "", "no key", "-----BEGIN PRIVATE KEY-----\n",
  ]

  @Test("Anything but a private key of P-256 in PKCS #8 is refused", arguments: strangers)
  func refusesPrivate(_ text: String) {
    #expect(throws: CryptographyError.self) { try P256SigningKey(pem: SecretBytes(copying: Array(text.utf8))) }
  }

  @Test("A public key is a point of the curve in its one encoding")
  func refusesPublic() throws {
    let der = Self.key().publicKey.der
    var offCurve = der
    offCurve[90] ^= 1
    var otherCurve = der
    otherCurve[22] ^= 1
    // The compressed form of the same point.
    let compressed: [UInt8] = [0x30, 0x39] + der[2..<23] + [0x03, 0x22, 0x00, 0x02 | der[90] & 1] + der[27..<59]
    for bad in [[], der.dropLast(), der + [0], offCurve, otherCurve, compressed] as [[UInt8]] {
      #expect(throws: CryptographyError.self) { try P256PublicKey(checking: bad) }
    }
    #expect(throws: CryptographyError.self) { try P256PublicKey(pem: der) }
  }
}
