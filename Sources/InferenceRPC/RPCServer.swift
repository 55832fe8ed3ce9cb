#if GRPC
  import GRPCCore
  import GRPCNIOTransportHTTP2Posix
  import Gateway
  import Logging
  import NIOCore
  import NIOPosix
  import Synchronization

  /// A server of gRPC over HTTP/2 beside the one of HTTP/1.1 whose loops predict, with or without TLS.
  package final class RPCServer: Sendable {
    /// Whether this build has it.
    package static let isBuiltIn = true
    /// Calls of one connection at once; clients keep more back.
    private static let callsMax = 128
    /// How many bytes a connection, and each of its calls, may send ahead of what has been read.
    private static let windowBytes = 1 << 20
    /// How long calls may go on with their answers when the server ends.
    private static let drainTime = Duration.seconds(5)

    /// As clients write it: `127.0.0.1:8081`.
    package let address: String
    /// Nil once it has ended: the library's transport has to be gone before the event loops are.
    private let server: Mutex<GRPCServer<HTTP2ServerTransport.Posix>?>
    private let serving: Task<Void, any Error>

    /// Binds and begins to answer.
    ///
    /// - Parameters:
    ///   - options: of them host, port, files of TLS, and of the limits bodies, connections and idle times.
    ///   - gateway: what is answered, to whom, and how it is counted.
    ///   - lanes: whose loops answer; has to be stopped after this server.
    /// - Throws: `GatewayError`.
    package init(
      _ options: HTTPServer.Options, gateway: ServingGateway, lanes: HTTPServer, logger: Logger
    ) async throws(GatewayError) {
      let named = "\(options.host):\(options.port)"
      let socket: NIOCore.SocketAddress
      do {
        socket = try NIOCore.SocketAddress.makeAddressResolvingHost(options.host, port: options.port)
      } catch {
        throw .bind(address: named, reason: "\(error)")
      }
      let started = await Self.start(options, at: socket, gateway: gateway, lanes: lanes)
      switch started {
      case .success(let started):
        server = Mutex(started.server)
        serving = started.serving
        address = started.address
      case .failure(let cause): throw .bind(address: named, reason: cause.reason)
      }
      logger.info("gRPC listens", metadata: ["address": "\(address)"])
    }

    private struct Started {
      let server: GRPCServer<HTTP2ServerTransport.Posix>
      let serving: Task<Void, any Error>
      let address: String
    }

    private struct NotStarted: Error {
      let reason: String
    }

    private static func start(
      _ options: HTTPServer.Options, at socket: NIOCore.SocketAddress, gateway: ServingGateway, lanes: HTTPServer
    ) async -> Result<Started, NotStarted> {
      let server = GRPCServer(
        transport: HTTP2ServerTransport.Posix(
          address: .init(socket), transportSecurity: security(options.tls),
          config: configuration(options.limits, gateway), eventLoopGroup: lanes.group),
        services: [InferenceService(gateway: gateway, lanes: lanes), HealthService(host: gateway.host)])
      let serving = Task(executorPreference: LoopFollowingExecutor(lanes.group)) { try await server.serve() }
      do {
        let address = try await server.transport.listeningAddress.hostAndPort
        return .success(Started(server: server, serving: serving, address: address))
      } catch {
        // What went wrong is known to who listens.
        guard case .failure(let cause) = await serving.result else { return .failure(NotStarted(reason: "\(error)")) }
        return .failure(NotStarted(reason: (cause as? RuntimeError)?.cause.map { "\($0)" } ?? "\(cause)"))
      }
    }

    private static func security(_ files: HTTPServer.TLSFiles?) -> HTTP2ServerTransport.Posix.TransportSecurity {
      guard let files else { return .plaintext }
      return .tls(
        certificateChain: [.file(path: files.certificate, format: .pem)],
        privateKey: .file(path: files.key, format: .pem)
      ) { $0.requireALPN = true }
    }

    private static func configuration(
      _ limits: HTTPLimits, _ gateway: ServingGateway
    ) -> HTTP2ServerTransport.Posix.Config {
      let budget = HTTPBudget(limits: limits), metrics = gateway.metrics
      return .defaults { config in
        config.http2.maxConcurrentStreams = callsMax
        config.http2.targetWindowSize = windowBytes
        // Answers are small and awaited: a delay that gathers them would only be waited for.
        config.connection.flushCoalescing = nil
        config.connection.maxIdleTime = limits.idle
        // A guard in front of the library refuses what is longer earlier, and says why.
        config.rpc.maxRequestPayloadSize = limits.bodyBytesMax
        // What is longer than that once it is decompressed, the library refuses.
        config.compression.enabledAlgorithms = [.gzip, .deflate]
        config.channelDebuggingCallbacks.onAcceptTCPConnection = { channel in
          guard budget.open() else { return channel.close() }
          channel.closeFuture.whenComplete { _ in budget.close() }
          return channel.eventLoop.makeSucceededVoidFuture()
        }
        config.channelDebuggingCallbacks.onAcceptHTTP2Stream = { channel in
          channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(
              CallGuard(limits: limits, budget: budget, metrics: metrics), position: .first)
          }
        }
      }
    }

    /// Takes no more calls, lets those with an answer on its way finish for a time, and ends.
    package func stop() async {
      let running = server.withLock { server in
        defer { server = nil }
        return server
      }
      running?.beginGracefulShutdown()
      let timeout = Task { [serving] in
        try await Task.sleep(for: Self.drainTime)
        serving.cancel()
      }
      _ = await serving.result
      timeout.cancel()
    }
  }

  extension GRPCNIOTransportHTTP2Posix.SocketAddress {
    /// - Precondition: of the internet.
    fileprivate init(_ address: NIOCore.SocketAddress) {
      guard let host = address.ipAddress, let port = address.port else {
        preconditionFailure("a host resolves to an address of the internet")
      }
      self = address.protocol == .inet6 ? .ipv6(host: host, port: port) : .ipv4(host: host, port: port)
    }

    fileprivate var hostAndPort: String {
      if let ipv6 { return "[\(ipv6.host)]:\(ipv6.port)" }
      return ipv4.map { "\($0.host):\($0.port)" } ?? "\(self)"
    }
  }
#else
  import Gateway
  import Logging

  /// A server of gRPC, of which a build without the trait GRPC has none.
  package final class RPCServer: Sendable {
    package static let isBuiltIn = false

    package let address: String

    /// - Throws: `GatewayError`, always.
    package init(
      _ options: HTTPServer.Options, gateway: ServingGateway, lanes: HTTPServer, logger: Logger
    ) async throws(GatewayError) {
      throw .bind(address: "\(options.host):\(options.port)", reason: "this build has no gRPC")
    }

    package func stop() async {}
  }
#endif
