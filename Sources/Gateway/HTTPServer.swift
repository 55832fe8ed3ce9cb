import Hosting
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Serving

/// Why a gateway could not begin.
package enum GatewayError: Error, Equatable, Sendable, CustomStringConvertible {
  case bind(address: String, reason: String)
  case certificate(path: String, reason: String)

  package var description: String {
    switch self {
    case .bind(let address, let reason): "cannot listen on \(address): \(reason)"
    case .certificate(let path, let reason): "\(path): \(reason)"
    }
  }
}

/// A server of HTTP/1.1 on a few event loops, with or without TLS.
package final class HTTPServer: Sendable {
  package struct Options: Sendable {
    package var host: String
    /// 0 for one that the system chooses.
    package var port: Int
    package var threads: Int
    package var limits = HTTPLimits()
    package var batches = BatchLimits()
    package var tls: TLSFiles?

    package init(host: String, port: Int, threads: Int) {
      self.host = host
      self.port = port
      self.threads = threads
    }
  }

  /// Paths of PEM files.
  package struct TLSFiles: Hashable, Sendable {
    package var certificate: String
    package var key: String

    package init(certificate: String, key: String) {
      self.certificate = certificate
      self.key = key
    }
  }

  /// How long a connection may go on with its answer when the server ends.
  private static let drainTime = TimeAmount.seconds(5)

  /// As clients write it: `http://127.0.0.1:8080`.
  package let url: String
  /// The loops, for whoever answers another protocol on them; they end with the server.
  package let group: MultiThreadedEventLoopGroup
  private let pool: NIOThreadPool
  private let loops: HTTPLoops
  private let listener: any Channel
  private let open: OpenConnections

  /// Binds and begins to answer.
  ///
  /// - Parameter observe: told of each batch of predictions, on the loop that computed it.
  /// - Throws: `GatewayError`.
  package init(
    _ options: Options, service: any HTTPService, logger: Logger,
    observe: @escaping @Sendable (PredictionLane.BatchFigures) -> Void = { _ in }
  ) async throws(GatewayError) {
    let tls = try options.tls.map { files throws(GatewayError) in try Self.context(files) }
    group = MultiThreadedEventLoopGroup(numberOfThreads: options.threads)
    pool = NIOThreadPool(numberOfThreads: max(1, options.threads))
    pool.start()
    loops = HTTPLoops(group, pool: pool, batches: options.batches, observe: observe)
    open = OpenConnections()
    let budget = HTTPBudget(limits: options.limits)
    let bootstrap = Self.bootstrap(
      options, service: service, group: group, loops: loops, budget: budget, open: open, tls: tls)
    do {
      listener = try await bootstrap.bind(host: options.host, port: options.port).get()
    } catch {
      try? await group.shutdownGracefully()
      try? await pool.shutdownGracefully()
      throw .bind(address: "\(options.host):\(options.port)", reason: "\(error)")
    }
    let port = listener.localAddress?.port ?? options.port
    let host = options.host.contains(":") ? "[\(options.host)]" : options.host
    url = "\(tls == nil ? "http" : "https")://\(host):\(port)"
    logger.info("HTTP listens", metadata: ["url": "\(url)"])
  }

  private static func context(_ files: TLSFiles) throws(GatewayError) -> NIOSSLContext {
    let chain: [NIOSSLCertificateSource]
    do {
      chain = try NIOSSLCertificate.fromPEMFile(files.certificate).map { .certificate($0) }
    } catch {
      throw .certificate(path: files.certificate, reason: "found no certificates in PEM: \(error)")
    }
    let key: NIOSSLPrivateKey
    do {
      key = try NIOSSLPrivateKey(file: files.key, format: .pem)
    } catch {
      throw .certificate(path: files.key, reason: "found no private key in PEM: \(error)")
    }
    var configuration = TLSConfiguration.makeServerConfiguration(certificateChain: chain, privateKey: .privateKey(key))
    configuration.minimumTLSVersion = .tlsv12
    configuration.applicationProtocols = ["http/1.1"]
    do {
      return try NIOSSLContext(configuration: configuration)
    } catch {
      throw .certificate(path: files.certificate, reason: "\(error)")
    }
  }

  private static func bootstrap(
    _ options: Options, service: any HTTPService, group: MultiThreadedEventLoopGroup, loops: HTTPLoops,
    budget: HTTPBudget, open: OpenConnections, tls: NIOSSLContext?
  ) -> ServerBootstrap {
    let limits = options.limits
    return ServerBootstrap(group: group)
      .serverChannelOption(.backlog, value: 256)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
      .childChannelOption(.maxMessagesPerRead, value: 4)
      .childChannelInitializer { channel in
        guard budget.open() else { return channel.close() }
        open.insert(channel)
        channel.closeFuture.whenComplete { _ in
          budget.close()
          open.remove(channel)
        }
        return channel.eventLoop.makeCompletedFuture {
          let pipeline = channel.pipeline.syncOperations
          if let tls { try pipeline.addHandler(NIOSSLServerHandler(context: tls)) }
          var decoder = NIOHTTPDecoderLimitConfiguration()
          decoder.maxHeaderFieldSize = limits.headerBytesMax
          decoder.maxHeaderListSize = limits.headerBytesMax
          decoder.maxHeaderFieldCount = limits.headerCountMax
          try pipeline.configureHTTPServerPipeline(
            withErrorHandling: false, withOutboundHeaderValidation: false, withEncoderConfiguration: .init(),
            withDecoderLimitConfiguration: decoder)
          try pipeline.addHandler(
            HTTPConnection(service: service, loop: loops.loop(of: channel.eventLoop), limits: limits, budget: budget))
        }
      }
  }

  /// Predicts as a request of HTTP would, for another protocol: at once where this is one of the loops, else on the next.
  package func submit(
    _ body: @escaping @Sendable (HTTPLoop) -> Void
  ) {
    if let current = MultiThreadedEventLoopGroup.currentEventLoop, loops.has(current) {
      return body(loops.loop(of: current))
    }
    let eventLoop = group.next()
    eventLoop.execute { [loops] in body(loops.loop(of: eventLoop)) }
  }

  /// Takes no more connections, lets those with an answer on its way finish for a time, and ends.
  package func stop() async {
    try? await listener.close().get()
    let open = open
    let drained = group.next().makePromise(of: Void.self)
    open.drain(drained)
    let timeout = group.next().scheduleTask(in: Self.drainTime) { drained.succeed() }
    try? await drained.futureResult.get()
    timeout.cancel()
    open.closeAll()
    try? await group.shutdownGracefully()
    try? await pool.shutdownGracefully()
  }
}
