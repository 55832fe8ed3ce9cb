import Foundation
import GradientKernel
import Inference
import LoopbackWeb
import Tensors
import Testing
import Training
import WebClient

@testable import Prediction

@Suite("Answers of models")
struct PredictionsTests {
  @Test("The class is the first of the largest probabilities; of one number it is 1 above a half")
  func labels() {
    let several = Predictions(.probabilities, [0.1, 0.6, 0.3, 0.4, 0.4, 0.2], width: 3)
    #expect((0..<2).map { several.label(of: $0) } == [1, 0])
    #expect((0..<2).map { several.probability(of: $0) } == [0.6, 0.4])
    #expect(several.correct([1, 2]) == 1)
    let two = Predictions(.probabilities, [0.75, 0.25, 0.5], width: 1)
    #expect((0..<3).map { two.label(of: $0) } == [1, 0, 0])
    #expect((0..<3).map { two.probability(of: $0) } == [0.75, 0.75, 0.5])
    let values = Predictions(.values, [1, 2], width: 2)
    #expect(values.label(of: 0) == nil && values.correct([1]) == nil)
  }

  @Test("A model here divides the features by its scale, and says the same of a row in any batch")
  func local() throws {
    let architecture = try ModelArchitecture(parsing: "mlp 3-2")
    // Logits x0 − x1 and x2, by hand.
    let parameters = try ParameterSet(
      [
        NamedTensor(name: "layer0.bias", dtype: .f32, shape: [2], bytes: Self.bytes([0, 0])),
        NamedTensor(name: "layer0.weight", dtype: .f32, shape: [2, 3], bytes: Self.bytes([1, -1, 0, 0, 0, 1])),
      ], expecting: architecture.layout)
    let predictor = try LocalPredictor(parameters, of: architecture, scale: 4)
    let rows: [Float] = (0..<300).flatMap { [Float($0 % 7), 2, Float($0 % 5)] }
    let all = try predictor.predict(FeatureTable(features: rows, featureCount: 3))
    #expect(all.count == 300 && all.width == 2 && all.meaning == .probabilities)
    for row in [0, 255, 256, 299] {
      let (x, z) = (Float(row % 7), Float(row % 5))
      let odds = Float(exp2(Double(((x - 2) - z) / 4) * 1.4426950408889634))
      #expect(abs(all.row(row)[row * 2] - odds / (1 + odds)) < 1e-5)
      let alone = try predictor.predict(FeatureTable(features: [x, 2, z], featureCount: 3))
      #expect(Array(all.row(row)) == alone.numbers)
    }
    #expect {
      try predictor.predict(FeatureTable(features: [1, 2], featureCount: 2))
    } throws: { ($0 as? PredictionError)?.kind == .usage }
  }

  static func bytes(_ floats: [Float]) -> [UInt8] {
    floats.flatMap { number in withUnsafeBytes(of: number.bitPattern.littleEndian) { Array($0) } }
  }

  @Test(
    "JSON has rows of numbers, one row, or a request",
    arguments: [
      ("[[1,2],[3,4]]", [1, 2, 3, 4], 2), (" [1, 2.5]", [1, 2.5], 2), ("[[[1,2],[3,4]]]", [1, 2, 3, 4], 4),
      (#"{"inputs":[{"name":"x","shape":[2,1],"datatype":"FP32","data":[5,6]}]}"#, [5, 6], 1),
      (#"{"id":"a","inputs":[{"shape":[2,2],"data":[[1,2],[3,4]]}]}"#, [1, 2, 3, 4], 2),
    ] as [(String, [Float], Int)])
  func json(text: String, features: [Float], featureCount: Int) throws {
    let table = try RequestFile.read(Array(text.utf8), file: "x.json")
    #expect(table == FeatureTable(features: features, featureCount: featureCount))
  }

  @Test(
    "JSON of another form is refused",
    arguments: [
      "", "[", "3", "[]", "[[]]", "[[1,2],[3]]", "[1e99]", #"["a"]"#, "{}", #"{"inputs":[]}"#,
      #"{"inputs":[{"shape":[2,2],"data":[1,2,3]}]}"#, #"{"inputs":[{"shape":[3,2],"data":[[1,2],[3,4]]}]}"#,
      #"{"inputs":[{"shape":[0],"data":[1]}]}"#,
    ])
  func badJSON(text: String) {
    #expect {
      try RequestFile.read(Array(text.utf8), file: "x.json")
    } throws: {
      guard let error = $0 as? PredictionError else { return false }
      return error.kind == .usage && error.message.hasPrefix("x.json: ")
    }
  }
}

