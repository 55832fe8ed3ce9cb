/// Builds the strings that are hashed, signed or expanded into keys (Protocols/secure-aggregation.md, "Elements").
///
/// Integers are unsigned and little-endian; `LP(x) = u32(length of x) ‖ x`; every signed string begins with
/// `D(label) = LP("murmuration/sa1/" ‖ label)`, and one label names one structure.
package struct CanonicalBytes: Sendable {
  package private(set) var bytes: [UInt8] = []

  package init() {}

  /// Starts with `D(label)`.
  package init(label: String) { append(label: label) }

  package mutating func append(label: String) { append(prefixed: Array(("murmuration/sa1/" + label).utf8)) }
  package mutating func append(_ value: UInt8) { bytes.append(value) }
  package mutating func append(_ value: UInt16) { append(integer: value) }
  package mutating func append(_ value: UInt32) { append(integer: value) }
  package mutating func append(_ value: UInt64) { append(integer: value) }
  /// The IEEE-754 binary64 bit pattern as `u64`.
  package mutating func append(_ value: Double) { append(integer: value.bitPattern) }
  package mutating func append(_ value: some FixedBytes) { bytes.append(contentsOf: value.bytes) }
  package mutating func append(raw: some Sequence<UInt8>) { bytes.append(contentsOf: raw) }
  /// `LP(x)`.
  package mutating func append(prefixed: [UInt8]) {
    append(UInt32(prefixed.count))
    bytes.append(contentsOf: prefixed)
  }
  /// `LP` of the UTF-8 bytes.
  package mutating func append(prefixed text: String) { append(prefixed: Array(text.utf8)) }

  private mutating func append(integer value: some FixedWidthInteger) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }
}

/// Reads what `CanonicalBytes` wrote. Every read is bounded by what is left.
package struct CanonicalReader: Sendable {
  private let bytes: [UInt8]
  private var position = 0

  package init(_ bytes: [UInt8]) { self.bytes = bytes }

  package var remaining: Int { bytes.count - position }
  package var isAtEnd: Bool { position == bytes.count }

  /// The next `count` bytes; nil if fewer are left, and then nothing is consumed.
  package mutating func read(_ count: Int) -> [UInt8]? {
    guard count >= 0, count <= remaining else { return nil }
    defer { position += count }
    return Array(bytes[position..<position + count])
  }

  package mutating func readInteger<T: FixedWidthInteger>(_: T.Type = T.self) -> T? {
    guard let raw = read(MemoryLayout<T>.size) else { return nil }
    return raw.reversed().reduce(0) { $0 << 8 | T($1) }
  }

  /// The `x` of `LP(x)`; nil if it is cut short or longer than `max` bytes.
  package mutating func readPrefixed(max: Int = .max) -> [UInt8]? {
    var ahead = self
    guard let count: UInt32 = ahead.readInteger(), Int(count) <= max, let raw = ahead.read(Int(count)) else {
      return nil
    }
    self = ahead
    return raw
  }
}
