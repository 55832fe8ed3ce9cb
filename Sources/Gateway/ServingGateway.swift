import Access
import Federation
import Hosting
import Inference
import Logging
import ModelRegistry
import NIOCore
import NIOHTTP1
import Observability
import Serving

/// What a serving node answers over HTTP: predictions in the Open Inference Protocol, versions to pull, metrics, health.
///
/// Every refusal is in the protocol's shape, `{"error": "…"}`.
package struct ServingGateway: HTTPService {
  package struct Options: Sendable {
    /// Of a request that names no timeout, and the longest that one may name.
    package var deadline = Duration.seconds(1)
    package var inference = InferenceLimits()
    package var batches = BatchLimits()
    /// Whether each request is logged, without what is in it.
    package var logsRequests = false
    /// Of the product.
    package var version: String

    package init(version: String) { self.version = version }
  }

  package let options: Options
  package let host: ModelHost
  let library: LibraryAnswers
  let entrance: Entrance
  let limiter: RateLimiter
  package let metrics: ServingMetrics
  let registry: MetricsRegistry
  package let logger: Logger
  /// Says who asks, whichever protocol asks.
  package var gate: Gatekeeper { entrance.gate }

  package init(
    _ options: Options, host: ModelHost, library: any VersionLibrary, gate: Gatekeeper, limiter: RateLimiter,
    metrics: ServingMetrics, registry: MetricsRegistry, logger: Logger
  ) {
    self.options = options
    self.host = host
    self.library = LibraryAnswers(library: library)
    entrance = Entrance(gate: gate)
    self.limiter = limiter
    self.metrics = metrics
    self.registry = registry
    self.logger = logger
  }

  // MARK: HTTPService

  package func refusal(of method: HTTPMethod, target: String, headers: HTTPHeaders) -> HTTPReply? {
    do throws(InferenceError) {
      let route = try Route(method: method, path: HTTPRequest.path(of: target))
      return route.permission == nil ? nil : entrance.refusal(headers).map { HTTPReply($0) }
    } catch {
      return HTTPReply(error)
    }
  }

  package func refusal(status: Int, message: String) -> HTTPReply {
    if status == 413 { metrics.rejected(.bodyTooLarge) }
    return HTTPReply(status: status, body: InferenceError(.invalid, message).json)
  }

  package func answer(_ request: HTTPRequest, on loop: HTTPLoop, reply: @escaping (HTTPReply) -> Void) {
    let exchange = Exchange(request, started: loop.now, trace: request.trace, gateway: self, reply: reply)
    do throws(InferenceError) {
      let route = try Route(method: request.method, path: request.path)
      guard let permission = route.permission else { return answer(route, nil, exchange, on: loop) }
      entrance.enter(request.headers, permission, model: route.model, on: loop) { result in
        switch result {
        case .success(let principal):
          exchange.caller = principal.key
          answer(route, principal, exchange, on: loop)
        case .failure(let error): exchange.end(HTTPReply(error))
        }
      }
    } catch {
      exchange.end(HTTPReply(error))
    }
  }

  // MARK: Answers

  private func answer(_ route: Route, _ principal: Principal?, _ exchange: Exchange, on loop: HTTPLoop) {
    if case .infer(let model, let version) = route, let principal {
      return infer(model, version, principal, exchange, on: loop)
    }
    do throws(InferenceError) {
      exchange.end(try answer(route, exchange.request) { principal?.may(.read, model: $0) ?? false })
    } catch {
      exchange.end(HTTPReply(error))
    }
  }

  /// - Parameter isShown: whether the caller sees a model in a list.
  private func answer(
    _ route: Route, _ request: HTTPRequest, where isShown: (String) -> Bool
  ) throws(InferenceError) -> HTTPReply {
    switch route {
    case .metrics: return HTTPReply(registry, accept: request.headers.first(name: "accept"))
    case .openAPI: return HTTPReply(body: OpenAPI.document(version: options.version)).compressible
    case .live: return HTTPReply(body: Liveness().json)
    case .ready:
      guard host.isAnyReady else { throw InferenceError(.notReady, "no version of any model is ready yet") }
      return HTTPReply(body: Readiness().json)
    case .serverMetadata: return HTTPReply(body: serverMetadata.json)
    case .modelMetadata(let model, let version):
      return try HTTPReply(body: metadata(of: host.find(model, version: version)).json)
    case .modelReady(let model, let version):
      let found = try host.find(model, version: version)
      return HTTPReply(body: ModelReadiness(name: found.name.model.text).json)
    case .modelConfiguration(let model, let version):
      return try HTTPReply(body: configuration(of: host.find(model, version: version)).json)
    case .statistics(let model, let version):
      return try HTTPReply(body: ModelStatistics.json(statistics(of: model, version, where: isShown)))
    case .repositoryIndex: return try index(request, where: isShown)
    case .load(let model):
      try withhold(model, false)
      return .nothing
    case .unload(let model):
      try withhold(model, true)
      return .nothing
    case .listVersions: return library.listing(where: isShown)
    case .file(let model, let selector, let name):
      return try library.file(name, of: model, selector, request.headers)
    case .infer: preconditionFailure("requests for predictions have an answer of their own")
    }
  }

  private func index(_ request: HTTPRequest, where isShown: (String) -> Bool) throws(InferenceError) -> HTTPReply {
    let wanted = try request.body.withUnsafeReadableBytes { body throws(InferenceError) in
      try RepositoryIndexRequest(body: body, limits: options.inference)
    }
    return HTTPReply(body: index(isReadyOnly: wanted.isReadyOnly, where: isShown).json)
  }
}

