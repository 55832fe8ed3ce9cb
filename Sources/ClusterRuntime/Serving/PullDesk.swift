import Federation
import Logging
import ModelRegistry
import Transfer
import Wire
import ZeroMQ

/// Answers consumers with the versions that this node has verified: lists, signed manifests, tensors and files. On a
/// compute thread.
actor PullDesk {
  typealias Server = RequestServer<PullRequest, PullReply>

  /// Newest versions of a model that are listed and served.
  static let versionsMax = 256

  private struct Shelf {
    var versions: [ModelVersion: StoredVersion] = [:]
    var aliases: [Alias: ModelVersion] = [:]
  }

  nonisolated let thread: ComputeThread
  nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

  private let server: Server
  private let models: DirectoryModelStore
  private let membership: MembershipList
  private let logger: Logger
  private var shelves: [ModelName: Shelf] = [:]
  /// Which version a tensor or file belongs to: what is on disk but not verified as a version is nobody's.
  private var tensors: Set<Digest> = []
  private var files: [Digest: StoredVersion] = [:]
  private var blobs = BlobShelf()

  init(
    thread: ComputeThread, server: Server, models: DirectoryModelStore, membership: MembershipList, logger: Logger
  ) {
    self.thread = thread
    self.server = server
    self.models = models
    self.membership = membership
    self.logger = logger
  }

  // MARK: From the node

  /// Takes up what an earlier process left: served from the first moment, whether the coordinator is there or not.
  func takeUpStored() {
    do throws(RegistryError) {
      for model in try models.models() {
        for version in try models.versions(of: model).suffix(Self.versionsMax) { takeUp(version) }
        for (alias, version) in try models.aliases(of: model) where shelves[model]?.versions[version] != nil {
          shelves[model]?.aliases[alias] = version
        }
      }
    } catch {
      logger.error("stored models cannot be read", metadata: ["error": "\(error)"])
    }
  }

  private func takeUp(_ version: StoredVersion) {
    do throws(VerificationError) {
      _ = try version.signed.verify(membership: membership)
      put(version)
    } catch {
      logger.warning(
        "stored version not served",
        metadata: ["version": "\(version.manifest.model)@\(version.manifest.version)", "error": "\(error)"])
    }
  }

  /// From now on the alias means this version.
  func offer(_ version: StoredVersion, as alias: Alias) {
    put(version)
    shelves[version.manifest.model]?.aliases[alias] = version.manifest.version
  }

  func withdraw(_ alias: Alias, of model: ModelName) { shelves[model]?.aliases[alias] = nil }

  private func put(_ version: StoredVersion) {
    let manifest = version.manifest
    shelves[manifest.model, default: Shelf()].versions[manifest.version] = version
    tensors.formUnion(manifest.tensors.map(\.digest))
    files[manifest.file.digest] = version
    guard let shelf = shelves[manifest.model], shelf.versions.count > Self.versionsMax,
      let oldest = shelf.versions.keys.filter({ !shelf.aliases.values.contains($0) }).min()
    else { return }
    shelves[manifest.model]?.versions[oldest] = nil
    let kept = shelves.values.flatMap(\.versions.values)
    tensors = Set(kept.flatMap { $0.manifest.tensors.map(\.digest) })
    files = Dictionary(kept.map { ($0.manifest.file.digest, $0) }) { first, _ in first }
  }

  // MARK: From consumers

  func answer(_ inquiry: Server.Inquiry) {
    let pieces: [Server.Piece] =
      switch inquiry.request {
      case .listModels: [Server.Piece(message: .models(rows()))]
      case .resolve(let reference): [Server.Piece(message: resolve(reference))]
      case .blob(let request): blob(request, for: inquiry.peer)
      }
    server.loop.post(to: server) { $0.reply(to: inquiry, pieces) }
  }

  private func rows() -> [ModelRow] {
    var rows: [ModelRow] = []
    for (model, shelf) in shelves.sorted(by: { $0.key < $1.key }) {
      for (number, version) in shelf.versions.sorted(by: { $0.key > $1.key }) {
        let aliases = shelf.aliases.filter { $0.value == number }.keys.sorted().prefix(WireLimits.aliasesMax)
        rows.append(ModelRow(name: model, version: number, digest: version.digest, aliases: Array(aliases)))
      }
    }
    return Array(rows.prefix(WireLimits.modelRowsMax))
  }

  private func resolve(_ text: String) -> PullReply {
    do throws(ModelReferenceError) {
      let reference = try ModelReference(parsing: text)
      guard let shelf = shelves[reference.model] else {
        return .failed(Failure(.notFound, RegistryError.unknownModel(reference.model).description))
      }
      let found: StoredVersion? =
        switch reference.selector {
        case .version(let number): shelf.versions[number]
        case .alias(let alias): shelf.aliases[alias].flatMap { shelf.versions[$0] }
        case .digest(let digest): shelf.versions.values.first { $0.digest == digest }
        }
      guard let found else {
        return .failed(Failure(.notFound, RegistryError.unknownVersion(reference).description))
      }
      return .resolved(found.signed)
    } catch {
      return .failed(Failure(.invalid, error.description))
    }
  }

  private func blob(_ request: BlobRequest, for peer: String) -> [Server.Piece] {
    switch blobs.answer(request, at: .now, read: read) {
    case .send(let chunks): return chunks.map { Server.Piece(message: .chunk($0.chunk), payload: $0.payload) }
    case .unavailable(let unavailable): return [Server.Piece(message: .unavailable(unavailable))]
    case .ignore(let fault):
      logger.warning("blob request ignored", metadata: ["peer": "\(peer)", "fault": "\(fault)"])
      return []
    }
  }

  private func read(_ digest: Digest) -> [UInt8]? {
    do throws(RegistryError) {
      if let version = files[digest] { return try models.artifact(of: version).file }
      return tensors.contains(digest) ? try models.blob(digest) : nil
    } catch {
      logger.error("blob unavailable", metadata: ["digest": "\(digest.short)", "error": "\(error)"])
      return nil
    }
  }
}
