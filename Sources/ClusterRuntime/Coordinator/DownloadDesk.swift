import Federation
import Logging
import Transfer
import Wire
import ZeroMQ

/// The coordinator's downloads: which chunk goes to whom next, and the blobs that somebody waits for.
struct DownloadDesk {
  typealias Sending = (message: BulkToWorker, payload: Frame?, link: RoutingID)
  /// The bytes with this digest, checked; nil if there are none.
  typealias Reader = (Digest) -> [UInt8]?

  private var shelf = BlobShelf()
  private var pool: DownloadPool<RoutingID>
  private let logger: Logger

  init(limits: DownloadPool<RoutingID>.Limits, logger: Logger) {
    pool = DownloadPool(limits: limits)
    self.logger = logger
  }

  mutating func receive(
    _ request: BlobRequest, from worker: WorkerID, link: RoutingID, at time: MonotonicTime, read: Reader
  ) -> [Sending] {
    if request.chunks == 0 { return perform(.acknowledged(request, from: worker, at: time), read) }
    let blobBytes = shelf.hold(request.digest, at: time, read: read)
    return perform(.asked(request, blobBytes: blobBytes, from: worker, link: link, at: time), read)
  }

  mutating func lost(_ worker: WorkerID, at time: MonotonicTime, read: Reader) -> [Sending] {
    perform(.lost(worker, at: time), read)
  }

  mutating func tick(at time: MonotonicTime, read: Reader) -> [Sending] {
    let stalls = pool.stalls
    let sendings = perform(.tick(at: time), read)
    shelf.release { !pool.isWanted($0) }
    shelf.age(at: time)
    if pool.stalls > stalls {
      logger.debug("downloads stalled", metadata: ["count": "\(pool.stalls - stalls)"])
    }
    return sendings
  }

  private mutating func perform(_ event: DownloadPool<RoutingID>.Event, _ read: Reader) -> [Sending] {
    pool.handle(event).compactMap { action in
      switch action {
      case .send(let piece, let link):
        // What cannot be read any more has been logged by the reader.
        guard let frame = shelf.frame(of: piece, read: read) else {
          return (.unavailable(BlobUnavailable(digest: piece.chunk.digest)), nil, link)
        }
        return (.chunk(piece.chunk), frame, link)
      case .unavailable(let unavailable, let link): return (.unavailable(unavailable), nil, link)
      case .ignored(let fault, let worker):
        logger.warning("blob request ignored", metadata: ["worker": "\(worker)", "fault": "\(fault)"])
        return nil
      }
    }
  }
}
