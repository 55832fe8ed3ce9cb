#if GRPC
  import Federation
  import GRPCCore
  import GRPCProtobuf
  import Gateway
  import Hosting
  import Inference
  import Observability
  import SwiftProtobuf
  import Testing

  @testable import InferenceRPC

  @Suite("What a node says of itself over gRPC", .serialized)
  struct DescriptionTests {
    private static var first: Inference_ModelInferRequest {
      var request = Inference_ModelInferRequest.raw()
      request.modelVersion = "1"
      return request
    }

    @Test("Health, server and model are described as over HTTP")
    func descriptions() async throws {
      try await TestNode.run { node async throws in
        let live: Inference_ServerLiveResponse = try await node.ask(.serverLive, Inference_ServerLiveRequest())
        #expect(live.live)
        let ready: Inference_ServerReadyResponse = try await node.ask(.serverReady, Inference_ServerReadyRequest())
        #expect(ready.ready)
        let server: Inference_ServerMetadataResponse = try await node.ask(
          .serverMetadata, Inference_ServerMetadataRequest())
        #expect(server.name == "murmur")
        #expect(server.extensions == ServerMetadata.Extension.allCases.map(\.rawValue))
        let model: Inference_ModelMetadataResponse = try await node.ask(
          .modelMetadata, Inference_ModelMetadataRequest.with { $0.name = "m" })
        #expect(model.versions == ["2", "1"])
        #expect(model.inputs.map(\.name) == ["features"])
        #expect(model.inputs.map(\.shape) == [[-1, 3]])
        #expect(model.outputs.map(\.datatype) == ["FP32"])
        let config: Inference_ModelConfigResponse = try await node.ask(
          .modelConfig, Inference_ModelConfigRequest.with { $0.name = "m" })
        #expect(config.config.maxBatchSize == 64)
        #expect(config.config.input.map(\.dims) == [[3]])
        #expect(config.config.output.map(\.dataType) == [.typeFp32])
        #expect(config.config.versionPolicy.latest.numVersions == 2)
      }
    }

    @Test("Statistics count what was answered, of one version or of all")
    func statistics() async throws {
      try await TestNode.run { node async throws in
        for _ in 0..<3 { _ = try await node.infer(.raw(rows: 2)) }
        _ = try await node.status(.modelInfer, Self.first)
        let all: Inference_ModelStatisticsResponse = try await node.ask(
          .modelStatistics, Inference_ModelStatisticsRequest())
        #expect(all.modelStats.map(\.version) == ["2", "1"])
        #expect(all.modelStats.map(\.inferenceCount) == [6, 1])
        #expect(all.modelStats[0].inferenceStats.success.count == 3)
        let one: Inference_ModelStatisticsResponse = try await node.ask(
          .modelStatistics,
          Inference_ModelStatisticsRequest.with {
            $0.name = "m"
            $0.version = "1"
          })
        #expect(one.modelStats.map(\.version) == ["1"])
      }
    }

    @Test("A model that is unloaded is not ready and UNAVAILABLE until it is loaded again")
    func repository() async throws {
      try await TestNode.run { node async throws in
        let named = Inference_RepositoryModelUnloadRequest.with { $0.modelName = "m" }
        #expect(try await node.status(.repositoryModelUnload, named) == nil)
        let question = Inference_ModelReadyRequest.with { $0.name = "m" }
        let unloaded: Inference_ModelReadyResponse = try await node.ask(.modelReady, question)
        #expect(!unloaded.ready)
        #expect(try await node.status(.modelInfer, Inference_ModelInferRequest.raw()) == .unavailable)
        let index: Inference_RepositoryIndexResponse = try await node.ask(
          .repositoryIndex, Inference_RepositoryIndexRequest())
        #expect(index.models.map(\.state) == ["UNAVAILABLE", "UNAVAILABLE"])
        let ready: Inference_RepositoryIndexResponse = try await node.ask(
          .repositoryIndex, Inference_RepositoryIndexRequest.with { $0.ready = true })
        #expect(ready.models.isEmpty)
        #expect(
          try await node.status(.repositoryModelLoad, Inference_RepositoryModelLoadRequest.with { $0.modelName = "m" })
            == nil)
        let loaded: Inference_ModelReadyResponse = try await node.ask(.modelReady, question)
        #expect(loaded.ready)
      }
    }

    @Test("A model, a version and an alias that are not here are not ready, which is no error")
    func unknownIsNotReady() async throws {
      try await TestNode.run { node async throws in
        for (name, version) in [("n", ""), ("m", "9"), ("m", "nobody")] {
          let answer: Inference_ModelReadyResponse = try await node.ask(
            .modelReady,
            Inference_ModelReadyRequest.with {
              $0.name = name
              $0.version = version
            })
          #expect(!answer.ready)
        }
      }
    }

    @Test(
      "A model that is not here is NOT_FOUND to every call about one",
      arguments: [.modelMetadata, .modelConfig, .modelStatistics, .modelInfer] as [RPCMethod])
    func unknownModel(method: RPCMethod) async throws {
      // Field 1 is the model's name in all of them.
      let request = Inference_ModelReadyRequest.with { $0.name = "other" }
      let code = try await TestNode.run { try await $0.status(method, request) }
      #expect(code == .notFound)
    }

    @Test("Loading and unloading what is not here fails in the words that clients of Triton look for")
    func unknownLoad() async throws {
      try await TestNode.run { node async throws in
        let request = Inference_RepositoryModelLoadRequest.with { $0.modelName = "other" }
        let response = try await node.call(
          RPCMethod.repositoryModelLoad.descriptor, request, as: Inference_RepositoryModelLoadResponse.self)
        let error = try #require(throws: RPCError.self) { try response.message }
        #expect(error.code == .notFound)
        #expect(error.message.hasPrefix("failed to load"))
      }
    }

    @Test("Streams of predictions are UNIMPLEMENTED")
    func streams() async throws {
      try await TestNode.run { node async throws in
        let method = MethodDescriptor(fullyQualifiedService: RPCMethod.service, method: "ModelStreamInfer")
        let response = try await node.call(
          method, Inference_ModelInferRequest.raw(), as: Inference_ModelInferResponse.self)
        #expect(throws: RPCError.self) { try response.message }
        guard case .failure(let error) = response.accepted else { return }
        #expect(error.code == .unimplemented)
      }
    }

    @Test("The standard health service says whether the node serves, and follows it")
    func health() async throws {
      try await TestNode.run { node async throws in
        for service in ["", RPCMethod.service] {
          let answer = try await node.call(
            HealthService.check, Grpc_Health_V1_HealthCheckRequest.with { $0.service = service },
            as: Grpc_Health_V1_HealthCheckResponse.self)
          #expect(try answer.message.status == .serving)
        }
        let unknown = try await node.call(
          HealthService.check, Grpc_Health_V1_HealthCheckRequest.with { $0.service = "other" },
          as: Grpc_Health_V1_HealthCheckResponse.self)
        #expect(try #require(throws: RPCError.self) { try unknown.message }.code == .notFound)
        let seen = try await node.client.serverStreaming(
          request: ClientRequest(message: Grpc_Health_V1_HealthCheckRequest()), descriptor: HealthService.watch,
          serializer: ProtobufSerializer<Grpc_Health_V1_HealthCheckRequest>(),
          deserializer: ProtobufDeserializer<Grpc_Health_V1_HealthCheckResponse>(), options: .defaults
        ) { response in
          var seen: [Grpc_Health_V1_HealthCheckResponse.ServingStatus] = []
          for try await message in response.messages {
            seen.append(message.status)
            if seen.count == 2 { break }
            for model in node.host.models { node.host.remove(model.name) }
          }
          return seen
        }
        #expect(seen == [.serving, .notServing])
      }
    }
  }
#endif
