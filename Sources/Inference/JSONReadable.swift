/// An element type that JSON has numbers for.
protocol JSONReadable {
  /// The element as it is stored: little-endian.
  associatedtype Stored: BitwiseCopyable

  /// - Throws: `InferenceError` of kind `invalid` for what the type does not have.
  static func read(from scanner: inout JSONScanner) throws(InferenceError) -> Stored

  /// Reads at most so many elements with their commas, in a faster way; none where there is none.
  static func readFrequent(
    _ countMax: Int, into out: UnsafeMutableRawBufferPointer, from scanner: inout JSONScanner
  ) -> Int
}

extension JSONReadable {
  static func readFrequent(
    _ countMax: Int, into out: UnsafeMutableRawBufferPointer, from scanner: inout JSONScanner
  ) -> Int { 0 }
}

extension Float: JSONReadable {
  static func read(from scanner: inout JSONScanner) throws(InferenceError) -> Float {
    guard let value = try scanner.number().float() else { throw scanner.outOfRange("FP32") }
    return value
  }

  static func readFrequent(
    _ countMax: Int, into out: UnsafeMutableRawBufferPointer, from scanner: inout JSONScanner
  ) -> Int {
    scanner.frequentFloats(into: out.baseAddress, countMax: countMax)
  }
}

extension Double: JSONReadable {
  static func read(from scanner: inout JSONScanner) throws(InferenceError) -> UInt64 {
    guard let value = try scanner.number().double() else { throw scanner.outOfRange("FP64") }
    return value.bitPattern.littleEndian
  }
}

extension JSONReadable where Self: FixedWidthInteger & BitwiseCopyable {
  static func read(from scanner: inout JSONScanner) throws(InferenceError) -> Self {
    guard let value = try scanner.number().integer(as: Self.self) else {
      throw scanner.outOfRange("whole numbers from \(Self.min) to \(Self.max)")
    }
    return value.littleEndian
  }
}

extension UInt8: JSONReadable {}
extension UInt16: JSONReadable {}
extension UInt32: JSONReadable {}
extension UInt64: JSONReadable {}
extension Int8: JSONReadable {}
extension Int16: JSONReadable {}
extension Int32: JSONReadable {}
extension Int64: JSONReadable {}

/// BOOL: true and false, and the 1 and 0 that NumPy's users write for them.
enum JSONTruth: JSONReadable {
  static func read(from scanner: inout JSONScanner) throws(InferenceError) -> UInt8 {
    switch scanner.next() {
    case UInt8(ascii: "t"), UInt8(ascii: "f"): return try scanner.bool() ? 1 : 0
    default:
      guard let value = try scanner.number().integer(as: UInt8.self), value <= 1 else {
        throw scanner.outOfRange("true, false, 1 and 0")
      }
      return value
    }
  }
}

extension JSONScanner {
  @inline(never)
  func outOfRange(_ expected: String) -> InferenceError {
    InferenceError(.invalid, "JSON, before byte \(position): found a number out of range, expected \(expected)")
  }
}
