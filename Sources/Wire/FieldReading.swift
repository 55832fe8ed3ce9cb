import Federation

internal import CFederationMessages

/// Turns fields of a received message into values, or says which field is wrong.
///
/// protobuf-c checks the grammar alone: lengths, ranges, UTF-8 and presence are checked here.
enum Field {
  /// A digest, key or signature of exactly its length.
  static func fixed<T: FixedBytes>(_ data: ProtobufCBinaryData, _ field: String) throws(WireError) -> T {
    guard data.len == T.byteCount, let value = T(bytes(data)) else {
      throw .badField(field, found: "\(data.len) bytes", expected: "\(T.byteCount) bytes")
    }
    return value
  }

  /// At most `max` bytes, copied.
  static func bytes(_ data: ProtobufCBinaryData, _ field: String, max: Int) throws(WireError) -> [UInt8] {
    guard data.len <= max else {
      throw .badField(field, found: "\(data.len) bytes", expected: "at most \(max) bytes")
    }
    return bytes(data)
  }

  /// Exactly `count` bytes, copied.
  static func bytes(_ data: ProtobufCBinaryData, _ field: String, count: Int) throws(WireError) -> [UInt8] {
    guard data.len == count else {
      throw .badField(field, found: "\(data.len) bytes", expected: "\(count) bytes")
    }
    return bytes(data)
  }

  /// Valid UTF-8 without NUL, `min`…`max` bytes.
  static func text(
    _ data: ProtobufCBinaryData, _ field: String, min: Int = 0, max: Int = WireLimits.detailBytesMax
  ) throws(WireError) -> String {
    guard (min...max).contains(data.len) else {
      throw .badField(field, found: "\(data.len) bytes", expected: "\(min) to \(max) bytes")
    }
    let raw = bytes(data)
    guard !raw.contains(0) else { throw .badField(field, found: "NUL", expected: "text without NUL") }
    guard let text = String(validating: raw, as: UTF8.self) else {
      throw .badField(field, found: "bytes that are not UTF-8", expected: "UTF-8")
    }
    return text
  }

  /// A name by the rules of `Name`; the bytes that were found are not repeated in the error.
  static func name<N: Name>(_ data: ProtobufCBinaryData, _ field: String) throws(WireError) -> N {
    let text = try text(data, field, min: 1, max: N.byteCountMax)
    guard let name = N(text) else {
      throw .badField(field, found: "other characters", expected: "letters, digits, '.', '_' and '-'")
    }
    return name
  }

  /// A sub-message that must be there.
  static func required<Message>(
    _ message: UnsafeMutablePointer<Message>?, _ field: String
  ) throws(WireError) -> Message {
    guard let message else { throw .badField(field, found: "nothing", expected: "a value") }
    return message.pointee
  }

  /// A repeated message field of at most `max` elements; the count is checked before the first is read.
  static func list<Message, Value>(
    _ pointers: UnsafeMutablePointer<UnsafeMutablePointer<Message>?>?, count: Int, _ field: String, max: Int,
    _ read: (Message) throws(WireError) -> Value
  ) throws(WireError) -> [Value] {
    try checkCount(count, field, max: max)
    guard let pointers else { return [] }
    var out: [Value] = []
    out.reserveCapacity(count)
    for i in 0..<count { out.append(try read(try required(pointers[i], field))) }
    return out
  }

  /// A repeated scalar or text field of at most `max` elements.
  static func values<Raw, Value>(
    _ values: UnsafeMutablePointer<Raw>?, count: Int, _ field: String, max: Int,
    _ read: (Raw) throws(WireError) -> Value
  ) throws(WireError) -> [Value] {
    try checkCount(count, field, max: max)
    guard let values else { return [] }
    var out: [Value] = []
    out.reserveCapacity(count)
    for i in 0..<count { out.append(try read(values[i])) }
    return out
  }

  static func number<T: FixedWidthInteger>(
    _ value: T, _ field: String, in range: ClosedRange<T>
  ) throws(WireError) -> T {
    guard range.contains(value) else {
      throw .badField(field, found: "\(value)", expected: "\(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }

  /// A worker's index in a roster.
  static func index(_ value: UInt32, _ field: String) throws(WireError) -> Int {
    Int(try number(value, field, in: 0...UInt32(WireLimits.rosterCountMax - 1)))
  }

  static func finite(_ value: Double, _ field: String) throws(WireError) -> Double {
    guard value.isFinite else { throw .badField(field, found: "\(value)", expected: "a finite number") }
    return value
  }

  /// An enumeration by its number; protobuf-c lets every number through.
  static func choice<Choice: RawRepresentable>(
    _ number: Choice.RawValue, _ field: String, _: Choice.Type = Choice.self
  ) throws(WireError) -> Choice where Choice.RawValue: FixedWidthInteger {
    guard let choice = Choice(rawValue: number) else {
      throw .badField(field, found: "\(number)", expected: "a number that has a meaning")
    }
    return choice
  }

  private static func checkCount(_ count: Int, _ field: String, max: Int) throws(WireError) {
    guard count <= max else {
      throw .badField(field, found: "\(count) elements", expected: "at most \(max) elements")
    }
  }

  private static func bytes(_ data: ProtobufCBinaryData) -> [UInt8] {
    Array(UnsafeBufferPointer(start: data.data, count: data.data == nil ? 0 : data.len))
  }
}
