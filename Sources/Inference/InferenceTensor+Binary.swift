extension InferenceTensor {
  /// A tensor in binary form (extension `binary_tensor_data`, and `raw_input_contents` of gRPC): little-endian,
  /// row-major, no padding; BOOL one byte, 0 or 1; BYTES each behind its length as u32.
  ///
  /// - Throws: `InferenceError`: `tooLarge` for more elements than are taken, `invalid` for other bytes than shape and
  ///   datatype need.
  package init(
    name: String, datatype: TensorDatatype, shape: [Int], binary: UnsafeRawBufferPointer, limits: InferenceLimits
  ) throws(InferenceError) {
    try self.init(
      TensorForm(role: "input", name: name, datatype: datatype, shape: shape, limits: limits), binary: binary)
  }

  /// - Throws: `InferenceError` of kind `invalid`.
  init(_ form: TensorForm, binary: UnsafeRawBufferPointer) throws(InferenceError) {
    try form.checkBinary(binary)
    self.init(form, content: form.datatype == .fp32 ? .floats(Self.floats(binary)) : .raw(Array(binary)))
  }

  init(_ form: TensorForm, content: Content) {
    self.init(name: form.name, datatype: form.datatype, shape: form.shape, content: content)
  }

  /// BYTES of these elements.
  ///
  /// - Precondition: as many elements as the shape has, each shorter than 4 GiB.
  package init(name: String, shape: [Int], byteStrings: [[UInt8]]) {
    precondition(TensorForm.product(of: shape) == byteStrings.count, "elements that do not fill the shape")
    var bytes: [UInt8] = []
    for element in byteStrings {
      bytes.append(littleEndian: UInt32(element.count))
      bytes += element
    }
    self.init(name: name, datatype: .bytes, shape: shape, content: .raw(bytes))
  }

  /// The elements of a tensor of datatype BYTES; nil for any other, and for bytes that are not such elements.
  package var byteStrings: [[UInt8]]? {
    guard datatype == .bytes, case .raw(let bytes) = content else { return nil }
    return bytes.withUnsafeBytes { buffer in
      var elements: [[UInt8]] = []
      let end = buffer.walkByteStrings { elements.append(Array($0)) }
      return end == buffer.count ? elements : nil
    }
  }

  private static func floats(_ binary: UnsafeRawBufferPointer) -> [Float] {
    let count = binary.count / MemoryLayout<Float>.size
    return [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
      UnsafeMutableRawBufferPointer(buffer).copyMemory(from: binary)
      for i in 0..<count { buffer[i] = Float(bitPattern: UInt32(littleEndian: buffer[i].bitPattern)) }
      initialized = count
    }
  }
}

extension TensorForm {
  /// - Throws: `InferenceError` of kind `invalid` unless these are the bytes of such a tensor.
  fileprivate func checkBinary(_ binary: UnsafeRawBufferPointer) throws(InferenceError) {
    guard let size = datatype.byteCount else { return try checkByteStrings(binary) }
    // No overflow: the count is within the limits, the size at most 8.
    guard binary.count == elementCount * size else {
      throw InferenceError(
        .invalid,
        "'\(name)': found \(binary.count) bytes, expected \(elementCount * size) for \(datatype.rawValue) \(shape)")
    }
    guard datatype != .bool || binary.allSatisfy({ $0 <= 1 }) else {
      throw InferenceError(.invalid, "'\(name)': found another byte in BOOL, expected 0 and 1")
    }
  }

  private func checkByteStrings(_ binary: UnsafeRawBufferPointer) throws(InferenceError) {
    var count = 0
    let end = binary.walkByteStrings { _ in count += 1 }
    guard end == binary.count else {
      throw InferenceError(
        .invalid, "'\(name)': found an element of BYTES that ends behind the last byte, expected it to end before")
    }
    guard count == elementCount else {
      throw InferenceError(
        .invalid, "'\(name)': found \(count) elements of BYTES, expected \(elementCount) for shape \(shape)")
    }
  }
}

extension UnsafeRawBufferPointer {
  /// Visits byte strings, each behind its length as u32.
  ///
  /// - Returns: where the last whole element ends; the count of bytes if all are whole.
  func walkByteStrings(_ visit: (UnsafeRawBufferPointer) -> Void) -> Int {
    var position = 0
    while count - position >= 4 {
      let length = Int(UInt32(littleEndian: loadUnaligned(fromByteOffset: position, as: UInt32.self)))
      guard length <= count - position - 4 else { return position }
      visit(UnsafeRawBufferPointer(rebasing: self[position + 4..<position + 4 + length]))
      position += 4 + length
    }
    return position
  }
}
