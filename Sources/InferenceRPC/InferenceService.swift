#if GRPC
  import Access
  import Federation
  import GRPCCore
  import GRPCProtobuf
  import Gateway
  import Hosting
  import Inference
  import Logging
  import Observability
  import SwiftProtobuf

  /// What a serving node answers over gRPC: the calls of `inference.GRPCInferenceService`, as over HTTP.
  ///
  /// Who asks is known before a message is decoded, and what they may is known before it is acted upon.
  struct InferenceService: RegistrableRPCService {
    let gateway: ServingGateway
    /// Whose loops compute predictions.
    let lanes: HTTPServer

    // MARK: Methods

    func registerMethods<T: ServerTransport>(with router: inout RPCRouter<T>) {
      register(.serverLive, in: &router) { (_: Inference_ServerLiveRequest, _) in
        Inference_ServerLiveResponse.with { $0.live = true }
      }
      register(.serverReady, in: &router) { (_: Inference_ServerReadyRequest, _) in
        Inference_ServerReadyResponse.with { $0.ready = gateway.host.isAnyReady }
      }
      register(.serverMetadata, in: &router) { (_: Inference_ServerMetadataRequest, _) in
        Inference_ServerMetadataResponse(gateway.serverMetadata)
      }
      registerDescriptions(in: &router)
      register(.repositoryModelLoad, in: &router, model: \.modelName) {
        (request: Inference_RepositoryModelLoadRequest, _) throws(InferenceError) in
        try gateway.withhold(request.modelName, false)
        return Inference_RepositoryModelLoadResponse()
      }
      register(.repositoryModelUnload, in: &router, model: \.modelName) {
        (request: Inference_RepositoryModelUnloadRequest, _) throws(InferenceError) in
        try gateway.withhold(request.modelName, true)
        return Inference_RepositoryModelUnloadResponse()
      }
      register(
        .modelInfer, in: &router, reading: BoundedDeserializer(fieldsMax: Self.fieldsMax, nested: [4, 5, 6]),
        model: \.modelName
      ) { (request: Inference_ModelInferRequest, call) async throws(InferenceError) in
        try await infer(request, call)
      }
    }

    private func registerDescriptions<T: ServerTransport>(in router: inout RPCRouter<T>) {
      register(.modelReady, in: &router, model: \.name) {
        (request: Inference_ModelReadyRequest, _) throws(InferenceError) in
        let isReady = try isReady(request.name, request.version)
        return Inference_ModelReadyResponse.with { $0.ready = isReady }
      }
      register(.modelMetadata, in: &router, model: \.name) {
        (request: Inference_ModelMetadataRequest, _) throws(InferenceError) in
        let model = try gateway.host.find(request.name, version: request.version.orNil)
        return Inference_ModelMetadataResponse(gateway.metadata(of: model))
      }
      register(.modelConfig, in: &router, model: \.name) {
        (request: Inference_ModelConfigRequest, _) throws(InferenceError) in
        let model = try gateway.host.find(request.name, version: request.version.orNil)
        return Inference_ModelConfigResponse.with {
          $0.config = Inference_ModelConfig(gateway.configuration(of: model))
        }
      }
      register(.modelStatistics, in: &router, model: \.name) {
        (request: Inference_ModelStatisticsRequest, call) throws(InferenceError) in
        let statistics = try gateway.statistics(of: request.name.orNil, request.version.orNil, where: call.shows)
        return Inference_ModelStatisticsResponse.with { $0.modelStats = statistics.map(Inference_ModelStatistics.init) }
      }
      register(.repositoryIndex, in: &router) { (request: Inference_RepositoryIndexRequest, call) in
        Inference_RepositoryIndexResponse(gateway.index(isReadyOnly: request.ready, where: call.shows))
      }
    }

    /// False for a version that is there and does not answer, and for one that is not there: clients take any status for
    /// a broken call. Over HTTP these are 503 and 404.
    private func isReady(_ model: String, _ version: String) throws(InferenceError) -> Bool {
      do throws(InferenceError) {
        _ = try gateway.host.find(model, version: version.orNil)
        return true
      } catch {
        guard error.kind == .notReady || error.kind == .notFound else { throw error }
        return false
      }
    }

    // MARK: Calls

    /// Most fields of a request for predictions and of its inputs and outputs: 64 of each in full leave room.
    private static let fieldsMax = 4_096

    private func register<Input: SwiftProtobuf.Message, Output: SwiftProtobuf.Message, T: ServerTransport>(
      _ method: RPCMethod, in router: inout RPCRouter<T>, model: @escaping @Sendable (Input) -> String = { _ in "" },
      answer: @escaping @Sendable (Input, RPCCall) async throws(InferenceError) -> Output
    ) {
      register(method, in: &router, reading: ProtobufDeserializer<Input>(), model: model, answer: answer)
    }

    private func register<Input: SwiftProtobuf.Message, Output: SwiftProtobuf.Message, T: ServerTransport>(
      _ method: RPCMethod, in router: inout RPCRouter<T>, reading deserializer: some MessageDeserializer<Input>,
      model: @escaping @Sendable (Input) -> String,
      answer: @escaping @Sendable (Input, RPCCall) async throws(InferenceError) -> Output
    ) {
      router.registerHandler(
        forMethod: method.descriptor, deserializer: deserializer, serializer: ProtobufSerializer<Output>()
      ) { request, _ in
        await handle(request, method, model: model, answer: answer)
      }
    }

    private func handle<Input: SwiftProtobuf.Message, Output: SwiftProtobuf.Message>(
      _ request: StreamingServerRequest<Input>, _ method: RPCMethod, model: (Input) -> String,
      answer: (Input, RPCCall) async throws(InferenceError) -> Output
    ) async -> StreamingServerResponse<Output> {
      let started = MonotonicTime.now
      var caller: Principal.Key?
      do throws(InferenceError) {
        let principal = try await principal(for: method, request.metadata)
        caller = principal.key
        let message = try await Self.message(of: request)
        try Self.require(method, of: principal, model: model(message))
        let call = RPCCall(method, caller: principal, metadata: request.metadata, started: started)
        let output = try await answer(message, call)
        log(method, caller, request.metadata, refusal: nil)
        return StreamingServerResponse(single: ServerResponse(message: output, metadata: Self.echo(request.metadata)))
      } catch {
        log(method, caller, request.metadata, refusal: error)
        return StreamingServerResponse(error: RPCError(error))
      }
    }

    private func principal(for method: RPCMethod, _ metadata: Metadata) async throws(InferenceError) -> Principal {
      guard method.permission != nil else { return Principal(key: .anonymous, scopes: []) }
      do throws(AccessError) {
        let credential = try Credential(
          authorization: Array(metadata[stringValues: "authorization"]),
          apiKey: Array(metadata[stringValues: "x-api-key"]))
        return try await gateway.gate.verify(credential, now: WallClock.unixSeconds).get()
      } catch {
        throw InferenceError(error)
      }
    }

    private static func require(
      _ method: RPCMethod, of caller: Principal, model: String
    ) throws(InferenceError) {
      guard let permission = method.permission, permission == .admin || !model.isEmpty else {
        // What is asked of all models at once is answered for those that the caller may read.
        return
      }
      do throws(AccessError) {
        try caller.require(permission, model: model)
      } catch {
        throw InferenceError(error)
      }
    }

    /// The one message of a call.
    private static func message<Input: Sendable>(of request: StreamingServerRequest<Input>) async throws(InferenceError)
      -> Input
    {
      do {
        return try await ServerRequest(stream: request).message
      } catch {
        // Too many fields say so themselves; whatever else was wrong, it was not one message of the call.
        throw (error as? RPCError)?.cause as? InferenceError
          ?? InferenceError(.invalid, "found something else than one protobuf message, expected one of that call")
      }
    }

    /// The trace goes back with the answer, as over HTTP.
    private static func echo(_ metadata: Metadata) -> Metadata {
      metadata.trace.map { ["traceparent": "\($0.traceparent)"] } ?? [:]
    }

    private func log(
      _ method: RPCMethod, _ caller: Principal.Key?, _ metadata: Metadata, refusal: InferenceError?
    ) {
      let status = refusal?.httpStatus ?? 200
      let isFault = status >= 500
      guard gateway.options.logsRequests || isFault else { return }
      var fields: Logger.Metadata = ["method": "gRPC", "path": "\(method.rawValue)", "status": "\(status)"]
      if let caller { fields["caller"] = "\(caller)" }
      if let trace = metadata.trace { fields["trace_id"] = "\(trace.traceID)" }
      gateway.logger.log(level: isFault ? .warning : .info, "request", metadata: fields)
    }
  }

  extension String {
    /// Nil where nothing was written: proto3 does not tell the two apart.
    var orNil: String? { isEmpty ? nil : self }
  }
#endif
