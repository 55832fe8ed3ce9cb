import Testing

@testable import Inference

@Suite("Requests that are refused")
struct RefusedRequestTests {
  private static let x = #"{"name":"x","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]}"#

  private static func input(_ members: String) -> String { #"{"inputs":[{\#(members)}]}"# }

  private static func input(shape: String, data: String = "[1,2,3,4]", type: String = "FP32") -> String {
    input(#""name":"x","shape":\#(shape),"datatype":"\#(type)","data":\#(data)"#)
  }

  /// The request and part of the sentence about it.
  static let invalid: [(String, String)] = [
    // The model
    (#"{"inputs":[]}"#, "input 'x': found it 0 times, expected it once"),
    ("{}", "input 'x': found it 0 times, expected it once"),
    (#"{"inputs":[\#(x),\#(x)]}"#, "input 'x': found it 2 times, expected it once"),
    (input(#""name":"y","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]"#), "found input 'y', expected 'x'"),
    (#"{"inputs":[\#(x)],"outputs":[{"name":"y"}]}"#, "found output 'y', expected 'scores'"),
    (#"{"inputs":[\#(x)],"outputs":[{"name":"scores"},{"name":"scores"}]}"#, "found output 'scores' twice"),
    (#"{"inputs":[\#(x)],"outputs":[{}]}"#, "found an output without name"),
    (
      input(shape: "[1,4]", data: "[true,true,true,true]", type: "BOOL"),
      "input 'x': found datatype BOOL, expected FP32"
    ),
    (input(shape: "[1,1]", data: #"["a"]"#, type: "BYTES"), "input 'x': found datatype BYTES, expected FP32"),
    (input(shape: "[1,4]", type: "FP16"), "input 'x': found data in JSON of datatype FP16, expected binary data"),
    (input(shape: "[1,4]", type: "FP128"), "found datatype 'FP128', expected one of BOOL"),
    (input(shape: "[1,4]", type: "fp32"), "found datatype 'fp32', expected one of BOOL"),
    // Shapes
    (input(shape: "[1,5]"), "input 'x': found shape [1, 5], expected [-1, 4]"),
    (input(shape: "[4]"), "input 'x': found shape [4], expected [-1, 4]"),
    (input(shape: "[1,1,4]"), "input 'x': found shape [1, 1, 4], expected [-1, 4]"),
    (input(shape: "[]", data: "[1]"), "input 'x': found shape [], expected [-1, 4]"),
    (input(shape: "[-1,4]"), "expected a whole number from 0"),
    (input(shape: "[1.5,4]"), "expected a whole number from 0"),
    (input(shape: "[99999999999999999999,4]"), "expected a whole number from 0"),
    (input(shape: "[\"1\",4]"), "expected a value"),
    (input(shape: "[1,1,1,1,1,1,1,1,4]"), "expected at most 8 extents"),
    (input(shape: "4"), "expected '['"),
    // Data
    (input(shape: "[1,4]", data: "[1,2,3]"), "input 'x': JSON, byte 68: found fewer, expected 4 elements"),
    (input(shape: "[1,4]", data: "[1,2,3,4,5]"), "found more, expected 4 elements"),
    (input(shape: "[1,4]", data: "[[1,2,3]]"), "found fewer, expected 4 elements"),
    (input(shape: "[1,4]", data: "[[1,2,3,4],[1,2,3,4]]"), "found more, expected 1 rows"),
    (input(shape: "[2,4]", data: "[[1.0,2.0,3.0,4.0]]"), "found fewer, expected 2 rows"),
    (input(shape: "[2,4]", data: "[[1,2],[3,4],[5,6],[7,8]]"), "found fewer, expected 4 elements"),
    (input(shape: "[1,4]", data: "[[[1,2,3,4]]]"), "expected a value"),
    (input(shape: "[1,4]", data: "[1,[2,3],4]"), "expected a value"),
    (input(shape: "[2,4]", data: "[[1,2,3,4],5,6,7,8]"), "expected '['"),
    (input(shape: "[0,4]", data: "[1]"), "expected ',' or ']'"),
    (input(shape: "[0,4]", data: "[[]]"), "expected"),
    (input(shape: "[1,4]", data: "7"), "expected '['"),
    (input(shape: "[1,4]", data: #"{"0":1}"#), "expected '['"),
    (input(shape: "[1,4]", data: "null"), "expected '['"),
    (input(shape: "[1,4]", data: "[1,2,3,NaN]"), "expected a value"),
    (input(shape: "[1,4]", data: "[1,2,3,1e39]"), "found a number out of range, expected FP32"),
    (input(shape: "[1000000,4]", data: "[1,2,3,4]"), "input 'x': found fewer elements than shape [1000000, 4] has"),
    // Members
    (input(#""shape":[1,4],"datatype":"FP32","data":[1,2,3,4]"#), "found an input without name"),
    (input(#""name":"x","datatype":"FP32","data":[1,2,3,4]"#), "input 'x': found no shape"),
    (input(#""name":"x","shape":[1,4],"data":[1,2,3,4]"#), "input 'x': found no datatype"),
    (input(#""name":"x","shape":[1,4],"datatype":"FP32""#), "input 'x': found neither data nor binary_data_size"),
    (input(#""name":"x","name":"x","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]"#), "found a second member name"),
    (
      input(#""data":[1,2,3,4],"name":"x","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]"#),
      "found a second member data"
    ),
    (#"{"inputs":[\#(x)],"inputs":[\#(x)]}"#, "found a second member inputs"),
    (#"{"inputs":[\#(x)],"id":"a","\u0069d":"b"}"#, "found a second member id"),
    (input(#""name":7,"shape":[1,4],"datatype":"FP32","data":[1,2,3,4]"#), "expected a string"),
    (#"{"inputs":{"x":1}}"#, "expected '['"), (#"{"inputs":[7]}"#, "expected '{'"),
    (#"{"inputs":null}"#, "expected '['"),
    (#"{"id":7,"inputs":[\#(x)]}"#, "expected a string"),
    (#"{"inputs":[\#(x)],"outputs":{}}"#, "expected '['"),
    (#"{"inputs":[\#(x)],"outputs":["scores"]}"#, "expected '{'"),
    // Parameters
    (#"{"inputs":[\#(x)],"parameters":[]}"#, "expected '{'"),
    (#"{"inputs":[\#(x)],"parameters":{"a":[]}}"#, "expected a string, a number, true or false"),
    (#"{"inputs":[\#(x)],"parameters":{"a":{}}}"#, "expected a string, a number, true or false"),
    (#"{"inputs":[\#(x)],"parameters":{"a":null}}"#, "expected a string, a number, true or false"),
    (#"{"inputs":[\#(x)],"parameters":{"timeout":-1}}"#, "expected a whole number from 0"),
    (#"{"inputs":[\#(x)],"parameters":{"timeout":"5"}}"#, "expected a value"),
    (#"{"inputs":[\#(x)],"parameters":{"timeout":86400000001}}"#, "found a timeout of 86400000001 microseconds"),
    (#"{"inputs":[\#(x)],"parameters":{"binary_data_output":1}}"#, "expected true or false"),
    (#"{"inputs":[\#(x)],"parameters":{"timeout":1,"timeout":2}}"#, "found a second member timeout"),
    (#"{"inputs":[\#(x)],"outputs":[{"name":"scores","parameters":{"binary_data":"yes"}}]}"#, "expected true or false"),
    (
      input(#""name":"x","shape":[1,4],"datatype":"FP32","data":[1,2,3,4],"parameters":{"a":[1]}"#),
      "expected a string, a"
    ),
    (
      input(#""name":"x","shape":[1,4],"datatype":"FP32","parameters":{"binary_data_size":16}"#),
      "found binary_data_size, expected Inference-Header-Content-Length with it"
    ),
  ]

  @Test("A sentence says what is wrong with a request", arguments: invalid)
  func refuses(body: String, sentence: String) {
    let error = #expect(throws: InferenceError.self, "\(body)") { try Samples.decode(body) }
    #expect(error?.kind == .invalid)
    #expect(error?.message.contains(sentence) == true, "\(error?.message ?? "") for \(body)")
  }

  /// Not JSON.
  static let malformed: [String] = [
    "", " ", "{", "}", "[]", "7", "null", "\"inputs\"", "{\"inputs\"}", "{\"inputs\":}", "{inputs:[]}", "{'inputs':[]}",
    "{\"inputs\":[],}", "{\"a\":1 \"b\":2}", "{\"a\":1,,\"b\":2}", "{\"a\":[1,]}", "{\"a\":[,1]}", "{\"a\":[1 2]}",
    "{\"a\":tru}", "{\"a\":nul}", "{\"a\":TRUE}", "{\"a\":01}", "{\"a\":1.}", "{\"a\":+1}", "{\"a\":.5}", "{\"a\":1e}",
    "{\"a\":0x1}", "{\"a\":NaN}", "{\"a\":-}", "{\"a\":\"\n\"}", "{\"a\":\"\\x\"}", "{\"a\":\"\\u12\"}",
    "{\"a\":\"\\u12g4\"}",
    "{\"a\":\"\\ud800\"}", "{\"a\":\"\\ud800\\u0041\"}", "{\"a\":\"\\ud800\\n\"}", "{\"a\":\"\\udc00\"}", "{\"a\":\"b}",
    "{\"a\":\"b\\",
    "{\"a\":\"\\", "{\"a\":1}}", "{\"a\":1}x", "{\"a\":1}{}", "// no\n{}", "{/**/}", "\u{FEFF}{}", "{\"a\":[}",
    "{\"a\":{]}",
    "\u{A0}{}", "{\"a\":1\u{0}}", "{:1}", "{\"a\"::1}",
  ]

  @Test("What is not JSON is refused, also in members that nobody reads", arguments: malformed)
  func refusesMalformed(body: String) {
    let completed = body.replacing("{\"a\"", with: "{\"inputs\":[\(Self.x)],\"a\"")
    let error = #expect(throws: InferenceError.self, "\(completed)") { try Samples.decode(completed) }
    #expect(error?.kind == .invalid)
  }

  @Test("The member that was wrong there is right otherwise")
  func acceptsWellFormed() throws {
    for value in [
      "1", "-0.5e-7", "true", "null", "\"\\u0041\\ud83d\\ude00\\/\"", "[1,{\"b\":[]}]", "{}", "\"é\u{7F}\"",
    ] {
      #expect(try Samples.decode("{\"inputs\":[\(Self.x)],\"a\":\(value)}").inputs.count == 1)
    }
  }

  /// In the name of a member, in one that is kept and in one that is not.
  @Test(
    "Strings that are not UTF-8 are refused",
    arguments: [[0xFF], [0x80], [0xC3], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xE2, 0x82]])
  func refusesOtherEncodings(bytes: [UInt8]) {
    let x = Array(Self.x.utf8)
    let quote = UInt8(ascii: "\"")
    for before in ["\"id\":", "\"a\":", ""] {
      let body = Array("{\"inputs\":[".utf8) + x + Array("],\(before)".utf8) + [quote] + bytes + [quote]
      #expect(throws: InferenceError.self) { try Samples.decode(body + (before.isEmpty ? Array(":1}".utf8) : [0x7D])) }
    }
  }

  @Test("Nesting ends at the limit, in members that are read and in those that are not")
  func depth() throws {
    var limits = InferenceLimits()
    limits.depthMax = 5
    func body(_ count: Int) -> String {
      "{\"inputs\":[\(Self.x)],\"a\":" + String(repeating: "[", count: count) + String(repeating: "]", count: count)
        + "}"
    }
    #expect(try Samples.decode(body(4), Samples.classifier, limits).inputs.count == 1)
    let error = #expect(throws: InferenceError.self) { try Samples.decode(body(5), Samples.classifier, limits) }
    #expect(error?.message.contains("expected at most 5 values inside each other") == true)
    // A million brackets end there too, instead of at the end of the stack.
    for bracket in ["[", "{\"a\":", "[{\"a\":["] {
      let deep = "{\"a\":" + String(repeating: bracket, count: 1_000_000)
      #expect(throws: InferenceError.self) { try Samples.decode(deep) }
      let data = Self.input(shape: "[1,4]", data: String(repeating: bracket, count: 1_000_000))
      #expect(throws: InferenceError.self) { try Samples.decode(data) }
    }
  }
}
