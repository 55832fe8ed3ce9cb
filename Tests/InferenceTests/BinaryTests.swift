import Testing

@testable import Inference

@Suite("Binary tensors")
struct BinaryTests {
  private static let ones: [UInt8] = Array(repeating: [0, 0, 0x80, 0x3F], count: 4).flatMap { $0 }

  private static func json(size: String = "16", more: String = "") -> String {
    #"{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","parameters":{"binary_data_size":\#(size)}\#(more)}]}"#
  }

  @Test("Numbers follow the JSON, little-endian")
  func decodes() throws {
    let request = try Samples.decode(Self.json(), binary: Self.ones)
    #expect(request == InferenceRequest(inputs: [Samples.floats([1, 1, 1, 1])]))
  }

  @Test("Tensors follow in the order of the JSON, between those that are in it")
  func order() throws {
    let json =
      #"{"inputs":[{"name":"INPUT1","shape":[1,2],"datatype":"INT32","parameters":{"binary_data_size":8}},"#
      + #"{"name":"INPUT0","shape":[1,2],"datatype":"INT32","parameters":{"binary_data_size":8}}]}"#
    let request = try Samples.decode(json, binary: [1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0], Samples.simple)
    #expect(request.inputs.map(\.content) == [.raw([3, 0, 0, 0, 4, 0, 0, 0]), .raw([1, 0, 0, 0, 2, 0, 0, 0])])
    let mixed =
      #"{"inputs":[{"name":"INPUT1","shape":[1,2],"datatype":"INT32","data":[1,2]},"#
      + #"{"name":"INPUT0","shape":[1,2],"datatype":"INT32","parameters":{"binary_data_size":8}}]}"#
    let other = try Samples.decode(mixed, binary: [3, 0, 0, 0, 4, 0, 0, 0], Samples.simple)
    #expect(other.inputs == request.inputs)
  }

  @Test("All of the body may be JSON, and the header says so")
  func headerOnly() throws {
    let json = #"{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[1,1,1,1]}]}"#
    #expect(try Samples.decode(json, binary: []).inputs == [Samples.floats([1, 1, 1, 1])])
  }

