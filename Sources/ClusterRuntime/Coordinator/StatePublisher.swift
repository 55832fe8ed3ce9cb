import Federation
import Glibc
import Logging
import ModelRegistry
import Observability
import Serving
import Transfer
import Wire
import ZeroMQ

/// The coordinator's state and snapshot sockets: tells serving nodes what was published, in numbered records.
///
/// Records are sent after what they tell of is on disk. Weights never travel here: nodes ask for blobs on the snapshot
/// socket, where disk and hashing are the desk's, on another thread.
actor StatePublisher {
  typealias SnapshotServer = RequestServer<SnapshotRequest, SnapshotReply>

  /// Silence after which a heartbeat is sent (Protocols/wire.md §7).
  static let heartbeatInterval = Duration.milliseconds(500)

  nonisolated let loop: IOLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  private let socket: Socket
  private let snapshots: SnapshotServer
  private let desk: SnapshotDesk
  private let logger: Logger
  private let epoch: UInt64
  private var sequence: UInt64 = 0
  private var heartbeat: LoopTimer?

  /// - Parameters:
  ///   - state: bound, of `SocketProfile.state`.
  ///   - snapshot: bound, of `SocketProfile.snapshot`.
  ///   - thread: for reading and hashing blobs.
  ///   - epoch: of `PublisherEpoch.begin`.
  ///   - links: counts what goes wrong on the sockets; nil where nobody asks.
  init(
    loop: IOLoop, state: consuming sending Socket, snapshot: consuming sending Socket, models: DirectoryModelStore,
    thread: ComputeThread, epoch: UInt64, links: LinkMetrics? = nil, logger: Logger
  ) {
    self.loop = loop
    self.epoch = epoch
    self.logger = logger
    socket = state
    let snapshots = SnapshotServer(
      loop: loop, socket: snapshot, name: "snapshot", unsent: links?.full(on: .snapshot), logger: logger)
    self.snapshots = snapshots
    desk = SnapshotDesk(thread: thread, server: snapshots, models: models, logger: logger)
  }

  func start() async {
    // Subscriptions come in as messages; nobody needs them, but they must leave the queue.
    loop.watch(socket, for: self) { publisher, event in
      if case .failed(let error) = event {
        publisher.logger.critical("state socket failed", metadata: ["error": "\(error)"])
      }
    }
    beat()
    await snapshots.start { [weak self] inquiry in
      guard let self else { return }
      let desk = self.desk
      // Read before the disk is: a snapshot may hold more than it says, never less.
      let position = self.assumeIsolated { ($0.epoch, $0.sequence) }
      desk.thread.post(to: desk) { $0.answer(inquiry, epoch: position.0, sequence: position.1) }
    }
  }

  /// What is on disk already.
  enum News: Sendable {
    /// A new version; `latest` is it.
    case published(StoredVersion)
    case moved(Alias, ModelName, ModelVersion)
    case removed(Alias, ModelName)
    case retired(RetiredVersion)

    /// An alias that was moved or taken away.
    init(_ move: AliasMove) {
      self = move.to.map { .moved(move.alias, move.model, $0) } ?? .removed(move.alias, move.model)
    }
  }

  func publish(_ news: News) {
    switch news {
    case .published(let version):
      let manifest = version.manifest
      send(
        .versionPublished(model: manifest.model, version: manifest.version, manifestDigest: version.digest))
      send(.aliasMoved(model: manifest.model, alias: .latest, version: manifest.version))
    case .moved(let alias, let model, let version):
      send(.aliasMoved(model: model, alias: alias, version: version))
    case .removed(let alias, let model): send(.aliasRemoved(model: model, alias: alias))
    case .retired(let version): send(.versionRetired(version))
    }
  }

  private func beat() {
    send(.heartbeat)
  }

  private func send(_ kind: StateRecord.Kind) {
    if kind != .heartbeat { sequence += 1 }
    let record = StateRecord(epoch: epoch, sequence: sequence, kind: kind)
    do {
      // A subscriber whose queue is full misses the record, sees the gap and takes a snapshot.
      _ = try socket.send([Frame(copying: try StateMessage.record(record).encoded())])
    } catch {
      logger.error("cannot publish", metadata: ["sequence": "\(sequence)", "error": "\(error)"])
    }
    heartbeat?.cancel()
    heartbeat = loop.schedule(after: Self.heartbeatInterval, for: self) { $0.beat() }
  }
}

