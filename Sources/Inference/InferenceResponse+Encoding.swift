extension InferenceResponse {
  /// The body of the answer: outputs in JSON, flat, or in binary form behind it, as the request wants each.
  ///
  /// - Returns: the body, and the value of `Inference-Header-Content-Length`: how many bytes of it are JSON; nil where all
  ///   are, and the header is then not sent.
  /// - Throws: `InferenceError`: `internal` for numbers that JSON does not have (NaN, infinities) and content that does not
  ///   fit its shape, `invalid` where only the binary form can say it (halves, and BYTES that are not UTF-8).
  package func encode(
    for request: InferenceRequest
  ) throws(InferenceError) -> (bytes: [UInt8], headerByteCount: Int?) {
    var writer = JSONWriter()
    var binary: [UInt8] = []
    try writer.object { (writer) throws(InferenceError) in
      writer.member("model_name", modelName)
      writer.member("model_version", modelVersion)
      if let id { writer.member("id", id) }
      try writer.member("outputs", array: outputs) { (writer, output) throws(InferenceError) in
        try writer.entry(output, isBinary: request.wantsBinary(output: output.name), binary: &binary)
      }
    }
    let hasBinary = outputs.contains { request.wantsBinary(output: $0.name) }
    return (writer.bytes + binary, hasBinary ? writer.bytes.count : nil)
  }
}

extension InferenceRequest {
  /// Whether an output goes out in binary form: what it says itself, otherwise what the request says.
  package func wantsBinary(output name: String) -> Bool {
    outputs?.first { $0.name == name }?.isBinary ?? wantsBinary
  }

  /// The body of the request, for clients: all inputs in JSON, or all behind it in binary form.
  ///
  /// - Returns: as `InferenceResponse.encode`.
  /// - Throws: as `InferenceResponse.encode`.
  package func encode(binaryInputs: Bool) throws(InferenceError) -> (bytes: [UInt8], headerByteCount: Int?) {
    var writer = JSONWriter()
    var binary: [UInt8] = []
    try writer.object { (writer) throws(InferenceError) in
      if let id { writer.member("id", id) }
      writer.requestParameters(of: self)
      try writer.member("inputs", array: inputs) { (writer, input) throws(InferenceError) in
        try writer.entry(input, isBinary: binaryInputs, binary: &binary)
      }
      if let outputs { writer.member("outputs", array: outputs) { $0.wanted($1) } }
    }
    return (writer.bytes + binary, binaryInputs ? writer.bytes.count : nil)
  }
}

extension InferenceError {
  /// The body of every answer that is an error: `{"error":"…"}`.
  package var json: [UInt8] { JSONWriter.document { $0.member("error", message) } }
}

extension JSONWriter {
  /// One entry of `inputs` or `outputs`.
  ///
  /// - Parameter binary: where the bytes of a tensor in binary form are appended.
  fileprivate mutating func entry(
    _ tensor: InferenceTensor, isBinary: Bool, binary: inout [UInt8]
  ) throws(InferenceError) {
    guard tensor.isWhole else { throw tensor.misfit }
    try object { (writer) throws(InferenceError) in
      writer.member("name", tensor.name)
      writer.member("datatype", tensor.datatype.rawValue)
      writer.member("shape", array: tensor.shape) { $0.integer($1) }
      if isBinary {
        let start = binary.count
        tensor.appendBinary(to: &binary)
        writer.member("parameters") { $0.member("binary_data_size", binary.count - start) }
      } else {
        writer.name("data")
        try writer.data(of: tensor)
      }
    }
  }

  fileprivate mutating func requestParameters(of request: InferenceRequest) {
    guard request.wantsBinary || request.timeout != nil else { return }
    member("parameters") { writer in
      if request.wantsBinary { writer.member("binary_data_output", true) }
      // Whole microseconds, and at least one: 0 says that there is no limit.
      if let timeout = request.timeout { writer.member("timeout", max(timeout.wholeMicroseconds, 1)) }
    }
  }

  fileprivate mutating func wanted(_ output: InferenceRequest.Output) {
    object { writer in
      writer.member("name", output.name)
      if let isBinary = output.isBinary { writer.member("parameters") { $0.member("binary_data", isBinary) } }
    }
  }
}

extension InferenceTensor {
  /// Appends the binary form: little-endian, row-major.
  fileprivate func appendBinary(to bytes: inout [UInt8]) {
    switch content {
    case .raw(let raw): bytes += raw
    case .floats(let floats):
      bytes.reserveCapacity(bytes.count + floats.count * 4)
      for value in floats { bytes.append(littleEndian: value.bitPattern) }
    }
  }
}
