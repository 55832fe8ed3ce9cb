import Access
import Federation
import Hosting
import Inference
import Logging
import ModelRegistry
import Observability
import Serving
import Wire
import ZeroMQ

/// Predicts batches of events for consumers with keys of the federation: what comes in a message is computed on this thread
/// and answered before the next is read, so that nothing waits in queues but libzmq's.
actor EventServer {
  /// As rate limits and scopes know members of a federation.
  private static let issuer = "federation "

  nonisolated let loop: IOLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  private let socket: Socket
  private let host: ModelHost
  private let limiter: RateLimiter
  private let metrics: ServingMetrics
  private let federation: FederationID
  private let logger: Logger
  /// Features of the batch in hand.
  private var features: [Float] = []

  /// - Parameter socket: bound, of `SocketProfile.events`; who is on it may read and predict.
  init(
    loop: IOLoop, socket: consuming sending Socket, host: ModelHost, limiter: RateLimiter, metrics: ServingMetrics,
    federation: FederationID, logger: Logger
  ) {
    self.loop = loop
    self.socket = socket
    self.host = host
    self.limiter = limiter
    self.metrics = metrics
    self.federation = federation
    self.logger = logger
  }

  /// Starts to answer.
  func start() {
    loop.watch(socket, for: self, messagesPerTurnMax: 16) { server, event in server.receive(event) }
  }

  private func receive(_ event: SocketEvent) {
    switch event {
    case .message(let message): receive(message)
    case .refused(let refused):
      logger.warning(
        "message refused",
        metadata: ["socket": "events", "reason": "\(refused.reason)", "peer": "\(refused.userID ?? "?")"])
    case .writable: break
    case .failed(let error): logger.critical("socket failed", metadata: ["socket": "events", "error": "\(error)"])
    }
  }

  private func receive(_ message: Message) {
    guard let link = message.origin, let header = message.frames.first else { return }
    let peer = message.userID ?? "local"
    do throws(WireError) {
      guard message.frames.count == 2 else {
        throw .badField("frames", found: "\(message.frames.count)", expected: "2")
      }
      let received = try EventBatch.receive(header.bytes, payloadBytes: message.frames[1].count)
      answer(received, rows: message.frames[1], to: link, peer: peer)
    } catch {
      metrics.answeredByNone(.zeromq, code: 400)
      logger.warning("unreadable frame", metadata: ["socket": "events", "peer": "\(peer)", "error": "\(error)"])
      guard let id = try? AnyBody<EventBatch>.receive(header.bytes).request else { return }
      send(.failed(Failure(.invalid, "\(error)")), id: id, to: link)
    }
  }

  private func answer(_ received: Received<EventBatch>, rows: Frame, to link: RoutingID, peer: String) {
    let started = MonotonicTime.now
    let batch = received.message
    let model: ServedModel
    do throws(InferenceError) {
      model = try host.find(batch.model.text, version: batch.version.map { "\($0)" })
      try admit(peer, batch, at: started)
    } catch {
      metrics.answeredByNone(.zeromq, code: error.httpStatus)
      return refuse(error, id: received.request, to: link)
    }
    do throws(InferenceError) {
      let predictions = try predict(batch, rows, with: model)
      model.metrics.answered(.zeromq, code: 200)
      model.metrics.duration.observe(MonotonicTime.now.since(started))
      metrics.batchRows.observe(Double(batch.rows))
      let frame = predictions.withUnsafeBytes { Frame(copying: $0) }
      send(
        .predictions(
          version: model.name.version, rows: batch.rows, width: UInt32(model.interface.outputCount)),
        id: received.request, to: link, payload: frame)
    } catch {
      model.metrics.answered(.zeromq, code: error.httpStatus)
      refuse(error, id: received.request, to: link)
    }
  }

  private func admit(_ peer: String, _ batch: EventBatch, at now: MonotonicTime) throws(InferenceError) {
    let caller = Principal(
      key: .subject(peer, issuer: Self.issuer + federation.text), scopes: [Scope(.read), Scope(.infer)])
    guard case .limited(_, let pause) = limiter.admit(caller, model: batch.model.text, at: now) else { return }
    metrics.rejected(.rateLimit)
    throw InferenceError(.limited(retryAfter: pause), "found more batches than the limit allows")
  }

  private func predict(_ batch: EventBatch, _ rows: Frame, with model: ServedModel) throws(InferenceError) -> [Float] {
    let count = Int(batch.rows) * model.interface.featureCount
    guard rows.count == count * batch.element.byteCount else {
      throw InferenceError(
        .invalid,
        "found \(rows.count) bytes for \(batch.rows) rows, expected \(count * batch.element.byteCount)")
    }
    features.removeAll(keepingCapacity: true)
    rows.withUnsafeBytes { bytes in
      switch batch.element {
      case .uint8: features.append(contentsOf: bytes.lazy.map { Float($0) })
      case .float32:
        features.append(
          contentsOf: (0..<count).lazy.map {
            Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self)))
          })
      }
    }
    try model.prepare(&features)
    return model.measured(features, rows: Int(batch.rows))
  }

  private func refuse(_ error: InferenceError, id: UInt64, to link: RoutingID) {
    send(.failed(Failure(error)), id: id, to: link)
  }

  private func send(_ reply: EventReply, id: UInt64, to link: RoutingID, payload: Frame? = nil) {
    do {
      let header = Frame(copying: try reply.encoded(request: id))
      // Who is gone or does not read gets nothing, and asks again after its own time.
      _ = try socket.send([header] + (payload.map { [$0] } ?? []), to: link)
    } catch {
      logger.error("cannot answer", metadata: ["socket": "events", "error": "\(error)"])
    }
  }
}

extension Failure {
  fileprivate init(_ error: InferenceError) {
    let code: Failure.Code =
      switch error.kind {
      case .notFound: .notFound
      case .limited, .overloaded, .notReady, .deadlineExceeded: .unavailable
      case .unauthenticated, .forbidden: .denied
      case .internal: .internal
      case .invalid, .methodNotAllowed, .tooLarge, .unsupportedMediaType: .invalid
      }
    self.init(code, error.description)
  }
}
