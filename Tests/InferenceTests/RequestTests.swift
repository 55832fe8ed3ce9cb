import Testing

@testable import Inference

@Suite("Requests in JSON")
struct RequestTests {
  private static let row = Samples.floats([1, 2, 3, 4])

  @Test("A request has id, inputs, outputs and the parameters that mean something")
  func whole() throws {
    let request = try Samples.decode(
      #"""
      {"id":"a/1","parameters":{"timeout":1500,"binary_data_output":true,"priority":3,"note":"n","flag":false},
       "inputs":[{"name":"x","shape":[2,4],"datatype":"FP32","parameters":{"any":1.5},"data":[1,2,3,4,5,6,7,8]}],
       "outputs":[{"name":"scores","parameters":{"binary_data":false,"classification":0}}],
       "model_name":"ignored","extra":{"deep":[[{}]]}}
      """#)
    #expect(
      request
        == InferenceRequest(
          id: "a/1", inputs: [Samples.floats([1, 2, 3, 4, 5, 6, 7, 8])],
          outputs: [InferenceRequest.Output(name: "scores", isBinary: false)], wantsBinary: true,
          timeout: .microseconds(1500)))
  }

  @Test(
    "Members come in any order, numbers flat or in rows, and null is as good as nothing",
    arguments: [
      #"{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]}]}"#,
      #"{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[[1,2,3,4]]}]}"#,
      #"{"inputs":[{"data":[[1,2,3,4]],"datatype":"FP32","shape":[1,4],"name":"x"}]}"#,
      #"{"inputs":[{"datatype":"FP32","data":[1.0,2.0,3.0,4.0],"name":"x","shape":[1,4]}]}"#,
      #"{"id":null,"parameters":null,"outputs":null,"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[1,2,3,4],"parameters":null}]}"#,
      #"{"parameters":{"timeout":0},"outputs":[],"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[1,2,3,4],"parameters":{}}]}"#,
      #"{"in\u0070uts":[{"n\u0061me":"\u0078","shape":[1.0,4e0],"datatype":"FP\u00332","data":[1,2,3,4]}]}"#,
      "\t{ \"inputs\" : [ {\r\n\"name\" : \"x\" , \"shape\" : [ 1 , 4 ] , \"datatype\" : \"FP32\" , \"data\" : [ 1 , 2 , 3 , 4 ] } ] }\n",
    ])
  func orders(body: String) throws {
    #expect(try Samples.decode(body) == InferenceRequest(inputs: [Self.row]))
  }

  @Test("Inputs come out in the order of the signature")
  func ordered() throws {
    let request = try Samples.decode(
      #"""
      {"inputs":[{"name":"INPUT1","shape":[1,2],"datatype":"INT32","data":[3,4]},
                 {"name":"INPUT0","shape":[1,2],"datatype":"INT32","data":[[-1,2]]}],
       "outputs":[{"name":"OUTPUT1"},{"name":"OUTPUT0"}]}
      """#, Samples.simple)
    #expect(request.inputs.map(\.name) == ["INPUT0", "INPUT1"])
    #expect(
      request.inputs.map(\.content) == [.raw([255, 255, 255, 255, 2, 0, 0, 0]), .raw([3, 0, 0, 0, 4, 0, 0, 0])])
    #expect(request.outputs?.map(\.name) == ["OUTPUT1", "OUTPUT0"])
  }

  @Test(
    "Shapes of every rank are read, empty ones too",
    arguments: [
      ([], "[7]"), ([1], "[7]"), ([0], "[]"), ([2, 0], "[]"), ([2, 0], "[[],[]]"), ([0, 3], "[]"),
      ([1, 2, 2], "[7,8,9,10]"), ([1, 2, 2], "[[[7,8],[9,10]]]"),
      ([2, 1, 1, 1, 1, 1, 1, 1], "[[[[[[[[7]]]]]]],[[[[[[[8]]]]]]]]"),
    ] as [([Int], String)])
  func shapes(shape: [Int], data: String) throws {
    let values: [Float] = (0..<shape.reduce(1, *)).map { Float($0 + 7) }
    #expect(try Samples.content(data, .fp32, shape) == .floats(values))
  }

  @Test("BYTES are strings of JSON, with escapes, each behind its length")
  func byteStrings() throws {
    let content = try Samples.content(
      #"["","a\"\\\/\b\f\n\r\t","\u00e9\ud83d\ude00é😀","\u0000"]"#, .bytes, [4])
    let tensor = InferenceTensor(name: "x", datatype: .bytes, shape: [4], content: content)
    #expect(
      tensor.byteStrings?.map { String(decoding: $0, as: UTF8.self) } == ["", "a\"\\/\u{8}\u{C}\n\r\t", "é😀é😀", "\0"])
    guard case .raw(let bytes) = content else { return }
    #expect(bytes.prefix(13) == [0, 0, 0, 0, 9, 0, 0, 0, 97, 34, 92, 47, 8])
  }

  @Test("Numbers of other types are taken for FP32, and nothing else is taken for another type")
  func datatypes() throws {
    for datatype in TensorDatatype.allCases {
      let isNumber = datatype != .bool && datatype != .bytes
      #expect(datatype.isTaken(for: .fp32) == isNumber, "\(datatype)")
      for other in TensorDatatype.allCases where other != .fp32 {
        #expect(datatype.isTaken(for: other) == (datatype == other), "\(datatype) for \(other)")
      }
    }
    let request = try Samples.decode(
      #"{"inputs":[{"name":"x","shape":[1,4],"datatype":"UINT8","data":[0,1,128,255]}]}"#)
    #expect(try request.inputs[0].floats() == [0, 1, 128, 255])
    #expect(request.inputs[0].datatype == .uint8)
  }
}
