import Testing

@testable import Inference

@Suite("Requests that are put together out of binary tensors")
struct RequestAssemblyTests {
  /// An input as a protocol without JSON brings it.
  struct Input: Sendable {
    var name = "INPUT0"
    var datatype = "INT32"
    var shape = [1, 2]
    var bytes: [UInt8] = [1, 0, 0, 0, 2, 0, 0, 0]

    static let other = Input(name: "INPUT1", bytes: [3, 0, 0, 0, 4, 0, 0, 0])
  }

  private static func assemble(
    _ inputs: [Input], id: String? = nil, outputs: [String] = [], timeout: Duration? = nil,
    limits: InferenceLimits = InferenceLimits()
  ) throws(InferenceError) -> InferenceRequest {
    var assembly = RequestAssembly(signature: Samples.simple, limits: limits)
    for input in inputs {
      let admitted = try assembly.admit(name: input.name, datatype: input.datatype, shape: input.shape)
      let result = input.bytes.withUnsafeBytes { bytes in
        Result { () throws(InferenceError) in try assembly.add(admitted, binary: bytes) }
      }
      try result.get()
    }
    return try assembly.request(id: id, outputs: outputs, timeout: timeout)
  }

  @Test("Inputs come out in the order of the signature, with what was asked for")
  func puts() throws {
    let request = try Self.assemble([.other, Input()], id: "7", outputs: ["OUTPUT1"], timeout: .seconds(1))
    #expect(request.inputs.map(\.name) == ["INPUT0", "INPUT1"])
    #expect(request.inputs.map(\.content) == [.raw([1, 0, 0, 0, 2, 0, 0, 0]), .raw([3, 0, 0, 0, 4, 0, 0, 0])])
    #expect(request.id == "7" && request.timeout == .seconds(1))
    #expect(request.outputs == [.init(name: "OUTPUT1")])
    #expect(try Self.assemble([Input(), .other]).outputs == nil)
  }

  @Test("The binary form of a tensor is what it was made of")
  func roundTrip() throws {
    let request = try Self.assemble([Input(), .other])
    #expect(request.inputs[1].withBinary { Array($0) } == Input.other.bytes)
    let floats = InferenceTensor(name: "x", datatype: .fp32, shape: [2], content: .floats([1, -2]))
    #expect(floats.withBinary { Array($0) } == [0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0])
  }

  /// Inputs, and part of the sentence that refuses them.
  static let refused: [([Input], InferenceError.Kind, String)] = [
    ([], .invalid, "input 'INPUT0': found it 0 times, expected it once"),
    ([Input(), Input(), .other], .invalid, "input 'INPUT0': found it 2 times, expected it once"),
    ([Input(name: "INPUT2")], .invalid, "found input 'INPUT2', expected 'INPUT0', 'INPUT1'"),
    ([Input(name: String(repeating: "n", count: 257))], .invalid, "a name of an input of more than 256 bytes"),
    ([Input(datatype: "INT31")], .invalid, "found datatype 'INT31', expected one of BOOL"),
    ([Input(datatype: "FP32")], .invalid, "input 'INPUT0': found datatype FP32, expected INT32"),
    ([Input(shape: [1, 3])], .invalid, "input 'INPUT0': found shape [1, 3]"),
    ([Input(shape: [-1, 2])], .invalid, "expected extents of at least 0"),
    ([Input(shape: [.max, .max])], .tooLarge, "expected at most 4194304 elements"),
    ([Input(shape: Array(repeating: 1, count: 9))], .invalid, "found 9 extents, expected at most 8"),
    ([Input(bytes: [1, 0, 0, 0])], .invalid, "'INPUT0': found 4 bytes, expected 8 for INT32 [1, 2]"),
  ]

  @Test("What does not fit the signature or the limits is refused", arguments: refused)
  func refuses(inputs: [Input], kind: InferenceError.Kind, sentence: String) throws {
    let error = try #require(throws: InferenceError.self) { try Self.assemble(inputs) }
    #expect(error.kind == kind)
    #expect(error.message.contains(sentence), "\(error)")
  }

  @Test("Elements of all inputs, their number, outputs, ids and timeouts have limits")
  func limits() throws {
    let inputs = [Input(), .other]
    var few = InferenceLimits()
    few.elementCountMax = 3
    #expect(throws: InferenceError.self) { try Self.assemble(inputs, limits: few) }
    few.elementCountMax = 4
    _ = try Self.assemble(inputs, limits: few)
    few.tensorCountMax = 1
    #expect(throws: InferenceError.self) { try Self.assemble(inputs, limits: few) }
    #expect(throws: InferenceError.self) { try Self.assemble(inputs, outputs: ["OUTPUT0", "OUTPUT0"]) }
    #expect(throws: InferenceError.self) { try Self.assemble(inputs, outputs: ["OUTPUT2"]) }
    #expect(throws: InferenceError.self) { try Self.assemble(inputs, id: String(repeating: "i", count: 257)) }
    #expect(throws: InferenceError.self) { try Self.assemble(inputs, timeout: .zero) }
    #expect(throws: InferenceError.self) { try Self.assemble(inputs, timeout: .seconds(86_401)) }
  }
}
