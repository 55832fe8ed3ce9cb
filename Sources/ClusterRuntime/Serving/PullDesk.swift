import Federation
import Gateway
import Logging
import ModelRegistry
import Observability
import Serving
import Transfer
import Wire
import ZeroMQ

/// Answers consumers with the versions that this node has verified: lists, signed manifests, tensors and files. On a
/// compute thread.
actor PullDesk {
  typealias Server = RequestServer<PullRequest, PullReply>

  nonisolated let thread: ComputeThread
  nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

  private let server: Server
  private let models: DirectoryModelStore
  private let membership: MembershipList
  private let shelf: VersionShelf
  private let pulledBytes: Counter
  private let logger: Logger
  /// Of tensors.
  private var blobs = BlobShelf()
  /// The file that was asked for last.
  private var weights: WeightsFile?

  init(
    thread: ComputeThread, server: Server, models: DirectoryModelStore, membership: MembershipList,
    shelf: VersionShelf, pulledBytes: Counter, logger: Logger
  ) {
    self.thread = thread
    self.server = server
    self.models = models
    self.membership = membership
    self.shelf = shelf
    self.pulledBytes = pulledBytes
    self.logger = logger
  }

  // MARK: From the node

  /// Takes up what an earlier process left: served from the first moment, whether the coordinator is there or not.
  ///
  /// - Returns: what aliases point to.
  func takeUpStored() -> [StateSnapshot.Entry] {
    var entries: [StateSnapshot.Entry] = []
    do throws(RegistryError) {
      for model in try models.models() {
        for version in try models.retired(of: model) { shelf.retire(version) }
        let aliases = Dictionary(grouping: try models.aliases(of: model), by: \.version)
        for version in try models.versions(of: model).suffix(VersionShelf.versionsMax) where takeUp(version) {
          let number = version.manifest.version
          let names = (aliases[number] ?? []).map(\.alias)
          for alias in names { shelf.point(alias, of: model, at: number) }
          guard !names.isEmpty else { continue }
          entries.append(
            .init(
              model: model, version: number, manifest: version.signed, aliases: names,
              attachments: version.attachments))
        }
      }
    } catch {
      logger.error("stored models cannot be read", metadata: ["error": "\(error)"])
    }
    return entries
  }

  private func takeUp(_ version: StoredVersion) -> Bool {
    do throws(VerificationError) {
      _ = try version.signed.verify(membership: membership)
      shelf.put(version)
      return true
    } catch {
      logger.warning(
        "stored version not served",
        metadata: ["version": "\(version.manifest.model)@\(version.manifest.version)", "error": "\(error)"])
      return false
    }
  }

  /// From now on the alias means this version.
  func offer(_ version: StoredVersion, as alias: Alias) {
    shelf.put(version)
    shelf.point(alias, of: version.manifest.model, at: version.manifest.version)
  }

  func withdraw(_ alias: Alias, of model: ModelName) { shelf.withdraw(alias, of: model) }

  /// From now on the version is refused, by whatever name.
  func retire(_ version: RetiredVersion) { shelf.retire(version) }

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
    shelf.rows().prefix(WireLimits.modelRowsMax).map { row in
      ModelRow(
        name: row.model, version: row.version, digest: row.digest,
        aliases: Array(row.aliases.prefix(WireLimits.aliasesMax)))
    }
  }

  private func resolve(_ text: String) -> PullReply {
    let reference: ModelReference
    do throws(ModelReferenceError) {
      reference = try ModelReference(parsing: text)
    } catch {
      return .failed(Failure(.invalid, error.description))
    }
    do throws(RegistryError) {
      let found: StoredVersion = try shelf.find(reference)
      return .resolved(found.signed, found.attachments)
    } catch {
      return .failed(Failure(.notFound, error.description))
    }
  }

  private func blob(_ request: BlobRequest, for peer: String) -> [Server.Piece] {
    if weights?.digest != request.digest || !shelf.hasFile(request.digest) { weights = shelf.weights(request.digest) }
    if let weights { return pieces(of: weights, request, for: peer) }
    switch blobs.answer(request, at: .now, read: read) {
    case .send(let chunks):
      for chunk in chunks { pulledBytes.add(UInt64(chunk.payload.count)) }
      return chunks.map { Server.Piece(message: .chunk($0.chunk), payload: $0.payload) }
    case .unavailable(let unavailable): return [Server.Piece(message: .unavailable(unavailable))]
    case .ignore(let fault): return ignored(fault, from: peer)
    }
  }

  private func ignored(_ fault: BlobService.RequestFault, from peer: String) -> [Server.Piece] {
    logger.warning("blob request ignored", metadata: ["peer": "\(peer)", "fault": "\(fault)"])
    return []
  }

  private func pieces(of file: WeightsFile, _ request: BlobRequest, for peer: String) -> [Server.Piece] {
    let wanted: [BlobService.Piece]
    switch BlobService.answer(request, blobBytes: file.byteCount) {
    case .send(let pieces): wanted = pieces
    case .unavailable(let unavailable): return [Server.Piece(message: .unavailable(unavailable))]
    case .ignore(let fault): return ignored(fault, from: peer)
    }
    var out: [Server.Piece] = []
    for piece in wanted {
      let start = piece.chunk.offset
      do throws(FileError) {
        let bytes = try file.read(start..<start + UInt64(piece.byteCount))
        out.append(Server.Piece(message: .chunk(piece.chunk), payload: Frame(copying: bytes)))
      } catch {
        logger.error("file unavailable", metadata: ["digest": "\(file.digest.short)", "error": "\(error)"])
        return [Server.Piece(message: .unavailable(BlobUnavailable(digest: file.digest)))]
      }
    }
    pulledBytes.add(UInt64(wanted.reduce(0) { $0 + $1.byteCount }))
    return out
  }

  private func read(_ digest: Digest) -> [UInt8]? {
    do throws(RegistryError) {
      return try shelf.tensor(digest)
    } catch {
      logger.error("blob unavailable", metadata: ["digest": "\(digest.short)", "error": "\(error)"])
      return nil
    }
  }
}
