/// Where the elements of a tensor go while they are read, in row-major order.
private protocol ElementSink {
  /// Reads at most so many elements with their commas, in a faster way; none where there is none.
  mutating func takeFrequent(_ countMax: Int, from scanner: inout JSONScanner) -> Int
  mutating func take(from scanner: inout JSONScanner) throws(InferenceError)
}

extension JSONScanner {
  /// Reads `data`: one array of all elements in row-major order, or arrays inside each other as the shape says.
  ///
  /// - Throws: `InferenceError` of kind `invalid` for other structure, another number of elements, and elements that the
  ///   datatype does not have.
  mutating func tensorData(of form: TensorForm) throws(InferenceError) -> InferenceTensor.Content {
    guard next() == UInt8(ascii: "[") else { throw refusal("'['") }
    // An element takes a character, and a comma or bracket behind it: memory is bounded by what the peer has sent.
    guard form.elementCount <= (bytes.count - position) / 2 else {
      throw InferenceError(.invalid, "found fewer elements than shape \(form.shape) has")
    }
    switch form.datatype {
    case .fp32: return try floats(form)
    case .fp64: return .raw(try numbers(form, of: Double.self))
    case .uint8: return .raw(try numbers(form, of: UInt8.self))
    case .uint16: return .raw(try numbers(form, of: UInt16.self))
    case .uint32: return .raw(try numbers(form, of: UInt32.self))
    case .uint64: return .raw(try numbers(form, of: UInt64.self))
    case .int8: return .raw(try numbers(form, of: Int8.self))
    case .int16: return .raw(try numbers(form, of: Int16.self))
    case .int32: return .raw(try numbers(form, of: Int32.self))
    case .int64: return .raw(try numbers(form, of: Int64.self))
    case .bool: return .raw(try numbers(form, of: JSONTruth.self))
    case .bytes: return .raw(try byteStrings(form))
    case .fp16, .bf16:
      throw InferenceError(
        .invalid, "found data in JSON of datatype \(form.datatype.rawValue), expected binary data")
    }
  }

  private mutating func floats(_ form: TensorForm) throws(InferenceError) -> InferenceTensor.Content {
    var out = [Float](repeating: 0, count: form.elementCount)
    try out.withUnsafeMutableBufferPointer { (buffer) throws(InferenceError) in
      var sink = NumberSink<Float>(rest: UnsafeMutableRawBufferPointer(buffer))
      try read(form, into: &sink)
    }
    return .floats(out)
  }

  private mutating func numbers<N: JSONReadable>(
    _ form: TensorForm, of type: N.Type
  ) throws(InferenceError) -> [UInt8] {
    var out = [UInt8](repeating: 0, count: form.elementCount * MemoryLayout<N.Stored>.size)
    try out.withUnsafeMutableBufferPointer { (buffer) throws(InferenceError) in
      var sink = NumberSink<N>(rest: UnsafeMutableRawBufferPointer(buffer))
      try read(form, into: &sink)
    }
    return out
  }

  private mutating func byteStrings(_ form: TensorForm) throws(InferenceError) -> [UInt8] {
    var sink = ByteStringSink()
    try read(form, into: &sink)
    return sink.bytes
  }

  // MARK: Structure

  private mutating func read(_ form: TensorForm, into sink: inout some ElementSink) throws(InferenceError) {
    var ahead = self
    try ahead.expect("[")
    if form.shape.count > 1, ahead.next() == UInt8(ascii: "[") {
      try nested(form.shape[...], into: &sink)
    } else {
      try row(form.elementCount, into: &sink)
    }
  }

  /// As deep as the shape is long, which the limits bound.
  private mutating func nested(_ shape: ArraySlice<Int>, into sink: inout some ElementSink) throws(InferenceError) {
    guard let extent = shape.first else { preconditionFailure("nested data of rank 0") }
    if shape.count == 1 { return try row(extent, into: &sink) }
    try expect("[")
    for i in 0..<extent {
      if i > 0, !accept(",") { throw miscount("\(extent) rows") }
      try nested(shape.dropFirst(), into: &sink)
    }
    guard accept("]") else { throw miscount("\(extent) rows") }
  }

  private mutating func row(_ count: Int, into sink: inout some ElementSink) throws(InferenceError) {
    try expect("[")
    var taken = 0
    while taken < count {
      taken += sink.takeFrequent(count - taken - 1, from: &self)
      try sink.take(from: &self)
      taken += 1
      if taken < count, !accept(",") { throw miscount("\(count) elements") }
    }
    guard accept("]") else { throw miscount("\(count) elements") }
  }

  @inline(never)
  private func miscount(_ expected: String) -> InferenceError {
    switch position < bytes.count ? bytes[position] : 0 {
    case UInt8(ascii: "]"): InferenceError(.invalid, "JSON, byte \(position): found fewer, expected \(expected)")
    case UInt8(ascii: ","): InferenceError(.invalid, "JSON, byte \(position): found more, expected \(expected)")
    default: refusal("',' or ']'")
    }
  }
}

/// Elements of one size, into memory that has room for exactly as many as are read.
private struct NumberSink<N: JSONReadable>: ElementSink {
  var rest: UnsafeMutableRawBufferPointer

  mutating func takeFrequent(_ countMax: Int, from scanner: inout JSONScanner) -> Int {
    let count = N.readFrequent(countMax, into: rest, from: &scanner)
    advance(count)
    return count
  }

  mutating func take(from scanner: inout JSONScanner) throws(InferenceError) {
    let value = try N.read(from: &scanner)
    rest.storeBytes(of: value, as: N.Stored.self)
    advance(1)
  }

  private mutating func advance(_ count: Int) {
    rest = UnsafeMutableRawBufferPointer(rebasing: rest.dropFirst(count * MemoryLayout<N.Stored>.size))
  }
}

/// Strings, each behind its length as u32; bounded by the length of the document and four bytes for each.
private struct ByteStringSink: ElementSink {
  var bytes: [UInt8] = []

  func takeFrequent(_ countMax: Int, from scanner: inout JSONScanner) -> Int { 0 }

  mutating func take(from scanner: inout JSONScanner) throws(InferenceError) {
    scanner.skipBlanks()
    let text = try scanner.text()
    let contents = scanner.contents(of: text)
    bytes.append(littleEndian: UInt32(contents.count))
    bytes += contents
  }
}

extension [UInt8] {
  mutating func append(littleEndian value: UInt32) {
    Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
  }
}
