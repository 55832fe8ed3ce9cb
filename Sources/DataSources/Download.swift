import Foundation
import FoundationNetworking

/// One file over HTTP, written as it comes and named only when it is complete and right.
///
/// What came before a download failed or was interrupted stays, and the next one asks for the rest only (RFC 9110, 14.2); the
/// digest is that of the whole file either way. What turns out to be wrong is forgotten.
package struct Download: Sendable {
  /// Time without a byte after which it gives up.
  package var patience = Duration.seconds(30)
  /// Time for the whole file.
  package var limit = Duration.seconds(3600)

  private static let tick = Duration.milliseconds(50)

  package init() {}

  /// Fetches a file from the first place that has it.
  ///
  /// - Parameters:
  ///   - places: addresses of folders, `http` or `https`.
  ///   - progress: gets the bytes so far.
  /// - Throws: `DataSourceError` of the last place; only one that cannot be reached or refuses leads to the next.
  package func run(
    _ file: DataSource.File, from places: [String], to path: String, progress: (Int) -> Void
  ) async throws(DataSourceError) {
    var last = DataSourceError.badAddress("")
    for place in places {
      do throws(DataSourceError) {
        return try await run(file, from: Self.address(of: file, at: place), to: path, progress: progress)
      } catch {
        last = error
        switch error {
        case .unreachable, .refused, .silent: continue
        case .truncated, .tooLong, .wrongDigest, .tooSlow, .badAddress, .occupied, .missing, .wrongLength, .file,
          .busy, .cancelled:
          throw error
        }
      }
    }
    throw last
  }

  private static func address(of file: DataSource.File, at place: String) throws(DataSourceError) -> URL {
    guard let url = URL(string: place.hasSuffix("/") ? place + file.name : "\(place)/\(file.name)"),
      url.scheme == "https" || url.scheme == "http", url.host?.isEmpty == false
    else { throw .badAddress(place) }
    return url
  }

  private func run(
    _ file: DataSource.File, from url: URL, to path: String, progress: (Int) -> Void
  ) async throws(DataSourceError) {
    let text = url.absoluteString
    let target = try VerifiedFile(file, from: text, to: path, resuming: true)
    let begin = ContinuousClock.now
    guard target.byteCount > 0 else { return try await fetch(url, into: target, since: begin, progress: progress) }
    do throws(DataSourceError) {
      if target.isComplete { return try target.commit() }
      return try await fetch(url, into: target, since: begin, progress: progress)
    } catch {
      // The part may be of another file, or the place may not give the rest of one: once more, from the beginning.
      switch error {
      case .wrongDigest, .tooLong: break
      case .refused(_, let status) where status == 206 || status == 416: break
      default: throw error
      }
    }
    try target.restart()
    try await fetch(url, into: target, since: begin, progress: progress)
  }

  /// - Parameter target: what is there already is not asked for again.
  private func fetch(
    _ url: URL, into target: VerifiedFile, since begin: ContinuousClock.Instant, progress: (Int) -> Void
  ) async throws(DataSourceError) {
    let text = url.absoluteString
    let transfer = HTTPTransfer(url, from: target.byteCount, byteCountMax: target.expectedByteCount, patience: patience)
    defer { transfer.stop() }
    let ticker = Task { [transfer] in
      while !Task.isCancelled {
        try? await Task.sleep(for: Self.tick)
        transfer.tick()
      }
    }
    defer { ticker.cancel() }
    let clock = ContinuousClock()
    var heard = clock.now
    var receivedByteCount = 0
    for await event in transfer.events {
      switch event {
      case .answered(let status, let range):
        if target.byteCount > 0, status == 206 {
          guard range?.hasPrefix("bytes \(target.byteCount)-") == true else { throw .refused(url: text, status: 206) }
        } else {
          guard status == 200 else { throw .refused(url: text, status: status) }
          if target.byteCount > 0 { try target.restart() }  // The place gives the whole file instead.
        }
        heard = clock.now
      case .received(let bytes):
        try target.append(bytes)
        receivedByteCount += bytes.count
        heard = clock.now
        progress(target.byteCount)
      case .ended(nil):
        return try target.commit()
      case .timedOut: throw .silent(url: text, seconds: patience / .seconds(1))
      case .ended(let reason?):
        guard receivedByteCount > 0 else { throw .unreachable(url: text, reason: reason) }
        throw .truncated(url: text, found: target.byteCount, expected: target.expectedByteCount)
      case .tick:
        let now = clock.now
        guard now - heard < patience else { throw .silent(url: text, seconds: patience / .seconds(1)) }
        guard now - begin < limit else { throw .tooSlow(url: text, seconds: limit / .seconds(1)) }
      }
    }
    throw .cancelled
  }
}

/// A GET as a stream of events. Bytes wait in the stream, at most those of the file and one piece.
private final class HTTPTransfer: NSObject, URLSessionDataDelegate, @unchecked Sendable {  // State is the queue's.
  enum Event: Sendable {
    /// With the header `Content-Range`.
    case answered(status: Int, range: String?)
    case received([UInt8])
    /// Nil for an orderly end.
    case ended(reason: String?)
    /// The session waited longer than the patience allows: this process had no time to see that earlier.
    case timedOut
    case tick
  }

  let events: AsyncStream<Event>
  private let continuation: AsyncStream<Event>.Continuation
  private let byteCountMax: Int
  private var byteCount = 0
  private var session: URLSession?

  /// - Parameter offset: bytes at the beginning that are not asked for.
  init(_ url: URL, from offset: Int, byteCountMax: Int, patience: Duration) {
    (events, continuation) = AsyncStream.makeStream(of: Event.self)
    self.byteCountMax = byteCountMax
    super.init()
    let configuration = URLSessionConfiguration.ephemeral
    configuration.httpCookieStorage = nil
    configuration.urlCache = nil
    // The caller's own deadline comes first, also where the machine has no time for it at once.
    configuration.timeoutIntervalForRequest = 2 * (patience / .seconds(1)) + 60
    let queue = OperationQueue()
    queue.maxConcurrentOperationCount = 1
    let session = URLSession(configuration: configuration, delegate: self, delegateQueue: queue)
    self.session = session
    var request = URLRequest(url: url)
    request.setValue("identity", forHTTPHeaderField: "Accept-Encoding")  // The digest is of the file as it is stored.
    if offset > 0 { request.setValue("bytes=\(offset)-", forHTTPHeaderField: "Range") }
    session.dataTask(with: request).resume()
  }

  /// The session keeps its delegate until then.
  func stop() {
    session?.invalidateAndCancel()
    continuation.finish()
  }

  func tick() { continuation.yield(.tick) }

  func urlSession(
    _ session: URLSession, dataTask: URLSessionDataTask, didReceive response: URLResponse,
    completionHandler: @escaping (URLSession.ResponseDisposition) -> Void
  ) {
    let answer = response as? HTTPURLResponse
    continuation.yield(
      .answered(status: answer?.statusCode ?? 0, range: answer?.value(forHTTPHeaderField: "Content-Range")))
    completionHandler(.allow)
  }

  func urlSession(_ session: URLSession, dataTask: URLSessionDataTask, didReceive data: Data) {
    byteCount += data.count
    continuation.yield(.received([UInt8](data)))
    if byteCount > byteCountMax { dataTask.cancel() }
  }

  func urlSession(_ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?) {
    let isTimeout = (error as? URLError)?.code == .timedOut
    continuation.yield(isTimeout ? .timedOut : .ended(reason: error.map { $0.localizedDescription }))
    continuation.finish()
  }
}
