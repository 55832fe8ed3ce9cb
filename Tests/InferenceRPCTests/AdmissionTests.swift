#if GRPC
  import Access
  import Cryptography
  import Federation
  import GRPCCore
  import Gateway
  import Logging
  import Observability
  import SwiftProtobuf
  import Testing

  @testable import InferenceRPC

  @Suite("Who is let in over gRPC", .serialized)
  struct AdmissionTests {
    /// A policy with one key for some scopes, and the key.
    private func key(_ scopes: [String], rate: RateLimit? = nil) throws -> (policy: AccessPolicy, text: String) {
      let key = APIKey(from: SystemSecretSource())
      let record = APIKeyRecord(
        id: key.id, name: APIKeyName("tests"), digest: key.digest,
        scopes: try scopes.map { try Scope($0) },
        expires: nil, rate: rate)
      return (AccessPolicy(keys: APIKeyTable([record])), key.text)
    }

    private static let raw = Inference_ModelInferRequest.raw()

    @Test("Without a policy nobody but health is answered", arguments: RPCMethod.allCases)
    func closed(method: RPCMethod) async throws {
      var setup = TestNode.Setup()
      setup.policy = AccessPolicy()
      let code = try await TestNode.run(setup) { try await $0.status(method, Inference_ServerLiveRequest()) }
      let isOpen = [.serverLive, .serverReady, .serverMetadata].contains(method)
      #expect(code == (isOpen ? nil : .unauthenticated))
    }

    @Test("A key opens what its scopes say, in either header, and nothing else")
    func scopes() async throws {
      let (policy, text) = try key(["model:infer:m"])
      var setup = TestNode.Setup()
      setup.policy = policy
      try await TestNode.run(setup) { node async throws in
        let bearer: Metadata = ["authorization": "Bearer \(text)"]
        #expect(try await node.status(.modelInfer, Self.raw, metadata: bearer) == nil)
        #expect(try await node.status(.modelInfer, Self.raw, metadata: ["x-api-key": "\(text)"]) == nil)
        let both: Metadata = ["authorization": "Bearer \(text)", "x-api-key": "\(text)"]
        #expect(try await node.status(.modelInfer, Self.raw, metadata: both) == .unauthenticated)
        let wrong: Metadata = ["authorization": "Bearer \(text.dropLast())_"]
        #expect(try await node.status(.modelInfer, Self.raw, metadata: wrong) == .unauthenticated)
        let other = Inference_ModelInferRequest.with { $0.modelName = "other" }
        #expect(try await node.status(.modelInfer, other, metadata: bearer) == .permissionDenied)
        let named = Inference_ModelMetadataRequest.with { $0.name = "m" }
        #expect(try await node.status(.modelMetadata, named, metadata: bearer) == .permissionDenied)
        for name in ["m", ""] {
          let unload = Inference_RepositoryModelUnloadRequest.with { $0.modelName = name }
          #expect(try await node.status(.repositoryModelUnload, unload, metadata: bearer) == .permissionDenied)
        }
        let index: Inference_RepositoryIndexResponse = try await node.ask(
          .repositoryIndex, Inference_RepositoryIndexRequest(), metadata: bearer)
        #expect(index.models.isEmpty)
        let statistics: Inference_ModelStatisticsResponse = try await node.ask(
          .modelStatistics, Inference_ModelStatisticsRequest(), metadata: bearer)
        #expect(statistics.modelStats.isEmpty)
      }
    }

    @Test("Beyond its rate a key is told when to come again")
    func rates() async throws {
      let (policy, text) = try key(["model:infer"], rate: RateLimit(perSecond: 0.01, burst: 2))
      var setup = TestNode.Setup()
      setup.policy = policy
      try await TestNode.run(setup) { node async throws in
        var codes: [RPCError.Code?] = []
        for _ in 0..<3 {
          codes.append(try await node.status(.modelInfer, Self.raw, metadata: ["x-api-key": "\(text)"]))
        }
        #expect(codes == [nil, nil, .resourceExhausted])
        let response = try await node.call(
          RPCMethod.modelInfer.descriptor, Self.raw, as: Inference_ModelInferResponse.self,
          metadata: ["x-api-key": "\(text)"])
        let error = try #require(throws: RPCError.self) { try response.message }
        let pause = try #require(error.metadata.first("grpc-retry-pushback-ms").flatMap { Int($0) })
        #expect((1...100_000).contains(pause))
      }
    }

    @Test("With TLS those are answered who trust the certificate")
    func encrypted() async throws {
      let certificate = try TestCertificate()
      defer { certificate.remove() }
      var setup = TestNode.Setup()
      setup.tls = certificate
      let answer = try await TestNode.run(setup) { try await $0.infer(Self.raw) }
      #expect(answer.floats(0) == [2, 2])
    }

    @Test("An address in use is refused by name")
    func addressInUse() async throws {
      try await TestNode.run { node async throws in
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let port = try #require(node.server.address.split(separator: ":").last.flatMap { Int($0) })
        var options = HTTPServer.Options(host: "127.0.0.1", port: port, threads: 1)
        options.limits.connectionsMax = 1
        let error = await #expect(throws: GatewayError.self) {
          _ = try await RPCServer(options, gateway: node.gateway, lanes: node.lanes, logger: logger)
        }
        guard case .bind(let address, _) = error else {
          Issue.record("found \(String(describing: error)), expected an address that cannot be bound")
          return
        }
        #expect(address == "127.0.0.1:\(port)")
      }
    }
  }
#endif