@Suite("Asking a node for predictions", .timeLimit(.minutes(1)))
struct PredictionClientTests {
  /// A node whose model says the first two features of a row as probabilities.
  private static func answer(_ request: LoopbackServer.Request, version: String = "7") -> LoopbackServer.Answer {
    let metadata =
      #"{"name":"digits","versions":["7"],"platform":"p","inputs":[{"name":"features","datatype":"FP32","shape":[-1,3]}],"outputs":[]}"#
    guard request.path.hasSuffix("/infer") else { return .bytes([LoopbackServer.response(Array(metadata.utf8))]) }
    let signature = ModelSignature(
      inputs: [TensorSpecification(name: "features", datatype: .fp32, shape: [-1, 3])], outputs: [])
    do throws(InferenceError) {
      let read = try request.body.withUnsafeBufferPointer { bytes throws(InferenceError) in
        try InferenceRequest(
          body: UnsafeRawBufferPointer(bytes),
          headerByteCount: request.headers["inference-header-content-length"].flatMap { Int($0) },
          signature: signature, limits: InferenceLimits())
      }
      let floats = try read.inputs[0].floats()
      let rows = floats.count / 3
      let numbers = (0..<rows).flatMap { [floats[3 * $0], floats[3 * $0 + 1]] }
      let response = InferenceResponse(
        modelName: "digits", modelVersion: version, id: nil,
        outputs: [
          InferenceTensor(name: "probabilities", datatype: .fp32, shape: [rows, 2], content: .floats(numbers))
        ])
      let body = try response.encode(for: read)
      let header = body.headerByteCount.map { "Inference-Header-Content-Length: \($0)\r\n" } ?? ""
      return .bytes([LoopbackServer.response(body.bytes, header: header)])
    } catch {
      return .bytes([LoopbackServer.response(error.json, status: "400 Bad Request")])
    }
  }

  private static func table(_ count: Int) -> FeatureTable {
    FeatureTable(features: (0..<count).flatMap { [Float($0), 1, 2] }, featureCount: 3)
  }

  private static func client(_ server: LoopbackServer, apiKey: String? = nil) throws -> PredictionClient {
    PredictionClient(try #require(WebAddress(server.place)), apiKey: apiKey, patience: .seconds(5))
  }

  @Test("Rows go out in batches, and come back in order from the version that answered the first")
  func batches() async throws {
    let paths = Recorder()
    let server = try LoopbackServer { request in
      paths.add(request.path)
      return Self.answer(request)
    }
    let (predictions, version) = try await Self.client(server).predict(Self.table(600), model: "digits", version: nil)
    #expect(version == "7")
    #expect(predictions.count == 600 && predictions.meaning == .probabilities)
    #expect((0..<600).allSatisfy { Array(predictions.row($0)) == [Float($0), 1] })
    #expect(
      paths.all == [
        "/set/v2/models/digits", "/set/v2/models/digits/infer", "/set/v2/models/digits/versions/7/infer",
        "/set/v2/models/digits/versions/7/infer",
      ])
  }

  @Test("A version or an alias is asked for by its name, with the key")
  func versioned() async throws {
    let server = try LoopbackServer { request in
      request.path.hasPrefix("/set/v2/models/digits/versions/champion")
        && request.headers["authorization"] == "Bearer murmur_key" ? Self.answer(request) : .bytes([[]])
    }
    let client = try Self.client(server, apiKey: "murmur_key")
    #expect(try await client.predict(Self.table(1), model: "digits", version: "champion").version == "7")
  }

  @Test(
    "A status says what kind of failure it is, with the server's reason",
    arguments: [
      ("400 Bad Request", PredictionError.Kind.usage), ("401 Unauthorized", .notAuthorised),
      ("403 Forbidden", .notAuthorised), ("404 Not Found", .notFound), ("429 Too Many Requests", .network),
      ("503 Service Unavailable", .network), ("500 Internal Server Error", .network), ("302 Found", .network),
    ])
  func statuses(status: String, kind: PredictionError.Kind) async throws {
    let server = try LoopbackServer { _ in
      .bytes([
        LoopbackServer.response(
          Array(#"{"error":"a reason"}"#.utf8), status: status,
          header: "Retry-After: 0\r\nLocation: http://127.0.0.1:1/\r\n")
      ])
    }
    let client = try Self.client(server)
    await #expect {
      try await client.predict(Self.table(1), model: "digits", version: nil)
    } throws: {
      guard let error = $0 as? PredictionError else { return false }
      return error.kind == kind && (status.hasPrefix("429") || error.message.contains("a reason"))
    }
  }

  @Test("Rows of another length than the model takes are refused before they are sent")
  func wrongLength() async throws {
    let server = try LoopbackServer { request in
      request.path.hasSuffix("infer") ? .bytes([[]]) : Self.answer(request)
    }
    let client = try Self.client(server)
    await #expect {
      try await client.predict(FeatureTable(features: [1, 2], featureCount: 2), model: "digits", version: nil)
    } throws: { ($0 as? PredictionError)?.kind == .usage }
  }

  @Test("An answer that is none is refused", arguments: ["{}", "[]", "", #"{"model_name":"digits","outputs":[]}"#])
  func badAnswer(body: String) async throws {
    let server = try LoopbackServer { request in
      request.path.hasSuffix("infer")
        ? .bytes([LoopbackServer.response(Array(body.utf8))]) : Self.answer(request)
    }
    let client = try Self.client(server)
    await #expect {
      try await client.predict(Self.table(2), model: "digits", version: nil)
    } throws: { ($0 as? PredictionError)?.kind == .verificationFailed }
  }
}

/// What a server was asked for, in order.
private final class Recorder: @unchecked Sendable {
  private let lock = NSLock()
  private var paths: [String] = []

  var all: [String] { lock.withLock { paths } }
  func add(_ path: String) { lock.withLock { paths.append(path) } }
}
