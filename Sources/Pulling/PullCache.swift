import Federation
import Glibc
import ModelRegistry
import SecureAggregation

/// Versions that were pulled, kept by digest for every command of this user.
///
///     blobs/SHA256                               one file, verified, read-only
///     blobs/.partial-SHA256                      one on its way
///     snapshots/FEDERATION/MODEL/VERSION/        the files of a version: other names of blobs
///     refs/FEDERATION/MODEL/ALIAS                the version's number and a line feed, as an alias was last seen
///     .locks/SHA256                              while somebody writes a blob or a snapshot
///
/// Snapshots are hard links and not symbolic ones: they can be copied, and verifiers of model signatures refuse symbolic
/// links. A snapshot appears whole. Blobs are checked against their name whenever they are used.
package struct PullCache: Sendable {
  package let root: String

  package init(root: String) { self.root = root }

  /// `murmur` in the environment's `XDG_CACHE_HOME`, else in `.cache` in `HOME`; nil without either.
  package static func usual(_ variable: (String) -> String?) -> PullCache? {
    func folder(_ name: String, _ rest: String) -> PullCache? {
      guard let value = variable(name), value.hasPrefix("/") else { return nil }
      return PullCache(root: value + rest)
    }
    return folder("XDG_CACHE_HOME", "/murmur") ?? folder("HOME", "/.cache/murmur")
  }

  func blobPath(_ digest: Digest) -> String { "\(root)/blobs/\(digest)" }
  func partialPath(_ digest: Digest) -> String { "\(root)/blobs/.partial-\(digest)" }
  func lockPath(_ digest: Digest) -> String { "\(root)/.locks/\(digest)" }

  package func snapshotPath(_ federation: FederationID, _ model: ModelName, _ version: ModelVersion) -> String {
    "\(root)/snapshots/\(federation)/\(model)/\(version)"
  }

  private func refPath(_ federation: FederationID, _ model: ModelName, _ alias: Alias) -> String {
    "\(root)/refs/\(federation)/\(model)/\(alias)"
  }

  // MARK: Reading

  /// A version that is there, verified anew. Asks nobody.
  ///
  /// - Parameter membership: of the reader's federation.
  /// - Throws: `PullError.notFound`, also for an alias that was never seen; `.verificationFailed`.
  package func find(_ reference: ModelReference, membership: MembershipList) throws(PullError) -> PulledModel {
    let federation = membership.federation
    let directory = try directory(of: reference, federation)
    guard DurableFile.exists(directory) else {
      throw PullError(.notFound, "\(reference): found no such version in \(root), expected one that was pulled before")
    }
    let model = try PulledModel.verify(directory: directory, membership: membership)
    do throws(VerificationError) {
      try reference.check(model.manifest, digest: model.digest)
    } catch {
      throw PullError(.verificationFailed, "\(directory): \(error)")
    }
    return model
  }

  private func directory(of reference: ModelReference, _ federation: FederationID) throws(PullError) -> String {
    switch reference.selector {
    case .version(let version): return snapshotPath(federation, reference.model, version)
    case .alias(let alias):
      guard let version = try version(of: alias, federation, reference.model) else {
        throw PullError(
          .notFound, "\(reference): found no such alias in \(root), expected one that was pulled before")
      }
      return snapshotPath(federation, reference.model, version)
    case .digest(let digest):
      let folder = "\(root)/snapshots/\(federation)/\(reference.model)"
      for name in (try? DurableFile.names(in: folder)) ?? [] where !name.hasPrefix(".") {
        let path = "\(folder)/\(name)"
        if (try? PulledModel.signedManifest(in: path))?.digest == digest { return path }
      }
      throw PullError(.notFound, "\(reference): found no such version in \(root), expected one that was pulled before")
    }
  }

  private func version(
    of alias: Alias, _ federation: FederationID, _ model: ModelName
  ) throws(PullError) -> ModelVersion? {
    let path = refPath(federation, model, alias)
    guard DurableFile.exists(path) else { return nil }
    let bytes = try filed { () throws(FileError) in try DurableFile.read(path, byteCountMax: 64) }
    let text = String(decoding: bytes, as: UTF8.self)
    guard text.hasSuffix("\n"), let number = UInt64(text.dropLast()) else {
      throw PullError(.verificationFailed, "\(path): found something else, expected a version's number")
    }
    return ModelVersion(number)
  }

  /// Copies a version that `find` gave into a folder, and verifies what it copies. Asks nobody.
  package func copy(
    _ model: PulledModel, into directory: String, membership: MembershipList
  ) async throws(PullError) -> PulledModel {
    let resolved = ResolvedVersion(
      signed: try PulledModel.signedManifest(in: model.directory),
      attachments: try PulledModel.attachments(in: model.directory))
    let reference = ModelReference(model: model.manifest.model, selector: .digest(model.digest))
    let version = try VerifiedVersion(resolved, membership: membership, reference: reference)
    return try await copy(model, version, into: directory, lockPatience: FileLock.patience)
  }

  func copy(
    _ snapshot: PulledModel, _ version: VerifiedVersion, into directory: String, lockPatience: Duration
  ) async throws(PullError) -> PulledModel {
    let manifest = version.manifest
    let folder = try PulledFolder(directory)
    let lock = try await FileLock.acquire(folder.lockPath, patience: lockPatience, size: { 0 }) { _ in }
    defer { withExtendedLifetime(lock) {} }
    if folder.hasWeights(of: manifest) {
      try folder.writeSmallFiles(of: version)
    } else {
      try folder.write(version, weights: snapshot.modelPath, .copying)
    }
    return PulledModel(directory: directory, manifest: manifest, digest: version.digest)
  }

  // MARK: Writing

  func makeFolders() throws(PullError) {
    try filed { () throws(FileError) in
      try DurableFile.createDirectory(root + "/blobs")
      try DurableFile.createDirectory(root + "/.locks")
    }
  }

  /// Whether the version's file is there, byte for byte. One that is not is removed.
  func hasBlob(of manifest: Manifest) throws(PullError) -> Bool {
    let path = blobPath(manifest.file.digest)
    guard DurableFile.exists(path) else { return false }
    if let bytes = try? DurableFile.read(path, byteCountMax: Int(clamping: manifest.file.byteCount)),
      (try? manifest.verify(file: bytes)) != nil
    {
      return true
    }
    try filed { () throws(FileError) in try DurableFile.remove(path) }
    return false
  }

  /// Keeps a small file by its digest.
  private func keep(_ bytes: [UInt8]) throws(PullError) -> (path: String, digest: Digest) {
    let digest = Digest.sha256(of: bytes)
    let path = blobPath(digest)
    if (try? DurableFile.read(path, byteCountMax: bytes.count)) != bytes {
      try filed { () throws(FileError) in try DurableFile.write(bytes, to: path, mode: 0o444) }
    }
    return (path, digest)
  }

  /// Makes the snapshot of a version whose file is there, in place of one that is not right.
  ///
  /// Only for who has the snapshot's lock.
  func makeSnapshot(of version: VerifiedVersion) throws(PullError) -> PulledModel {
    let manifest = version.manifest
    let path = snapshotPath(manifest.federation, manifest.model, manifest.version)
    if DurableFile.exists(path) {
      let old = "\(DurableFile.parent(of: path))/.\(manifest.version).old"
      try filed { () throws(FileError) in
        try DurableFile.remove(old)
        try DurableFile.rename(path, to: old)
        try DurableFile.remove(old)
      }
    }
    try PulledFolder(path).write(version, weights: blobPath(manifest.file.digest), .linking, keep: keep)
    return PulledModel(directory: path, manifest: manifest, digest: version.digest)
  }

  /// The snapshot of a version, if all of it is right.
  func snapshot(of version: VerifiedVersion) throws(PullError) -> PulledModel? {
    let manifest = version.manifest
    let path = snapshotPath(manifest.federation, manifest.model, manifest.version)
    guard DurableFile.exists(path) else { return nil }
    let folder = try PulledFolder(path)
    guard folder.hasSmallFiles(of: version), folder.hasWeights(of: manifest) else { return nil }
    return PulledModel(directory: path, manifest: manifest, digest: version.digest)
  }

  func note(_ alias: Alias, of manifest: Manifest) throws(PullError) {
    let path = refPath(manifest.federation, manifest.model, alias)
    try filed { () throws(FileError) in
      try DurableFile.createDirectory(DurableFile.parent(of: path))
      try DurableFile.write(Array("\(manifest.version)\n".utf8), to: path)
    }
  }
}
