import Federation
import Tensors

/// Where published versions are kept. A version, once there, never changes; aliases move.
package protocol ModelRegistryStore: AnyObject {
  /// Keeps a version with its blobs. Publishing the same bytes again changes nothing.
  ///
  /// The caller has verified or made all three; the store checks that manifest and artefact belong together. Attachments
  /// are kept with a version that has none yet, and are then what they are, too.
  func publish(_ manifest: SignedManifest, artifact: ModelArtifact, attachments: ModelAttachments?)
    throws(RegistryError)
  /// The version that a reference names.
  func find(_ reference: ModelReference) throws(RegistryError) -> StoredVersion
  /// All versions of a model, oldest first; empty for an unknown model.
  func versions(of model: ModelName) throws(RegistryError) -> [StoredVersion]
  /// Names of all models, sorted.
  func models() throws(RegistryError) -> [ModelName]
  /// The bytes of a tensor or a file, checked against their digest.
  func blob(_ digest: Digest) throws(RegistryError) -> [UInt8]
  /// Points an alias at a version that is there and was not retired.
  func move(_ alias: Alias, of model: ModelName, to version: ModelVersion) throws(RegistryError)
  /// Takes an alias away; nothing happens if there is none.
  func remove(_ alias: Alias, of model: ModelName) throws(RegistryError)
  /// The aliases of a model, sorted by name.
  func aliases(of model: ModelName) throws(RegistryError) -> [(alias: Alias, version: ModelVersion)]
  /// Marks a version as bad: it stays what it is, but `latest` is the newest version without such a mark.
  func takeBack(_ version: ModelVersion, of model: ModelName, reason: String) throws(RegistryError)
  /// The versions that were taken back, oldest first, with the reasons.
  func takenBack(of model: ModelName) throws(RegistryError) -> [(version: ModelVersion, reason: String)]
  /// Marks a version as revoked, for good: it stays what it is, but no alias may point to it. The mark alone: `retire`
  /// moves the aliases. A version that has the mark keeps its first reason.
  ///
  /// - Parameter version: need not be there: a serving node remembers what it must never load.
  func markRetired(_ version: RetiredVersion) throws(RegistryError)
  /// The versions that were retired, oldest first.
  func retired(of model: ModelName) throws(RegistryError) -> [RetiredVersion]
}

/// A version that was revoked: no serving node offers it, and none ever loads it again.
package struct RetiredVersion: Hashable, Sendable {
  /// Longest reason, in bytes of UTF-8.
  package static let reasonBytesMax = 256
  /// Newest retired versions of all models together that serving nodes are told of.
  package static let countMax = 1024

  package let model: ModelName
  package let version: ModelVersion
  /// Of the manifest.
  package let digest: Digest
  /// One line for people.
  package let reason: String

  /// - Parameter reason: control characters become spaces, and what is longer than `reasonBytesMax` is cut at the start of
  ///   a character.
  package init(model: ModelName, version: ModelVersion, digest: Digest, reason: String) {
    self.model = model
    self.version = version
    self.digest = digest
    var line: [UInt8] = []
    for scalar in reason.unicodeScalars {
      let bytes = scalar.value < 32 || scalar.value == 127 ? [UInt8(ascii: " ")] : Array(String(scalar).utf8)
      guard line.count + bytes.count <= Self.reasonBytesMax else { break }
      line += bytes
    }
    self.reason = String(decoding: line, as: UTF8.self)
  }
}

/// Where an alias went.
package struct AliasMove: Hashable, Sendable {
  package let model: ModelName
  package let alias: Alias
  /// Nil if there was no such alias.
  package let from: ModelVersion?
  /// Nil if it was taken away.
  package let to: ModelVersion?

  package init(model: ModelName, alias: Alias, from: ModelVersion?, to: ModelVersion?) {
    self.model = model
    self.alias = alias
    self.from = from
    self.to = to
  }
}

/// A published version.
package struct StoredVersion: Hashable, Sendable {
  package let manifest: Manifest
  package let signed: SignedManifest
  package let digest: Digest
  /// Nil for a version that was published without.
  package let attachments: ModelAttachments?

  init(_ signed: SignedManifest, attachments: ModelAttachments?) throws(ManifestError) {
    self.signed = signed
    self.attachments = attachments
    manifest = try Manifest(bytes: signed.bytes)
    digest = signed.digest
  }
}

extension ModelRegistryStore {
  /// Publishes a version without attachments.
  package func publish(_ manifest: SignedManifest, artifact: ModelArtifact) throws(RegistryError) {
    try publish(manifest, artifact: artifact, attachments: nil)
  }

  /// The newest version that was neither taken back nor retired; nil for an unknown model.
  package func newestStanding(of model: ModelName) throws(RegistryError) -> StoredVersion? {
    try newestStanding(of: model, before: nil)
  }

