/// JSON in the canonical form of RFC 8785, limited to what manifests need: objects, arrays, numbers, and strings of
/// printable ASCII without `"` and `\`, so that no string has an escape.
enum CanonicalJSON: Equatable, Sendable {
  case object([String: CanonicalJSON])
  case array([CanonicalJSON])
  case string(String)
  case number(Double)
  /// Written, never read: no manifest has one.
  case boolean(Bool)

  /// Deepest nesting that is read.
  static let depthMax = 8
  /// 2^53 − 1: the largest integer up to which every integer is a binary64 number of its own.
  static let integerMax: UInt64 = 1 << 53 - 1

  /// The only encoding of the value: members sorted by name, no spaces, numbers as in ECMAScript.
  ///
  /// - Precondition: numbers are finite, strings are of the characters above.
  var bytes: [UInt8] {
    var out: [UInt8] = []
    append(to: &out)
    return out
  }

  private func append(to out: inout [UInt8]) {
    switch self {
    case .string(let text):
      precondition(Self.isPlain(text), "a string that needs an escape")
      out += "\"\(text)\"".utf8
    case .number(let value):
      out += Self.decimal(value).utf8
    case .boolean(let value):
      out += (value ? "true" : "false").utf8
    case .array(let items):
      out.append(UInt8(ascii: "["))
      for (i, item) in items.enumerated() {
        if i > 0 { out.append(UInt8(ascii: ",")) }
        item.append(to: &out)
      }
      out.append(UInt8(ascii: "]"))
    case .object(let members):
      out.append(UInt8(ascii: "{"))
      // Names are ASCII, where the order of UTF-16 code units (RFC 8785 §3.2.3) is that of bytes.
      for (i, name) in members.keys.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }).enumerated() {
        if i > 0 { out.append(UInt8(ascii: ",")) }
        out += "\"\(name)\":".utf8
        members[name]?.append(to: &out)
      }
      out.append(UInt8(ascii: "}"))
    }
  }

  /// Whether the text can stand between quotes as it is.
  static func isPlain(_ text: String) -> Bool {
    text.utf8.allSatisfy { (32...126).contains($0) && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }
  }

  /// The shortest digits that give the number back, placed as ECMAScript's Number::toString does (RFC 8785 §3.2.2.3).
  static func decimal(_ value: Double) -> String {
    precondition(value.isFinite, "JSON has no such number")
    if value == 0 { return "0" }
    let sign = value < 0 ? "-" : ""
    // Swift prints the same shortest digits, in other places: 12345.678, 1e-05, 1.5e+20.
    let parts = value.magnitude.description.split(separator: "e")
    let written = parts[0].split(separator: ".", omittingEmptySubsequences: false)
    let exponent = parts.count == 2 ? Int(parts[1]) ?? 0 : 0
    let fraction = written.count == 2 ? written[1] : ""
    let all = Array((written[0] + fraction).utf8)
    let leading = all.prefix { $0 == 48 }.count
    let digits = all.dropFirst(leading).reversed().drop { $0 == 48 }.reversed().map { Character(UnicodeScalar($0)) }
    let point = written[0].count + exponent - leading  // value = 0.digits × 10^point
    func text(_ slice: some Sequence<Character>) -> String { String(slice) }
    switch point {
    case digits.count...21 where point >= digits.count:
      return sign + text(digits) + String(repeating: "0", count: point - digits.count)
    case 1...21: return sign + text(digits.prefix(point)) + "." + text(digits.dropFirst(point))
    case -5...0: return sign + "0." + String(repeating: "0", count: -point) + text(digits)
    default:
      let rest = digits.count > 1 ? "." + text(digits.dropFirst()) : ""
      return sign + text(digits.prefix(1)) + rest + "e" + (point > 0 ? "+" : "-") + String(abs(point - 1))
    }
  }
}

/// Reads `CanonicalJSON`; what is not in that form is refused, most of it here, the rest by encoding again.
struct CanonicalJSONParser {
  private let bytes: [UInt8]
  private var position = 0

  private init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// - Throws: `ManifestError.notJSON` with the offset, `.duplicateKey`, or `.notCanonical`.
  static func parse(_ bytes: [UInt8]) throws(ManifestError) -> CanonicalJSON {
    var parser = CanonicalJSONParser(bytes)
    let value = try parser.value(depth: 0)
    guard parser.position == bytes.count else { throw parser.refusal("the end") }
    guard value.bytes == bytes else { throw .notCanonical }
    return value
  }

  private func refusal(_ expected: String) -> ManifestError { .notJSON(offset: position, expected: expected) }

  private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard next == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private mutating func value(depth: Int) throws(ManifestError) -> CanonicalJSON {
    guard depth < CanonicalJSON.depthMax else { throw refusal("less nesting") }
    if take("{") { return try object(depth: depth) }
    if take("[") { return try array(depth: depth) }
    if next == UInt8(ascii: "\"") { return .string(try string()) }
    return .number(try number())
  }

  private mutating func object(depth: Int) throws(ManifestError) -> CanonicalJSON {
    var members: [String: CanonicalJSON] = [:]
    if take("}") { return .object(members) }
    repeat {
      let name = try string()
      guard take(":") else { throw refusal("':'") }
      guard members[name] == nil else { throw .duplicateKey(name) }
      members[name] = try value(depth: depth + 1)
    } while take(",")
    guard take("}") else { throw refusal("',' or '}'") }
    return .object(members)
  }

  private mutating func array(depth: Int) throws(ManifestError) -> CanonicalJSON {
    var items: [CanonicalJSON] = []
    if take("]") { return .array(items) }
    repeat { items.append(try value(depth: depth + 1)) } while take(",")
    guard take("]") else { throw refusal("',' or ']'") }
    return .array(items)
  }

  private mutating func string() throws(ManifestError) -> String {
    guard take("\"") else { throw refusal("'\"'") }
    let start = position
    while let byte = next, (32...126).contains(byte), byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") {
      position += 1
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    guard take("\"") else { throw refusal("printable ASCII without '\"' and '\\', then '\"'") }
    return text
  }

  private mutating func number() throws(ManifestError) -> Double {
    let start = position
    // The longest shortest form of a binary64 number has fewer than 32 characters.
    while let byte = next, position - start < 32, (48...57).contains(byte) || [43, 45, 46, 101].contains(byte) {
      position += 1
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    guard let value = Double(text), value.isFinite else {
      position = start
      throw refusal("a value")
    }
    return value
  }
}
