import Federation
import Tensors

/// Where published versions are kept. A version, once there, never changes; aliases move.
package protocol ModelRegistryStore: AnyObject {
  /// Keeps a version with its blobs. Publishing the same bytes again changes nothing.
  ///
  /// The caller has verified or made both; the store checks that they belong together.
  func publish(_ manifest: SignedManifest, artifact: ModelArtifact) throws(RegistryError)
  /// The version that a reference names.
  func find(_ reference: ModelReference) throws(RegistryError) -> StoredVersion
  /// All versions of a model, oldest first; empty for an unknown model.
  func versions(of model: ModelName) throws(RegistryError) -> [StoredVersion]
  /// Names of all models, sorted.
  func models() throws(RegistryError) -> [ModelName]
  /// The bytes of a tensor or a file, checked against their digest.
  func blob(_ digest: Digest) throws(RegistryError) -> [UInt8]
  /// Points an alias at a version that is there.
  func move(_ alias: Alias, of model: ModelName, to version: ModelVersion) throws(RegistryError)
  /// The aliases of a model, sorted by name.
  func aliases(of model: ModelName) throws(RegistryError) -> [(alias: Alias, version: ModelVersion)]
  /// Marks a version as bad: it stays what it is, but `latest` is the newest version without such a mark.
  func takeBack(_ version: ModelVersion, of model: ModelName, reason: String) throws(RegistryError)
  /// The versions that were taken back, oldest first, with the reasons.
  func takenBack(of model: ModelName) throws(RegistryError) -> [(version: ModelVersion, reason: String)]
}

/// A published version.
package struct StoredVersion: Hashable, Sendable {
  package let manifest: Manifest
  package let signed: SignedManifest
  package let digest: Digest

  init(_ signed: SignedManifest) throws(ManifestError) {
    self.signed = signed
    manifest = try Manifest(bytes: signed.bytes)
    digest = signed.digest
  }
}

extension ModelRegistryStore {
  /// The newest version that was not taken back; nil for an unknown model.
  package func newestStanding(of model: ModelName) throws(RegistryError) -> StoredVersion? {
    let gone = Set(try takenBack(of: model).map(\.version))
    return try versions(of: model).last { !gone.contains($0.manifest.version) }
  }

  /// Moves `latest` to where it belongs, if a process died before it could: between a version and its alias, or between
  /// a mark and the alias.
  package func restoreLatest(of model: ModelName) throws(RegistryError) {
    guard let newest = try newestStanding(of: model)?.manifest.version else { return }
    let latest = try aliases(of: model).first { $0.alias == .latest }?.version
    if latest != newest { try move(.latest, of: model, to: newest) }
  }

  /// The whole version, every blob checked, put together and checked against the manifest.
  package func artifact(of version: StoredVersion) throws(RegistryError) -> ModelArtifact {
    var blobs: [[UInt8]] = []
    for tensor in version.manifest.tensors { blobs.append(try blob(tensor.digest)) }
    do throws(VerificationError) {
      return try version.manifest.assemble(blobs: blobs)
    } catch {
      throw .notVerified(error)
    }
  }

  /// Refuses a manifest and an artefact that do not belong together.
  static func checked(_ signed: SignedManifest, _ artifact: ModelArtifact) throws(RegistryError) -> StoredVersion {
    let version: StoredVersion
    do throws(ManifestError) {
      version = try StoredVersion(signed)
    } catch {
      throw .notVerified(.manifest(error))
    }
    do throws(VerificationError) {
      try version.manifest.verify(tensors: artifact.tensors)
      let file = artifact.manifestFile
      guard file == version.manifest.file else {
        throw .fileDigest(found: file.digest, expected: version.manifest.file.digest)
      }
    } catch {
      throw .notVerified(error)
    }
    return version
  }
}

