extension InferenceRequest {
  /// Reads the body of `POST /v2/models/…/infer`, with or without binary tensors.
  ///
  /// The inputs come out in the order of the signature, whole, within the limits, of the shapes of the signature, and of
  /// its datatypes or ones that become them (`TensorDatatype.isTaken`). Members that nobody here knows are ignored, and so
  /// are parameters, if they are strings, numbers or truth values. Null is as good as absent for `id`, `parameters` and
  /// `outputs`; no outputs are as good as all.
  ///
  /// - Parameter headerByteCount: of `Inference-Header-Content-Length`: how many bytes of the body are JSON. Nil: all. 0: a
  ///   raw request, which is the one input of the model and nothing else; all outputs then go out in binary form.
  /// - Throws: `InferenceError`: `tooLarge` beyond `limits`, otherwise `invalid`.
  package init(
    body: UnsafeRawBufferPointer, headerByteCount: Int?, signature: ModelSignature, limits: InferenceLimits
  ) throws(InferenceError) {
    guard body.count <= limits.bodyBytesMax else {
      throw InferenceError(.tooLarge, "found a body of \(body.count) bytes, expected at most \(limits.bodyBytesMax)")
    }
    guard headerByteCount != 0 else {
      self.init(inputs: [try signature.rawInput(body, limits: limits)], wantsBinary: true)
      return
    }
    let parts = try BodyParts(body, headerByteCount: headerByteCount)
    var scanner = JSONScanner(parts.json, depthMax: limits.depthMax)
    var reader = RequestReader(signature: signature, limits: limits)
    try reader.read(&scanner)
    let tensors = try parts.tensors(of: reader.entries)
    self.init(
      id: reader.id, inputs: try signature.ordered(tensors), outputs: reader.outputs,
      wantsBinary: reader.wantsBinary, timeout: reader.timeout)
  }
}

/// Reads the JSON of a request.
private struct RequestReader {
  let signature: ModelSignature
  let limits: InferenceLimits
  var id: String?
  var entries: [TensorEntry] = []
  var outputs: [InferenceRequest.Output]?
  var wantsBinary = false
  var timeout: Duration?

  init(signature: ModelSignature, limits: InferenceLimits) {
    self.signature = signature
    self.limits = limits
  }

  private enum Member: String, CaseIterable { case inputs, outputs, id, parameters }
  private enum Parameter: String, CaseIterable { case binaryOutput = "binary_data_output", timeout }
  private enum OutputMember: String, CaseIterable { case name, parameters }
  private enum OutputParameter: String, CaseIterable { case binary = "binary_data" }

  mutating func read(_ scanner: inout JSONScanner) throws(InferenceError) {
    let inputs = TensorEntryReader(role: "input", specifications: signature.inputs, limits: limits)
    try scanner.members(of: Member.self) { (scanner, member) throws(InferenceError) in
      switch member {
      case .inputs: entries = try inputs.entries(&scanner)
      case .outputs: outputs = try wantedOutputs(&scanner)
      case .id: id = try scanner.optionalString("an id", bytesMax: limits.idBytesMax)
      case .parameters: try parameters(&scanner)
      }
    }
    try scanner.expectEnd()
  }

  private mutating func parameters(_ scanner: inout JSONScanner) throws(InferenceError) {
    try scanner.parameters(of: Parameter.self) { (scanner, parameter) throws(InferenceError) in
      switch parameter {
      case .binaryOutput: wantsBinary = try scanner.bool()
      case .timeout: timeout = try wantedTimeout(&scanner)
      }
    }
  }

  /// In microseconds, and 0 for none, as Triton reads it.
  private func wantedTimeout(_ scanner: inout JSONScanner) throws(InferenceError) -> Duration? {
    let microseconds = try scanner.wholeNumber()
    let timeout = Duration.microseconds(microseconds)
    guard timeout <= limits.timeoutMax else {
      throw InferenceError(
        .invalid, "found a timeout of \(microseconds) microseconds, expected at most \(limits.timeoutMax)")
    }
    return microseconds == 0 ? nil : timeout
  }

