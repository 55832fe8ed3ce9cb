#if GRPC
  import GRPCCore
  import GRPCProtobuf
  import Hosting
  import SwiftProtobuf

  /// The standard health service of gRPC, `Protocols/health.proto`. Anybody may ask.
  struct HealthService: RegistrableRPCService {
    static let service = "grpc.health.v1.Health"
    static let check = MethodDescriptor(fullyQualifiedService: service, method: "Check", type: .unary)
    static let watch = MethodDescriptor(fullyQualifiedService: service, method: "Watch", type: .serverStreaming)
    /// How long a change may be unseen by those who watch.
    static let watchInterval = Duration.milliseconds(250)

    let host: ModelHost

    func registerMethods<T: ServerTransport>(with router: inout RPCRouter<T>) {
      router.registerHandler(
        forMethod: Self.check, deserializer: ProtobufDeserializer<Grpc_Health_V1_HealthCheckRequest>(),
        serializer: ProtobufSerializer<Grpc_Health_V1_HealthCheckResponse>()
      ) { request, _ in
        let service = try await ServerRequest(stream: request).message.service
        guard let status = status(of: service) else {
          throw RPCError(
            code: .notFound, message: "found no service '\(service.prefix(128))', expected '' or '\(RPCMethod.service)'"
          )
        }
        return StreamingServerResponse(single: ServerResponse(message: .with { $0.status = status }))
      }
      router.registerHandler(
        forMethod: Self.watch, deserializer: ProtobufDeserializer<Grpc_Health_V1_HealthCheckRequest>(),
        serializer: ProtobufSerializer<Grpc_Health_V1_HealthCheckResponse>()
      ) { request, context in
        let service = try await ServerRequest(stream: request).message.service
        return StreamingServerResponse { writer in
          try await tell(writer, service, until: context.cancellation)
          return [:]
        }
      }
    }

    /// Nil for a service that is not here.
    private func status(of service: String) -> Grpc_Health_V1_HealthCheckResponse.ServingStatus? {
      guard service.isEmpty || service == RPCMethod.service else { return nil }
      return host.isAnyReady ? .serving : .notServing
    }

    private func tell(
      _ writer: RPCWriter<Grpc_Health_V1_HealthCheckResponse>, _ service: String,
      until cancellation: ServerContext.RPCCancellationHandle
    ) async throws {
      var told: Grpc_Health_V1_HealthCheckResponse.ServingStatus?
      while !cancellation.isCancelled {
        let now = status(of: service) ?? .serviceUnknown
        if now != told { try await writer.write(.with { $0.status = now }) }
        told = now
        try await Task.sleep(for: Self.watchInterval)
      }
    }
  }
#endif
