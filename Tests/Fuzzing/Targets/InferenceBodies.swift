import Inference

/// Bodies of the Open Inference Protocol, as any client of a serving node may send them: the first byte chooses the kind,
/// the second the model, two more the value of `Inference-Header-Content-Length` where there is one; the rest is the body.
///
/// Claims: reading ends in a value or an error that is the client's; what was read fits the model; what was read, written
/// in binary form and read again is the same, and in JSON too where JSON can say it.
enum InferenceBodies {
  private static let limits = InferenceLimits()

  static let signatures: [ModelSignature] = [
    signature([("x", .fp32, [-1, 4])]), signature([("x", .bytes, [-1])]), signature([("x", .bool, [-1, 2])]),
    signature([("INPUT0", .int32, [-1, 2]), ("INPUT1", .int32, [-1, 2])]), signature([("x", .fp64, [-1, -1])]),
    signature([("x", .uint64, [])]), signature([("x", .fp32, [-1, -1, -1])]),
  ]

  private static func signature(_ inputs: [(String, TensorDatatype, [Int])]) -> ModelSignature {
    ModelSignature(
      inputs: inputs.map { TensorSpecification(name: $0.0, datatype: $0.1, shape: $0.2) },
      outputs: ["y", "z"].map { TensorSpecification(name: $0, datatype: .fp32, shape: [-1]) })
  }

  static func check(_ bytes: [UInt8]) throws(Finding) {
    var input = FuzzInput(bytes)
    let kind = input.below(5)
    guard let signature = input.element(of: signatures) else { return }
    switch kind {
    case 0: try request(input.rest(), header: nil, signature)
    case 1:
      let header = input.below(1 << 16)
      try request(input.rest(), header: header, signature)
    case 2: try request(input.rest(), header: 0, signature)
    case 3:
      let header = input.below(1 << 16)
      try response(input.rest(), header: header == 0 ? nil : header)
    default: try index(input.rest())
    }
  }

  // MARK: Requests

  private static func request(_ body: [UInt8], header: Int?, _ signature: ModelSignature) throws(Finding) {
    guard let request = try read(body, header: header, signature) else { return }
    try fits(request, signature)
    guard let binary = try? request.encode(binaryInputs: true) else {
      throw Finding("a request was read and cannot be written")
    }
    guard let again = try read(binary.bytes, header: binary.headerByteCount, signature) else {
      throw Finding("a request was written and cannot be read")
    }
    // Bytes, not values: a NaN is not equal to itself.
    try Finding.unless(
      (try? again.encode(binaryInputs: true).bytes) == binary.bytes, "a request reads back otherwise in binary form")
    guard let json = try? request.encode(binaryInputs: false) else { return }
    guard let last = try read(json.bytes, header: nil, signature) else {
      throw Finding("a request was written in JSON and cannot be read")
    }
    try Finding.unless(
      (try? last.encode(binaryInputs: true).bytes) == binary.bytes, "a request reads back otherwise in JSON")
  }

  private static func read(
    _ body: [UInt8], header: Int?, _ signature: ModelSignature
  ) throws(Finding) -> InferenceRequest? {
    do throws(InferenceError) {
      return try body.withUnsafeBufferPointer { (buffer) throws(InferenceError) in
        try InferenceRequest(
          body: UnsafeRawBufferPointer(buffer), headerByteCount: header, signature: signature, limits: limits)
      }
    } catch {
      try isOfClient(error)
      return nil
    }
  }

  private static func isOfClient(_ error: InferenceError) throws(Finding) {
    try Finding.unless(
      error.kind == .invalid || error.kind == .tooLarge, "a body was refused as if it were our fault: \(error)")
  }

  private static func fits(_ request: InferenceRequest, _ signature: ModelSignature) throws(Finding) {
    try Finding.unless(request.inputs.map(\.name) == signature.inputs.map(\.name), "inputs are missing, or too many")
    for (tensor, specification) in zip(request.inputs, signature.inputs) {
      try Finding.unless(
        tensor.shape.count == specification.shape.count
          && zip(tensor.shape, specification.shape).allSatisfy { $0 == $1 || $1 < 0 }
          && tensor.datatype.isTaken(for: specification.datatype), "an input is of another shape or type")
      guard let floats = try? tensor.floats() else { continue }
      try Finding.unless(floats.count == tensor.shape.reduce(1, *), "an input has more numbers or fewer than its shape")
    }
  }

  // MARK: Others