  private func newestStanding(of model: ModelName, before limit: ModelVersion?) throws(RegistryError) -> StoredVersion?
  {
    let gone = Set(try takenBack(of: model).map(\.version) + retired(of: model).map(\.version))
    return try versions(of: model).last { version in
      let number = version.manifest.version
      return !gone.contains(number) && limit.map { number < $0 } ?? true
    }
  }

  /// Revokes a version: marks it, then moves the aliases that point to it to the newest standing version before it, or
  /// takes them away if there is none.
  ///
  /// - Returns: what became of the aliases. Empty if the version was retired before, with whatever reason.
  package func retire(_ version: ModelVersion, of model: ModelName, reason: String) throws(RegistryError) -> [AliasMove]
  {
    let found = try find(ModelReference(model: model, selector: .version(version)))
    try markRetired(RetiredVersion(model: model, version: version, digest: found.digest, reason: reason))
    return try settleAliases(of: model)
  }

  /// Moves the aliases that point to retired versions, also if a process died before it could.
  ///
  /// - Returns: what became of them.
  package func settleAliases(of model: ModelName) throws(RegistryError) -> [AliasMove] {
    let gone = Set(try retired(of: model).map(\.version))
    var moves: [AliasMove] = []
    for (alias, version) in try aliases(of: model) where gone.contains(version) {
      let target = try newestStanding(of: model, before: version)?.manifest.version
      if let target { try move(alias, of: model, to: target) } else { try remove(alias, of: model) }
      moves.append(AliasMove(model: model, alias: alias, from: version, to: target))
    }
    return moves
  }

  /// Moves `latest` to where it belongs, if a process died before it could: between a version and its alias, or between
  /// a mark and the alias.
  package func restoreLatest(of model: ModelName) throws(RegistryError) {
    guard let newest = try newestStanding(of: model)?.manifest.version else { return }
    let latest = try aliases(of: model).first { $0.alias == .latest }?.version
    if latest != newest { try move(.latest, of: model, to: newest) }
  }

  /// Refuses a version that was retired.
  func requireStanding(_ version: ModelVersion, of model: ModelName) throws(RegistryError) {
    if let gone = try retired(of: model).first(where: { $0.version == version }) { throw .retired(gone) }
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
  static func checked(
    _ signed: SignedManifest, _ artifact: ModelArtifact, _ attachments: ModelAttachments?
  ) throws(RegistryError) -> StoredVersion {
    let version: StoredVersion
    do throws(ManifestError) {
      version = try StoredVersion(signed, attachments: attachments)
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
  /// The version was revoked.
  case retired(RetiredVersion)
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
    case .retired(let version): "\(version.model)@\(version.version) is retired: \(version.reason)"
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
  private var gone: [ModelName: [ModelVersion: RetiredVersion]] = [:]

  package init() {}

  package func publish(
    _ manifest: SignedManifest, artifact: ModelArtifact, attachments: ModelAttachments?
  ) throws(RegistryError) {
    let version = try keep(manifest, artifact: artifact, attachments: attachments).manifest
    guard gone[version.model]?[version.version] == nil else { return }
    let latest = pointers[version.model]?[.latest]
    if latest.map({ $0 < version.version }) ?? true { pointers[version.model, default: [:]][.latest] = version.version }
  }

  /// The first step of a publication: the version is there, no alias has moved. A process may die behind it.
  @discardableResult
  package func keep(
    _ manifest: SignedManifest, artifact: ModelArtifact, attachments: ModelAttachments? = nil
  ) throws(RegistryError) -> StoredVersion {
    let version = try Self.checked(manifest, artifact, attachments)
    let (model, number) = (version.manifest.model, version.manifest.version)
    if let existing = published[model]?[number] {
      guard existing.signed.bytes == manifest.bytes else {
        throw .versionTaken(model, number, existing: existing.digest)
      }
      guard existing.attachments == nil else { return existing }
      published[model, default: [:]][number] = version
      return version
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
    try requireStanding(version, of: model)
    pointers[model, default: [:]][alias] = version
  }

  package func remove(_ alias: Alias, of model: ModelName) { pointers[model]?[alias] = nil }

  package func takeBack(_ version: ModelVersion, of model: ModelName, reason: String) throws(RegistryError) {
    _ = try find(ModelReference(model: model, selector: .version(version)))
    marks[model, default: [:]][version] = reason
    try restoreLatest(of: model)
  }

  package func takenBack(of model: ModelName) -> [(version: ModelVersion, reason: String)] {
    (marks[model] ?? [:]).sorted { $0.key < $1.key }.map { (version: $0.key, reason: $0.value) }
  }

  package func markRetired(_ version: RetiredVersion) {
    if gone[version.model]?[version.version] == nil { gone[version.model, default: [:]][version.version] = version }
  }

  package func retired(of model: ModelName) -> [RetiredVersion] {
    (gone[model] ?? [:]).sorted { $0.key < $1.key }.map(\.value)
  }

  package func aliases(of model: ModelName) -> [(alias: Alias, version: ModelVersion)] {
    (pointers[model] ?? [:]).sorted { $0.key < $1.key }.map { (alias: $0.key, version: $0.value) }
  }
}