/// The number of one life of the publisher.
enum PublisherEpoch {
  /// Begins a life: greater than any before in this folder, whatever the clock says; durable when it returns.
  static func begin(stateDirectory: String) throws(FileError) -> UInt64 {
    let path = stateDirectory + "/publisher-epoch"
    var last: UInt64 = 0
    if DurableFile.exists(path) {
      let text = String(decoding: try DurableFile.read(path, byteCountMax: 64), as: UTF8.self)
      guard text.hasSuffix("\n"), let number = UInt64(text.dropLast()), number < .max else {
        throw FileError(operation: .read, path: path, code: EINVAL)
      }
      last = number
    }
    // The clock beside the file, so that a folder that was lost and made again does not go back.
    let epoch = max(last + 1, unixTime())
    try DurableFile.write(Array("\(epoch)\n".utf8), to: path)
    return epoch
  }
}

/// Answers serving nodes: snapshots from the folder of models, blobs by digest. On a compute thread.
actor SnapshotDesk {
  typealias Server = StatePublisher.SnapshotServer

  nonisolated let thread: ComputeThread
  nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

  private let server: Server
  private let models: DirectoryModelStore
  private let logger: Logger
  private var shelf = BlobShelf()

  init(thread: ComputeThread, server: Server, models: DirectoryModelStore, logger: Logger) {
    self.thread = thread
    self.server = server
    self.models = models
    self.logger = logger
  }

  func answer(_ inquiry: Server.Inquiry, epoch: UInt64, sequence: UInt64) {
    let pieces: [Server.Piece]
    switch inquiry.request {
    case .snapshot:
      do throws(RegistryError) {
        let snapshot = StateSnapshot(
          epoch: epoch, sequence: sequence, entries: try entries(), retired: try retired())
        pieces = [Server.Piece(message: .snapshot(snapshot))]
        logger.info(
          "snapshot sent",
          metadata: ["peer": "\(inquiry.peer)", "sequence": "\(sequence)", "entries": "\(snapshot.entries.count)"])
      } catch {
        logger.error("no snapshot", metadata: ["error": "\(error)"])
        pieces = [Server.Piece(message: .failed(Failure(.internal, "the models cannot be read")))]
      }
    case .blob(let request): pieces = blob(request, for: inquiry.peer)
    }
    server.loop.post(to: server) { $0.reply(to: inquiry, pieces) }
  }

  private func blob(_ request: BlobRequest, for peer: String) -> [Server.Piece] {
    let answer = shelf.answer(request, at: .now) { digest in
      do throws(RegistryError) {
        return try models.blob(digest)
      } catch {
        logger.warning("blob unavailable", metadata: ["digest": "\(digest.short)", "error": "\(error)"])
        return nil
      }
    }
    switch answer {
    case .send(let chunks): return chunks.map { Server.Piece(message: .chunk($0.chunk), payload: $0.payload) }
    case .unavailable(let unavailable): return [Server.Piece(message: .unavailable(unavailable))]
    case .ignore(let fault):
      logger.warning("blob request ignored", metadata: ["peer": "\(peer)", "fault": "\(fault)"])
      return []
    }
  }

  /// The versions that aliases point to, at most `WireLimits.snapshotEntriesMax`.
  private func entries() throws(RegistryError) -> [StateSnapshot.Entry] {
    var entries: [StateSnapshot.Entry] = []
    for model in try models.models() {
      var aliases: [ModelVersion: [Alias]] = [:]
      for (alias, version) in try models.aliases(of: model) { aliases[version, default: []].append(alias) }
      for (version, names) in aliases.sorted(by: { $0.key < $1.key }) {
        let stored = try models.find(ModelReference(model: model, selector: .version(version)))
        entries.append(
          StateSnapshot.Entry(
            model: model, version: version, manifest: stored.signed,
            aliases: Array(names.prefix(WireLimits.aliasesMax)), attachments: stored.attachments))
      }
    }
    return Array(entries.prefix(WireLimits.snapshotEntriesMax))
  }

  /// The newest retired versions, shared out evenly: no model's keep another's out.
  private func retired() throws(RegistryError) -> [RetiredVersion] {
    let models = try self.models.models()
    var retired: [RetiredVersion] = []
    for model in models {
      retired += try self.models.retired(of: model).suffix(RetiredVersion.countMax / max(1, models.count))
    }
    return Array(retired.prefix(RetiredVersion.countMax))
  }
}
