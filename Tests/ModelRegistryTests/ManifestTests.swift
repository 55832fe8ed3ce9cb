import Cryptography
import Federation
import SecureAggregation
import Tensors
import Testing

@testable import ModelRegistry

@Suite("Manifest")
struct ManifestTests {
  @Test("A manifest's bytes read back as the manifest, version 0 too", arguments: [0, 3] as [ModelVersion])
  func roundTrip(_ version: ModelVersion) throws {
    let manifest = Fixture.manifest(version, of: try Fixture.artifact(version, seed: 7))
    let bytes = try manifest.encoded()
    #expect(try Manifest(bytes: bytes) == manifest)
    #expect(try Manifest(bytes: bytes).encoded() == bytes)
  }

  @Test("Keys are sorted, digests are lower-case hexadecimal, numbers are shortest")
  func exactBytes() throws {
    let text = String(decoding: try Fixture.manifest(3, of: Fixture.artifact(3, seed: 7)).encoded(), as: UTF8.self)
    let start =
      #"{"aggregation":"secure","architecture":"mlp 3-2","attempt":0,"cohortSize":8,"configurationDigest":""#
      + String(repeating: "08", count: 32)
      + #"","createdAt":1500,"dataScale":16,"federation":"f","file":{"digest":""#
    #expect(text.hasPrefix(start))
    #expect(text.contains(#""format":"murmuration/manifest/1","model":"digits","modelDigest":""#))
    #expect(text.contains(#""parentMetrics":{"correct":90,"evaluated":100,"lossSum":12.5},"round":3,"run":"run-1","#))
    #expect(text.contains(#""signer":"coordinator","tensors":[{"digest":""#))
    #expect(text.contains(#"","dtype":"F32","name":"layer0.bias","shape":[2],"size":8},{"#))
    #expect(text.hasSuffix(#"","dtype":"F32","name":"layer0.weight","shape":[2,3],"size":24}],"version":3}"#))
  }

