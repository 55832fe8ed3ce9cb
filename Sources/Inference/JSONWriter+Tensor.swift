extension JSONWriter {
  /// The elements of a tensor as one flat array, row-major.
  ///
  /// - Throws: `InferenceError`: `internal` for numbers that JSON does not have and content that does not fit the
  ///   datatype, `invalid` where only the binary form can say it (halves, and BYTES that are not UTF-8).
  mutating func data(of tensor: InferenceTensor) throws(InferenceError) {
    switch (tensor.content, tensor.datatype) {
    case (.floats(let floats), .fp32): try numbers(floats, of: tensor)
    case (.raw(let bytes), .bool): array(of: bytes) { $0.bool($1 != 0) }
    case (.raw(let bytes), .uint8): array(of: bytes) { $0.integer($1) }
    case (.raw(let bytes), .int8): array(of: bytes) { $0.integer(Int8(bitPattern: $1)) }
    case (.raw(let bytes), .uint16): integers(bytes, of: UInt16.self)
    case (.raw(let bytes), .int16): integers(bytes, of: Int16.self)
    case (.raw(let bytes), .uint32): integers(bytes, of: UInt32.self)
    case (.raw(let bytes), .int32): integers(bytes, of: Int32.self)
    case (.raw(let bytes), .uint64): integers(bytes, of: UInt64.self)
    case (.raw(let bytes), .int64): integers(bytes, of: Int64.self)
    case (.raw(let bytes), .fp64):
      try numbers(bytes.elements(of: UInt64.self, Double.init(bitPattern:)), of: tensor)
    case (.raw, .bytes): try strings(tensor)
    case (.raw, .fp16), (.raw, .bf16):
      throw InferenceError(
        .invalid, "'\(tensor.name)': found JSON asked for \(tensor.datatype.rawValue), expected binary_data")
    case (.raw, .fp32), (.floats, _): throw tensor.misfit
    }
  }

  private mutating func numbers(
    _ values: [some BinaryFloatingPoint & CustomStringConvertible], of tensor: InferenceTensor
  ) throws(InferenceError) {
    try array(of: values) { (writer, value) throws(InferenceError) in
      guard writer.number(value) else {
        throw InferenceError(.internal, "'\(tensor.name)': found a number that is not finite, expected finite numbers")
      }
    }
  }

  private mutating func integers<I: FixedWidthInteger & BitwiseCopyable>(_ bytes: [UInt8], of type: I.Type) {
    array(of: bytes.elements(of: type) { $0 }) { $0.integer($1) }
  }

  private mutating func strings(_ tensor: InferenceTensor) throws(InferenceError) {
    guard let elements = tensor.byteStrings else { throw tensor.misfit }
    try array(of: elements) { (writer, element) throws(InferenceError) in
      guard writer.string(utf8: element) else {
        throw InferenceError(.invalid, "'\(tensor.name)': found BYTES that are not UTF-8, expected binary_data")
      }
    }
  }
}

extension InferenceTensor {
  /// Content of another size or kind than shape and datatype say.
  var misfit: InferenceError {
    InferenceError(.internal, "'\(name)': found other content than \(datatype.rawValue) of shape \(shape)")
  }

  /// Whether the content is as long as shape and datatype say.
  var isWhole: Bool {
    guard let count = TensorForm.product(of: shape) else { return false }
    return switch content {
    case .floats(let floats): datatype == .fp32 && floats.count == count
    case .raw(let bytes):
      datatype == .bytes
        ? byteStrings?.count == count : datatype != .fp32 && bytes.count == count * (datatype.byteCount ?? 0)
    }
  }
}
