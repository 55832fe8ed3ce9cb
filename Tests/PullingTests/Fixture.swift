import Cryptography
import Federation
import Glibc
import ModelRegistry
import SecureAggregation
import Tensors
import Testing

@testable import Pulling

/// A federation with one coordinator that publishes versions of "digits", and a folder for whoever pulls them.
final class Fixture: Sendable {
  /// Numbers of a version's one tensor: a file of several chunks of any transport.
  static let parameterCount = 75_000

  let root: String
  let membership: MembershipList
  private let coordinator: SigningKey

  init(authority seed: UInt8 = 1) throws {
    var template = Array("/tmp/murmur-XXXXXX".utf8CString)
    try #require(mkdtemp(&template) != nil)
    root = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    func key(_ seed: UInt8) throws -> SigningKey {
      try SigningKey(seed: SecretBytes(copying: [UInt8](repeating: seed, count: 32)))
    }
    let authority = try key(seed)
    coordinator = try key(seed + 1)
    let certificate = Certificate(
      organisation: "org", name: "coordinator", role: .coordinator,
      signingKey: SigningPublicKey(unchecked: coordinator.publicKey),
      linkKey: LinkPublicKey(unchecked: coordinator.publicKey), notBefore: 1_000, notAfter: 2_000)
    membership = MembershipList(
      federation: "f", authorityKey: SigningPublicKey(unchecked: authority.publicKey),
      members: [
        SignedCertificate(
          certificate: certificate, signature: Signature(unchecked: authority.sign(certificate.canonicalBytes)))
      ])
  }

  deinit { try? DurableFile.remove(root) }

  func path(_ name: String) -> String { "\(root)/\(name)" }
  var cache: PullCache { PullCache(root: path("cache")) }

  func puller(_ sources: any PullSource..., lockPatience: Duration = .seconds(20)) -> ModelPuller {
    ModelPuller(sources: sources, membership: membership, lockPatience: lockPatience)
  }

  /// A signed version whose bytes depend on its number and `variant`.
  func version(_ number: ModelVersion, variant: UInt64 = 0, isSigned: Bool = false) throws -> PublishedVersion {
    var choices = SeededGenerator(seed: number.value * 100 + variant)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(4 * Self.parameterCount)
    while bytes.count < 4 * Self.parameterCount {
      let word = choices.next() & 0x3F3F_3F3F_3F3F_3F3F  // No exponent of a number that is not finite.
      withUnsafeBytes(of: word.littleEndian) { bytes.append(contentsOf: $0) }
    }
    let tensor = NamedTensor(name: "layer0.weight", dtype: .f32, shape: [Self.parameterCount], bytes: bytes)
    let artifact = try ModelArtifact(tensors: [tensor], model: "digits", version: number)
    let isFirst = number == 0
    let manifest = Manifest(
      federation: "f", model: "digits", version: number,
      parent: isFirst ? nil : Digest(unchecked: [UInt8](repeating: 9, count: 32)), run: "run-1",
      round: RoundNumber(number.value), attempt: 0, aggregation: .secure,
      configurationDigest: isFirst ? nil : Digest(unchecked: [UInt8](repeating: 8, count: 32)),
      cohortSize: isFirst ? 0 : 8, parentMetrics: nil, architecture: "mlp 3-2", dataScale: 16,
      modelDigest: artifact.modelDigest, tensors: artifact.manifestTensors, file: artifact.manifestFile,
      createdAt: 1_500, signer: "coordinator")
    let signed = try SignedManifest(signing: manifest, key: coordinator)
    let signer = ModelSigner(key: .make(from: SystemSecretSource()), endorsedBy: coordinator)
    return PublishedVersion(
      signed: signed, manifest: manifest, file: artifact.file,
      attachments: isSigned ? try signer.attachments(for: signed) : nil)
  }
}

struct PublishedVersion: Sendable {
  let signed: SignedManifest
  let manifest: Manifest
  let file: [UInt8]
  /// For other tools.
  let attachments: ModelAttachments?

  var digest: Digest { signed.digest }
}

/// A source that does what a test says, piece by piece.
final class ScriptedSource: PullSource {
  /// What it does for the next fetch.
  struct Conduct: Sendable {
    /// Bytes after which `failure` comes; nil for all.
    var endsAfter: Int?
    var failure = PullError(.network, "no byte for 5 seconds")
    /// Changes the bytes that it gives, by their place in the file; nil leaves them.
    var change: (@Sendable (UInt8, Int) -> UInt8)?
    /// Before each piece.
    var pause: @Sendable () async -> Void = {}
  }