/// Why a store could not do what was asked.
package enum RegistryError: Error, Equatable, Sendable, CustomStringConvertible {
  case unknownModel(ModelName)
  case unknownVersion(ModelReference)
  case unknownBlob(Digest)
  /// The version exists with other bytes.
  case versionTaken(ModelName, ModelVersion, existing: Digest)
  /// What is stored under a digest does not have it.
  case corruptedBlob(Digest, found: Digest, path: String? = nil)
  case corruptedVersion(path: String, reason: String)
  case notVerified(VerificationError)
  case file(FileError)

  package var description: String {
    switch self {
    case .unknownModel(let name): "there is no model '\(name)'"
    case .unknownVersion(let reference): "there is no version '\(reference)'"
    case .unknownBlob(let digest): "there is no blob \(digest)"
    case .versionTaken(let name, let version, let existing):
      "\(name)@\(version) exists already with other bytes (manifest \(existing.short))"
    case .corruptedBlob(let digest, let found, let path):
      "\(path ?? "the blob \(digest)") is corrupted: its bytes have digest \(found)"
    case .corruptedVersion(let path, let reason): "\(path) is corrupted: \(reason)"
    case .notVerified(let error): "\(error)"
    case .file(let error): "\(error)"
    }
  }
}

/// A registry in memory, for simulations and tests.
package final class MemoryModelStore: ModelRegistryStore {
  private var blobs: [Digest: [UInt8]] = [:]
  private var published: [ModelName: [ModelVersion: StoredVersion]] = [:]
  private var pointers: [ModelName: [Alias: ModelVersion]] = [:]
  private var marks: [ModelName: [ModelVersion: String]] = [:]

  package init() {}

  package func publish(_ manifest: SignedManifest, artifact: ModelArtifact) throws(RegistryError) {
    let version = try keep(manifest, artifact: artifact).manifest
    let latest = pointers[version.model]?[.latest]
    if latest.map({ $0 < version.version }) ?? true { pointers[version.model, default: [:]][.latest] = version.version }
  }

  /// The first step of a publication: the version is there, no alias has moved. A process may die behind it.
  @discardableResult
  package func keep(_ manifest: SignedManifest, artifact: ModelArtifact) throws(RegistryError) -> StoredVersion {
    let version = try Self.checked(manifest, artifact)
    let (model, number) = (version.manifest.model, version.manifest.version)
    if let existing = published[model]?[number] {
      guard existing.signed.bytes == manifest.bytes else {
        throw .versionTaken(model, number, existing: existing.digest)
      }
      return existing
    }
    for (record, tensor) in zip(version.manifest.tensors, artifact.tensors) { blobs[record.digest] = tensor.bytes }
    published[model, default: [:]][number] = version
    return version
  }

  package func find(_ reference: ModelReference) throws(RegistryError) -> StoredVersion {
    guard let versions = published[reference.model] else { throw .unknownModel(reference.model) }
    let found: StoredVersion? =
      switch reference.selector {
      case .version(let number): versions[number]
      case .alias(let alias): pointers[reference.model]?[alias].flatMap { versions[$0] }
      case .digest(let digest): versions.values.first { $0.digest == digest }
      }
    guard let found else { throw .unknownVersion(reference) }
    return found
  }

  package func versions(of model: ModelName) -> [StoredVersion] {
    (published[model] ?? [:]).values.sorted { $0.manifest.version < $1.manifest.version }
  }

  package func models() -> [ModelName] { published.keys.sorted() }

  package func blob(_ digest: Digest) throws(RegistryError) -> [UInt8] {
    guard let bytes = blobs[digest] else { throw .unknownBlob(digest) }
    return bytes
  }

  package func move(_ alias: Alias, of model: ModelName, to version: ModelVersion) throws(RegistryError) {
    _ = try find(ModelReference(model: model, selector: .version(version)))
    pointers[model, default: [:]][alias] = version
  }

  package func takeBack(_ version: ModelVersion, of model: ModelName, reason: String) throws(RegistryError) {
    _ = try find(ModelReference(model: model, selector: .version(version)))
    marks[model, default: [:]][version] = reason
    try restoreLatest(of: model)
  }

  package func takenBack(of model: ModelName) -> [(version: ModelVersion, reason: String)] {
    (marks[model] ?? [:]).sorted { $0.key < $1.key }.map { (version: $0.key, reason: $0.value) }
  }

  package func aliases(of model: ModelName) -> [(alias: Alias, version: ModelVersion)] {
    (pointers[model] ?? [:]).sorted { $0.key < $1.key }.map { (alias: $0.key, version: $0.value) }
  }
}
