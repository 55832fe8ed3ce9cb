import Federation
import ModelRegistry
import SecureAggregation
import Serving
import Transfer
import ZeroMQ

/// The blobs of one version on their way to this node, one after the other.
struct VersionFetch {
  let name: VersionName
  private var missing: [Manifest.Tensor]
  private var download: BlobDownload?
  private var bytes: [UInt8] = []

  init(name: VersionName, missing: [Manifest.Tensor]) {
    self.name = name
    self.missing = missing
  }

  /// Begins the next blob; nil if there is none left.
  mutating func beginNext(at time: MonotonicTime) -> [BlobDownload.Action]? {
    guard let tensor = missing.first else { return nil }
    var download = BlobDownload(digest: tensor.digest, byteCount: tensor.byteCount)
    defer { self.download = download }
    bytes = []
    return download.handle(.started(at: time))
  }

  mutating func handle(_ event: BlobDownload.Event) -> [BlobDownload.Action] { download?.handle(event) ?? [] }

  /// Chunks come in order from 0: `offset` is what is there already.
  mutating func write(_ payload: Frame?, at offset: UInt64) {
    guard let payload, offset == UInt64(bytes.count) else { return }
    payload.withUnsafeBytes { bytes.append(contentsOf: $0) }
  }

  /// Whether the bytes have the digest.
  var isRight: Bool { Digest.sha256(of: bytes) == download?.digest }

  /// Gives away the blob that is finished.
  mutating func take() -> (digest: Digest, bytes: [UInt8])? {
    guard let download, !missing.isEmpty else { return nil }
    missing.removeFirst()
    self.download = nil
    defer { bytes = [] }
    return (download.digest, bytes)
  }
}

/// The signed manifests that the last snapshots brought, for the versions that the machine speaks of.
///
/// The machine decides what is taken; this only finds again what it means.
struct ManifestShelf {
  /// Manifests of one version: only a coordinator that contradicts itself needs more than one.
  private static let perVersionMax = 2

  private let membership: MembershipList
  private struct Known {
    let signed: SignedManifest
    let manifest: Manifest
    let attachments: ModelAttachments?
  }

  private var known: [VersionName: [Known]] = [:]

  init(membership: MembershipList) { self.membership = membership }

  /// Takes over the entries of a snapshot whose signatures are right.
  ///
  /// - Parameter names: versions that are kept although the snapshot does not have them.
  mutating func take(_ entries: [StateSnapshot.Entry], keeping names: Set<VersionName>) {
    let mentioned = Set(entries.map { VersionName($0.model, $0.version) })
    known = known.filter { mentioned.contains($0.key) || names.contains($0.key) }
    for entry in entries {
      let name = VersionName(entry.model, entry.version)
      guard !known[name, default: []].contains(where: { $0.signed == entry.manifest }),
        let manifest = try? entry.manifest.verify(membership: membership)
      else { continue }
      let new = Known(signed: entry.manifest, manifest: manifest, attachments: entry.attachments)
      known[name] = Array((known[name, default: []] + [new]).suffix(Self.perVersionMax))
    }
  }

  func manifest(of name: VersionName, tensors: [Digest]) -> Manifest? {
    known[name]?.map(\.manifest).first { $0.tensors.map(\.digest) == tensors }
  }

  func signed(_ manifest: Manifest, of name: VersionName) -> SignedManifest? {
    known[name]?.first { $0.manifest == manifest }?.signed
  }

  /// Not verified; nil if the coordinator has none.
  func attachments(of signed: SignedManifest, of name: VersionName) -> ModelAttachments? {
    known[name]?.first { $0.signed == signed }?.attachments
  }
}
