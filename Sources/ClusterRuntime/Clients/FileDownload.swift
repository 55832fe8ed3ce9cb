import Federation
import ModelRegistry
import Transfer
import Wire
import ZeroMQ

typealias PullConnection = ClientConnection<PullRequest, PullReply>
typealias PullEvent = RequestClient<PullRequest, PullReply>.Event

/// Hands what comes in at one socket to the downloads that it is for.
final class DownloadBoard: Sendable {
  /// More than two windows: what does not fit is asked for again.
  private static let eventsMax = 32

  private typealias Download = (digest: Digest, events: AsyncStream<PullEvent>.Continuation)

  private let downloads = Locked<(last: Int, open: [Int: Download])>((0, [:]))

  func open(_ digest: Digest) -> (id: Int, events: AsyncStream<PullEvent>) {
    let (events, continuation) = AsyncStream.makeStream(
      of: PullEvent.self, bufferingPolicy: .bufferingOldest(Self.eventsMax))
    let id = downloads.withLock {
      $0.last += 1
      $0.open[$0.last] = (digest, continuation)
      return $0.last
    }
    return (id, events)
  }

  func close(_ id: Int) {
    downloads.withLock { $0.open.removeValue(forKey: id) }?.events.finish()
  }

  func post(_ event: PullEvent) {
    let digest: Digest? =
      switch event {
      case .reply(.chunk(let chunk), _): chunk.digest
      case .reply(.unavailable(let unavailable), _): unavailable.digest
      case .reply, .linkLost, .linkRestored, .tick, .refused: nil
      }
    downloads.withLock { state in
      for download in state.open.values where digest == nil || digest == download.digest {
        download.events.yield(event)
      }
    }
  }
}

/// Brings one file over a pull socket, chunk by chunk, onto disk.
struct FileDownload {
  private let file: PartialFile
  private let connection: PullConnection
  private let patience: Duration
  private let expected: Manifest.File

  /// - Parameters:
  ///   - expected: digest and length, from a verified manifest.
  ///   - patience: time without a new byte after which the download gives up.
  init(_ expected: Manifest.File, to file: PartialFile, over connection: PullConnection, patience: Duration) {
    self.expected = expected
    self.file = file
    self.connection = connection
    self.patience = patience
  }

  /// Downloads what is missing. What has arrived stays in the file if this fails, unless its digest is wrong.
  func run(events board: DownloadBoard, progress: (UInt64, UInt64) -> Void) async throws(RuntimeError) {
    let (id, events) = board.open(expected.digest)
    defer { board.close(id) }
    var iterator = events.makeAsyncIterator()
    var machine = BlobDownload(
      digest: expected.digest, byteCount: expected.byteCount, resumingAt: min(file.byteCount, expected.byteCount))
    progress(machine.received, expected.byteCount)
    var progressedAt = MonotonicTime.now
    var actions = machine.handle(.started(at: .now))
    var payload: Frame?
    while true {
      while !actions.isEmpty {
        switch actions.removeFirst() {
        case .request(let request): connection.post(.blob(request))
        case .write(let offset, _):
          if let payload { try write(payload, at: offset) }
          progressedAt = .now
          progress(machine.received, expected.byteCount)
        case .verify: actions += machine.handle(.verified(try isRight(), at: .now))
        case .finished: return
        case .failed(let failure): throw explain(failure)
        }
      }
      guard MonotonicTime.now.since(progressedAt) < patience else {
        throw RuntimeError(
          .network,
          "\(connection.endpoint): no byte within \(patience); the same command goes on where this one stopped")
      }
      // What is waiting in the stream would still come after a cancellation.
      guard !Task.isCancelled, let event = await iterator.next() else { throw RuntimeError(.failed, "interrupted") }
      switch event {
      case .reply(.chunk(let chunk), let bytes):
        payload = bytes
        actions = machine.handle(.chunkReceived(chunk, byteCount: bytes?.count ?? 0, at: .now))
      case .reply(.unavailable(let unavailable), _): actions = machine.handle(.unavailable(unavailable))
      case .reply(.failed(let failure), _):
        // "Not now" is asked again after a time.
        guard failure.code == .unavailable else { throw RuntimeError(failure) }
      case .reply: break
      case .linkLost: actions = machine.handle(.linkLost)
      case .linkRestored: actions = machine.handle(.linkRestored(at: .now))
      case .tick: actions = machine.handle(.tick(at: .now))
      case .refused(let error): throw error
      }
    }
  }

  private func write(_ payload: Frame, at offset: UInt64) throws(RuntimeError) {
    do throws(FileError) {
      try payload.withUnsafeBytes { bytes throws(FileError) in try file.write(bytes, at: offset) }
    } catch {
      throw RuntimeError(error)
    }
  }

  private func isRight() throws(RuntimeError) -> Bool {
    do throws(FileError) {
      return try file.digest(count: expected.byteCount) == expected.digest
    } catch {
      throw RuntimeError(error)
    }
  }

  private func explain(_ failure: BlobDownload.Failure) -> RuntimeError {
    let place = "\(connection.endpoint)"
    switch failure {
    case .unavailable:
      return RuntimeError(.notFound, "\(place): the serving node cannot give the file \(expected.digest)")
    case .silence: return RuntimeError(.network, "\(place): no answer to any request for the file")
    case .tooLarge(let count):
      return RuntimeError(.failed, "the file has \(count) bytes, expected at most \(TransferLimits.transferBytesMax)")
    case .wrongDigest:
      // Nothing of it can be used by another attempt.
      try? DurableFile.remove(file.path)
      return RuntimeError(.verificationFailed, "\(place): the bytes sent do not have the digest \(expected.digest)")
    case .wrongTotal, .wrongOffset, .wrongChunkLength:
      return RuntimeError(.verificationFailed, "\(place): the bytes sent are not those of the manifest: \(failure)")
    }
  }
}
