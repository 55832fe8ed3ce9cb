import Access
import Inference
import NIOHTTP1
import Observability

/// What a party without models answers over HTTP: metrics for those who may read, and health.
package struct MetricsGateway: HTTPService {
  private let entrance: Entrance
  private let registry: MetricsRegistry
  private let isReady: @Sendable () -> Bool

  /// - Parameter isReady: whether the party does its work now. Any thread may ask.
  package init(registry: MetricsRegistry, gate: Gatekeeper, isReady: @escaping @Sendable () -> Bool) {
    entrance = Entrance(gate: gate)
    self.registry = registry
    self.isReady = isReady
  }

  private static func route(_ method: HTTPMethod, _ path: Substring) throws(InferenceError) -> Route {
    let route = try Route(method: method, path: path)
    guard [.metrics, .live, .ready].contains(route) else {
      throw InferenceError(.notFound, "found nothing at this path, expected /metrics, /healthz or /readyz")
    }
    return route
  }

  package func refusal(of method: HTTPMethod, target: String, headers: HTTPHeaders) -> HTTPReply? {
    do throws(InferenceError) {
      let route = try Self.route(method, HTTPRequest.path(of: target))
      return route.permission == nil ? nil : entrance.refusal(headers).map { HTTPReply($0) }
    } catch {
      return HTTPReply(error)
    }
  }

  package func refusal(status: Int, message: String) -> HTTPReply {
    HTTPReply(status: status, body: InferenceError(.invalid, message).json)
  }

  package func answer(_ request: HTTPRequest, on loop: HTTPLoop, reply: @escaping (HTTPReply) -> Void) {
    do throws(InferenceError) {
      let route = try Self.route(request.method, request.path)
      guard let permission = route.permission else { return reply(health(route)) }
      entrance.enter(request.headers, permission, model: "*", on: loop) { result in
        switch result {
        case .success: reply(HTTPReply(registry, accept: request.headers.first(name: "accept")))
        case .failure(let error): reply(HTTPReply(error))
        }
      }
    } catch {
      reply(HTTPReply(error))
    }
  }

  private func health(_ route: Route) -> HTTPReply {
    if route == .live { return HTTPReply(body: Liveness().json) }
    return isReady() ? HTTPReply(body: Readiness().json) : HTTPReply(InferenceError(.notReady, "the party is starting"))
  }
}

extension HTTPReply {
  /// All metrics, in the form that a scraper accepts.
  init(_ registry: MetricsRegistry, accept: String?) {
    let format = Exposition.format(accept: accept)
    self.init(contentType: format.contentType, body: Array(registry.render(format).utf8))
    isCompressible = true
  }
}
