import Federation
import Glibc
import Logging
import ModelRegistry
import Serving
import Transfer
import Wire
import ZeroMQ

@testable import ClusterRuntime

/// A coordinator that says what a test tells it to, true or not.
actor ScriptedCoordinator {
  typealias Server = StatePublisher.SnapshotServer

  nonisolated let endpoints: EndpointsFile
  private nonisolated let links: TestLinks
  nonisolated var unownedExecutor: UnownedSerialExecutor { links.loop.asUnownedSerialExecutor() }

  private let state: Socket
  private let server: Server
  private let models: DirectoryModelStore
  private var snapshot = StateSnapshot(epoch: 1, sequence: 0, entries: [])
  private var corrupted: Digest?
  private var shelf = BlobShelf()

  init(_ federation: TestFederation) async throws {
    let links = try TestLinks(federation)
    var state: Endpoint = "tcp://127.0.0.1:*"
    var snapshot: Endpoint = "tcp://127.0.0.1:*"
    self.links = links
    models = federation.models
    self.state = try links.bind(.state(.binding), .serve, at: &state)
    server = Server(
      loop: links.loop, socket: try links.bind(.snapshot(.binding), .serve, at: &snapshot), name: "snapshot",
      logger: TestFederation.logger)
    endpoints = EndpointsFile(state: state.rawValue, snapshot: snapshot.rawValue)
    links.loop.post(to: self) { coordinator in
      coordinator.links.loop.watch(coordinator.state, for: coordinator) { _, _ in }
      // Signs of life, as a coordinator gives them.
      coordinator.links.loop.schedule(every: .milliseconds(500), for: coordinator) {
        $0.send(.heartbeat, sequence: 0)
      }
    }
    await server.start { [weak self] inquiry in self?.assumeIsolated { $0.answer(inquiry) } }
  }

  /// What a snapshot holds from now on: these manifests, `latest` at the last of them.
  ///
  /// - Parameter attachments: of each of them.
  func show(_ manifests: [SignedManifest], sequence: UInt64 = 0, attachments: ModelAttachments? = nil) {
    snapshot = StateSnapshot(
      epoch: 1, sequence: sequence,
      entries: manifests.compactMap { signed in
        guard let manifest = try? Manifest(bytes: signed.bytes) else { return nil }
        return StateSnapshot.Entry(
          model: manifest.model, version: manifest.version, manifest: signed,
          aliases: signed == manifests.last ? [.latest] : [], attachments: attachments)
      })
  }

  /// From now on one byte of this blob is sent wrong.
  func corrupt(_ digest: Digest?) {
    corrupted = digest
    shelf = BlobShelf()
  }

  func send(_ kind: StateRecord.Kind, sequence: UInt64) {
    guard let header = try? StateMessage.record(StateRecord(epoch: 1, sequence: sequence, kind: kind)).encoded() else {
      return
    }
    _ = try? state.send([Frame(copying: header)])
  }

  private func answer(_ inquiry: Server.Inquiry) {
    var pieces: [Server.Piece] = []
    switch inquiry.request {
    case .snapshot: pieces = [Server.Piece(message: .snapshot(snapshot))]
    case .blob(let request):
      let answer = shelf.answer(request, at: .now) { digest in
        var bytes = try? models.blob(digest)
        if digest == corrupted { bytes?[0] ^= 1 }
        return bytes
      }
      if case .send(let chunks) = answer {
        pieces = chunks.map { Server.Piece(message: .chunk($0.chunk), payload: $0.payload) }
      }
    }
    server.loop.post(to: server) { [pieces] in $0.reply(to: inquiry, pieces) }
  }
}

/// A pipe whose ends a test closes.
final class TestPipe: Sendable {
  let reading: Int32
  private let writing: Locked<Int32?>

  init() throws {
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else { throw RuntimeError(.failed, "pipe") }
    reading = ends[0]
    writing = Locked(ends[1])
  }

  deinit {
    closeWritingEnd()
    close(reading)
  }

  func write() {
    var byte: UInt8 = 1
    writing.withLock { if let end = $0 { _ = Glibc.write(end, &byte, 1) } }
  }

  func closeWritingEnd() {
    writing.withLock {
      if let end = $0 { close(end) }
      $0 = nil
    }
  }
}

/// A log whose messages a test waits for.
struct MessageLog: LogHandler {
  let messages: Recorder<String>
  var metadata: Logger.Metadata = [:]
  var logLevel = Logger.Level.info

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    messages.add("\(event.message)")
  }
}
