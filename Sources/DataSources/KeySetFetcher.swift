import Access
import Foundation
import FoundationNetworking
import ModelRegistry

/// Why the keys of an issuer could not be fetched.
package enum KeySetFetchError: Error, Equatable, Sendable, CustomStringConvertible {
  case badAddress
  case refused(status: Int)
  case unreachable(reason: String)
  case tooLarge
  case silent(after: Duration)
  case cancelled
  case file(FileError)

  package var description: String {
    switch self {
    case .badAddress: "found an address that cannot be asked, expected one with https:// or http://"
    case .refused(let status): "found status \(status), expected 200"
    case .unreachable(let reason): "found no answer (\(reason)), expected a key set"
    case .tooLarge: "found more than \(KeySetLocation.byteCountMax) bytes, expected at most so many"
    case .silent(let duration): "found no whole answer after \(duration), expected one"
    case .cancelled: "the fetch was cancelled"
    case .file(let error): "\(error)"
    }
  }
}

/// Fetches the keys of issuers, over the web or from a file.
///
/// Nothing is sent along, kept, or shared between fetches: no cookies, no cache, no credentials. A redirect is followed
/// to the same scheme, host and port only; any other is an answer that is not a key set.
package struct KeySetFetcher: Sendable {
  /// Time for a whole fetch.
  package static let limitStandard = Duration.seconds(5)
  /// Most redirects that are followed.
  static let redirectsMax = 3

  private let limit: Duration

  package init(limit: Duration = limitStandard) { self.limit = limit }

  /// What stands at the place, at most `KeySetLocation.byteCountMax` bytes.
  package func fetch(_ location: KeySetLocation) async throws(KeySetFetchError) -> [UInt8] {
    switch location {
    case .file(let path):
      do throws(FileError) {
        return try DurableFile.read(path, byteCountMax: KeySetLocation.byteCountMax)
      } catch {
        throw error.code == EFBIG ? .tooLarge : .file(error)
      }
    case .web(let address):
      guard let url = URL(string: address), url.host?.isEmpty == false else { throw .badAddress }
      return try await fetch(url)
    }
  }

  private func fetch(_ url: URL) async throws(KeySetFetchError) -> [UInt8] {
    let transfer = KeySetTransfer(url, limit: limit)
    defer { transfer.stop() }
    let deadline = Task { [limit] in
      try await Task.sleep(for: limit)
      transfer.end(.failure(.silent(after: limit)))
    }
    defer { deadline.cancel() }
    for await result in transfer.results { return try result.get() }
    throw .cancelled
  }
}

/// One GET, and what came of it: the first result counts.
private final class KeySetTransfer: NSObject, URLSessionDataDelegate, @unchecked Sendable {  // State is the queue's.
  let results: AsyncStream<Result<[UInt8], KeySetFetchError>>
  private let continuation: AsyncStream<Result<[UInt8], KeySetFetchError>>.Continuation
  private let origin: URL
  private var bytes: [UInt8] = []
  private var redirectCount = 0
  private var session: URLSession?

  init(_ url: URL, limit: Duration) {
    (results, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(1))
    origin = url
    super.init()
    let configuration = URLSessionConfiguration.ephemeral
    configuration.httpCookieStorage = nil
    configuration.urlCache = nil
    configuration.urlCredentialStorage = nil
    // The caller's own deadline comes first.
    configuration.timeoutIntervalForRequest = 2 * (limit / .seconds(1)) + 60
    let queue = OperationQueue()
    queue.maxConcurrentOperationCount = 1
    let session = URLSession(configuration: configuration, delegate: self, delegateQueue: queue)
    self.session = session
    var request = URLRequest(url: url)
    request.setValue("application/json", forHTTPHeaderField: "Accept")
    session.dataTask(with: request).resume()
  }

  /// The session keeps its delegate until then.
  func stop() {
    session?.invalidateAndCancel()
    continuation.finish()
  }

  func end(_ result: Result<[UInt8], KeySetFetchError>) {
    continuation.yield(result)
    continuation.finish()
  }

  func urlSession(
    _ session: URLSession, task: URLSessionTask, willPerformHTTPRedirection response: HTTPURLResponse,
    newRequest request: URLRequest, completionHandler: @escaping (URLRequest?) -> Void
  ) {
    redirectCount += 1
    let isSame =
      request.url?.scheme == origin.scheme && request.url?.host == origin.host && request.url?.port == origin.port
    guard isSame, redirectCount <= KeySetFetcher.redirectsMax else {
      end(.failure(.refused(status: response.statusCode)))
      completionHandler(nil)
      return
    }
    completionHandler(request)
  }

  func urlSession(
    _ session: URLSession, dataTask: URLSessionDataTask, didReceive response: URLResponse,
    completionHandler: @escaping (URLSession.ResponseDisposition) -> Void
  ) {
    let status = (response as? HTTPURLResponse)?.statusCode ?? 0
    guard status == 200 else {
      end(.failure(.refused(status: status)))
      completionHandler(.cancel)
      return
    }
    completionHandler(.allow)
  }

  func urlSession(_ session: URLSession, dataTask: URLSessionDataTask, didReceive data: Data) {
    guard bytes.count + data.count <= KeySetLocation.byteCountMax else {
      end(.failure(.tooLarge))
      dataTask.cancel()
      return
    }
    bytes += data
  }

  func urlSession(_ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?) {
    end(error.map { .failure(.unreachable(reason: $0.localizedDescription)) } ?? .success(bytes))
  }
}
