import ClusterConfiguration
import Federation
import Gateway
import Hosting
import InferenceRPC
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
  /// Of gRPC beside it.
  private let rpc: RPC?
  private let observe: @Sendable (PredictionLane.BatchFigures) -> Void
  private let logger: Logger
  private let server = Locked<HTTPServer?>(nil)
  private let rpcServer = Locked<RPCServer?>(nil)

  private struct RPC: Sendable {
    let options: HTTPServer.Options
    let gateway: ServingGateway
  }

  /// - Parameter observe: told of each batch of predictions.
  private init(
    _ options: HTTPServer.Options, service: any HTTPService, rpc: RPC? = nil, logger: Logger,
    observe: @escaping @Sendable (PredictionLane.BatchFigures) -> Void = { _ in }
  ) {
    self.options = options
    self.service = service
    self.rpc = rpc
    self.logger = logger
    self.observe = observe
  }

  /// Of a serving node: predictions, versions, metrics, health; and predictions over gRPC beside it.
  ///
  /// - Parameter anyPort: listen on a port of the loopback interface that the system chooses.
  /// - Throws: `RuntimeError` where there should be gRPC in a build without it.
  convenience init(
    _ configuration: HTTPConfiguration, grpc: HTTPConfiguration?, inference: InferenceConfiguration, anyPort: Bool,
    host: ModelHost,
    shelf: VersionShelf, access: AccessWatch, metrics: ServingMetrics, registry: MetricsRegistry, logger: Logger
  ) throws(RuntimeError) {
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
    guard grpc == nil || RPCServer.isBuiltIn else {
      throw RuntimeError(
        .usage, "serving.yaml: found the section 'grpc', and this build has no gRPC: build with --traits GRPC")
    }
    let rpc = grpc.map { RPC(options: Self.options($0, anyPort: anyPort), gateway: gateway) }
    self.init(options, service: gateway, rpc: rpc, logger: logger) { batch in
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

  /// Binds and answers, gRPC too where there is any.
  ///
  /// - Returns: the address, such as `http://127.0.0.1:8080`.
  func start() async throws(RuntimeError) -> String {
    do throws(GatewayError) {
      let started = try await HTTPServer(options, service: service, logger: logger, observe: observe)
      server.withLock { $0 = started }
      if let rpc {
        let started = try await RPCServer(rpc.options, gateway: rpc.gateway, lanes: started, logger: logger)
        rpcServer.withLock { $0 = started }
      }
      return started.url
    } catch {
      throw RuntimeError(.usage, error.description)
    }
  }

  /// As clients write it; nil while nobody listens.
  var url: String? { server.withLock { $0?.url } }
  /// Of gRPC, such as `127.0.0.1:8001`; nil while nobody listens.
  var rpcAddress: String? { rpcServer.withLock { $0?.address } }

  func stop() async {
    // First, because its predictions are computed on the other's loops.
    let calls = rpcServer.withLock { server in
      defer { server = nil }
      return server
    }
    await calls?.stop()
    let running = server.withLock { server in
      defer { server = nil }
      return server
    }
    await running?.stop()
  }
}
