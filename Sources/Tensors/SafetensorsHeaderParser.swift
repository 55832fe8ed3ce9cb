/// One tensor as the header announces it; nothing in it has been checked against the file.
struct SafetensorsEntry {
  var name: String
  var dtype: DType
  var shape: [Int]
  var begin: Int
  var end: Int
}

/// Reads the header's JSON (RFC 8259): an object of tensors and of at most one object of strings.
///
/// Only what the format allows is accepted, so nesting has a fixed depth and memory is bounded by the header's length.
struct SafetensorsHeaderParser {
  private let bytes: [UInt8]
  private var position = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  mutating func parse() throws(SafetensorsError) -> (metadata: [String: String], entries: [SafetensorsEntry]) {
    var metadata: [String: String] = [:]
    var entries: [SafetensorsEntry] = []
    var keys: Set<[UInt8]> = []
    try expect("{")
    if !accept("}") {
      repeat {
        let name = try string()
        guard keys.insert(Array(name.utf8)).inserted else { throw .duplicateKey(name) }
        try expect(":")
        if name == Safetensors.metadataKey {
          metadata = try metadataObject()
        } else {
          guard entries.count < Safetensors.tensorCountMax else {
            throw .tooManyTensors(max: Safetensors.tensorCountMax)
          }
          entries.append(try tensor(name))
        }
      } while accept(",")
      try expect("}")
    }
    skipBlanks()
    guard position == bytes.count else { throw .badHeader(offset: position, expected: "end of header") }
    return (metadata, entries)
  }

  private mutating func metadataObject() throws(SafetensorsError) -> [String: String] {
    var out: [String: String] = [:]
    try expect("{")
    if accept("}") { return out }
    repeat {
      let key = try string()
      try expect(":")
      guard out.updateValue(try string(), forKey: key) == nil else { throw .duplicateKey(key) }
    } while accept(",")
    try expect("}")
    return out
  }

  private mutating func tensor(_ name: String) throws(SafetensorsError) -> SafetensorsEntry {
    var dtype: DType?
    var shape: [Int]?
    var offsets: [Int]?
    try expect("{")
    repeat {
      let field = try string()
      try expect(":")
      switch field {
      case "dtype" where dtype == nil:
        let text = try string()
        guard let known = DType(rawValue: text) else { throw .unknownDType(tensor: name, found: text) }
        dtype = known
      case "shape" where shape == nil:
        shape = try integers(max: Safetensors.rankMax, orThrow: .rankTooLarge(tensor: name, max: Safetensors.rankMax))
      case "data_offsets" where offsets == nil:
        let start = position
        let wrong = SafetensorsError.badHeader(offset: start, expected: "two offsets of tensor \(name)")
        let pair = try integers(max: 2, orThrow: wrong)
        guard pair.count == 2 else { throw wrong }
        offsets = pair
      case "dtype", "shape", "data_offsets": throw .duplicateKey(field)
      default: throw .unknownField(tensor: name, field: field)
      }
    } while accept(",")
    try expect("}")
    guard let dtype else { throw .missingField(tensor: name, field: "dtype") }
    guard let shape else { throw .missingField(tensor: name, field: "shape") }
    guard let offsets else { throw .missingField(tensor: name, field: "data_offsets") }
    return SafetensorsEntry(name: name, dtype: dtype, shape: shape, begin: offsets[0], end: offsets[1])
  }

  private mutating func integers(
    max: Int, orThrow tooMany: SafetensorsError
  ) throws(SafetensorsError) -> [Int] {
    var out: [Int] = []
    try expect("[")
    if accept("]") { return out }
    repeat {
      guard out.count < max else { throw tooMany }
      out.append(try integer())
    } while accept(",")
    try expect("]")
    return out
  }

  /// A whole number from 0 to 2⁶³ − 1 without sign, fraction or leading zeros.
  private mutating func integer() throws(SafetensorsError) -> Int {
    skipBlanks()
    let start = position
    let wrong = SafetensorsError.badHeader(offset: start, expected: "whole number from 0 to 9223372036854775807")
    var value = 0
    while position < bytes.count, (0x30...0x39).contains(bytes[position]) {
      let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, carry) = tens.addingReportingOverflow(Int(bytes[position] - 0x30))
      guard !overflow, !carry else { throw wrong }
      value = sum
      position += 1
    }
    let digits = position - start
    guard digits == 1 || (digits > 1 && bytes[start] != 0x30) else { throw wrong }
    return value
  }

  private mutating func string() throws(SafetensorsError) -> String {
    skipBlanks()
    let start = position
    guard position < bytes.count, bytes[position] == 0x22 else {
      throw .badHeader(offset: position, expected: "string")
    }
    position += 1
    var out: [UInt8] = []
    while position < bytes.count {
      let byte = bytes[position]
      position += 1
      switch byte {
      case 0x22:
        guard let text = String(validating: out, as: UTF8.self) else {
          throw .badHeader(offset: start, expected: "string in UTF-8")
        }
        return text
      case 0x5C: try escape(into: &out)
      case 0..<0x20: throw .badHeader(offset: position - 1, expected: "string without control characters")
      default: out.append(byte)
      }
    }
    throw .badHeader(offset: position, expected: "end of the string that starts at \(start)")
  }

  private mutating func escape(into out: inout [UInt8]) throws(SafetensorsError) {
    let start = position - 1
    let wrong = SafetensorsError.badHeader(offset: start, expected: "escape sequence")
    guard position < bytes.count else { throw wrong }
    let kind = bytes[position]
    position += 1
    switch kind {
    case 0x22, 0x5C, 0x2F: out.append(kind)
    case UInt8(ascii: "b"): out.append(0x08)
    case UInt8(ascii: "f"): out.append(0x0C)
    case UInt8(ascii: "n"): out.append(0x0A)
    case UInt8(ascii: "r"): out.append(0x0D)
    case UInt8(ascii: "t"): out.append(0x09)
    case UInt8(ascii: "u"):
      guard var code = hexadecimalQuad() else { throw wrong }
      if (0xD800..<0xDC00).contains(code) {
        guard position + 1 < bytes.count, bytes[position] == 0x5C, bytes[position + 1] == UInt8(ascii: "u") else {
          throw wrong
        }
        position += 2
        guard let low = hexadecimalQuad(), (0xDC00..<0xE000).contains(low) else { throw wrong }
        code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
      }
      guard let scalar = Unicode.Scalar(code) else { throw wrong }
      out.append(contentsOf: String(scalar).utf8)
    default: throw wrong
    }
  }

  private mutating func hexadecimalQuad() -> UInt32? {
    guard position + 4 <= bytes.count else { return nil }
    var code: UInt32 = 0
    for byte in bytes[position..<position + 4] {
      guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else { return nil }
      code = code << 4 | UInt32(digit)
    }
    position += 4
    return code
  }

  private mutating func skipBlanks() {
    while position < bytes.count {
      switch bytes[position] {
      case 0x20, 0x09, 0x0A, 0x0D: position += 1
      default: return
      }
    }
  }

  /// Consumes the character if it is next.
  private mutating func accept(_ character: Unicode.Scalar) -> Bool {
    skipBlanks()
    guard position < bytes.count, bytes[position] == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private mutating func expect(_ character: Unicode.Scalar) throws(SafetensorsError) {
    guard accept(character) else { throw .badHeader(offset: position, expected: "'\(character)'") }
  }
}
