import Cryptography
import Federation
import Foundation
import Testing

/// The vectors of Project Wycheproof, which stand beside the repository, not in it.
enum Wycheproof {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../../../shared/vectors/wycheproof").standardized
  static var isPresent: Bool { FileManager.default.fileExists(atPath: folder.path) }
  static let absence: Comment = "skipped: no Wycheproof vectors in ../shared/vectors/wycheproof beside the repository"

  struct File<Group: Decodable>: Decodable {
    let numberOfTests: Int
    let testGroups: [Group]
  }

  static func load<Group: Decodable>(_ name: String, _: Group.Type) throws -> File<Group> {
    let data = try Data(contentsOf: folder.appending(path: name + "_test.json"))
    return try JSONDecoder().decode(File<Group>.self, from: data)
  }
}

@Suite("Wycheproof", .enabled(if: Wycheproof.isPresent, Wycheproof.absence))
struct WycheproofTests {
  private struct AgreementGroup: Decodable {
    struct Test: Decodable {
      let tcId: Int
      let `public`: String
      let `private`: String
      let shared: String
      let result: String
    }
    let tests: [Test]
  }

  @Test("X25519 agrees with every vector and refuses exactly the all-zero results")
  func agreement() throws {
    let file = try Wycheproof.load("x25519", AgreementGroup.self)
    var seen = 0
    for test in file.testGroups.flatMap(\.tests) {
      seen += 1
      let secret = try secret(test.private)
      let point = try bytes(test.public)
      if test.shared.allSatisfy({ $0 == "0" }) {
        #expect(throws: CryptographyError.allZeroSharedSecret, "case \(test.tcId)") {
          try X25519.agree(secret, with: point)
        }
      } else {
        #expect(try X25519.agree(secret, with: point).hex == test.shared, "case \(test.tcId)")
      }
    }
    #expect(seen == file.numberOfTests && seen > 0)
  }

  private struct SignatureGroup: Decodable {
    struct Key: Decodable { let pk: String }
    struct Test: Decodable {
      let tcId: Int
      let msg: String
      let sig: String
      let result: String
    }
    let publicKey: Key
    let tests: [Test]
  }

  @Test("Ed25519 accepts the valid signatures and no other")
  func signatures() throws {
    let file = try Wycheproof.load("ed25519", SignatureGroup.self)
    var seen = 0
    for group in file.testGroups {
      let key = try bytes(group.publicKey.pk)
      for test in group.tests {
        seen += 1
        let isValid = try Ed25519.isValid(signature: bytes(test.sig), message: bytes(test.msg), publicKey: key)
        #expect(isValid == (test.result == "valid"), "case \(test.tcId)")
      }
    }
    #expect(seen == file.numberOfTests && seen > 0)
  }

  private struct DerivationGroup: Decodable {
    struct Test: Decodable {
      let tcId: Int
      let ikm: String
      let salt: String
      let info: String
      let size: Int
      let okm: String
      let result: String
    }
    let tests: [Test]
  }

  @Test("HKDF-SHA256 agrees with every vector; the invalid ones ask for more than it gives")
  func derivation() throws {
    let file = try Wycheproof.load("hkdf_sha256", DerivationGroup.self)
    var seen = 0
    for test in file.testGroups.flatMap(\.tests) {
      seen += 1
      guard test.result == "valid" else {
        #expect(test.size > HKDF.byteCountMax, "case \(test.tcId)")
        continue
      }
      let found = try HKDF.derive(
        salt: bytes(test.salt), input: secret(test.ikm), info: bytes(test.info), count: test.size)
      #expect(found.hex == test.okm, "case \(test.tcId)")
    }
    #expect(seen == file.numberOfTests && seen > 0)
  }

  private struct SealingGroup: Decodable {
    struct Test: Decodable {
      let tcId: Int
      let key: String
      let iv: String
      let aad: String
      let msg: String
      let ct: String
      let tag: String
      let result: String
    }
    let tests: [Test]
  }

  @Test("ChaCha20-Poly1305 seals and opens the valid vectors and opens no other")
  func sealing() throws {
    let file = try Wycheproof.load("chacha20_poly1305", SealingGroup.self)
    var seen = 0
    for test in file.testGroups.flatMap(\.tests) {
      seen += 1
      let key = try secret(test.key)
      let nonce = try bytes(test.iv)
      let data = try bytes(test.aad)
      let sealed = try bytes(test.ct + test.tag)
      if test.result == "valid" {
        let plaintext = try secret(test.msg)
        #expect(
          ChaCha20Poly1305.seal(key: key, nonce: nonce, associatedData: data, plaintext: plaintext) == sealed,
          "case \(test.tcId)")
        let opened = try ChaCha20Poly1305.open(key: key, nonce: nonce, associatedData: data, ciphertext: sealed)
        #expect(opened.hex == test.msg, "case \(test.tcId)")
      } else {
        #expect(throws: CryptographyError.self, "case \(test.tcId)") {
          try ChaCha20Poly1305.open(key: key, nonce: nonce, associatedData: data, ciphertext: sealed)
        }
      }
    }
    #expect(seen == file.numberOfTests && seen > 0)
  }
}