  @Test(
    "A manifest that is not exactly one is refused",
    arguments: [
      (#""attempt":0,"#, "", ManifestError.missingKey("attempt")),
      (#""attempt":0,"#, #""attempt":0,"attempts":1,"#, .unknownKey("attempts")),
      (#""attempt":0,"#, #""attempt":0,"attempt":0,"#, .duplicateKey("attempt")),
      (#""attempt":0,"#, #""attempt":0.5,"#, .badValue(key: "attempt", expected: "an integer from 0 to 4294967295")),
      (#""attempt":0,"#, #""attempt":-1,"#, .badValue(key: "attempt", expected: "an integer from 0 to 4294967295")),
      (#""attempt":0,"#, #""attempt":"0","#, .badValue(key: "attempt", expected: "a number")),
      (#""attempt":0,"#, #""attempt":00,"#, .notCanonical),
      (#""secure""#, #""open""#, .badValue(key: "aggregation", expected: "'secure' or 'plain'")),
      ("manifest/1", "manifest/2", .badValue(key: "format", expected: "'murmuration/manifest/1'")),
      (#""federation":"f""#, #""federation":"../f""#, .badValue(key: "federation", expected: "a name")),
      (
        #""shape":[2]"#, #""shape":[3]"#,
        .badValue(key: "tensors.size", expected: "12, which shape and type of 'layer0.bias' say")
      ),
      (
        #""dtype":"F32","name":"layer0.bias""#, #""dtype":"F31","name":"layer0.bias""#,
        .badValue(key: "tensors.dtype", expected: "a type of safetensors")
      ),
      ("layer0.bias", "layer1.bias", .badValue(key: "tensors", expected: "a list sorted by name, each name once")),
      ("layer0.bias", "layer0.weight", .badValue(key: "tensors", expected: "a list sorted by name, each name once")),
      (
        String(repeating: "08", count: 32), String(repeating: "0A", count: 32),
        .badValue(key: "configurationDigest", expected: "64 hexadecimal digits in lower case")
      ),
      (#""version":3"#, #""version":0"#, .badLineage("version 0 has no parent, no configuration and no metrics")),
      (#""cohortSize":8"#, #""cohortSize":0"#, .badLineage("version 3 needs a round and a cohort")),
      (
        #""correct":90"#, #""correct":101"#,
        .badValue(key: "parentMetrics", expected: "sums over evaluated examples")
      ),
      (#""dataScale":16"#, #""dataScale":0"#, .badValue(key: "dataScale", expected: "a number above 0")),
    ])
  func refuses(_ old: String, _ new: String, _ error: ManifestError) throws {
    let text = String(decoding: try Fixture.manifest(3, of: Fixture.artifact(3, seed: 7)).encoded(), as: UTF8.self)
    let wrong = text.replacing(old, with: new, maxReplacements: 1)
    try #require(wrong != text)
    #expect(throws: error) { try Manifest(bytes: Array(wrong.utf8)) }
  }

  @Test("No manifest cut short, and none with one byte changed, is read as the same manifest")
  func damaged() throws {
    let manifest = Fixture.manifest(3, of: try Fixture.artifact(3, seed: 7))
    let bytes = try manifest.encoded()
    for count in 0..<bytes.count {
      #expect(throws: ManifestError.self) { try Manifest(bytes: Array(bytes[..<count])) }
    }
    for i in bytes.indices {
      var changed = bytes
      changed[i] ^= 1
      #expect((try? Manifest(bytes: changed)) != manifest)
    }
  }

  @Test("An architecture has at most 1,024 characters, a tensor's name 256")
  func textLimits() throws {
    var manifest = Fixture.manifest(3, of: try Fixture.artifact(3, seed: 7))
    manifest.architecture = String(repeating: "x", count: 1_024)
    #expect(try Manifest(bytes: manifest.encoded()) == manifest)
    manifest.architecture += "x"
    let expected = " characters of printable ASCII without '\"' and '\\'"
    #expect(throws: ManifestError.badValue(key: "architecture", expected: "1 to 1024" + expected)) {
      try manifest.encoded()
    }
    manifest.architecture = "mlp 3-2"
    manifest.tensors[0].name = String(repeating: "a", count: 257)
    #expect(throws: ManifestError.badValue(key: "tensors.name", expected: "1 to 256" + expected)) {
      try manifest.encoded()
    }
  }

  @Test("A manifest above the limit is refused before it is parsed")
  func tooLarge() {
    let bytes = [UInt8](repeating: UInt8(ascii: "["), count: Manifest.byteCountMax + 1)
    #expect(throws: ManifestError.tooLarge(found: bytes.count, max: Manifest.byteCountMax)) {
      try Manifest(bytes: bytes)
    }
  }
}

@Suite("Verification of a version")
struct VerificationTests {
  @Test("What the coordinator signed verifies, to the last byte of the file")
  func verifies() throws {
    let fixture = try Fixture()
    let (signed, artifact) = try fixture.version(3, seed: 7)
    let manifest = try signed.verify(membership: fixture.membership)
    #expect(manifest == Fixture.manifest(3, of: artifact))
    #expect(try manifest.verify(file: artifact.file).map(\.name).sorted() == ["layer0.bias", "layer0.weight"])
    #expect(try manifest.assemble(blobs: artifact.tensors.map(\.bytes)).file == artifact.file)
  }

  @Test("The signed string is D(\"manifest\") ‖ LP(manifest)")
  func signedString() {
    let expected = [24, 0, 0, 0] + Array("murmuration/sa1/manifest".utf8) + [2, 0, 0, 0, 1, 2]
    #expect(SignedManifest.signedString([1, 2]) == expected)
  }

  @Test("A change of any byte of the manifest or the signature is noticed")
  func anyByte() throws {
    let fixture = try Fixture()
    let (signed, _) = try fixture.version(3, seed: 7)
    for i in stride(from: 0, to: signed.bytes.count, by: 7) {
      var bytes = signed.bytes
      bytes[i] ^= 1
      let changed = SignedManifest(bytes: bytes, signature: signed.signature, signer: signed.signer)
      #expect(throws: VerificationError.self) { try changed.verify(membership: fixture.membership) }
    }
    for i in 0..<64 {
      var bytes = signed.signature.bytes
      bytes[i] ^= 1
      let changed = SignedManifest(bytes: signed.bytes, signature: Signature(unchecked: bytes), signer: signed.signer)
      #expect(throws: VerificationError.badSignature("coordinator")) {
        try changed.verify(membership: fixture.membership)
      }
    }
  }

  @Test("Only a coordinator of the same federation, certified and at the time, can sign")
  func wrongSigners() throws {
    let fixture = try Fixture()
    let artifact = try Fixture.artifact(3, seed: 7)
    func error(membership: MembershipList? = nil, _ change: (inout Manifest) -> Void, key: SigningKey) throws
      -> VerificationError?
    {
      var manifest = Fixture.manifest(3, of: artifact)
      change(&manifest)
      let signed = try SignedManifest(signing: manifest, key: key)
      return #expect(throws: VerificationError.self) {
        try signed.verify(membership: membership ?? fixture.membership)
      }
    }
    #expect(try error({ $0.federation = "g" }, key: fixture.coordinator) == .otherFederation(found: "g", expected: "f"))
    #expect(try error({ $0.signer = "stranger" }, key: fixture.coordinator) == .unknownSigner("stranger"))
    #expect(try error({ $0.signer = "worker-1" }, key: fixture.worker) == .signerIsNoCoordinator("worker-1", .worker))
    #expect(try error({ _ in }, key: fixture.worker) == .badSignature("coordinator"))
    #expect(
      try error({ $0.createdAt = 2_000 }, key: fixture.coordinator)
        == .certificateNotValidThen("coordinator", createdAt: 2_000))
    let forged = MembershipList(
      federation: "f", authorityKey: SigningPublicKey(unchecked: fixture.worker.publicKey),
      members: fixture.membership.members)
    #expect(try error(membership: forged, { _ in }, key: fixture.coordinator) == .certificateNotSigned("coordinator"))
  }

  @Test("A file of another size, with another byte or with other tensors is refused by name")
  func wrongFiles() throws {
    let artifact = try Fixture.artifact(3, seed: 7)
    let manifest = Fixture.manifest(3, of: artifact)
    let size = UInt64(artifact.file.count)
    #expect(throws: VerificationError.fileSize(found: size - 1, expected: size)) {
      try manifest.verify(file: artifact.file.dropLast())
    }
    var file = artifact.file
    file[file.count - 1] ^= 1
    #expect(throws: VerificationError.fileDigest(found: .sha256(of: file), expected: manifest.file.digest)) {
      try manifest.verify(file: file)
    }
    // The file of other tensors, under a manifest that states that file.
    let other = try Fixture.artifact(3, seed: 8)
    var mixed = manifest
    mixed.file = other.manifestFile
    #expect(throws: VerificationError.self) { try mixed.verify(file: other.file) }
  }

  @Test("A tensor that is missing, too many, reshaped or changed is refused by name")
  func wrongTensors() throws {
    let artifact = try Fixture.artifact(3, seed: 7)
    let manifest = Fixture.manifest(3, of: artifact)
    let tensors = artifact.tensors
    #expect(throws: VerificationError.missingTensor("layer0.weight")) { try manifest.verify(tensors: [tensors[0]]) }
    let extra = NamedTensor(name: "z", dtype: .u8, shape: [1], bytes: [0])
    #expect(throws: VerificationError.unexpectedTensor("z")) { try manifest.verify(tensors: tensors + [extra]) }
    var reshaped = tensors
    reshaped[1].shape = [3, 2]
    #expect(throws: VerificationError.tensorShape("layer0.weight")) { try manifest.verify(tensors: reshaped) }
    var changed = tensors
    changed[0].bytes[3] ^= 1
    let found = Digest.sha256(of: changed[0].bytes)
    #expect(
      throws: VerificationError.tensorDigest("layer0.bias", found: found, expected: manifest.tensors[0].digest)
    ) { try manifest.verify(tensors: changed) }
    var other = manifest
    other.modelDigest = found
    #expect(throws: VerificationError.modelDigest(found: manifest.modelDigest, expected: found)) {
      try other.verify(tensors: tensors)
    }
  }
}

@Suite("Model references")
struct ModelReferenceTests {
  @Test(
    "A reference names a version by number, alias or digest, and prints as it was typed",
    arguments: [
      ("digits@3", ModelReference.Selector.version(3)), ("digits@latest", .alias(.latest)),
      (
        "digits@sha256:" + String(repeating: "0a", count: 32),
        .digest(Digest(unchecked: [UInt8](repeating: 10, count: 32)))
      ),
    ])
  func parses(_ text: String, _ selector: ModelReference.Selector) throws {
    let reference = try ModelReference(parsing: text)
    #expect(reference.model == "digits")
    #expect(reference.selector == selector)
    #expect(reference.description == text)
  }

  @Test(
    "What names no version is refused with what was found and what is expected",
    arguments: [
      ("", ModelReferenceError.badName("")), ("@3", .badName("@3")), ("a/b@3", .badName("a/b@3")),
      ("digits", .missingVersion("digits")), ("digits@", .missingVersion("digits@")),
      ("digits@-1", .badVersion("digits@-1")), ("digits@3x", .badVersion("digits@3x")),
      ("digits@18446744073709551616", .badVersion("digits@18446744073709551616")),
      ("digits@sha256:00", .badDigest("digits@sha256:00")), ("digits@a@b", .badVersion("digits@a@b")),
    ])
  func refuses(_ text: String, _ error: ModelReferenceError) {
    #expect(throws: error) { try ModelReference(parsing: text) }
  }
}
