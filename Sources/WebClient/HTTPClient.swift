import Foundation
import FoundationNetworking

/// Asks servers over HTTP, and keeps connections open between questions.
///
/// Certificates are checked against the system's authorities, `/etc/ssl/certs/ca-certificates.crt`. No cookies, no cache, no
/// stored credentials.
package final class HTTPClient: Sendable {
  /// Whether an answer that is elsewhere is fetched there. Where it is not, the answer is the redirect itself.
  package enum Redirects: Hashable, Sendable {
    /// For requests with a secret in them, which is no other server's business.
    case none
    case anywhere
    /// To the same scheme, host and port only, so many times.
    case sameServer(max: Int)
  }

  /// Time without a byte after which an answer is given up.
  package let patience: Duration
  private let session: URLSession
  private let board: ExchangeBoard

  package init(patience: Duration = .seconds(30), redirects: Redirects) {
    self.patience = patience
    board = ExchangeBoard(patience: patience, redirects: redirects)
    let configuration = URLSessionConfiguration.ephemeral
    configuration.httpCookieStorage = nil
    configuration.urlCache = nil
    configuration.urlCredentialStorage = nil
    // The listener's own deadline comes first, also where the machine has no time for it at once.
    configuration.timeoutIntervalForRequest = 2 * (patience / .seconds(1)) + 60
    let queue = OperationQueue()
    queue.maxConcurrentOperationCount = 1
    session = URLSession(configuration: configuration, delegate: board, delegateQueue: queue)
  }

  /// The session keeps its delegate until then.
  deinit { session.invalidateAndCancel() }

  /// Asks; the answer comes as events.
  ///
  /// - Parameter byteCountMax: of the answer's body; more is not taken.
  package func begin(_ request: HTTPRequest, byteCountMax: Int) throws(HTTPFailure) -> HTTPExchange {
    guard let url = URL(string: request.url), url.scheme == "https" || url.scheme == "http", url.host?.isEmpty == false
    else { throw .badAddress(request.url) }
    var question = URLRequest(url: url)
    question.httpMethod = request.method.rawValue
    question.setValue("identity", forHTTPHeaderField: "Accept-Encoding")  // Digests are of the file as it is stored.
    for (name, value) in request.headers { question.setValue(value, forHTTPHeaderField: name) }
    if request.method == .post { question.httpBody = Data(request.body) }
    let exchange = HTTPExchange(url: request.url, byteCountMax: byteCountMax, patience: patience)
    let task = session.dataTask(with: question)
    board.add(exchange, of: task.taskIdentifier)
    exchange.start { [self] in withExtendedLifetime(self) { task.cancel() } }  // The connection lives as long.
    task.resume()
    return exchange
  }

  /// Asks, and waits for all of the answer.
  ///
  /// - Parameter byteCountMax: of the answer's body.
  package func send(_ request: HTTPRequest, byteCountMax: Int) async throws(HTTPFailure) -> HTTPAnswer {
    let exchange = try begin(request, byteCountMax: byteCountMax)
    defer { exchange.stop() }
    var head: HTTPHead?
    var body: [UInt8] = []
    for await event in exchange.events {
      switch event {
      case .answered(let found): head = found
      case .received(let bytes):
        guard bytes.count <= byteCountMax - body.count else { throw .tooLong(url: request.url, max: byteCountMax) }
        body += bytes
      case .tick: break
      case .ended(let failure?): throw failure
      case .ended(nil):
        guard let head else { throw .broken(url: request.url, reason: "an end without a status") }
        return HTTPAnswer(head: head, body: body)
      }
    }
    throw .cancelled
  }
}

/// Hands what comes in to the exchange that it is for. Called on the session's queue.
private final class ExchangeBoard: NSObject, URLSessionDataDelegate, Sendable {
  private let patience: Duration
  private let redirects: HTTPClient.Redirects
  private let exchanges = Guarded<[Int: HTTPExchange]>([:])

  init(patience: Duration, redirects: HTTPClient.Redirects) {
    self.patience = patience
    self.redirects = redirects
  }

  func add(_ exchange: HTTPExchange, of task: Int) { exchanges.with { $0[task] = exchange } }

  func urlSession(
    _ session: URLSession, dataTask: URLSessionDataTask, didReceive response: URLResponse,
    completionHandler: @escaping (URLSession.ResponseDisposition) -> Void
  ) {
    let answer = response as? HTTPURLResponse
    var headers: [String: String] = [:]
    for case (let name as String, let value as String) in answer?.allHeaderFields ?? [:] {
      headers[name.lowercased()] = value
    }
    exchange(of: dataTask)?.answered(HTTPHead(status: answer?.statusCode ?? 0, headers: headers))
    completionHandler(.allow)
  }

  func urlSession(_ session: URLSession, dataTask: URLSessionDataTask, didReceive data: Data) {
    guard let exchange = exchange(of: dataTask) else { return }
    if !exchange.received([UInt8](data)) { dataTask.cancel() }
  }

  func urlSession(
    _ session: URLSession, task: URLSessionTask, willPerformHTTPRedirection response: HTTPURLResponse,
    newRequest request: URLRequest, completionHandler: @escaping (URLRequest?) -> Void
  ) {
    completionHandler(isFollowed(to: request.url, from: task) ? request : nil)
  }

  private func isFollowed(to place: URL?, from task: URLSessionTask) -> Bool {
    switch redirects {
    case .none: return false
    case .anywhere: return true
    case .sameServer(let max):
      let origin = task.originalRequest?.url
      let isSame = place?.scheme == origin?.scheme && place?.host == origin?.host && place?.port == origin?.port
      return isSame && exchanges.with { $0[task.taskIdentifier] }?.redirected() ?? 0 <= max
    }
  }

  func urlSession(_ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?) {
    guard let exchange = exchanges.with({ $0.removeValue(forKey: task.taskIdentifier) }) else { return }
    guard let error else { return exchange.ended(nil) }
    let isTimeout = (error as? URLError)?.code == .timedOut
    exchange.ended(
      isTimeout
        ? .silent(url: exchange.url, seconds: patience / .seconds(1))
        : .broken(url: exchange.url, reason: error.localizedDescription))
  }

  private func exchange(of task: URLSessionTask) -> HTTPExchange? { exchanges.with { $0[task.taskIdentifier] } }
}