/// One request on its way to its answer.
final class Exchange {
  let request: HTTPRequest
  let started: MonotonicTime
  let trace: TraceContext?
  var caller: Principal.Key?
  private let gateway: ServingGateway
  private let reply: (HTTPReply) -> Void

  init(
    _ request: HTTPRequest, started: MonotonicTime, trace: TraceContext?, gateway: ServingGateway,
    reply: @escaping (HTTPReply) -> Void
  ) {
    self.request = request
    self.started = started
    self.trace = trace
    self.gateway = gateway
    self.reply = reply
  }

  /// Sends the answer, and logs that it was sent.
  func end(_ answer: HTTPReply) {
    var answer = answer
    if let trace { answer.headers.append((name: "traceparent", value: trace.traceparent)) }
    reply(answer)
    let isFault = answer.status >= 500
    guard gateway.options.logsRequests || isFault else { return }
    var metadata: Logger.Metadata = [
      "method": "\(request.method.rawValue)", "path": "\(request.path.prefix(256))", "status": "\(answer.status)",
      "bytes_in": "\(request.body.readableBytes)", "bytes_out": "\(answer.byteCount)",
    ]
    if let caller { metadata["caller"] = "\(caller)" }
    if let trace { metadata["trace_id"] = "\(trace.traceID)" }
    gateway.logger.log(level: isFault ? .warning : .info, "request", metadata: metadata)
  }
}

extension HTTPReply {
  /// An empty object.
  fileprivate static var nothing: HTTPReply { HTTPReply(body: Array("{}".utf8)) }
}

extension HTTPRequest {
  /// The trace that the request is part of.
  var trace: TraceContext? { headers.first(name: "traceparent").flatMap { TraceContext(traceparent: $0) } }
}

extension Route {
  /// What the caller has to be permitted; nil for what everybody may see.
  var permission: Permission? {
    switch self {
    case .live, .ready, .openAPI, .serverMetadata: nil
    case .metrics, .modelMetadata, .modelReady, .modelConfiguration, .statistics, .repositoryIndex, .listVersions,
      .file:
      .read
    case .infer: .infer
    case .load, .unload: .admin
    }
  }

  /// The model that it is about, `*` for all; nil for none, and for lists of those that the caller may see.
  var model: String? {
    switch self {
    case .metrics: "*"
    case .openAPI, .live, .ready, .serverMetadata, .repositoryIndex, .listVersions: nil
    case .modelMetadata(let model, _), .modelReady(let model, _), .modelConfiguration(let model, _),
      .infer(let model, _), .load(let model), .unload(let model), .file(let model, _, _):
      model
    case .statistics(let model, _): model
    }
  }
}
