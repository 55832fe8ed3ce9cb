#if GRPC
  import Access
  import Cryptography
  import Federation
  import GRPCCore
  import GRPCNIOTransportHTTP2Posix
  import GRPCProtobuf
  import Gateway
  import GradientKernel
  import Hosting
  import Inference
  import Logging
  import ModelRegistry
  import Observability
  import Serving
  import SwiftProtobuf
  import Tensors

  @testable import InferenceRPC

  /// A serving node on loopback with one model, `m`, in two versions: 3 inputs, 2 outputs, weights 0 and a bias that says
  /// which; and a client of the library's.
  struct TestNode: Sendable {
    let host: ModelHost
    let registry: MetricsRegistry
    let gateway: ServingGateway
    let lanes: HTTPServer
    let server: RPCServer
    let client: GRPCClient<HTTP2ClientTransport.Posix>

    struct Setup: Sendable {
      var policy = AccessPolicy(anonymous: [Scope(.read), Scope(.infer), Scope(.admin)])
      var rates = RateLimits()
      var limits = HTTPLimits()
      var batches = BatchLimits()
      var tls: TestCertificate?
    }

    /// Runs `body` with a node that answers, and stops the node.
    static func run<R: Sendable>(_ setup: Setup = Setup(), _ body: (TestNode) async throws -> R) async throws -> R {
      let registry = MetricsRegistry(), metrics = ServingMetrics(in: registry)
      let host = ModelHost(options: .init(threads: 2, defaultAliases: [.latest]), metrics: metrics)
      for number in 1...2 { try load(UInt64(number), into: host) }
      let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
      var answers = ServingGateway.Options(version: "test")
      answers.batches = setup.batches
      // Nothing here is about the machine's speed.
      answers.deadline = .seconds(60)
      let gateway = ServingGateway(
        answers, host: host, library: NoLibrary(), gate: Gatekeeper(setup.policy, fetch: { _ in [] }),
        limiter: RateLimiter(setup.rates), metrics: metrics, registry: registry, logger: logger)
      var options = HTTPServer.Options(host: "127.0.0.1", port: 0, threads: 2)
      options.limits = setup.limits
      options.batches = setup.batches
      let lanes = try await HTTPServer(options, service: gateway, logger: logger)
      options.tls = setup.tls.map { .init(certificate: $0.certificate, key: $0.key) }
      let server = try await RPCServer(options, gateway: gateway, lanes: lanes, logger: logger)
      let outcome: Result<R, any Error>
      do {
        let result = try await withGRPCClient(transport: transport(to: server, setup.tls)) { client in
          try await body(
            TestNode(host: host, registry: registry, gateway: gateway, lanes: lanes, server: server, client: client))
        }
        outcome = .success(result)
      } catch {
        outcome = .failure(error)
      }
      await server.stop()
      await lanes.stop()
      return try outcome.get()
    }

    static func load(_ number: UInt64, into host: ModelHost) throws {
      let text = "features 3 > dense 2 : mean-squared-error"
      let architecture = try ModelArchitecture(parsing: text)
      var set = ParameterSet(zeros: architecture.layout)
      for entry in architecture.layout.entries where entry.name.contains("bias") {
        for index in entry.range { set.values[index] = Float(number) }
      }
      let artifact = try ModelArtifact(tensors: set.tensors, model: "m", version: ModelVersion(number))
      let manifest = Manifest(
        federation: "f", model: "m", version: ModelVersion(number), parent: nil, run: "r", round: 0, attempt: 0,
        aggregation: .plain, configurationDigest: nil, cohortSize: 0, parentMetrics: nil, architecture: text,
        dataScale: 1, modelDigest: artifact.modelDigest, tensors: artifact.manifestTensors,
        file: artifact.manifestFile, createdAt: 1, signer: "c")
      let model = try host.load(artifact, manifest: manifest, digest: manifest.modelDigest) {}
      host.add(model)
      host.point(.latest, at: model.name)
    }

    private static func transport(
      to server: RPCServer, _ certificate: TestCertificate?
    ) throws -> HTTP2ClientTransport.Posix {
      guard let port = server.address.split(separator: ":").last.flatMap({ Int($0) }) else {
        preconditionFailure("an address ends in its port")
      }
      let security: HTTP2ClientTransport.Posix.TransportSecurity =
        certificate.map { certificate in
          .tls {
            $0.trustRoots = .certificates([.file(path: certificate.certificate, format: .pem)])
            $0.serverCertificateVerification = .noHostnameVerification
          }
        } ?? .plaintext
      return try HTTP2ClientTransport.Posix(
        target: .ipv4(address: "127.0.0.1", port: port), transportSecurity: security,
        config: .defaults { $0.compression.enabledAlgorithms = [.gzip, .deflate] })
    }

    // MARK: Calls

    /// Calls, and gives the answer whole.
    func call<Input: SwiftProtobuf.Message, Output: SwiftProtobuf.Message>(
      _ descriptor: MethodDescriptor, _ input: Input, as type: Output.Type, metadata: Metadata = [:],
      compression: CompressionAlgorithm? = nil
    ) async throws -> ClientResponse<Output> {
      var options = CallOptions.defaults
      options.compression = compression
      options.waitForReady = true
      return try await client.unary(
        request: ClientRequest(message: input, metadata: metadata), descriptor: descriptor,
        serializer: ProtobufSerializer<Input>(), deserializer: ProtobufDeserializer<Output>(), options: options
      ) { $0 }
    }

    /// Calls, and gives the message.
    func ask<Input: SwiftProtobuf.Message, Output: SwiftProtobuf.Message>(
      _ method: RPCMethod, _ input: Input, as type: Output.Type = Output.self, metadata: Metadata = [:]
    ) async throws -> Output {
      try await call(method.descriptor, input, as: Output.self, metadata: metadata).message
    }

    /// The status that a call ends with; nil for an answer.
    func status(
      _ method: RPCMethod, _ input: some SwiftProtobuf.Message, metadata: Metadata = [:],
      compression: CompressionAlgorithm? = nil
    ) async throws -> RPCError.Code? {
      let response = try await call(
        method.descriptor, input, as: Google_Protobuf_Empty.self, metadata: metadata, compression: compression)
      do {
        _ = try response.message
        return nil
      } catch let error as RPCError {
        return error.code
      }
    }

    func infer(
      _ request: Inference_ModelInferRequest, metadata: Metadata = [:]
    ) async throws -> Inference_ModelInferResponse { try await ask(.modelInfer, request, metadata: metadata) }
  }

  /// No versions to pull.
  private struct NoLibrary: VersionLibrary {
    func listing() -> [LibraryRow] { [] }

    func find(_ reference: ModelReference) throws(InferenceError) -> LibraryVersion {
      throw InferenceError(.notFound, "there is no version '\(reference)'")
    }
  }

  extension Inference_ModelInferRequest {
    /// Rows of 1, 2 and 3, raw.
    static func raw(rows: Int = 1) -> Self {
      .with {
        $0.modelName = "m"
        $0.inputs = [.features(rows: rows)]
        $0.rawInputContents = [Inference_ModelInferRequest.bytes(rows: rows)]
      }
    }

    /// The same, typed.
    static func typed(rows: Int = 1) -> Self {
      .with {
        $0.modelName = "m"
        $0.inputs = [.features(rows: rows)]
        $0.inputs[0].contents.fp32Contents = (0..<rows).flatMap { _ in [1, 2, 3] }
      }
    }
  }

  extension Inference_ModelInferRequest.InferInputTensor {
    static func features(rows: Int, datatype: String = "FP32") -> Self {
      .with {
        $0.name = "features"
        $0.datatype = datatype
        $0.shape = [Int64(rows), 3]
      }
    }
  }
#endif
