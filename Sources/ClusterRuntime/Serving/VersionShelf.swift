import Federation
import Gateway
import Inference
import ModelRegistry
import Wire
import ZeroMQ

/// The verified versions that this node gives to consumers, over ZeroMQ and over HTTP. Any thread may ask.
final class VersionShelf: Sendable {
  /// Newest versions of a model that are listed and served.
  static let versionsMax = 256

  private struct Shelf {
    var versions: [ModelVersion: StoredVersion] = [:]
    var aliases: [Alias: ModelVersion] = [:]
    /// Refused with the reason.
    var retired: [ModelVersion: RetiredVersion] = [:]
  }

  private struct State {
    var shelves: [ModelName: Shelf] = [:]
    /// Which version a tensor or file belongs to: what is on disk but not verified as a version is nobody's.
    var tensors: Set<Digest> = []
    var files: [Digest: StoredVersion] = [:]
  }

  private let models: DirectoryModelStore
  private let state = Locked(State())

  init(models: DirectoryModelStore) { self.models = models }

  // MARK: From the node

  /// Takes a verified version up.
  func put(_ version: StoredVersion) {
    state.withLock { state in
      let manifest = version.manifest
      guard state.shelves[manifest.model]?.retired[manifest.version] == nil else { return }
      state.shelves[manifest.model, default: Shelf()].versions[manifest.version] = version
      state.tensors.formUnion(manifest.tensors.map(\.digest))
      state.files[manifest.file.digest] = version
      guard let shelf = state.shelves[manifest.model], shelf.versions.count > Self.versionsMax,
        let oldest = shelf.versions.keys.filter({ !shelf.aliases.values.contains($0) }).min()
      else { return }
      state.shelves[manifest.model]?.versions[oldest] = nil
      Self.listBlobs(&state)
    }
  }

  private static func listBlobs(_ state: inout State) {
    let kept = state.shelves.values.flatMap(\.versions.values)
    state.tensors = Set(kept.flatMap { $0.manifest.tensors.map(\.digest) })
    state.files = Dictionary(kept.map { ($0.manifest.file.digest, $0) }) { first, _ in first }
  }

  /// From now on the version is refused, by whatever name.
  func retire(_ version: RetiredVersion) {
    state.withLock { state in
      var shelf = state.shelves[version.model] ?? Shelf()
      shelf.retired[version.version] = version
      shelf.aliases = shelf.aliases.filter { $0.value != version.version }
      shelf.versions[version.version] = nil
      state.shelves[version.model] = shelf
      Self.listBlobs(&state)
    }
  }

  /// Points an alias at a version, if that is here.
  func point(_ alias: Alias, of model: ModelName, at version: ModelVersion) {
    state.withLock { state in
      guard state.shelves[model]?.versions[version] != nil else { return }
      state.shelves[model]?.aliases[alias] = version
    }
  }

  func withdraw(_ alias: Alias, of model: ModelName) { state.withLock { $0.shelves[model]?.aliases[alias] = nil } }

  // MARK: From consumers

  /// By name, newest first.
  func rows() -> [LibraryRow] {
    state.withLock { state in
      state.shelves.sorted { $0.key < $1.key }.flatMap { model, shelf in
        shelf.versions.sorted { $0.key > $1.key }.map { number, version in
          LibraryRow(
            model: model, version: number, digest: version.digest,
            aliases: shelf.aliases.filter { $0.value == number }.keys.sorted())
        }
      }
    }
  }

  /// - Throws: `RegistryError.unknownModel`, `.unknownVersion` or `.retired`.
  func find(_ reference: ModelReference) throws(RegistryError) -> StoredVersion {
    let shelf = state.withLock { $0.shelves[reference.model] }
    guard let shelf else { throw .unknownModel(reference.model) }
    let found: StoredVersion? =
      switch reference.selector {
      case .version(let number): shelf.versions[number]
      case .alias(let alias): shelf.aliases[alias].flatMap { shelf.versions[$0] }
      case .digest(let digest): shelf.versions.values.first { $0.digest == digest }
      }
    if let found { return found }
    let gone: RetiredVersion? =
      switch reference.selector {
      case .version(let number): shelf.retired[number]
      case .digest(let digest): shelf.retired.values.first { $0.digest == digest }
      case .alias: nil
      }
    if let gone { throw .retired(gone) }
    throw .unknownVersion(reference)
  }

  /// The bytes of a tensor of a version that is here, verified; nil for what is nobody's.
  func tensor(_ digest: Digest) throws(RegistryError) -> [UInt8]? {
    try state.withLock { $0.tensors.contains(digest) } ? models.blob(digest) : nil
  }

  /// Whether it is the file of a version that is here.
  func hasFile(_ digest: Digest) -> Bool { state.withLock { $0.files[digest] != nil } }

  /// The file of a version that is here, to be read in pieces, which whoever gets all of them verifies; nil for what is
  /// nobody's.
  func weights(_ digest: Digest) -> WeightsFile? {
    guard let version = state.withLock({ $0.files[digest] }) else { return nil }
    return try? WeightsFile(version.manifest, blobs: models.root + "/blobs")
  }
}

extension VersionShelf: VersionLibrary {
  func listing() -> [LibraryRow] { rows() }

  func find(_ reference: ModelReference) throws(InferenceError) -> LibraryVersion {
    do {
      let version: StoredVersion = try find(reference)
      return LibraryVersion(
        digest: version.digest, weights: try WeightsFile(version.manifest, blobs: models.root + "/blobs"),
        documents: Self.documents(of: version))
    } catch let error as RegistryError {
      throw InferenceError(.notFound, error.description)
    } catch {
      throw InferenceError(.internal, "the version cannot be read")
    }
  }

  private static func documents(of version: StoredVersion) -> [LibraryVersion.Document] {
    let own: [(VersionFile, [UInt8])] = [
      (.manifest, version.signed.bytes), (.manifestSignature, Array("\(version.signed.signature.hex)\n".utf8)),
      (.card, Array(ModelCard.text(of: version.manifest, digest: version.digest).utf8)),
    ]
    return (own + (version.attachments?.files ?? []).map { ($0.file, $0.bytes) }).map { file, bytes in
      LibraryVersion.Document(name: file.name, contentType: contentType(of: file), bytes: bytes)
    }
  }

  private static func contentType(of file: VersionFile) -> String {
    switch file {
    case .model: "application/octet-stream"
    case .manifest, .modelSignature: "application/json"
    case .card: "text/markdown; charset=utf-8"
    case .manifestSignature, .signingKey, .endorsement: "text/plain; charset=utf-8"
    }
  }
}
