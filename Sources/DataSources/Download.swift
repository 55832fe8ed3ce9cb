import Foundation
import FoundationNetworking

/// One file over HTTP, written as it comes and named only when it is complete and right.
///
/// A download that fails or is interrupted leaves nothing, and the next one starts over: the files are small.
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
          .cancelled:
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
    let target = try VerifiedFile(file, from: text, to: path)
    let transfer = HTTPTransfer(url, byteCountMax: file.byteCount, patience: patience)
    defer { transfer.stop() }
    let ticker = Task { [transfer] in
      while !Task.isCancelled {
        try? await Task.sleep(for: Self.tick)
        transfer.tick()
      }
    }
    defer { ticker.cancel() }
    let clock = ContinuousClock()
    let begin = clock.now
    var heard = begin
    for await event in transfer.events {
      switch event {
      case .answered(let status):
        guard status == 200 else { throw .refused(url: text, status: status) }
        heard = clock.now
      case .received(let bytes):
        try target.append(bytes)
        heard = clock.now
        progress(target.byteCount)
      case .ended(nil):
        try target.commit()
        return
      case .ended(let reason?):
        guard target.byteCount > 0 else { throw .unreachable(url: text, reason: reason) }
        throw .truncated(url: text, found: target.byteCount, expected: file.byteCount)
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
    case answered(status: Int)
    case received([UInt8])
    /// Nil for an orderly end.
    case ended(reason: String?)
    case tick
  }

  let events: AsyncStream<Event>
  private let continuation: AsyncStream<Event>.Continuation
  private let byteCountMax: Int
  private var byteCount = 0
  private var session: URLSession?

  init(_ url: URL, byteCountMax: Int, patience: Duration) {
    (events, continuation) = AsyncStream.makeStream(of: Event.self)
    self.byteCountMax = byteCountMax
    super.init()
    let configuration = URLSessionConfiguration.ephemeral
    configuration.httpCookieStorage = nil
    configuration.urlCache = nil
    // The caller's own deadline comes first.
    configuration.timeoutIntervalForRequest = 2 * (patience / .seconds(1)) + 1
    let queue = OperationQueue()
    queue.maxConcurrentOperationCount = 1
    let session = URLSession(configuration: configuration, delegate: self, delegateQueue: queue)
    self.session = session
    var request = URLRequest(url: url)
    request.setValue("identity", forHTTPHeaderField: "Accept-Encoding")  // The digest is of the file as it is stored.
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
    continuation.yield(.answered(status: (response as? HTTPURLResponse)?.statusCode ?? 0))
    completionHandler(.allow)
  }

  func urlSession(_ session: URLSession, dataTask: URLSessionDataTask, didReceive data: Data) {
    byteCount += data.count
    continuation.yield(.received([UInt8](data)))
    if byteCount > byteCountMax { dataTask.cancel() }
  }

  func urlSession(_ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?) {
    continuation.yield(.ended(reason: error.map { $0.localizedDescription }))
    continuation.finish()
  }
}
