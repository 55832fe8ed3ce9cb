extension InferenceResponse {
  /// Reads an answer, for clients: outputs in JSON or in binary form, in the order of the answer, of any names and shapes.
  ///
  /// - Parameter headerByteCount: of `Inference-Header-Content-Length`: how many bytes of the body are JSON. Nil: all.
  /// - Throws: `InferenceError`: `tooLarge` beyond `limits`, `invalid` for what is no answer.
  package init(
    body: UnsafeRawBufferPointer, headerByteCount: Int?, limits: InferenceLimits
  ) throws(InferenceError) {
    guard body.count <= limits.bodyBytesMax else {
      throw InferenceError(.tooLarge, "found a body of \(body.count) bytes, expected at most \(limits.bodyBytesMax)")
    }
    let parts = try BodyParts(body, headerByteCount: headerByteCount)
    var scanner = JSONScanner(parts.json, depthMax: limits.depthMax)
    var modelName: String?
    var modelVersion: String?
    var id: String?
    var entries: [TensorEntry]?
    let outputs = TensorEntryReader(role: "output", specifications: nil, limits: limits)
    try scanner.members(of: ResponseMember.self) { (scanner, member) throws(InferenceError) in
      switch member {
      case .modelName: modelName = try scanner.boundedString("the name of a model", bytesMax: limits.nameBytesMax)
      case .modelVersion: modelVersion = try scanner.optionalString("a version", bytesMax: limits.nameBytesMax)
      case .id: id = try scanner.optionalString("an id", bytesMax: limits.idBytesMax)
      case .outputs: entries = try outputs.entries(&scanner)
      }
    }
    try scanner.expectEnd()
    guard let modelName, let entries else {
      throw InferenceError(.invalid, "found an answer without model_name or outputs, expected both")
    }
    // The protocol leaves the version out where a server has none.
    self.init(
      modelName: modelName, modelVersion: modelVersion ?? "", id: id, outputs: try parts.tensors(of: entries))
  }
}

private enum ResponseMember: String, CaseIterable {
  case modelName = "model_name"
  case modelVersion = "model_version"
  case id, outputs
}
