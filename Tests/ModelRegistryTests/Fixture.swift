import Cryptography
import Federation
import Tensors

@testable import ModelRegistry

/// A federation with one coordinator, and a small model that it publishes.
struct Fixture {
  let authority: SigningKey
  let coordinator: SigningKey
  let worker: SigningKey
  let membership: MembershipList

  init() throws {
    func key(_ seed: UInt8) throws -> SigningKey {
      try SigningKey(seed: SecretBytes(copying: [UInt8](repeating: seed, count: 32)))
    }
    let authority = try key(1)
    let coordinator = try key(2)
    let worker = try key(3)
    func member(_ name: WorkerID, _ role: Role, _ key: SigningKey) -> SignedCertificate {
      let certificate = Certificate(
        organisation: "org", name: name, role: role, signingKey: SigningPublicKey(unchecked: key.publicKey),
        linkKey: LinkPublicKey(unchecked: key.publicKey), notBefore: 1_000, notAfter: 2_000)
      let signature = authority.sign(certificate.canonicalBytes)
      return SignedCertificate(certificate: certificate, signature: Signature(unchecked: signature))
    }
    self.authority = authority
    self.coordinator = coordinator
    self.worker = worker
    membership = MembershipList(
      federation: "f", authorityKey: SigningPublicKey(unchecked: authority.publicKey),
      members: [member("coordinator", .coordinator, coordinator), member("worker-1", .worker, worker)])
  }

  /// Two tensors whose bytes depend on `seed`.
  static func tensors(_ seed: UInt8) -> [NamedTensor] {
    [
      NamedTensor(name: "layer0.weight", dtype: .f32, shape: [2, 3], bytes: (0..<24).map { seed &+ UInt8($0) }),
      NamedTensor(name: "layer0.bias", dtype: .f32, shape: [2], bytes: (0..<8).map { seed &* 3 &+ UInt8($0) }),
    ]
  }

  static func artifact(_ version: ModelVersion, seed: UInt8) throws -> ModelArtifact {
    try ModelArtifact(tensors: tensors(seed), model: "digits", version: version)
  }

  static func manifest(_ version: ModelVersion, of artifact: ModelArtifact) -> Manifest {
    let isFirst = version == 0
    return Manifest(
      federation: "f", model: "digits", version: version,
      parent: isFirst ? nil : Digest(unchecked: [UInt8](repeating: 9, count: 32)), run: "run-1",
      round: RoundNumber(version.value), attempt: 0, aggregation: .secure,
      configurationDigest: isFirst ? nil : Digest(unchecked: [UInt8](repeating: 8, count: 32)),
      cohortSize: isFirst ? 0 : 8,
      parentMetrics: isFirst ? nil : RoundMetrics(lossSum: 12.5, correct: 90, evaluated: 100),
      architecture: "mlp 3-2", dataScale: 16, modelDigest: artifact.modelDigest,
      tensors: artifact.manifestTensors,
      file: artifact.manifestFile, createdAt: 1_500, signer: "coordinator")
  }

  /// A signed version with its bytes.
  func version(_ version: ModelVersion, seed: UInt8) throws -> (signed: SignedManifest, artifact: ModelArtifact) {
    let artifact = try Self.artifact(version, seed: seed)
    return (try SignedManifest(signing: Self.manifest(version, of: artifact), key: coordinator), artifact)
  }
}
