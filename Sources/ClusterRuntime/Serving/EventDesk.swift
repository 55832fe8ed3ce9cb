import Access
import Federation
import Hosting
import Inference
import Observability
import Serving
import Wire
import ZeroMQ

/// Predicts batches of events for consumers with keys of the federation: what comes in a message is computed on the socket's
/// thread and answered before the next is read, so that nothing waits in queues but libzmq's.
actor EventDesk {
  typealias Server = RequestServer<EventBatch, EventReply>

  /// As rate limits and scopes know members of a federation.
  private static let issuer = "federation "

  nonisolated let server: Server
  nonisolated var unownedExecutor: UnownedSerialExecutor { server.loop.asUnownedSerialExecutor() }

  private let host: ModelHost
  private let limiter: RateLimiter
  private let metrics: ServingMetrics
  private let federation: FederationID
  /// Features of the batch in hand.
  private var features: [Float] = []

  /// - Parameter server: whoever is on its socket may read and predict.
  init(server: Server, host: ModelHost, limiter: RateLimiter, metrics: ServingMetrics, federation: FederationID) {
    self.server = server
    self.host = host
    self.limiter = limiter
    self.metrics = metrics
    self.federation = federation
  }

  /// Starts to answer.
  func start() async {
    await server.start { [weak self] inquiry in
      // On the server's loop, which is this desk's.
      self?.assumeIsolated { $0.answer(inquiry) }
    }
  }

  private func answer(_ inquiry: Server.Inquiry) {
    let piece = answer(to: inquiry.request, inquiry.payload, from: inquiry.peer)
    server.assumeIsolated { $0.reply(to: inquiry, [piece]) }
  }

  private func answer(to batch: EventBatch, _ rows: Frame?, from peer: String) -> Server.Piece {
    let started = MonotonicTime.now
    let model: ServedModel
    do throws(InferenceError) {
      model = try host.find(batch.model.text, version: batch.version.map { "\($0)" })
      try admit(peer, batch, at: started)
    } catch {
      metrics.answeredByNone(.zeromq, code: error.httpStatus)
      return Server.Piece(message: .failed(Failure(error)))
    }
    do throws(InferenceError) {
      let predictions = try predict(batch, rows, with: model)
      model.metrics.answered(.zeromq, code: 200)
      model.metrics.duration.observe(MonotonicTime.now.since(started))
      metrics.batchRows.observe(Double(batch.rows))
      let width = UInt32(model.interface.outputCount)
      return Server.Piece(
        message: .predictions(version: model.name.version, rows: batch.rows, width: width),
        payload: predictions.withUnsafeBytes { Frame(copying: $0) })
    } catch {
      model.metrics.answered(.zeromq, code: error.httpStatus)
      return Server.Piece(message: .failed(Failure(error)))
    }
  }

  private func admit(_ peer: String, _ batch: EventBatch, at now: MonotonicTime) throws(InferenceError) {
    let caller = Principal(
      key: .subject(peer, issuer: Self.issuer + federation.text), scopes: [Scope(.read), Scope(.infer)])
    guard case .limited(_, let pause) = limiter.admit(caller, model: batch.model.text, at: now) else { return }
    metrics.rejected(.rateLimit)
    throw InferenceError(.limited(retryAfter: pause), "found more batches than the limit allows")
  }

  private func predict(_ batch: EventBatch, _ rows: Frame?, with model: ServedModel) throws(InferenceError) -> [Float] {
    let count = Int(batch.rows) * model.interface.featureCount
    guard let rows, rows.count == count * batch.element.byteCount else {
      throw InferenceError(
        .invalid,
        "found \(rows?.count ?? 0) bytes for \(batch.rows) rows, expected \(count * batch.element.byteCount)")
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
