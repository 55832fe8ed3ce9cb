import Testing

@testable import Inference

@Suite("Documents of the protocol")
struct DocumentTests {
  private static func text(_ json: [UInt8]) -> String { String(decoding: json, as: UTF8.self) }

  @Test("Live and ready say so in every field that clients read")
  func health() {
    #expect(Self.text(Liveness().json) == #"{"live":true}"#)
    #expect(Self.text(Readiness().json) == #"{"live":true,"ready":true}"#)
    #expect(Self.text(ModelReadiness(name: "a\"b").json) == #"{"name":"a\"b","ready":true}"#)
  }

  @Test("A server names its extensions")
  func server() {
    #expect(
      Self.text(ServerMetadata(name: "murmuration", version: "1.0").json)
        == #"{"name":"murmuration","version":"1.0","extensions":["binary_tensor_data","model_repository","statistics","#
        + #""model_configuration"]}"#)
    #expect(Self.text(ServerMetadata(name: "m", version: "1", extensions: []).json).hasSuffix(#""extensions":[]}"#))
  }

  @Test("A model says what it takes and gives, with -1 where any extent goes")
  func model() {
    let metadata = ModelMetadata(
      name: "digits", versions: ["3", "4"], platform: "murmuration_safetensors", signature: Samples.classifier)
    #expect(
      Self.text(metadata.json)
        == #"{"name":"digits","versions":["3","4"],"platform":"murmuration_safetensors","#
        + #""inputs":[{"name":"x","datatype":"FP32","shape":[-1,4]}],"#
        + #""outputs":[{"name":"scores","datatype":"FP32","shape":[-1,3]}]}"#)
  }

  @Test("A configuration leaves out the rows of a model with batches, and only of it")
  func configuration() {
    func json(_ batchSizeMax: Int, _ delay: Duration?) -> String {
      Self.text(
        ModelConfiguration(
          name: "m", platform: "p", batchSizeMax: batchSizeMax, signature: Samples.classifier, versionsServed: 2,
          queueDelayMax: delay
        ).json)
    }
    #expect(
      json(8, .microseconds(250))
        == #"{"name":"m","platform":"p","max_batch_size":8,"version_policy":{"latest":{"num_versions":2}},"#
        + #""input":[{"name":"x","data_type":"TYPE_FP32","dims":[4]}],"#
        + #""output":[{"name":"scores","data_type":"TYPE_FP32","dims":[3]}],"#
        + #""dynamic_batching":{"max_queue_delay_microseconds":250}}"#)
    let single = json(0, nil)
    #expect(single.contains(#""dims":[-1,4]"#) && !single.contains("dynamic_batching"))
    #expect(TensorDatatype.bytes.configurationName == "TYPE_STRING")
    #expect(TensorDatatype.bf16.configurationName == "TYPE_BF16")
  }

  @Test("An index lists models with state and reason")
  func index() {
    let index = RepositoryIndex(entries: [
      .init(name: "a", version: "1", state: .ready),
      .init(name: "b", version: nil, state: .unavailable, reason: "no \"b\""),
    ])
    #expect(
      Self.text(index.json)
        == #"[{"name":"a","version":"1","state":"READY","reason":""},"#
        + #"{"name":"b","state":"UNAVAILABLE","reason":"no \"b\""}]"#)
    #expect(Self.text(RepositoryIndex(entries: []).json) == "[]")
  }

  private static func isReadyOnly(_ body: String) throws(InferenceError) -> Bool {
    let bytes = Array(body.utf8)
    return try bytes.withUnsafeBufferPointer { (buffer) throws(InferenceError) in
      try RepositoryIndexRequest(body: UnsafeRawBufferPointer(buffer), limits: InferenceLimits()).isReadyOnly
    }
  }

  @Test(
    "An index is asked for with a body or without one",
    arguments: [
      ("", false), (" \n", false), ("{}", false), (#"{"ready":false}"#, false), (#"{"ready":true}"#, true),
      (#"{"ready":null}"#, false), (#"{"other":[1],"ready":true}"#, true),
    ])
  func indexRequest(body: String, isReadyOnly: Bool) throws {
    #expect(try Self.isReadyOnly(body) == isReadyOnly)
  }

  @Test(
    "Another body is no question for an index",
    arguments: ["[]", "true", "{", "{}}", #"{"ready":1}"#, #"{"ready":"true"}"#, #"{"ready":true,"ready":true}"#])
  func refusesIndexRequest(body: String) {
    let error = #expect(throws: InferenceError.self) { try Self.isReadyOnly(body) }
    #expect(error?.kind == .invalid)
  }

  @Test("Statistics have all fields that NVIDIA's examples read, counts and nanoseconds")
  func statistics() {
    var statistics = ModelStatistics(name: "digits", version: "3")
    statistics.lastInferenceMilliseconds = 1_700_000_000_000
    statistics.inferenceCount = 12
    statistics.executionCount = 5
    statistics.success = .init(count: 10, nanoseconds: 1000)
    statistics.fail = .init(count: 1, nanoseconds: 20)
    statistics.queue = .init(count: 10, nanoseconds: 300)
    statistics.computeInfer = .init(count: 5, nanoseconds: .max)
    statistics.batches = [.init(size: 2, computeInfer: .init(count: 5, nanoseconds: 600))]
    let none = #"{"count":0,"ns":0}"#
    #expect(
      Self.text(ModelStatistics.json([statistics]))
        == #"{"model_stats":[{"name":"digits","version":"3","last_inference":1700000000000,"inference_count":12,"#
        + #""execution_count":5,"inference_stats":{"success":{"count":10,"ns":1000},"fail":{"count":1,"ns":20},"#
        + #""queue":{"count":10,"ns":300},"compute_input":\#(none),"#
        + #""compute_infer":{"count":5,"ns":18446744073709551615},"compute_output":\#(none),"cache_hit":\#(none),"#
        + #""cache_miss":\#(none)},"batch_stats":[{"batch_size":2,"compute_input":\#(none),"#
        + #""compute_infer":{"count":5,"ns":600},"compute_output":\#(none)}]}]}"#)
    #expect(Self.text(ModelStatistics.json([])) == #"{"model_stats":[]}"#)
  }
}
