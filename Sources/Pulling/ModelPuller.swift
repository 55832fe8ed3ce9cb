import Federation
import ModelRegistry
import SecureAggregation

/// How far a pull is.
package struct PullProgress: Hashable, Sendable {
  package let model: ModelName
  package let version: ModelVersion
  /// Bytes of the weights that are there, and all of them.
  package let byteCount: UInt64
  package let total: UInt64
  /// Whether another process brings them.
  package let isWaiting: Bool
}

/// Fetches versions from several sources, in their order, and verifies them.
///
/// No source is trusted: the signature is a coordinator's of the reader's own federation file, and every byte is covered
/// by it. Nothing has its final name before all of it is verified.
package struct ModelPuller: Sendable {
  private let sources: [any PullSource]
  private let membership: MembershipList
  private let lockPatience: Duration

  /// - Parameters:
  ///   - sources: at least one; asked in this order.
  ///   - lockPatience: how long to wait for another process that does not get on.
  package init(sources: [any PullSource], membership: MembershipList) {
    self.init(sources: sources, membership: membership, lockPatience: FileLock.patience)
  }

  init(sources: [any PullSource], membership: MembershipList, lockPatience: Duration) {
    precondition(!sources.isEmpty, "a pull has a source")
    self.sources = sources
    self.membership = membership
    self.lockPatience = lockPatience
  }

  /// What the first source that answers has.
  package func models() async throws(PullError) -> [OfferedVersion] {
    try await first { source throws(PullError) in try await source.models() }.answer
  }

  /// The signed statement about a version, verified.
  package func manifest(of reference: ModelReference) async throws(PullError) -> (
    manifest: Manifest, signed: SignedManifest
  ) {
    let version = try await resolve(reference).version
    return (version.manifest, version.signed)
  }

  /// Fetches a version into the cache.
  ///
  /// - Returns: the snapshot.
  package func pull(
    _ reference: ModelReference, into cache: PullCache, progress: @escaping (PullProgress) -> Void = { _ in }
  ) async throws(PullError) -> PulledModel {
    let (version, sources) = try await resolve(reference)
    let snapshot = try await snapshot(of: version, in: cache, from: sources, progress: progress)
    if case .alias(let alias) = reference.selector { try cache.note(alias, of: version.manifest) }
    return snapshot
  }

  /// Fetches a version into the cache, and copies it into a folder.
  package func pull(
    _ reference: ModelReference, into directory: String, through cache: PullCache,
    progress: @escaping (PullProgress) -> Void = { _ in }
  ) async throws(PullError) -> PulledModel {
    let (version, sources) = try await resolve(reference)
    let snapshot = try await snapshot(of: version, in: cache, from: sources, progress: progress)
    if case .alias(let alias) = reference.selector { try cache.note(alias, of: version.manifest) }
    return try await cache.copy(snapshot, version, into: directory, lockPatience: lockPatience)
  }

  /// Fetches a version into a folder, and keeps nothing elsewhere.
  ///
  /// - Parameter directory: appears with the whole version in it; if it is there, the files of another version in it are
  ///   replaced, the weights last.
  package func pull(
    _ reference: ModelReference, into directory: String, progress: @escaping (PullProgress) -> Void = { _ in }
  ) async throws(PullError) -> PulledModel {
    let (version, sources) = try await resolve(reference)
    let manifest = version.manifest
    let folder = try PulledFolder(directory)
    let partialPath = folder.partialPath(manifest.file.digest)
    let lock = try await acquire(folder.lockPath, manifest, partialPath, progress)
    defer { withExtendedLifetime(lock) {} }
    if folder.hasWeights(of: manifest) {
      progress(report(manifest, manifest.file.byteCount))
      try folder.writeSmallFiles(of: version)
    } else {
      let partial = try await fetch(version, from: sources, to: partialPath, progress: progress)
      try filed { () throws(FileError) in try partial.finish(mode: 0o644) }
      try folder.write(version, weights: partial.path, .moving)
    }
    return PulledModel(directory: directory, manifest: manifest, digest: version.digest)
  }

  // MARK: Steps

  /// Asks one source after another until one answers.
  private func first<T>(
    _ ask: (any PullSource) async throws(PullError) -> T
  ) async throws(PullError) -> (answer: T, index: Int) {
    var failures = SourceFailures()
    for (index, source) in sources.enumerated() {
      do throws(PullError) {
        return (try await ask(source), index)
      } catch {
        guard error.isOfSource else { throw error }
        failures.note(error, at: source.place)
      }
    }
    throw failures.error
  }

  /// - Returns: also the sources, the one that answered first.
  private func resolve(
    _ reference: ModelReference
  ) async throws(PullError) -> (version: VerifiedVersion, sources: [any PullSource]) {
    let found = try await first { source throws(PullError) in
      try VerifiedVersion(try await source.resolve(reference), membership: membership, reference: reference)
    }
    return (found.answer, Array(sources[found.index...] + sources[..<found.index]))
  }

  private func snapshot(
    of version: VerifiedVersion, in cache: PullCache, from sources: [any PullSource],
    progress: @escaping (PullProgress) -> Void
  ) async throws(PullError) -> PulledModel {
    let manifest = version.manifest
    if let snapshot = try cache.snapshot(of: version) {
      progress(report(manifest, manifest.file.byteCount))
      return snapshot
    }
    try cache.makeFolders()
    try await fetchBlob(of: version, into: cache, from: sources, progress: progress)
    let path = cache.snapshotPath(manifest.federation, manifest.model, manifest.version)
    let lock = try await acquire(
      cache.lockPath(.sha256(of: Array(path.utf8))), manifest, cache.blobPath(manifest.file.digest), progress)
    defer { withExtendedLifetime(lock) {} }
    if let snapshot = try cache.snapshot(of: version) { return snapshot }
    return try cache.makeSnapshot(of: version)
  }

  private func fetchBlob(
    of version: VerifiedVersion, into cache: PullCache, from sources: [any PullSource],
    progress: @escaping (PullProgress) -> Void
  ) async throws(PullError) {
    let manifest = version.manifest
    let digest = manifest.file.digest
    let partialPath = cache.partialPath(digest)
    let lock = try await acquire(cache.lockPath(digest), manifest, partialPath, progress)
    defer { withExtendedLifetime(lock) {} }
    guard try !cache.hasBlob(of: manifest) else { return progress(report(manifest, manifest.file.byteCount)) }
    let partial = try await fetch(version, from: sources, to: partialPath, progress: progress)
    try filed { () throws(FileError) in try partial.commit(as: cache.blobPath(digest), mode: 0o444) }
  }

  /// Only for who has the lock of what the file will be.
  private func fetch(
    _ version: VerifiedVersion, from sources: [any PullSource], to path: String,
    progress: @escaping (PullProgress) -> Void
  ) async throws(PullError) -> PartialFile {
    let manifest = version.manifest
    let partial = try PartialFile(path)
    try await FileFetch(manifest: manifest, digest: version.digest, sources: sources).run(into: partial) {
      progress(report(manifest, $0))
    }
    try check(partial, against: manifest)
    return partial
  }

  /// The digest of the file is right already: that its tensors are those of the manifest is checked here.
  private func check(_ file: PartialFile, against manifest: Manifest) throws(PullError) {
    do throws(TensorCheckFault) {
      try TensorCheck(manifest, path: file.path).run()
    } catch {
      switch error {
      case .file(let error): throw PullError(error)
      case .wrong(let error):
        try filed { () throws(FileError) in try file.cut(to: 0) }
        throw PullError(.verificationFailed, error.description)
      }
    }
  }

  /// - Parameter path: what grows while another process gets on.
  private func acquire(
    _ lock: String, _ manifest: Manifest, _ path: String, _ progress: @escaping (PullProgress) -> Void
  ) async throws(PullError) -> FileLock {
    try await FileLock.acquire(lock, patience: lockPatience, size: { PartialFile.byteCount(at: path) }) {
      progress(report(manifest, $0, isWaiting: true))
    }
  }

  private func report(_ manifest: Manifest, _ byteCount: UInt64, isWaiting: Bool = false) -> PullProgress {
    PullProgress(
      model: manifest.model, version: manifest.version, byteCount: min(byteCount, manifest.file.byteCount),
      total: manifest.file.byteCount, isWaiting: isWaiting)
  }
}
