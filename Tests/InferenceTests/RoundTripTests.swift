import Federation
import Testing

@testable import Inference

@Suite("What was written is read")
struct RoundTripTests {
  private static let shapes: [[Int]] = [[], [1], [0], [3], [2, 3], [1, 0, 2], [2, 2, 2], [40]]

  private static func decode(
    _ parts: (bytes: [UInt8], headerByteCount: Int?), _ signature: ModelSignature
  ) throws(InferenceError) -> InferenceRequest {
    try Samples.decode(parts.bytes, header: parts.headerByteCount, signature)
  }

  @Test("A request of any tensor reads back the same, in JSON and in binary form", arguments: TensorDatatype.allCases)
  func requests(datatype: TensorDatatype) throws {
    var generator = SeededGenerator(seed: 1, stream: datatype.rawValue)
    for shape in Self.shapes {
      for round in 0..<20 {
        let request = InferenceRequest(
          id: round % 2 == 0 ? nil : "é\"\u{1F}\(round)",
          inputs: [Samples.random(datatype, shape: shape, using: &generator)],
          outputs: round % 3 == 0
            ? nil : [.init(name: "z", isBinary: round % 4 == 0 ? nil : round % 4 == 1), .init(name: "y")],
          wantsBinary: round % 5 == 0, timeout: round % 7 == 0 ? nil : .microseconds(round * 1000 + 1))
        let signature = Samples.signature(datatype, shape.map { _ in -1 })
        let binary = try request.encode(binaryInputs: true)
        #expect(binary.headerByteCount != nil)
        #expect(try Self.decode(binary, signature) == request)
        guard datatype.hasJSONForm else {
          #expect(throws: InferenceError.self) { try request.encode(binaryInputs: false) }
          continue
        }
        let json = try request.encode(binaryInputs: false)
        #expect(json.headerByteCount == nil)
        #expect(try Self.decode(json, signature) == request)
      }
    }
  }

  @Test("An answer with any tensors reads back the same, each as it was asked for", arguments: TensorDatatype.allCases)
  func responses(datatype: TensorDatatype) throws {
    var generator = SeededGenerator(seed: 2, stream: datatype.rawValue)
    for shape in Self.shapes {
      let response = InferenceResponse(
        modelName: "digits", modelVersion: "7", id: shape.isEmpty ? nil : "id",
        outputs: [
          Samples.random(datatype, shape: shape, using: &generator),
          InferenceTensor(name: "y", datatype: .fp32, shape: [2], content: .floats([0.1, -0.0])),
        ])
      for isBinary in datatype.hasJSONForm ? [false, true] : [true] {
        let request = InferenceRequest(inputs: [], outputs: [.init(name: "x", isBinary: isBinary), .init(name: "y")])
        let (bytes, header) = try response.encode(for: request)
        #expect((header != nil) == isBinary)
        let back = try Samples.response(bytes, header: header)
        #expect(back == response)
      }
    }
  }
}

@Suite("Bodies that were cut off or changed")
struct AdversarialBodyTests {
  /// Valid requests that together touch every part of the reader.
  static let valid: [([UInt8], Int?, ModelSignature)] = {
    let json =
      #"{"id":"a\u00e9","parameters":{"timeout":15,"binary_data_output":true,"x":"y"},"extra":[{"a":null},true,-1e5],"#
      + #""inputs":[{"name":"x","shape":[2,4],"datatype":"FP32","data":[[1,2.5,-3e-2,4],[0.123456789,6,7.0,12345678.9]]}],"#
      + #""outputs":[{"name":"scores","parameters":{"binary_data":false}}]}"#
    let words =
      #"{"inputs":[{"data":["a\ud83d\ude00","",",]"],"shape":[3],"datatype":"BYTES","name":"x"}]}"#
    let binary =
      #"{"inputs":[{"name":"INPUT1","shape":[1,2],"datatype":"INT32","parameters":{"binary_data_size":8}},"#
      + #"{"name":"INPUT0","shape":[1,2],"datatype":"INT32","data":[-7,2147483647]}]}"#
    let strings = #"{"inputs":[{"name":"x","shape":[2],"datatype":"BYTES","parameters":{"binary_data_size":13}}]}"#
    return [
      (Array(json.utf8), nil, Samples.classifier), (Array(words.utf8), nil, Samples.signature(.bytes, [-1])),
      (Array(binary.utf8) + [1, 2, 3, 4, 5, 6, 7, 8], binary.utf8.count, Samples.simple),
      (
        Array(strings.utf8) + [5, 0, 0, 0] + Array("hello".utf8) + [0, 0, 0, 0], strings.utf8.count,
        Samples.signature(.bytes, [2])
      ),
    ]
  }()

  @Test("The bodies are valid as they are", arguments: 0..<4)
  func areValid(index: Int) throws {
    let (body, header, signature) = Self.valid[index]
    #expect(try Samples.decode(body, header: header, signature).inputs.count == signature.inputs.count)
  }

  @Test("A body that ends early is refused, wherever it ends", arguments: 0..<4)
  func truncated(index: Int) {
    let (body, header, signature) = Self.valid[index]
    for end in 0..<body.count {
      let part = Array(body[..<end])
      #expect(throws: InferenceError.self, "\(end)") { try Samples.decode(part, header: header, signature) }
      // With a header that is right for what is left, as a client that cuts off its own JSON sends it.
      let shorter = header.map { min($0, end) }.flatMap { $0 == 0 ? nil : $0 }
      #expect(throws: InferenceError.self, "\(end)") { try Samples.decode(part, header: shorter, signature) }
    }
  }

  @Test("A body with one other byte is a request or an error, never a trap", arguments: 0..<4)
  func mutated(index: Int) {
    let (body, header, signature) = Self.valid[index]
    var refused = 0
    let bytes: [UInt8] = [0, 9, 32, 34, 44, 45, 46, 48, 57, 58, 91, 92, 93, 101, 117, 123, 125, 127, 128, 194, 255]
    for place in body.indices {
      for byte in bytes {
        var changed = body
        changed[place] = byte
        if (try? Samples.decode(changed, header: header, signature)) == nil { refused += 1 }
      }
    }
    #expect(refused > body.count * bytes.count / 4)
  }

  @Test(
    "Bytes that are put in, taken out or doubled at any place make a request or an error, never a trap",
    arguments: 0..<4)
  func shifted(index: Int) {
    let (body, header, signature) = Self.valid[index]
    var refused = 0
    for place in body.indices {
      let (before, after) = (Array(body[..<place]), Array(body[place...]))
      let changes: [[UInt8]] = [
        before + after.dropFirst(), before + after.prefix(1) + after, before + Array("[\"".utf8) + after,
        before + after.dropFirst(9),
      ]
      for changed in changes where (try? Samples.decode(changed, header: header, signature)) == nil {
        refused += 1
      }
    }
    #expect(refused > body.count)
  }

  @Test("The header may name any length", arguments: 0..<4)
  func headers(index: Int) {
    let (body, right, signature) = Self.valid[index]
    for header in [Int.min, -1] + Array(1...body.count + 1) + [Int.max] where header != right && header != body.count {
      #expect(throws: InferenceError.self, "\(header)") { try Samples.decode(body, header: header, signature) }
    }
  }
}
