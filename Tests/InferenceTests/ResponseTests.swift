import Testing

@testable import Inference

@Suite("Answers")
struct ResponseTests {
  private static func scores(_ values: [Float]) -> InferenceTensor {
    InferenceTensor(name: "scores", datatype: .fp32, shape: [1, values.count], content: .floats(values))
  }

  private static let label = InferenceTensor(
    name: "label", datatype: .int64, shape: [1], content: .raw([7, 0, 0, 0, 0, 0, 0, 0]))

  private static func response(_ outputs: [InferenceTensor], id: String? = nil) -> InferenceResponse {
    InferenceResponse(modelName: "digits", modelVersion: "3", id: id, outputs: outputs)
  }

  private static func text(
    _ response: InferenceResponse, _ request: InferenceRequest = InferenceRequest(inputs: [])
  ) throws(InferenceError) -> String {
    String(decoding: try response.encode(for: request).bytes, as: UTF8.self)
  }

  @Test("An answer in JSON has its outputs flat and the shortest decimals of its numbers")
  func json() throws {
    let response = Self.response(
      [Self.scores([0.1, -0.0, 1e-5, 3.4028235e38, 16777216, 1.5]), Self.label], id: "a\"b")
    let (bytes, header) = try response.encode(for: InferenceRequest(inputs: []))
    #expect(header == nil)
    #expect(
      String(decoding: bytes, as: UTF8.self)
        == #"{"model_name":"digits","model_version":"3","id":"a\"b","outputs":["#
        + #"{"name":"scores","datatype":"FP32","shape":[1,6],"data":[0.1,-0.0,1e-05,3.4028235e+38,16777216.0,1.5]},"#
        + #"{"name":"label","datatype":"INT64","shape":[1],"data":[7]}]}"#)
  }

  @Test("Binary outputs stand behind the JSON in its order, and the header is its length")
  func binary() throws {
    let request = InferenceRequest(inputs: [], wantsBinary: true)
    let (bytes, header) = try Self.response([Self.scores([1]), Self.label]).encode(for: request)
    let json =
      #"{"model_name":"digits","model_version":"3","outputs":["#
      + #"{"name":"scores","datatype":"FP32","shape":[1,1],"parameters":{"binary_data_size":4}},"#
      + #"{"name":"label","datatype":"INT64","shape":[1],"parameters":{"binary_data_size":8}}]}"#
    #expect(header == json.utf8.count)
    #expect(bytes == Array(json.utf8) + [0, 0, 0x80, 0x3F, 7, 0, 0, 0, 0, 0, 0, 0])
  }

  @Test(
    "An output says itself how it goes out, otherwise the request does",
    arguments: [
      (false, nil, false), (false, true, true), (false, false, false), (true, nil, true), (true, true, true),
      (true, false, false),
    ]
      as [(Bool, Bool?, Bool)])
  func choice(all: Bool, own: Bool?, isBinary: Bool) throws {
    let request = InferenceRequest(inputs: [], outputs: [.init(name: "scores", isBinary: own)], wantsBinary: all)
    let (bytes, header) = try Self.response([Self.scores([1])]).encode(for: request)
    #expect((header != nil) == isBinary)
    #expect(String(decoding: bytes, as: UTF8.self).contains("data\":[1.0]") == !isBinary)
  }

  @Test("Strings of an answer are escaped where JSON wants it, and nowhere else")
  func strings() throws {
    let words = ["\"\\/", "\u{0}\u{1F}\n\u{7F}", "é😀", ""]
    let tensor = InferenceTensor(name: "w\n", shape: [4], byteStrings: words.map { Array($0.utf8) })
    #expect(
      try Self.text(Self.response([tensor])).hasSuffix(
        #"{"name":"w\u000a","datatype":"BYTES","shape":[4],"data":["\"\\/","\u0000\u001f\u000a"# + "\u{7F}\""
          + #","é😀",""]}]}"#))
  }

  /// What cannot be said, and whose fault that is.
  static let refused: [(InferenceTensor, InferenceError.Kind)] = [
    (scores([1, .nan]), .internal), (scores([.infinity]), .internal), (scores([-.infinity]), .internal),
    (
      InferenceTensor(name: "y", datatype: .fp64, shape: [1], content: .raw([0, 0, 0, 0, 0, 0, 0xF0, 0x7F])), .internal
    ),
    (InferenceTensor(name: "y", datatype: .fp16, shape: [1], content: .raw([0, 0])), .invalid),
    (InferenceTensor(name: "y", datatype: .bf16, shape: [1], content: .raw([0, 0])), .invalid),
    (InferenceTensor(name: "y", shape: [1], byteStrings: [[0xFF]]), .invalid),
    (InferenceTensor(name: "y", datatype: .fp32, shape: [2], content: .floats([1])), .internal),
    (InferenceTensor(name: "y", datatype: .fp32, shape: [1], content: .raw([0, 0, 0, 0])), .internal),
    (InferenceTensor(name: "y", datatype: .int8, shape: [1], content: .floats([1])), .internal),
    (InferenceTensor(name: "y", datatype: .int16, shape: [1], content: .raw([0])), .internal),
    (InferenceTensor(name: "y", datatype: .bytes, shape: [1], content: .raw([1, 0, 0, 0])), .internal),
  ]

  @Test("What JSON cannot say is an error, not other JSON", arguments: refused)
  func refuses(tensor: InferenceTensor, kind: InferenceError.Kind) {
    let error = #expect(throws: InferenceError.self) { try Self.text(Self.response([tensor])) }
    #expect(error?.kind == kind)
  }

  @Test("In binary form all but content of another size goes out", arguments: refused)
  func refusesBinary(tensor: InferenceTensor, kind: InferenceError.Kind) {
    let request = InferenceRequest(inputs: [], wantsBinary: true)
    let result = Result { try Self.response([tensor]).encode(for: request) }
    #expect(((try? result.get()) != nil) == tensor.isWhole)
  }

  @Test(
    "What is no answer is refused",
    arguments: [
      "", "{}", "[]", #"{"outputs":[]}"#, #"{"model_name":"m"}"#, #"{"error":"x"}"#,
      #"{"model_name":"m","outputs":[]}x"#,
      #"{"model_name":7,"outputs":[]}"#, #"{"model_name":"m","outputs":[{"name":"y","shape":[1],"datatype":"FP32"}]}"#,
      #"{"model_name":"m","outputs":[{"name":"y","shape":[2],"datatype":"FP32","data":[1]}]}"#,
      #"{"model_name":"m","model_name":"m","outputs":[]}"#,
    ])
  func refusesAnswers(body: String) {
    #expect(throws: InferenceError.self) { try Samples.response(Array(body.utf8)) }
  }

  @Test("An error has the protocol's shape, whatever its sentence")
  func errors() {
    let error = InferenceError(.invalid, "found \"\\\n")
    #expect(String(decoding: error.json, as: UTF8.self) == #"{"error":"found \"\\\u000a"}"#)
  }
}
