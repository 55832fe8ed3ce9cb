import ClusterConfiguration
import Federation
import Gateway
import Hosting
import Inference
import Logging
import ModelRegistry
import Observability
import Serving
import ZeroMQ

/// What of a party speaks HTTP.
final class HTTPFront: Sendable {
  private let options: HTTPServer.Options
  private let service: any HTTPService
  private let observe: @Sendable (PredictionLane.BatchFigures) -> Void
  private let logger: Logger
  private let server = Locked<HTTPServer?>(nil)

  /// - Parameter observe: told of each batch of predictions.
  private init(
    _ options: HTTPServer.Options, service: any HTTPService, logger: Logger,
    observe: @escaping @Sendable (PredictionLane.BatchFigures) -> Void = { _ in }
  ) {
    self.options = options
    self.service = service
    self.logger = logger
    self.observe = observe
  }

  /// Of a serving node: predictions, versions, metrics, health.
  ///
  /// - Parameter anyPort: listen on a port of the loopback interface that the system chooses.
  convenience init(
    _ configuration: HTTPConfiguration, inference: InferenceConfiguration, anyPort: Bool, host: ModelHost,
    shelf: VersionShelf, access: AccessWatch, metrics: ServingMetrics, registry: MetricsRegistry, logger: Logger
  ) {
    var options = Self.options(configuration, anyPort: anyPort)
    options.batches = BatchLimits(
      batchRowsMax: inference.batchRows, queuedRowsMax: inference.queueRows, delay: inference.batchDelay)
    var answers = ServingGateway.Options(version: Product.version)
    answers.deadline = inference.deadline
    answers.batches = options.batches
    answers.inference.bodyBytesMax = configuration.bodyBytesMax
    answers.logsRequests = configuration.logsRequests
    let gateway = ServingGateway(
      answers, host: host, library: shelf, gate: access.gate, limiter: access.limiter, metrics: metrics,
      registry: registry, logger: logger)
    self.init(options, service: gateway, logger: logger) { batch in
      metrics.batchRows.observe(Double(batch.rows))
      for waiting in batch.waiting { metrics.queueSeconds.observe(waiting) }
    }
  }

  /// Of a party without models: metrics and health.
  convenience init(
    _ configuration: HTTPConfiguration, anyPort: Bool, access: AccessWatch, registry: MetricsRegistry, logger: Logger
  ) {
    // It listens when the party is up, so that whoever reaches it finds it ready.
    let gateway = MetricsGateway(registry: registry, gate: access.gate) { true }
    self.init(Self.options(configuration, anyPort: anyPort), service: gateway, logger: logger)
  }

  private static func options(_ configuration: HTTPConfiguration, anyPort: Bool) -> HTTPServer.Options {
    var options = HTTPServer.Options(
      host: anyPort ? "127.0.0.1" : configuration.host, port: anyPort ? 0 : configuration.port,
      threads: configuration.threads ?? cores())
    options.limits.bodyBytesMax = configuration.bodyBytesMax
    options.limits.bodiesBytesMax = max(options.limits.bodiesBytesMax, configuration.bodyBytesMax)
    options.limits.connectionsMax = configuration.connectionsMax
    options.tls = configuration.tls.map { .init(certificate: $0.certificate, key: $0.key) }
    return options
  }

  /// Binds and answers.
  ///
  /// - Returns: the address, such as `http://127.0.0.1:8080`.
  func start() async throws(RuntimeError) -> String {
    do throws(GatewayError) {
      let started = try await HTTPServer(options, service: service, logger: logger, observe: observe)
      server.withLock { $0 = started }
      return started.url
    } catch {
      throw RuntimeError(.usage, error.description)
    }
  }

  /// As clients write it; nil while nobody listens.
  var url: String? { server.withLock { $0?.url } }

  func stop() async {
    let running = server.withLock { server in
      defer { server = nil }
      return server
    }
    await running?.stop()
  }
}
