#if GRPC
  import Federation
  import GRPCCore
  import Gateway
  import Inference
  import Observability
  import Serving
  import SwiftProtobuf
  import Testing

  @testable import InferenceRPC

  @Suite("Predictions over gRPC", .serialized)
  struct PredictionTests {
    private typealias Request = Inference_ModelInferRequest

    @Test("Raw and typed contents give the same answer, by the version that was asked for")
    func contents() async throws {
      try await TestNode.run { node async throws in
        for (version, bias) in [("", Float(2)), ("1", 1), ("2", 2), ("latest", 2)] {
          for request in [Request.raw(rows: 3), .typed(rows: 3)] {
            var request = request
            request.modelVersion = version
            request.id = "seven"
            let answer = try await node.infer(request)
            #expect(answer.modelName == "m")
            #expect(answer.modelVersion == "\(Int(bias))")
            #expect(answer.id == "seven")
            #expect(answer.outputs.map(\.name) == ["predictions"])
            #expect(answer.outputs.map(\.datatype) == ["FP32"])
            #expect(answer.outputs.map(\.shape) == [[3, 2]])
            #expect(answer.floats(0) == [Float](repeating: bias, count: 6))
          }
        }
      }
    }

    /// Of three numbers each, typed.
    private static let typed: [(String, @Sendable (inout Inference_InferTensorContents) -> Void)] = [
      ("FP32", { $0.fp32Contents = [1, 2, 3] }), ("FP64", { $0.fp64Contents = [1, 2, 3] }),
      ("INT8", { $0.intContents = [1, -128, 127] }), ("INT16", { $0.intContents = [1, -32_768, 3] }),
      ("INT32", { $0.intContents = [1, 2, 3] }), ("INT64", { $0.int64Contents = [1, 2, 3] }),
      ("UINT8", { $0.uintContents = [1, 2, 255] }), ("UINT16", { $0.uintContents = [1, 2, 65_535] }),
      ("UINT32", { $0.uintContents = [1, 2, 3] }), ("UINT64", { $0.uint64Contents = [1, 2, 3] }),
    ]

    @Test("Typed contents of every datatype of numbers are taken", arguments: typed.indices)
    func datatypes(index: Int) async throws {
      let (datatype, fill) = Self.typed[index]
      var request = Request.with {
        $0.modelName = "m"
        $0.inputs = [.features(rows: 1, datatype: datatype)]
      }
      fill(&request.inputs[0].contents)
      let answer = try await TestNode.run { [request] in try await $0.infer(request) }
      #expect(answer.floats(0) == [2, 2])
    }

    /// What is wrong, how it is made, and the status that says so.
    private static let refused: [(String, @Sendable (inout Inference_ModelInferRequest) -> Void, RPCError.Code)] = [
      ("no such model", { $0.modelName = "other" }, .notFound),
      ("no such version", { $0.modelVersion = "9" }, .notFound),
      ("no input", { $0.inputs = [] }, .invalidArgument),
      ("another input", { $0.inputs[0].name = "other" }, .invalidArgument),
      ("no such datatype", { $0.inputs[0].datatype = "FP31" }, .invalidArgument),
      ("a datatype that is no number", { $0.inputs[0].datatype = "BOOL" }, .invalidArgument),
      ("another shape", { $0.inputs[0].shape = [1, 4] }, .invalidArgument),
      ("a shape below zero", { $0.inputs[0].shape = [-1, 3] }, .invalidArgument),
      ("another rank", { $0.inputs[0].shape = [3] }, .invalidArgument),
      ("more elements than are taken", { $0.inputs[0].shape = [.max, 3] }, .resourceExhausted),
      (
        "no rows",
        {
          $0.inputs[0].shape = [0, 3]; $0.rawInputContents = [Request.data([])]
        }, .invalidArgument
      ),
      ("fewer bytes than the shape", { $0.rawInputContents = [Request.data([1, 2])] }, .invalidArgument),
      ("more bytes than the shape", { $0.rawInputContents = [Request.data([1, 2, 3, 4])] }, .invalidArgument),
      ("raw contents of more inputs", { $0.rawInputContents.append(Request.data([])) }, .invalidArgument),
      ("raw and typed contents", { $0.inputs[0].contents.fp32Contents = [1, 2, 3] }, .invalidArgument),
      ("a number that is not finite", { $0.rawInputContents = [Request.data([1, .nan, 3])] }, .invalidArgument),
      (
        "an input twice",
        {
          $0.inputs += $0.inputs; $0.rawInputContents += $0.rawInputContents
        }, .invalidArgument
      ),
      ("another output", { $0.outputs = [.with { $0.name = "other" }] }, .invalidArgument),
      (
        "an output twice", { r in r.outputs = (0..<2).map { _ in .with { $0.name = "predictions" } } }, .invalidArgument
      ),
      ("a timeout that is no number", { $0.parameters["timeout"] = .with { $0.stringParam = "1" } }, .invalidArgument),
      ("a timeout below zero", { $0.parameters["timeout"] = .with { $0.int64Param = -1 } }, .invalidArgument),
      ("a long id", { $0.id = String(repeating: "i", count: 257) }, .invalidArgument),
      ("too many fields", { $0.inputs = .init(repeating: .init(), count: 5_000) }, .resourceExhausted),
      (
        "too many parameters of an input",
        { r in for i in 0..<5_000 { r.inputs[0].parameters["\(i)"] = .with { $0.boolParam = true } } },
        .resourceExhausted
      ),
      (
        "a typed number outside its datatype",
        {
          $0.rawInputContents = []; $0.inputs[0].datatype = "INT8"; $0.inputs[0].contents.intContents = [1, 2, 128]
        },
        .invalidArgument
      ),
      (
        "typed contents that have no field",
        {
          $0.rawInputContents = []; $0.inputs[0].datatype = "FP16"; $0.inputs[0].contents.fp32Contents = [1, 2, 3]
        },
        .invalidArgument
      ),
      (
        "typed contents in the field of another datatype",
        {
          $0.rawInputContents = []; $0.inputs[0].contents.fp64Contents = [1, 2, 3]
        }, .invalidArgument
      ),
    ]

    @Test("What is wrong with a request decides the status, and the next request is answered")
    func refusals() async throws {
      try await TestNode.run { node async throws in
        for (name, spoil, code) in Self.refused {
          var request = Request.raw()
          spoil(&request)
          let found = try await node.status(.modelInfer, request)
          #expect(found == code, "\(name)")
          let next = try await node.status(.modelInfer, Request.raw())
          #expect(next == nil, "after: \(name)")
        }
      }
    }

    @Test("A request is answered in its time, that of its parameter or that of its call, or with DEADLINE_EXCEEDED")
    func deadlines() async throws {
      var setup = TestNode.Setup()
      setup.batches = BatchLimits(batchRowsMax: 64, queuedRowsMax: 64, delay: .milliseconds(250))
      try await TestNode.run(setup) { node async throws in
        #expect(try await node.status(.modelInfer, Request.raw()) == nil)
        var request = Request.raw()
        request.parameters["timeout"] = .with { $0.int64Param = 20_000 }
        #expect(try await node.status(.modelInfer, request) == .deadlineExceeded)
        #expect(
          try await node.status(.modelInfer, Request.raw(), metadata: ["grpc-timeout": "20m"]) == .deadlineExceeded)
        #expect(node.registry.render(.text).contains(#"murmur_throttle_rejects_total{reason="deadline"} 2"#))
      }
    }

    @Test("A full queue is RESOURCE_EXHAUSTED, and says when to come again")
    func fullQueue() async throws {
      var setup = TestNode.Setup()
      setup.batches = BatchLimits(batchRowsMax: 8, queuedRowsMax: 8, delay: .milliseconds(500))
      try await TestNode.run(setup) { node async throws in
        // Two loops take 8 rows each at most, however the requests fall on them.
        let pauses = try await withThrowingTaskGroup(of: String?.self) { group in
          for _ in 0..<8 {
            group.addTask {
              let response = try await node.call(
                RPCMethod.modelInfer.descriptor, Request.raw(rows: 5), as: Inference_ModelInferResponse.self)
              guard case .failure(let error) = response.accepted else { return nil }
              #expect(error.code == .resourceExhausted)
              return error.metadata.first("grpc-retry-pushback-ms")
            }
          }
          return try await group.reduce(into: [String?]()) { $0.append($1) }
        }
        #expect(pauses.compactMap { $0 }.contains("1000"))
      }
    }

    @Test("A message above the common limit of 4 MiB is taken, one above the node's is RESOURCE_EXHAUSTED")
    func bigMessages() async throws {
      var setup = TestNode.Setup()
      setup.limits.bodyBytesMax = 6 << 20
      try await TestNode.run(setup) { node async throws in
        let answer = try await node.infer(.raw(rows: 450_000))
        #expect(answer.outputs[0].shape == [450_000, 2])
        #expect(try await node.status(.modelInfer, Request.raw(rows: 600_000)) == .resourceExhausted)
        #expect(try await node.status(.modelInfer, Request.raw()) == nil)
        #expect(node.registry.render(.text).contains(#"murmur_throttle_rejects_total{reason="body_too_large"} 1"#))
      }
    }

    @Test("Compressed messages are read, up to the same length", arguments: [CompressionAlgorithm.gzip, .deflate])
    func compressed(by algorithm: CompressionAlgorithm) async throws {
      var setup = TestNode.Setup()
      setup.limits.bodyBytesMax = 1 << 20
      try await TestNode.run(setup) { node async throws in
        let response = try await node.call(
          RPCMethod.modelInfer.descriptor, Request.raw(rows: 50), as: Inference_ModelInferResponse.self,
          compression: algorithm)
        #expect(try response.message.outputs[0].shape == [50, 2])
        // 1.2 MB, and a few kB on the wire.
        #expect(
          try await node.status(.modelInfer, Request.raw(rows: 100_000), compression: algorithm) == .resourceExhausted)
        #expect(try await node.status(.modelInfer, Request.raw(), compression: algorithm) == nil)
      }
    }

    @Test("A compressed message takes the room of what it may become")
    func compressedRoom() async throws {
      var setup = TestNode.Setup()
      setup.limits.bodiesBytesMax = 64 << 10
      try await TestNode.run(setup) { node async throws in
        #expect(try await node.status(.modelInfer, Request.raw(rows: 500)) == nil)
        #expect(try await node.status(.modelInfer, Request.raw(rows: 500), compression: .gzip) == .resourceExhausted)
        #expect(try await node.status(.modelInfer, Request.raw(rows: 500)) == nil)
      }
    }

    @Test("A trace goes through, and the answer is counted as one of gRPC")
    func observed() async throws {
      try await TestNode.run { node async throws in
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        let response = try await node.call(
          RPCMethod.modelInfer.descriptor, Request.raw(), as: Inference_ModelInferResponse.self,
          metadata: ["traceparent": "\(trace)"])
        #expect(response.metadata.first("traceparent") == trace)
        _ = try await node.status(.modelInfer, Request.with { $0.modelName = "other" })
        let text = node.registry.render(.text)
        #expect(
          text.contains(#"murmur_inference_requests_total{model="m",version="2",route="grpc",code="200"} 1"#))
        #expect(
          text.contains(#"murmur_inference_requests_total{model="none",version="none",route="grpc",code="404"} 1"#))
      }
    }

    @Test(
      "A call's timeout is read as gRPC writes it",
      arguments: [
        ("1H", .seconds(3_600)), ("2M", .seconds(120)), ("30S", .seconds(30)), ("20m", .milliseconds(20)),
        ("99999999u", .microseconds(99_999_999)), ("5n", .nanoseconds(5)), ("", nil), ("S", nil), ("1", nil),
        ("1s", nil),
        ("-1S", nil), ("123456789S", nil), ("1.5S", nil),
      ] as [(String, Duration?)])
    func timeouts(text: String, duration: Duration?) { #expect(Duration(grpcTimeout: text) == duration) }
  }
#endif
