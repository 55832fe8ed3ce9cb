/// Writes JSON (RFC 8259) without blanks, and puts the commas.
///
/// Whoever calls it opens and closes in pairs, and writes a name in front of each member of an object.
struct JSONWriter {
  private(set) var bytes: [UInt8] = []
  /// Whether a value stands before the place where the next one goes, in the same object or array.
  private var needsComma = false

  // MARK: Structure

  mutating func object<E: Error>(_ members: (inout JSONWriter) throws(E) -> Void) throws(E) {
    open("{")
    try members(&self)
    close("}")
  }

  mutating func array<E: Error>(_ elements: (inout JSONWriter) throws(E) -> Void) throws(E) {
    open("[")
    try elements(&self)
    close("]")
  }

  mutating func array<S: Sequence, E: Error>(
    of values: S, _ element: (inout JSONWriter, S.Element) throws(E) -> Void
  ) throws(E) {
    open("[")
    for value in values { try element(&self, value) }
    close("]")
  }

  /// The name of a member; its value has to follow.
  mutating func name(_ name: String) {
    string(name)
    bytes.append(UInt8(ascii: ":"))
    needsComma = false
  }

  private mutating func open(_ bracket: Unicode.Scalar) {
    separate()
    bytes.append(UInt8(ascii: bracket))
    needsComma = false
  }

  private mutating func close(_ bracket: Unicode.Scalar) {
    bytes.append(UInt8(ascii: bracket))
    needsComma = true
  }

  private mutating func separate() {
    if needsComma { bytes.append(UInt8(ascii: ",")) }
    needsComma = true
  }

  // MARK: Values

  mutating func bool(_ value: Bool) {
    separate()
    bytes += (value ? "true" : "false").utf8
  }

  mutating func integer(_ value: some FixedWidthInteger) {
    separate()
    bytes += String(value).utf8
  }

  /// The shortest decimal that is read as the same number.
  ///
  /// - Returns: false, and nothing is written, where JSON has no such number: NaN and the infinities.
  mutating func number(_ value: some BinaryFloatingPoint & CustomStringConvertible) -> Bool {
    guard value.isFinite else { return false }
    separate()
    // `1e-05`, `0.1`, `5e+20`, `-0.0`: each is a number of RFC 8259 §6.
    bytes += value.description.utf8
    return true
  }

  mutating func string(_ value: String) {
    separate()
    quote(value.utf8)
  }

  /// - Returns: false, and nothing is written, where the bytes are not UTF-8.
  mutating func string(utf8 value: [UInt8]) -> Bool {
    guard String(validating: value, as: UTF8.self) != nil else { return false }
    separate()
    quote(value)
    return true
  }

  private mutating func quote(_ value: some Sequence<UInt8>) {
    bytes.append(UInt8(ascii: "\""))
    for byte in value {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
      case 0..<0x20: bytes += "\\u00".utf8 + [Self.hexadecimal(byte >> 4), Self.hexadecimal(byte & 15)]
      default: bytes.append(byte)
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }

  private static func hexadecimal(_ digit: UInt8) -> UInt8 {
    digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
  }

  // MARK: Members

  mutating func member(_ name: String, _ value: String) {
    self.name(name)
    string(value)
  }

  mutating func member(_ name: String, _ value: some FixedWidthInteger) {
    self.name(name)
    integer(value)
  }

  mutating func member(_ name: String, _ value: Bool) {
    self.name(name)
    bool(value)
  }

  mutating func member<E: Error>(
    _ name: String, _ members: (inout JSONWriter) throws(E) -> Void
  ) throws(E) {
    self.name(name)
    try object(members)
  }

  mutating func member<S: Sequence, E: Error>(
    _ name: String, array values: S, _ element: (inout JSONWriter, S.Element) throws(E) -> Void
  ) throws(E) {
    self.name(name)
    try array(of: values, element)
  }

  /// A document that is one object.
  static func document(_ members: (inout JSONWriter) -> Void) -> [UInt8] {
    var writer = JSONWriter()
    writer.object(members)
    return writer.bytes
  }
}
