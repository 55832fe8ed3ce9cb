import Cryptography
import Federation

/// A value in a vector file and the way to it, for reading with errors that say where.
struct VectorValue {
  let value: JSONValue
  let path: String

  subscript(key: String) -> VectorValue {
    get throws(ConformanceError) {
      guard let found = try optional(key) else { throw malformed("has no field \(key)") }
      return found
    }
  }

  /// The field; nil if it is missing or null.
  func optional(_ key: String) throws(ConformanceError) -> VectorValue? {
    guard case .object(let fields) = value else { throw malformed("expected an object, found \(value.kind)") }
    guard let found = fields[key], found != .null else { return nil }
    return VectorValue(value: found, path: path.isEmpty ? key : "\(path).\(key)")
  }

  func has(_ key: String) -> Bool {
    guard case .object(let fields) = value else { return false }
    return fields[key] != nil
  }

  var items: [VectorValue] {
    get throws(ConformanceError) {
      guard case .list(let values) = value else { throw malformed("expected a list, found \(value.kind)") }
      return values.enumerated().map { VectorValue(value: $1, path: "\(path)[\($0)]") }
    }
  }

  /// The fields of an object whose keys are whole numbers, by ascending number.
  var numbered: [(key: Int, value: VectorValue)] {
    get throws(ConformanceError) {
      guard case .object(let fields) = value else { throw malformed("expected an object, found \(value.kind)") }
      var out: [(key: Int, value: VectorValue)] = []
      for (key, value) in fields {
        guard let number = Int(key) else { throw malformed("\(key) is not a number") }
        out.append((number, VectorValue(value: value, path: "\(path).\(key)")))
      }
      return out.sorted { $0.key < $1.key }
    }
  }

  var text: String {
    get throws(ConformanceError) {
      guard case .text(let text) = value else { throw malformed("expected a text, found \(value.kind)") }
      return text
    }
  }

  var flag: Bool {
    get throws(ConformanceError) {
      guard case .flag(let flag) = value else { throw malformed("expected true or false, found \(value.kind)") }
      return flag
    }
  }

  var int64: Int64 {
    get throws(ConformanceError) {
      guard case .integer(let value) = value else { throw malformed("expected a whole number, found \(value.kind)") }
      return value
    }
  }

  /// The 64 bits of a whole number of either sign.
  var bits: UInt64 {
    get throws(ConformanceError) {
      if case .large(let value) = value { return value }
      return UInt64(bitPattern: try int64)
    }
  }

  var int: Int { get throws(ConformanceError) { Int(try int64) } }

  /// A count or an index: from 0, and small enough for what it counts.
  func int(in range: ClosedRange<Int>) throws(ConformanceError) -> Int {
    let found = try int
    guard range.contains(found) else {
      throw malformed("expected \(range.lowerBound)…\(range.upperBound), found \(found)")
    }
    return found
  }

  var double: Double {
    get throws(ConformanceError) {
      switch value {
      case .integer(let value): Double(value)
      case .large(let value): Double(value)
      case .number(let value): value
      default: throw malformed("expected a number, found \(value.kind)")
      }
    }
  }

  var bytes: [UInt8] {
    get throws(ConformanceError) {
      guard let bytes = [UInt8](hex: try text) else { throw malformed("not hexadecimal digits") }
      return bytes
    }
  }

  var secret: SecretBytes { get throws(ConformanceError) { SecretBytes(copying: try bytes) } }

  /// A secret of exactly so many bytes.
  func secret(_ count: Int) throws(ConformanceError) -> SecretBytes {
    let found = try secret
    guard found.count == count else { throw malformed("expected \(count) bytes, found \(found.count)") }
    return found
  }

  func fixed<T: FixedBytes>(_: T.Type = T.self) throws(ConformanceError) -> T {
    let found = try bytes
    guard let value = T(found) else { throw malformed("expected \(T.byteCount) bytes, found \(found.count)") }
    return value
  }

  var digest: Digest { get throws(ConformanceError) { try fixed() } }

  func name<T: Name>(_: T.Type = T.self) throws(ConformanceError) -> T {
    guard let name = T(try text) else { throw malformed("not a name") }
    return name
  }

  func list<T>(_ read: (VectorValue) throws(ConformanceError) -> T) throws(ConformanceError) -> [T] {
    var out: [T] = []
    for item in try items { out.append(try read(item)) }
    return out
  }

  var int64s: [Int64] { get throws(ConformanceError) { try list { (v) throws(ConformanceError) in try v.int64 } } }
  var ints: [Int] { get throws(ConformanceError) { try list { (v) throws(ConformanceError) in try v.int } } }

  func malformed(_ reason: String) -> ConformanceError { .malformed(path: path, reason: reason) }
}