  private static func response(_ body: [UInt8], header: Int?) throws(Finding) {
    guard let response = try readResponse(body, header: header) else { return }
    let wanted = InferenceRequest(inputs: [], wantsBinary: true)
    guard let written = try? response.encode(for: wanted),
      let again = try readResponse(written.bytes, header: written.headerByteCount)
    else { throw Finding("an answer was read and cannot be written, or not read again") }
    try Finding.unless(
      (try? again.encode(for: wanted).bytes) == written.bytes, "an answer reads back otherwise")
  }

  private static func readResponse(_ body: [UInt8], header: Int?) throws(Finding) -> InferenceResponse? {
    do throws(InferenceError) {
      return try body.withUnsafeBufferPointer { (buffer) throws(InferenceError) in
        try InferenceResponse(body: UnsafeRawBufferPointer(buffer), headerByteCount: header, limits: limits)
      }
    } catch {
      try isOfClient(error)
      return nil
    }
  }

  private static func index(_ body: [UInt8]) throws(Finding) {
    do throws(InferenceError) {
      _ = try body.withUnsafeBufferPointer { (buffer) throws(InferenceError) in
        try RepositoryIndexRequest(body: UnsafeRawBufferPointer(buffer), limits: limits)
      }
    } catch {
      try isOfClient(error)
    }
  }
}

extension InferenceBodies {
  /// Bodies that are right, of every kind and datatype.
  static let seeds: [[UInt8]] = {
    func tensor(_ members: String, _ type: String = "FP32", _ shape: String = "[1,4]", _ name: String = "x") -> String {
      #"{"name":"\#(name)","shape":\#(shape),"datatype":"\#(type)",\#(members)}"#
    }
    func request(_ model: UInt8, _ inputs: String..., more: String = "") -> [UInt8] {
      [0, model] + Array("{\"inputs\":[\(inputs.joined(separator: ","))]\(more)}".utf8)
    }
    /// Behind the kind, what the header says in two bytes, JSON and the rest.
    func binary(_ kind: UInt8, _ model: UInt8, _ json: String, _ rest: [UInt8]) -> [UInt8] {
      [kind, model, UInt8(json.utf8.count >> 8), UInt8(json.utf8.count & 255)] + Array(json.utf8) + rest
    }
    let data = #""data":[1,-2.5e-3,0.123456789012,3]"#
    let more =
      #","id":"a\u00e9","outputs":[{"name":"z","parameters":{"binary_data":true}},{"name":"y"}],"#
      + #""parameters":{"timeout":5,"binary_data_output":false}"#
    let answer = #"{"model_name":"m","model_version":"1","id":"i","outputs":["#
    return [
      request(0, tensor(data)), request(0, tensor(#""data":[[1, 2, 3, 4]]"#), more: more),
      request(0, tensor(data, "FP64")), request(0, tensor(#""data":[0,255,1,2]"#, "UINT8")),
      request(0, tensor(#""data":[0,-128,1,2]"#, "INT8")), request(0, tensor(#""data":[0,-32768,1,2]"#, "INT16")),
      request(0, #"{"data":[[1,2,3,4]],"datatype":"FP32","shape":[1,4],"name":"x"}"#),
      request(1, tensor(#""data":["a\ud83d\ude00","",","]"#, "BYTES", "[3]")),
      request(2, tensor(#""data":[true,false]"#, "BOOL", "[1,2]")),
      request(
        3, tensor(#""data":[1,2]"#, "INT32", "[1,2]", "INPUT0"), tensor(#""data":[3,4]"#, "INT32", "[1,2]", "INPUT1")),
      request(4, tensor(#""data":[[1e300],[12345678901234567890]]"#, "FP64", "[2,1]")),
      request(5, tensor(#""data":[18446744073709551615]"#, "UINT64", "[]")),
      request(6, tensor(#""data":[[[1],[2]],[[3],[4]]]"#, "FP32", "[2,2,1]")),
      binary(
        1, 0, "{\"inputs\":[\(tensor(#""parameters":{"binary_data_size":8}"#, "BF16"))]}", [0, 64, 1, 2, 3, 4, 5, 6]),
      binary(
        1, 1, "{\"inputs\":[\(tensor(#""parameters":{"binary_data_size":9}"#, "BYTES", "[2]"))]}",
        [1, 0, 0, 0, 65, 0, 0, 0, 0]),
      [2, 0] + [UInt8](repeating: 63, count: 16), [2, 1] + Array("word".utf8),
      binary(
        3, 0, answer + tensor(#""parameters":{"binary_data_size":8}"#, "FP16", "[4]") + "]}",
        [0, 60, 0, 60, 1, 2, 3, 4]),
      [3, 0, 0, 0] + Array((answer + tensor(data) + "]}").utf8), [4, 0] + Array(#"{"ready":true}"#.utf8), [4, 0],
    ]
  }()
}
