import Cryptography
import Federation
import Testing

/// Bytes written as hexadecimal digits in a test; a typing error ends the test.
func bytes(_ hex: String) throws -> [UInt8] { try #require([UInt8](hex: hex)) }
func secret(_ hex: String) throws -> SecretBytes { SecretBytes(copying: try bytes(hex)) }
extension SecretBytes {
  var hex: String { withUnsafeBytes { Array($0).hex } }
}

@Suite("Known answers of the standards")
struct KnownAnswerTests {
  @Test(
    "SHA-256 gives the digests of FIPS 180-4",
    arguments: [
      ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
      ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ])
  func hash(_ text: String, _ digest: String) {
    #expect(SHA256.hash(Array(text.utf8)).hex == digest)
  }

  @Test("SHA-256 piece by piece, over a copy, and again after the end is SHA-256 at once")
  func incrementalHash() {
    let message = (0..<1000).map { UInt8(truncatingIfNeeded: $0) }
    var hash = SHA256()
    hash.update(Array(message[..<300]))
    var copy = hash
    hash.update(Array(message[300...]))
    copy.update([1])
    #expect(hash.finalize() == SHA256.hash(message))
    #expect(copy.finalize() == SHA256.hash(message[..<300] + [1]))
    hash.update([7])
    #expect(hash.finalize() == SHA256.hash([7]))
  }

  @Test(
    "X25519 gives the results of RFC 7748, sections 5.2 and 6.1",
    arguments: [
      (
        "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
        "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
        "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"
      ),
      (
        "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
        "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
        "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"
      ),
    ])
  func agreement(_ scalar: String, _ point: String, _ result: String) throws {
    #expect(try X25519.agree(secret(scalar), with: bytes(point)).hex == result)
  }

  @Test("X25519 iterated a thousand times gives the value of RFC 7748, section 5.2")
  func iteratedAgreement() throws {
    var k = try bytes("0900000000000000000000000000000000000000000000000000000000000000")
    var u = k
    for _ in 0..<1000 {
      let next = try X25519.agree(SecretBytes(copying: k), with: u).withUnsafeBytes { Array($0) }
      (k, u) = (next, k)
    }
    #expect(k.hex == "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51")
  }

  @Test("The X25519 public key is the product with the base point")
  func publicKey() throws {
    let secret = try secret("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
    let base: [UInt8] = [9] + Array(repeating: 0, count: 31)
    #expect(try X25519.publicKey(of: secret) == X25519.agree(secret, with: base).withUnsafeBytes { Array($0) })
  }

  @Test("An agreement whose result would be zero, or with a key of another length, is refused")
  func refusedAgreement() throws {
    let own = SecretBytes(copying: Array(repeating: 7, count: 32))
    #expect(throws: CryptographyError.allZeroSharedSecret) {
      try X25519.agree(own, with: Array(repeating: 0, count: 32))
    }
    #expect(throws: CryptographyError.badKeyLength(expected: 32, found: 31)) {
      try X25519.agree(own, with: Array(repeating: 9, count: 31))
    }
  }

  @Test(
    "HKDF gives the output of RFC 5869, test cases 1 to 3",
    arguments: [
      (
        22, 0x0b as UInt8, 0 as UInt8, 0x00...0x0c, 0xf0...0xf9,
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
      ),
      (
        80, 0x00, 1, 0x60...0xaf, 0xb0...0xff,
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
          + "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"
      ),
      (
        22, 0x0b, 0, nil, nil,
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
      ),
    ] as [(Int, UInt8, UInt8, ClosedRange<UInt8>?, ClosedRange<UInt8>?, String)])
  func derivation(
    _ count: Int, _ first: UInt8, _ step: UInt8, _ salt: ClosedRange<UInt8>?, _ info: ClosedRange<UInt8>?,
    _ output: String
  ) {
    let input = SecretBytes(copying: (0..<count).map { first + step * UInt8($0) })
    let found = HKDF.derive(
      salt: salt.map(Array.init) ?? [], input: input, info: info.map(Array.init) ?? [], count: output.utf8.count / 2)
    #expect(found.hex == output)
  }

  @Test("Ed25519 gives keys and signatures of RFC 8032, section 7.1", arguments: try StandardVectors.ed25519())
  func signature(_ vector: StandardVectors.Signature) throws {
    let key = try SigningKey(seed: secret(vector.seed))
    let message = try bytes(vector.message)
    #expect(key.publicKey.hex == vector.publicKey)
    #expect(key.sign(message).hex == vector.signature)
    #expect(Ed25519.isValid(signature: try bytes(vector.signature), message: message, publicKey: key.publicKey))
  }

  @Test("A signing key needs a seed of 32 bytes")
  func shortSeed() {
    #expect(throws: CryptographyError.badKeyLength(expected: 32, found: 16)) {
      try SigningKey(seed: SecretBytes(copying: Array(repeating: 1, count: 16)))
    }
  }

  @Test("ChaCha20-Poly1305 gives the ciphertext of RFC 8439, section 2.8.2, and refuses it with one bit changed")
  func sealing() throws {
    let key = try secret("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f")
    let nonce = try bytes("070000004041424344454647")
    let data = try bytes("50515253c0c1c2c3c4c5c6c7")
    let text =
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
      + "sunscreen would be it."
    let sealed = ChaCha20Poly1305.seal(
      key: key, nonce: nonce, associatedData: data, plaintext: SecretBytes(copying: Array(text.utf8)))
    #expect(sealed.prefix(16).map { $0 } == (try bytes("d31a8d34648e60db7b86afbc53ef7ec2")))
    #expect(sealed.suffix(16).map { $0 } == (try bytes("1ae10b594f09e26a7e902ecbd0600691")))
    let opened = try ChaCha20Poly1305.open(key: key, nonce: nonce, associatedData: data, ciphertext: sealed)
    #expect(opened.withUnsafeBytes { Array($0) } == Array(text.utf8))
    for position in [0, 50, sealed.count - 1] {
      var changed = sealed
      changed[position] ^= 1
      #expect(throws: CryptographyError.notAuthentic) {
        try ChaCha20Poly1305.open(key: key, nonce: nonce, associatedData: data, ciphertext: changed)
      }
    }
    #expect(throws: CryptographyError.notAuthentic) {
      try ChaCha20Poly1305.open(key: key, nonce: nonce, associatedData: [], ciphertext: sealed)
    }
    #expect(throws: CryptographyError.notAuthentic) {
      try ChaCha20Poly1305.open(key: key, nonce: nonce, associatedData: data, ciphertext: Array(sealed.prefix(15)))
    }
  }
}
