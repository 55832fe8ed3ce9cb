import Federation
import Testing

@Suite("Fixed bytes and names")
struct FixedBytesTests {
  @Test("Hexadecimal round trips and anything else is refused")
  func hex() {
    let digest = Digest(unchecked: Array(0..<32))
    #expect(Digest(hex: digest.hex) == digest)
    #expect(Digest(hex: digest.hex.uppercased()) == digest)
    #expect(Digest(hex: String(digest.hex.dropLast())) == nil)
    #expect(Digest(hex: digest.hex + "00") == nil)
    #expect([UInt8](hex: "0g") == nil)
  }

  @Test(
    "A name is what can be a file name",
    arguments: ["", "-a", ".", "a/b", "a b", "é", String(repeating: "a", count: 129)])
  func refusedNames(text: String) { #expect(WorkerID(text) == nil) }

  @Test("A certificate survives its canonical bytes, and not one more or less")
  func certificate() throws {
    let certificate = Certificate(
      organisation: "org", name: "worker-1", role: .worker,
      signingKey: SigningPublicKey(unchecked: Array(repeating: 1, count: 32)),
      linkKey: LinkPublicKey(unchecked: Array(repeating: 2, count: 32)), notBefore: 3, notAfter: 4)
    let bytes = certificate.canonicalBytes
    #expect(try Certificate(canonicalBytes: bytes) == certificate)
    #expect(throws: CertificateError.badLength) { try Certificate(canonicalBytes: bytes + [0]) }
    #expect(throws: CertificateError.badLength) { try Certificate(canonicalBytes: Array(bytes.dropLast())) }
  }
}
