import Cryptography
import Federation
import SecureAggregation
import Tensors
import Testing

@testable import ModelRegistry

@Suite("Model signature")
struct ModelSignatureTests {
  private let fixture: Fixture
  private let signer: ModelSigner
  private let key: P256SigningKey
  private let signed: SignedManifest

  init() throws {
    fixture = try Fixture()
    key = .make(from: SeededSecretSource(seed: [7]))
    signer = ModelSigner(key: key, endorsedBy: fixture.coordinator)
    signed = try fixture.version(1, seed: 2).signed
  }

  private func verify(_ attachments: ModelAttachments, _ signed: SignedManifest? = nil) throws {
    try attachments.verify(signed ?? self.signed, membership: fixture.membership)
  }

  @Test("Attachments that the coordinator made are verified, and fit their bounds")
  func good() throws {
    let attachments = try signer.attachments(for: signed)
    try verify(attachments)
    #expect(attachments.bundle.count <= ModelSignature.bundleByteCountMax)
    #expect(attachments.key.count <= ModelAttachments.keyByteCountMax)
  }

  @Test("The statement names the three files, sorted, with their digests and the digest over these")
  func statement() throws {
    let manifest = try Manifest(bytes: signed.bytes)
    let card = Digest.sha256(of: Array(ModelCard.text(of: manifest, digest: signed.digest).utf8))
    let root = Digest.sha256(of: card.bytes + signed.digest.bytes + manifest.file.digest.bytes)
    let expected = """
      {"_type":"https://in-toto.io/Statement/v1","predicate":{"resources":[\
      {"algorithm":"sha256","digest":"\(card)","name":"README.md"},\
      {"algorithm":"sha256","digest":"\(signed.digest)","name":"manifest.json"},\
      {"algorithm":"sha256","digest":"\(manifest.file.digest)","name":"model.safetensors"}],\
      "serialization":{"allow_symlinks":false,"hash_type":"sha256",\
      "ignore_paths":["manifest.sig","model.sig","signing-key.endorsement","signing-key.pem"],"method":"files"}},\
      "predicateType":"https://model_signing/signature/v1.0",\
      "subject":[{"digest":{"sha256":"\(root)"},"name":"digits@1"}]}
      """
    #expect(String(decoding: ModelSignature.statement(of: manifest, digest: signed.digest), as: UTF8.self) == expected)
  }

  @Test("A bundle that is changed in any byte, of another version or too long is refused")
  func badBundle() throws {
    let good = try signer.attachments(for: signed)
    func with(_ bundle: [UInt8]) -> ModelAttachments {
      ModelAttachments(bundle: bundle, key: good.key, endorsement: good.endorsement)
    }
    for i in good.bundle.indices {
      var bundle = good.bundle
      bundle[i] ^= 1
      #expect(throws: VerificationError.self, "byte \(i)") { try verify(with(bundle)) }
    }
    let other = try signer.attachments(for: fixture.version(2, seed: 2).signed)
    #expect(throws: VerificationError.badModelSignature("it is not of this version and key")) {
      try verify(with(other.bundle))
    }
    #expect(throws: VerificationError.badModelSignature("it is not a bundle of one signature")) { try verify(with([])) }
    let long = [UInt8](repeating: 32, count: ModelSignature.bundleByteCountMax + 1)
    #expect(throws: VerificationError.badModelSignature("found 8193 bytes, expected at most 8192")) {
      try verify(with(long))
    }
  }

  @Test("A signature of another key over the right statement is refused")
  func otherKey() throws {
    let good = try signer.attachments(for: signed)
    let stranger = P256SigningKey.make(from: SeededSecretSource(seed: [8]))
    let forged = try ModelSigner(key: stranger, endorsedBy: fixture.coordinator).attachments(for: signed)
    // The stranger's signature under the endorsed key's hint.
    let text = String(decoding: good.bundle, as: UTF8.self)
    func signature(_ bundle: [UInt8]) -> Substring {
      String(decoding: bundle, as: UTF8.self).components(between: "\"sig\":\"", and: "\"")
    }
    let swapped = Array(text.replacing(signature(good.bundle), with: signature(forged.bundle)).utf8)
    #expect(throws: VerificationError.badModelSignature("the signature is not the key's")) {
      try verify(ModelAttachments(bundle: swapped, key: good.key, endorsement: good.endorsement))
    }
  }

  @Test("A key that another party endorses, or that is no key, is refused")
  func badEndorsement() throws {
    let byWorker = try ModelSigner(key: key, endorsedBy: fixture.worker).attachments(for: signed)
    #expect(throws: VerificationError.keyNotEndorsed(by: "coordinator")) { try verify(byWorker) }
    let good = try signer.attachments(for: signed)
    let noKey: [UInt8] = [1, 2, 3]
    let endorsed = Signature(unchecked: fixture.coordinator.sign(ModelAttachments.endorsedString(noKey)))
    #expect(throws: VerificationError.badModelSignature("its key is not a P-256 key")) {
      try verify(ModelAttachments(bundle: good.bundle, key: noKey, endorsement: endorsed))
    }
    let stranger = SignedManifest(bytes: signed.bytes, signature: signed.signature, signer: "nobody")
    #expect(throws: VerificationError.unknownSigner("nobody")) { try verify(good, stranger) }
  }

  @Test("Attachments come back out of the files that hold them", arguments: [true, false])
  func files(_ isComplete: Bool) throws {
    let folder = try TemporaryFolder()
    let attachments = try signer.attachments(for: signed)
    for (file, bytes) in attachments.files where isComplete || file != .modelSignature {
      try DurableFile.write(bytes, to: "\(folder.path)/\(file.name)")
    }
    #expect(try ModelAttachments.read(directory: folder.path) == (isComplete ? attachments : nil))
    guard isComplete else { return }
    for file in [VersionFile.endorsement, .signingKey] {
      try DurableFile.write([1], to: "\(folder.path)/\(file.name)")
      #expect(throws: RegistryError.self) { try ModelAttachments.read(directory: folder.path) }
      for (file, bytes) in attachments.files { try DurableFile.write(bytes, to: "\(folder.path)/\(file.name)") }
    }
  }

  @Test("Base64 is that of RFC 4648, one text for the same bytes")
  func base64() {
    let vectors = [
      ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
    ]
    for (text, encoded) in vectors {
      #expect(Base64.encode(Array(text.utf8)) == encoded)
      #expect(Base64.decode(encoded) == Array(text.utf8))
    }
    #expect(Base64.encode([0xFB, 0xFF, 0xFE]) == "+//+")
    for bad in ["Zg", "Zg=", "Zh==", "Z===", "====", "Zm9v\n", "Zm-v", "Zg==Zg=="] {
      #expect(Base64.decode(bad) == nil)
    }
  }
}

extension String {
  /// What stands between two texts, the first time.
  fileprivate func components(between start: String, and end: String) -> Substring {
    guard let from = firstRange(of: start)?.upperBound, let to = self[from...].firstRange(of: end)?.lowerBound else {
      return ""
    }
    return self[from..<to]
  }
}