  static let pieceByteCount = 16_384

  let place: String
  private let state: Locked<(versions: [PublishedVersion], aliases: [Alias: ModelVersion], conduct: Conduct)>
  private let asked = Locked<(offsets: [UInt64], bytes: Int)>(([], 0))
  private let refusal = Locked<PullError?>(nil)

  init(_ place: String, _ versions: PublishedVersion..., conduct: Conduct = Conduct()) {
    self.place = place
    let newest = versions.map(\.manifest.version).max()
    state = Locked((versions, newest.map { [.latest: $0] } ?? [:], conduct))
  }

  /// Where fetches began, in order.
  var offsets: [UInt64] { asked.withLock { $0.offsets } }
  /// That were given, in all.
  var byteCount: Int { asked.withLock { $0.bytes } }

  func conduct(_ conduct: Conduct) { state.withLock { $0.conduct = conduct } }
  func refuse(_ error: PullError?) { refusal.withLock { $0 = error } }

  func publish(_ version: PublishedVersion) {
    state.withLock {
      $0.versions.append(version)
      $0.aliases[.latest] = version.manifest.version
    }
  }

  func move(_ alias: Alias, to version: ModelVersion) { state.withLock { $0.aliases[alias] = version } }

  func models() async throws(PullError) -> [OfferedVersion] {
    if let error = refusal.withLock({ $0 }) { throw error }
    return state.withLock { state in
      state.versions.map { version in
        OfferedVersion(
          model: version.manifest.model, version: version.manifest.version, digest: version.digest,
          aliases: state.aliases.filter { $0.value == version.manifest.version }.keys.sorted())
      }
    }
  }

  func resolve(_ reference: ModelReference) async throws(PullError) -> ResolvedVersion {
    if let error = refusal.withLock({ $0 }) { throw error }
    let found = state.withLock { state in
      state.versions.first { version in
        guard version.manifest.model == reference.model else { return false }
        return switch reference.selector {
        case .version(let number): version.manifest.version == number
        case .alias(let alias): state.aliases[alias] == version.manifest.version
        case .digest(let digest): version.digest == digest
        }
      }
    }
    guard let found else { throw PullError(.notFound, "\(place): found no version \(reference)") }
    return ResolvedVersion(signed: found.signed, attachments: found.attachments)
  }

  func fetch(
    _ manifest: Manifest, digest: Digest, from offset: UInt64,
    write: (UnsafeRawBufferPointer, UInt64) throws(PullError) -> Void
  ) async throws(PullError) {
    asked.withLock { $0.offsets.append(offset) }
    let (file, conduct) = state.withLock { state in
      (state.versions.first { $0.digest == digest }?.file, state.conduct)
    }
    guard let file else { throw PullError(.notFound, "\(place): found no such file") }
    var position = Int(offset)
    var left = conduct.endsAfter ?? file.count
    while position < file.count {
      await conduct.pause()
      guard !Task.isCancelled else { throw PullError(.interrupted, "interrupted") }
      let count = min(Self.pieceByteCount, file.count - position, left)
      var piece = file[position..<position + count]
      if let change = conduct.change { for i in piece.indices { piece[i] = change(piece[i], i) } }
      let start = UInt64(position)
      try piece.withUnsafeBufferPointer { buffer throws(PullError) in
        try write(UnsafeRawBufferPointer(buffer), start)
      }
      asked.withLock { $0.bytes += count }
      position += count
      left -= count
      if left == 0, conduct.endsAfter != nil { throw conduct.failure }
    }
  }
}

/// A value under a lock (pthread_mutex_lock(3)).
final class Locked<Value>: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private var value: Value

  init(_ value: Value) {
    self.value = value
    pthread_mutex_init(mutex, nil)
  }

  deinit {
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  func withLock<Result>(_ body: (inout Value) -> Result) -> Result {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return body(&value)
  }
}

/// The error of an action, if it throws one.
func failure(_ action: () async throws(PullError) -> Void) async -> PullError? {
  do throws(PullError) {
    try await action()
    return nil
  } catch {
    return error
  }
}

extension ModelReference {
  /// - Precondition: it is one.
  static func typed(_ text: String) -> ModelReference {
    guard let reference = try? ModelReference(orLatest: text) else { preconditionFailure("no reference: \(text)") }
    return reference
  }
}