  private func wantedOutputs(_ scanner: inout JSONScanner) throws(InferenceError) -> [InferenceRequest.Output]? {
    if scanner.acceptNull() { return nil }
    var outputs: [InferenceRequest.Output] = []
    try scanner.elements { (scanner) throws(InferenceError) in
      let output = try wantedOutput(&scanner)
      try signature.check(output, behind: outputs[...])
      outputs.append(output)
    }
    return outputs.isEmpty ? nil : outputs
  }

  private func wantedOutput(_ scanner: inout JSONScanner) throws(InferenceError) -> InferenceRequest.Output {
    var name: String?
    var isBinary: Bool?
    try scanner.members(of: OutputMember.self) { (scanner, member) throws(InferenceError) in
      switch member {
      case .name: name = try scanner.boundedString("the name of an output", bytesMax: limits.nameBytesMax)
      case .parameters:
        try scanner.parameters(of: OutputParameter.self) { (scanner, _) throws(InferenceError) in
          isBinary = try scanner.bool()
        }
      }
    }
    guard let name else { throw InferenceError(.invalid, "found an output without name, expected a name") }
    return InferenceRequest.Output(name: name, isBinary: isBinary)
  }
}

extension ModelSignature {
  /// - Throws: `InferenceError` of kind `invalid` for an output that the model does not have, and for one more than once,
  ///   so that no request wants more of them than there are.
  func check(
    _ output: InferenceRequest.Output, behind others: ArraySlice<InferenceRequest.Output>
  ) throws(InferenceError) {
    guard outputs.contains(where: { $0.name == output.name }) else {
      let known = outputs.map { "'\($0.name)'" }.joined(separator: ", ")
      throw InferenceError(.invalid, "found output '\(output.name.prefix(256))', expected \(known)")
    }
    guard !others.contains(where: { $0.name == output.name }) else {
      throw InferenceError(.invalid, "found output '\(output.name)' twice, expected it once")
    }
  }

  /// The tensors in the order of the inputs, each once.
  func ordered(_ tensors: [InferenceTensor]) throws(InferenceError) -> [InferenceTensor] {
    var ordered: [InferenceTensor] = []
    for input in inputs {
      let found = tensors.filter { $0.name == input.name }
      guard let tensor = found.first, found.count == 1 else {
        throw InferenceError(.invalid, "input '\(input.name)': found it \(found.count) times, expected it once")
      }
      ordered.append(tensor)
    }
    return ordered
  }

  /// The tensor that a raw request is.
  ///
  /// The first extent, where it is free, counts the rows, and there is one. One other extent may be free: it follows from
  /// the length. An element of BYTES comes without its length, so that there is one as well.
  fileprivate func rawInput(
    _ body: UnsafeRawBufferPointer, limits: InferenceLimits
  ) throws(InferenceError) -> InferenceTensor {
    guard let input = inputs.first, inputs.count == 1 else {
      throw InferenceError(.invalid, "found a raw request, expected JSON for a model of \(inputs.count) inputs")
    }
    var shape = input.shape
    if let first = shape.first, first < 0 { shape[0] = 1 }
    guard let byteCount = input.datatype.byteCount else {
      return try input.rawByteString(body, shape: shape, limits: limits)
    }
    if let free = shape.firstIndex(where: { $0 < 0 }) {
      let fixed = try TensorForm(
        role: "input", name: input.name, datatype: input.datatype, shape: shape.filter { $0 >= 0 }, limits: limits)
      guard shape.count == fixed.shape.count + 1, fixed.elementCount > 0 else {
        throw InferenceError(
          .invalid, "input '\(input.name)': found a raw request, expected JSON for shape \(input.shape)")
      }
      // Rounded down: a remainder is refused as bytes that do not fit the shape.
      shape[free] = body.count / (fixed.elementCount * byteCount)
    }
    return try InferenceTensor(
      name: input.name, datatype: input.datatype, shape: shape, binary: body, limits: limits)
  }
}

extension TensorSpecification {
  fileprivate func rawByteString(
    _ body: UnsafeRawBufferPointer, shape: [Int], limits: InferenceLimits
  ) throws(InferenceError) -> InferenceTensor {
    let single = shape.map { $0 < 0 ? 1 : $0 }
    guard single.allSatisfy({ $0 == 1 }) else {
      throw InferenceError(
        .invalid, "input '\(name)': found a raw request, expected JSON for BYTES of shape \(self.shape)")
    }
    return InferenceTensor(name: name, shape: single, byteStrings: [Array(body)])
  }
}
