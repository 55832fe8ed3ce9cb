import HTTPProbe
import Testing

@testable import Gateway

@Suite("The Open Inference Protocol over HTTP")
struct ProtocolTests {
  private static let body = Array(
    #"{"id":"a","inputs":[{"name":"features","shape":[2,3],"datatype":"FP32","data":[1,2,3,4,5,6]}]}"#.utf8)

  @Test("A prediction names its version and gives the id back")
  func predicts() async throws {
    let probe = try await TestGateway().probe()
    let answer = try probe.ask("POST", "/v2/models/m/infer", body: Self.body)
    #expect(answer.status == 200)
    #expect(answer.headers["content-type"] == "application/json")
    for part in [#""model_name":"m""#, #""model_version":"2""#, #""id":"a""#, #""shape":[2,2]"#] {
      #expect(answer.text.contains(part), "\(answer.text)")
    }
    let older = try probe.ask("POST", "/v2/models/m/versions/1/infer", body: Self.body)
    #expect(older.text.contains(#""model_version":"1""#))
    let named = try probe.ask("POST", "/v2/models/m/versions/latest/infer?test_1=1", body: Self.body)
    #expect(named.text.contains(#""model_version":"2""#))
  }

  @Test("Binary tensors go in and out, and say how long their JSON is")
  func binary() async throws {
    let probe = try await TestGateway().probe()
    let json = Array(
      (#"{"inputs":[{"name":"features","shape":[1,3],"datatype":"FP32","parameters":{"binary_data_size":12}}],"#
        + #""parameters":{"binary_data_output":true}}"#).utf8)
    let tensor = [Float](arrayLiteral: 1, 2, 3).flatMap { value in withUnsafeBytes(of: value) { Array($0) } }
    let answer = try probe.ask(
      "POST", "/v2/models/m/infer", headers: [("Inference-Header-Content-Length", "\(json.count)")],
      body: json + tensor)
    #expect(answer.status == 200, "\(answer.text)")
    let count = try #require(answer.headers["inference-header-content-length"].flatMap { Int($0) })
    #expect(answer.body.count == count + 8)
    let values = answer.body[count...].withUnsafeBytes { bytes in
      (0..<2).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
    }
    #expect(values == [2, 2])
  }

  @Test(
    "Every refusal has its status and says why in the protocol's shape",
    arguments: [
      ("GET", "/v2/models/none", nil, 404), ("GET", "/v2/models/m/versions/9", nil, 404), ("GET", "/nothing", nil, 404),
      ("POST", "/v2/models/none/infer", "{}", 404), ("DELETE", "/v2/models/m", nil, 405),
      ("GET", "/v2/models/m/infer", nil, 405), ("POST", "/v2/models/m/infer", "{", 400),
      ("POST", "/v2/models/m/infer", "", 400), ("GET", "/v2/models/%zz", nil, 400), ("GET", "/v2//models", nil, 400),
      ("POST", "/v2/models/m/infer", #"{"inputs":[]}"#, 400),
      (
        "POST", "/v2/models/m/infer",
        #"{"inputs":[{"name":"features","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]}]}"#, 400
      ),
      ("POST", "/v2/repository/models/none/unload", "{}", 404), ("GET", "/v1/models/m/9/model.safetensors", nil, 404),
      ("GET", "/v1/models/m/latest/other", nil, 404),
    ] as [(String, String, String?, Int)])
  func refusals(method: String, path: String, body: String?, status: Int) async throws {
    let probe = try await TestGateway().probe()
    let answer = try probe.ask(method, path, body: body.map { Array($0.utf8) })
    #expect(answer.status == status, "\(answer.text)")
    #expect(answer.text.hasPrefix(#"{"error":""#) && answer.text.hasSuffix("\"}"), "\(answer.text)")
    // The connection is as good as before.
    #expect(try probe.ask("GET", "/v2/health/live").text == #"{"live":true}"#)
  }

  @Test(
    "Descriptions are there, for clients that ask before they predict",
    arguments: [
      ("/v2", #""extensions":["binary_tensor_data""#), ("/v2/", #""name":"murmur""#),
      ("/v2/health/ready", #""ready":true"#), ("/readyz", #""ready":true"#),
      ("/v2/models/m", #""inputs":[{"name":"features","datatype":"FP32","shape":[-1,3]}]"#),
      ("/v2/models/m/ready", #"{"name":"m","ready":true}"#), ("/v2/models/m/config", #""max_batch_size":64"#),
      ("/v2/models/m/stats", #""inference_count":0"#), ("/v2/models/stats", #""version":"1""#),
      ("/v1/models", #"[{"name":"m","version":1,"#), ("/openapi.json", #""openapi": "3.0.3""#),
      ("/metrics", "# TYPE murmur_inference_requests_total counter"),
    ])
  func descriptions(path: String, part: String) async throws {
    let answer = try await TestGateway().probe().ask("GET", path)
    #expect(answer.status == 200)
    #expect(answer.text.contains(part), "\(answer.text.prefix(2_000))")
  }

  @Test("The repository index takes a body or none, and shows what an administrator took out")
  func repository() async throws {
    let probe = try await TestGateway().probe()
    let all = try probe.ask("POST", "/v2/repository/index", body: [])
    #expect(all.text.contains(#""state":"READY""#))
    #expect(try probe.ask("POST", "/v2/repository/models/m/unload", body: Array("{}".utf8)).status == 200)
    #expect(try probe.ask("POST", "/v2/models/m/infer", body: Self.body).status == 503)
    #expect(try probe.ask("GET", "/v2/models/m/ready").status == 503)
    #expect(try probe.ask("POST", "/v2/repository/index", body: Array(#"{"ready":true}"#.utf8)).text == "[]")
    #expect(try probe.ask("POST", "/v2/repository/models/m/load", body: []).status == 200)
    #expect(try probe.ask("POST", "/v2/models/m/infer", body: Self.body).status == 200)
  }

  @Test("Answers are counted by what they were")
  func counted() async throws {
    let gateway = try await TestGateway()
    let probe = try gateway.probe()
    for _ in 0..<3 { _ = try probe.ask("POST", "/v2/models/m/infer", body: Self.body) }
    _ = try probe.ask("POST", "/v2/models/m/infer", body: Array("{".utf8))
    let metrics = try probe.ask("GET", "/metrics").text
    for line in [
      #"murmur_inference_requests_total{model="m",version="2",route="rest",code="200"} 3"#,
      #"murmur_inference_requests_total{model="m",version="2",route="rest",code="400"} 1"#,
      "murmur_inference_inflight 0",
    ] {
      #expect(metrics.contains(line), "\(metrics)")
    }
    #expect(try probe.ask("GET", "/v2/models/m/stats").text.contains(#""inference_count":6"#))
  }

  @Test("A trace goes through")
  func trace() async throws {
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    let answer = try await TestGateway().probe().ask(
      "POST", "/v2/models/m/infer", headers: [("traceparent", trace)], body: Self.body)
    #expect(answer.headers["traceparent"] == trace)
  }
}