  /// JSON, what follows, the value of the header where it is not the length of the JSON, and part of the sentence.
  static let refused: [(String, [UInt8], Int?, String)] = [
    (json(), Array(ones.dropLast()), nil, "'x': found binary_data_size 16, expected at most 15 bytes"),
    (json(), ones + [0], nil, "found 1 bytes behind the last binary tensor"),
    (json(), [], nil, "found binary_data_size 16, expected at most 0 bytes"),
    (json(size: "12"), Array(ones.prefix(12)), nil, "'x': found 12 bytes, expected 16 for FP32 [1, 4]"),
    (json(size: "20"), ones + [0, 0, 0, 0], nil, "'x': found 20 bytes, expected 16 for FP32 [1, 4]"),
    (json(size: "0"), [], nil, "'x': found 0 bytes, expected 16"),
    (json(size: "9223372036854775807"), ones, nil, "found binary_data_size 9223372036854775807, expected at most 16"),
    (json(size: "9223372036854775808"), ones, nil, "expected a whole number from 0"),
    (json(size: "-16"), ones, nil, "expected a whole number from 0"),
    (json(size: "16.5"), ones, nil, "expected a whole number from 0"),
    (json(size: #""16""#), ones, nil, "expected a value"),
    (json(size: "true"), ones, nil, "expected a value"),
    (json(more: #","data":[1,1,1,1]"#), ones, nil, "input 'x': found data and binary_data_size, expected one of them"),
    (json(), ones, 10_000, "found Inference-Header-Content-Length 10000, expected at most"),
    (json(), ones, -1, "found Inference-Header-Content-Length -1"),
    (json(), ones, 5, "found the end, expected"),
    (json(), ones, json().utf8.count + 1, "expected the end of the document"),
    (json(), ones, json().utf8.count - 1, "found the end, expected ',' or '}'"),
  ]

  @Test("Sizes that do not match are refused", arguments: refused)
  func refuses(json: String, binary: [UInt8], header: Int?, sentence: String) {
    let error = #expect(throws: InferenceError.self) {
      try Samples.decode(Array(json.utf8) + binary, header: header ?? json.utf8.count)
    }
    #expect(error?.kind == .invalid)
    #expect(error?.message.contains(sentence) == true, "\(error?.message ?? "")")
  }

  @Test(
    "Elements of BYTES fill the tensor, each behind its length",
    arguments: [
      ([2], [1, 0, 0, 0, 65, 0, 0, 0, 0], ["A", ""]), ([0], [], []), ([1], [0, 0, 0, 0], [""]),
      ([1, 1], [2, 0, 0, 0, 0xC3, 0xA9], ["é"]),
    ] as [([Int], [UInt8], [String])])
  func byteStrings(shape: [Int], bytes: [UInt8], strings: [String]) throws {
    let tensor = try Samples.tensor(.bytes, shape, binary: bytes)
    #expect(tensor.byteStrings?.map { String(decoding: $0, as: UTF8.self) } == strings)
    #expect(tensor == InferenceTensor(name: "x", shape: shape, byteStrings: strings.map { Array($0.utf8) }))
  }

  @Test(
    "Bytes that are not such a tensor are refused",
    arguments: [
      (.bytes, [1], []), (.bytes, [1], [0]), (.bytes, [1], [0, 0, 0]), (.bytes, [1], [1, 0, 0, 0]),
      (.bytes, [1], [255, 255, 255, 255, 1]), (.bytes, [1], [0, 0, 0, 0, 0]), (.bytes, [2], [0, 0, 0, 0]),
      (.bytes, [1], [0, 0, 0, 0, 0, 0, 0, 0]), (.bytes, [0], [0, 0, 0, 0]), (.bool, [2], [0, 2]), (.bool, [1], [255]),
      (.bool, [2], [1]), (.fp16, [1], [0]), (.bf16, [2], [0, 0]), (.fp64, [1], [0, 0, 0, 0]), (.int64, [], []),
      (.uint8, [-1], [0]), (.uint8, [1, 1, 1, 1, 1, 1, 1, 1, 1], [0]), (.uint8, [1 << 40], [0]),
      (.uint8, [1 << 40, 1 << 40], [0]),
    ] as [(TensorDatatype, [Int], [UInt8])])
  func refusesBytes(datatype: TensorDatatype, shape: [Int], bytes: [UInt8]) {
    #expect(throws: InferenceError.self) { try Samples.tensor(datatype, shape, binary: bytes) }
  }

  @Test(
    "A raw request is the one input, of one row, and one extent follows from its length",
    arguments: [
      (.fp32, [-1, 4], ones, [1, 4]), (.fp32, [4], ones, [4]), (.fp32, [2, 2], ones, [2, 2]),
      (.fp32, [-1, -1], ones, [1, 4]), (.fp32, [-1, 2, -1], ones, [1, 2, 2]), (.fp16, [-1, -1], ones, [1, 8]),
      (.fp32, [4, -1], ones, [4, 1]), (.uint8, [-1, -1], [], [1, 0]), (.bytes, [1], ones, [1]),
      (.bytes, [-1, -1], ones, [1, 1]),
      (.bytes, [-1], [], [1]),
    ] as [(TensorDatatype, [Int], [UInt8], [Int])])
  func raw(datatype: TensorDatatype, declared: [Int], body: [UInt8], shape: [Int]) throws {
    let request = try Samples.decode(body, header: 0, Samples.signature(datatype, declared))
    #expect(request.inputs.map(\.shape) == [shape])
    #expect(request.wantsBinary && request.outputs == nil && request.id == nil)
    if datatype == .fp32 { #expect(request.inputs[0].content == .floats([1, 1, 1, 1])) }
    if datatype == .bytes { #expect(request.inputs[0].byteStrings == [body]) }
  }

  @Test(
    "A raw request that could be several tensors, or none, is refused",
    arguments: [
      (Samples.simple, ones), (Samples.signature(.fp32, [-1, 4]), ones + ones),
      (Samples.signature(.fp32, [-1, 4]), []),
      (Samples.signature(.fp32, [-1, 4]), Array(ones.dropLast())), (Samples.signature(.fp32, [-1, -1, -1]), ones),
      (Samples.signature(.fp32, [-1, -1]), Array(ones.dropLast())), (Samples.signature(.fp32, [-1, 3, -1]), ones),
      (Samples.signature(.fp32, [0, -1]), ones), (Samples.signature(.bytes, [2]), ones),
      (Samples.signature(.bytes, [-1, 2]), ones), (Samples.signature(.bool, [-1, -1]), [2]),
      (ModelSignature(inputs: [], outputs: []), []),
    ] as [(ModelSignature, [UInt8])])
  func refusesRaw(signature: ModelSignature, body: [UInt8]) {
    let error = #expect(throws: InferenceError.self) { try Samples.decode(body, header: 0, signature) }
    #expect(error?.kind == .invalid)
  }

  @Test("A raw request is bounded like any other")
  func rawLimits() {
    var limits = InferenceLimits()
    limits.bodyBytesMax = 15
    let error = #expect(throws: InferenceError.self) {
      try Samples.decode(Self.ones, header: 0, Samples.classifier, limits)
    }
    #expect(error?.kind == .tooLarge)
  }
}
