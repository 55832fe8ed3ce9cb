import Cryptography
import Federation
import ModelRegistry
import Serving
import Tensors

/// The publisher's side: a federation with one coordinator that signs versions of `digits`.
struct Publisher {
  let key: SigningKey
  let membership: MembershipList

  init() throws {
    func key(_ seed: UInt8) throws -> SigningKey {
      try SigningKey(seed: SecretBytes(copying: [UInt8](repeating: seed, count: 32)))
    }
    let authority = try key(1)
    let coordinator = try key(2)
    let certificate = Certificate(
      organisation: "org", name: "coordinator", role: .coordinator,
      signingKey: SigningPublicKey(unchecked: coordinator.publicKey),
      linkKey: LinkPublicKey(unchecked: coordinator.publicKey), notBefore: 0, notAfter: 2_000)
    let signature = Signature(unchecked: authority.sign(certificate.canonicalBytes))
    self.key = coordinator
    membership = MembershipList(
      federation: "f", authorityKey: SigningPublicKey(unchecked: authority.publicKey),
      members: [SignedCertificate(certificate: certificate, signature: signature)])
  }

  /// A signed version; `seed` makes other bytes.
  func manifest(_ version: ModelVersion, model: ModelName = "digits", seed: UInt8 = 0) throws -> SignedManifest {
    let tensor = NamedTensor(
      name: "w", dtype: .u8, shape: [2], bytes: [UInt8(truncatingIfNeeded: version.value), seed])
    let artifact = try ModelArtifact(tensors: [tensor], model: model, version: version)
    let zero = Digest(unchecked: [UInt8](repeating: 0, count: 32))
    let manifest = Manifest(
      federation: "f", model: model, version: version, parent: zero, run: "run", round: RoundNumber(version.value),
      attempt: 0, aggregation: .secure, configurationDigest: zero, cohortSize: 5, parentMetrics: nil,
      architecture: "mlp 2-2", dataScale: 1, modelDigest: artifact.modelDigest, tensors: artifact.manifestTensors,
      file: artifact.manifestFile, createdAt: 1_000, signer: "coordinator")
    return try SignedManifest(signing: manifest, key: key)
  }

  func entry(_ version: ModelVersion, _ aliases: [Alias] = [.latest], seed: UInt8 = 0) throws -> StateSnapshot.Entry {
    StateSnapshot.Entry(
      model: "digits", version: version, manifest: try manifest(version, seed: seed), aliases: aliases)
  }

  func published(_ version: ModelVersion, seed: UInt8 = 0) throws -> StateRecord.Kind {
    .versionPublished(model: "digits", version: version, manifestDigest: try manifest(version, seed: seed).digest)
  }
}

/// A serving node under test; every event is followed by a check of the invariants.
struct Node {
  var machine: ServingStateMachine
  let publisher: Publisher

  /// - Parameter standby: none unless the test is about it: each version that is left is then seen to go.
  init(standby: Int = 0, retired: [RetiredVersion] = []) throws {
    publisher = try Publisher()
    machine = ServingStateMachine(membership: publisher.membership, standby: standby, retired: retired)
    _ = handle(.started)
  }

  /// Actions without timers and reports.
  @discardableResult
  mutating func handle(_ event: ServingEvent) -> [ServingAction] {
    all(event).filter { action in
      switch action {
      case .report, .watchSilence: false
      default: true
      }
    }
  }

  mutating func reports(_ event: ServingEvent) -> [ServingReport] {
    all(event).compactMap { if case .report(let report) = $0 { report } else { nil } }
  }

  mutating func all(_ event: ServingEvent) -> [ServingAction] {
    let actions = machine.handle(event)
    machine.checkInvariants()
    return actions
  }

  @discardableResult
  mutating func snapshot(_ sequence: UInt64, _ entries: [StateSnapshot.Entry], epoch: UInt64 = 1) -> [ServingAction] {
    handle(.snapshotReceived(StateSnapshot(epoch: epoch, sequence: sequence, entries: entries)))
  }

  @discardableResult
  mutating func record(_ sequence: UInt64, _ kind: StateRecord.Kind, epoch: UInt64 = 1) -> [ServingAction] {
    handle(.recordReceived(StateRecord(epoch: epoch, sequence: sequence, kind: kind)))
  }

  /// Brings a version that is being fetched up to ready; the actions of the last step.
  @discardableResult
  mutating func finish(_ version: ModelVersion) -> [ServingAction] {
    let name = VersionName("digits", version)
    handle(.blobsFetched(name))
    handle(.verified(name))
    handle(.loaded(name))
    return handle(.warmedUp(name))
  }

  func served(_ alias: Alias = .latest) -> ModelVersion? { machine.version(of: alias, of: "digits") }
}

func name(_ version: ModelVersion) -> VersionName { VersionName("digits", version) }

/// Whether a version is being fetched by these actions.
func fetches(_ actions: [ServingAction]) -> [VersionName] {
  actions.compactMap { if case .fetchBlobs(let name, _) = $0 { name } else { nil } }
}
