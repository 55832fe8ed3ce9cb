import Federation
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
