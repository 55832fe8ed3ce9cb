import Cryptography
import Federation
import Foundation
import SecureAggregation
import Tensors
import Testing

@testable import ModelRegistry

/// Protocols/vectors/models/manifest.json, made by an independent program from Protocols/models.md.
struct ManifestVector: Decodable {
  struct Tensor: Decodable {
    let name: String
    let bytes: String
  }

  let tensors: [Tensor]
  let file: String
  let manifest: String
  let manifestDigest: String
  let signedString: String
  let signingSeed: String
  let publicKey: String
  let signature: String

  static func load() throws -> ManifestVector {
    let repository = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 }
    let url = URL(fileURLWithPath: repository + "/Protocols/vectors/models/manifest.json")
    return try JSONDecoder().decode(ManifestVector.self, from: Data(contentsOf: url))
  }
}

@Suite("A version as another program makes it")
struct ManifestVectorTests {
  @Test("has the same file, digests, manifest bytes and signature as ours")
  func sameBytes() throws {
    let vector = try ManifestVector.load()
    let tensors = try zip(vector.tensors, [[2], [2, 3]]).map { tensor, shape in
      NamedTensor(name: tensor.name, dtype: .f32, shape: shape, bytes: try #require([UInt8](hex: tensor.bytes)))
    }
    let artifact = try ModelArtifact(tensors: tensors, model: "digits", version: 3)
    #expect(artifact.file.hex == vector.file)
    let manifest = Manifest(
      federation: "f", model: "digits", version: 3, parent: .sha256(of: Array("parent".utf8)), run: "run-1", round: 3,
      attempt: 1, aggregation: .secure, configurationDigest: .sha256(of: Array("configuration".utf8)), cohortSize: 8,
      parentMetrics: RoundMetrics(lossSum: 12.125, correct: 90, evaluated: 100), architecture: "mlp 3-2",
      dataScale: 16, modelDigest: artifact.modelDigest, tensors: artifact.manifestTensors, file: artifact.manifestFile,
      createdAt: 1_800_000_000, signer: "coordinator")
    let seed = try #require([UInt8](hex: vector.signingSeed))
    let signed = try SignedManifest(signing: manifest, key: SigningKey(seed: SecretBytes(copying: seed)))
    #expect(String(decoding: signed.bytes, as: UTF8.self) == vector.manifest)
    #expect(signed.digest.hex == vector.manifestDigest)
    #expect(SignedManifest.signedString(signed.bytes).hex == vector.signedString)
    #expect(signed.signature.hex == vector.signature)
  }

  @Test("is read and verified")
  func reads() throws {
    let vector = try ManifestVector.load()
    let manifest = try Manifest(bytes: Array(vector.manifest.utf8))
    #expect(manifest.version == 3)
    #expect(manifest.parentMetrics?.accuracy == 0.9)
    let file = try #require([UInt8](hex: vector.file))
    #expect(try manifest.verify(file: file).count == 2)
  }
}
