import Federation
import ModelRegistry
import Pulling
import Transfer
import Wire
import ZeroMQ

/// A serving node's pull socket as a place that versions come from.
final class NodeSource: PullSource {
  private let connection: PullConnection
  private let downloads = DownloadBoard()
  private let patience: Duration

  /// Connects; nothing is asked yet.
  ///
  /// - Parameters:
  ///   - deadline: for each answer.
  ///   - patience: time without a new byte after which a download is given up.
  init(_ endpoint: Endpoint, keys: ClientKeys, deadline: Duration, patience: Duration) throws(RuntimeError) {
    self.patience = patience
    connection = try PullConnection(
      to: endpoint, keys: keys, server: "the serving node", profile: .pull(.connecting), deadline: deadline
    ) { [downloads] event in downloads.post(event) }
  }

  var place: String { "\(connection.endpoint)" }

  func models() async throws(PullError) -> [OfferedVersion] {
    guard case .models(let rows) = try await ask(.listModels) else { throw Self.unexpected }
    return rows.map { OfferedVersion(model: $0.name, version: $0.version, digest: $0.digest, aliases: $0.aliases) }
  }

  func resolve(_ reference: ModelReference) async throws(PullError) -> ResolvedVersion {
    guard case .resolved(let signed, let attachments) = try await ask(.resolve(reference: "\(reference)")) else {
      throw Self.unexpected
    }
    return ResolvedVersion(signed: signed, attachments: attachments)
  }

  private func ask(_ request: PullRequest) async throws(PullError) -> PullReply {
    do throws(RuntimeError) {
      return try await connection.ask(request)
    } catch {
      throw PullError(error)
    }
  }

  private static var unexpected: PullError {
    PullError(.verificationFailed, "the serving node gave the answer to another question")
  }

  func fetch(
    _ manifest: Manifest, digest: Digest, from offset: UInt64,
    write: (UnsafeRawBufferPointer, UInt64) throws(PullError) -> Void
  ) async throws(PullError) {
    let file = manifest.file
    let (id, events) = downloads.open(file.digest)
    defer { downloads.close(id) }
    var iterator = events.makeAsyncIterator()
    var machine = BlobDownload(digest: file.digest, byteCount: file.byteCount, resumingAt: offset)
    var progressedAt = MonotonicTime.now
    var actions = machine.handle(.started(at: .now))
    var payload: Frame?
    while true {
      for action in actions {
        switch action {
        case .request(let request): connection.post(.blob(request))
        case .write(let offset, _):
          progressedAt = .now
          try payload?.withUnsafeBytes { bytes throws(PullError) in try write(bytes, offset) }
        // Whether the bytes are right is judged over all of the file, whoever gave them.
        case .verify, .finished: return
        case .failed(let failure): throw explain(failure)
        }
      }
      guard MonotonicTime.now.since(progressedAt) < patience else {
        throw PullError(
          .network, "\(place): no byte within \(patience); the same command goes on where this one stopped")
      }
      // What is waiting in the stream would still come after a cancellation.
      guard !Task.isCancelled, let event = await iterator.next() else { throw PullError(.interrupted, "interrupted") }
      switch event {
      case .reply(.chunk(let chunk), let bytes):
        payload = bytes
        actions = machine.handle(.chunkReceived(chunk, byteCount: bytes?.count ?? 0, at: .now))
      case .reply(.unavailable(let unavailable), _): actions = machine.handle(.unavailable(unavailable))
      case .reply(.failed(let failure), _):
        // "Not now" is asked again after a time.
        guard failure.code == .unavailable else { throw PullError(RuntimeError(failure)) }
        actions = []
      case .reply: actions = []
      case .linkLost: actions = machine.handle(.linkLost)
      case .linkRestored: actions = machine.handle(.linkRestored(at: .now))
      case .tick: actions = machine.handle(.tick(at: .now))
      case .refused(let error): throw PullError(error)
      }
    }
  }

  private func explain(_ failure: BlobDownload.Failure) -> PullError {
    switch failure {
    case .unavailable: PullError(.notFound, "\(place): the serving node cannot give the file")
    case .silence: PullError(.network, "\(place): no answer to any request for the file")
    case .tooLarge(let count):
      PullError(.failed, "the file has \(count) bytes, expected at most \(TransferLimits.transferBytesMax)")
    case .wrongDigest, .wrongTotal, .wrongOffset, .wrongChunkLength:
      PullError(.verificationFailed, "\(place): the bytes sent are not those of the manifest: \(failure)")
    }
  }
}

extension PullError {
  init(_ error: RuntimeError) {
    let kind: Kind =
      switch error.category {
      case .ok, .failed: error.message == "interrupted" ? .interrupted : .failed
      case .usage: .usage
      case .notFound: .notFound
      case .notAuthorised: .notAuthorised
      case .verificationFailed: .verificationFailed
      case .network: .network
      }
    self.init(kind, error.message)
  }
}

extension RuntimeError {
  package init(_ error: PullError) {
    let category: ExitCategory =
      switch error.kind {
      case .usage: .usage
      case .notFound: .notFound
      case .notAuthorised: .notAuthorised
      case .verificationFailed: .verificationFailed
      case .network: .network
      case .failed, .interrupted: .failed
      }
    self.init(category, error.message)
  }
}
