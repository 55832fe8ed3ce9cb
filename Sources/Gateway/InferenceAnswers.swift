import Access
import Federation
import Hosting
import Inference
import NIOCore
import NIOHTTP1
import Observability

extension ServingGateway {
  private static let headerLength = "inference-header-content-length"

  /// Predicts: limits, version, decoding, batch, encoding, each with its own refusal.
  func infer(_ name: String, _ version: String?, _ principal: Principal, _ exchange: Exchange, on loop: HTTPLoop) {
    let isBinary = exchange.request.headers.contains(name: Self.headerLength)
    let way = isBinary ? ServingMetrics.Route.binary : .rest
    let model: ServedModel
    do throws(InferenceError) {
      // Limits are kept for models that there are: a caller cannot fill their table with names.
      model = try host.find(name, version: version)
      try admit(principal, to: name, at: exchange.started)
    } catch {
      metrics.answeredByNone(way, code: error.httpStatus)
      return exchange.end(HTTPReply(error))
    }
    let request: InferenceRequest
    do throws(InferenceError) {
      request = try decode(exchange.request, for: model)
    } catch {
      model.metrics.answered(way, code: error.httpStatus)
      return exchange.end(HTTPReply(error))
    }
    metrics.inflight.add(1)
    let timeout = min(request.timeout ?? options.deadline, options.deadline)
    loop.lane.submit(request, to: model, timeout: timeout) { result in
      metrics.inflight.add(-1)
      let reply = encode(result, of: request)
      model.metrics.answered(way, code: reply.status)
      model.metrics.duration.observe(
        Double(loop.now.nanoseconds - exchange.started.nanoseconds) / 1e9, trace: exchange.trace,
        at: Double(loop.unixMilliseconds) / 1_000)
      exchange.end(reply)
    }
  }

  /// Counts the request against the limits of its caller and of the model.
  package func admit(_ principal: Principal, to model: String, at now: MonotonicTime) throws(InferenceError) {
    guard case .limited(let limit, let pause) = limiter.admit(principal, model: model, at: now) else { return }
    metrics.rejected(.rateLimit)
    let whose = limit == .caller ? "this caller" : "the model '\(model)'"
    throw InferenceError(.limited(retryAfter: pause), "found more requests than the limit of \(whose) allows")
  }

  private func decode(_ request: HTTPRequest, for model: ServedModel) throws(InferenceError) -> InferenceRequest {
    var headerByteCount: Int?
    if let text = request.headers.first(name: Self.headerLength) {
      guard let count = Int(text), count >= 0 else {
        throw InferenceError(.invalid, "found '\(text.prefix(32))' in \(Self.headerLength), expected a number of bytes")
      }
      headerByteCount = count
    }
    return try request.body.withUnsafeReadableBytes { body throws(InferenceError) in
      try InferenceRequest(
        body: body, headerByteCount: headerByteCount, signature: model.interface.signature, limits: options.inference)
    }
  }

  private func encode(_ result: Result<InferenceResponse, InferenceError>, of request: InferenceRequest) -> HTTPReply {
    do throws(InferenceError) {
      let (bytes, headerByteCount) = try result.get().encode(for: request)
      guard let headerByteCount else { return HTTPReply(body: bytes).compressible }
      return HTTPReply(
        contentType: "application/octet-stream", headers: [(name: Self.headerLength, value: "\(headerByteCount)")],
        body: bytes
      ).compressible
    } catch {
      switch error.kind {
      case .deadlineExceeded: metrics.rejected(.deadline)
      case .overloaded: metrics.rejected(.queueFull)
      default: break
      }
      return HTTPReply(error)
    }
  }
}

extension HTTPReply {
  /// The same, compressed where the client accepts that.
  var compressible: HTTPReply {
    var reply = self
    reply.isCompressible = true
    return reply
  }

  /// A refusal in the protocol's shape.
  package init(_ error: InferenceError) {
    self.init(status: error.httpStatus, body: error.json)
    switch error.kind {
    case .limited(let pause), .overloaded(let pause):
      // Whole seconds, rounded up (RFC 9110 §10.2.3).
      let (seconds, rest) = pause.components
      headers.append((name: "retry-after", value: "\(max(1, seconds + (rest > 0 ? 1 : 0)))"))
    case .notReady: headers.append((name: "retry-after", value: "1"))
    case .unauthenticated: headers.append((name: "www-authenticate", value: "Bearer"))
    case .invalid, .forbidden, .notFound, .methodNotAllowed, .tooLarge, .unsupportedMediaType, .deadlineExceeded,
      .internal:
      break
    }
  }
}

extension InferenceError {
  /// Why a caller is not let in, in the words of inference.
  package init(_ error: AccessError) {
    switch error {
    case .forbidden: self.init(.forbidden, error.description)
    case .keysUnavailable: self.init(.notReady, error.description)
    case .missing, .malformed, .unknownKey, .expired, .notYetValid, .wrongAudience, .unknownIssuer,
      .algorithmNotAllowed, .unknownKid, .badSignature:
      self.init(.unauthenticated, error.description)
    }
  }
}
