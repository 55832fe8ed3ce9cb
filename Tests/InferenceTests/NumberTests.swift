import Federation
import Testing

@testable import Inference

@Suite("Numbers of JSON")
struct NumberTests {
  /// The way that `Float.init` and `Double.init` go, for the same characters.
  private static func expect<F: BinaryFloatingPoint & LosslessStringConvertible>(
    _ found: [F], _ texts: [String], _ comment: String
  ) {
    #expect(found.count == texts.count)
    for (value, text) in zip(found, texts) where value != F(text) || value.sign != F(text)?.sign {
      Issue.record("\(comment): \(text) was read as \(value), expected \(F(text).map(\.description) ?? "no number")")
    }
  }

  private static func floats(_ texts: [String]) throws -> [Float] {
    let content = try Samples.content("[" + texts.joined(separator: ",") + "]", .fp32, [texts.count])
    guard case .floats(let floats) = content else { return [] }
    return floats
  }

  private static func doubles(_ texts: [String]) throws -> [Double] {
    let content = try Samples.content("[" + texts.joined(separator: ",") + "]", .fp64, [texts.count])
    guard case .raw(let bytes) = content else { return [] }
    return bytes.elements(of: UInt64.self, Double.init(bitPattern:))
  }

  /// Numbers that are near where something changes.
  static let corners: [String] = [
    "0", "-0", "0.0", "-0.0", "0e0", "0E+5", "-0e-99999999999999999999", "0e99999999999999999999", "1", "-1", "0.1",
    "0.1000000000000000055511151231257827021181583404541015625", "1e22", "1e23", "1e-22", "1e-23", "9007199254740993",
    "9007199254740992", "9007199254740993e22", "123456789012345678", "1234567890123456789", "12345678901234567890",
    "18446744073709551615", "18446744073709551616", "184467440737095516150000000000", "0.000000000000000000000000001",
    "0.00000000000000000000000000000000000000000000140129846432481707",  // 2^−149, the least Float
    "7.006492321624085e-46", "7.006492321624086e-46", "1e-46", "1e-400",  // half of it, and below
    "1.1754943508222875e-38", "1.17549435e-38", "1.1754942e-38",  // where Floats become subnormal
    // The largest Float, and the last numbers that become it.
    "3.4028234663852886e38", "3.4028235677973366e38", "340282356779733661637539395458142568447",
    "16777217", "16777217.0000000000000000000000000001", "16777216.9999999999999999999999999", "16777219",  // middles
    "1.00000005960464477539062", "1.00000005960464477539063", "1.000000059604644775390625",
    "1.00000005960464477539062500000000000000000000000000001", "0.50000002980232238769531250", "8388608.5", "8388609.5",
    "4.9e-324", "2.2250738585072014e-308", "2.2250738585072011e-308", "1.7976931348623157e308", "0.3e1", "1E5", "1e+05",
    "0." + String(repeating: "0", count: 60) + "1e60", "1" + String(repeating: "0", count: 400) + "e-400",
    "0." + String(repeating: "9", count: 800),
  ]

  @Test("Numbers where something changes are those of strtod and strtof, alone and in a row")
  func corners() throws {
    let small = Self.corners.filter { Float($0)?.isFinite == true }
    #expect(Self.corners.filter { !small.contains($0) } == ["1.7976931348623157e308"])
    Self.expect(try Self.floats(small), small, "FP32")
    Self.expect(try Self.doubles(Self.corners), Self.corners, "FP64")
    for text in small { Self.expect(try Self.floats([text]), [text], "FP32 alone") }
  }

  /// Random texts of a kind.
  private static func texts(_ kind: Int, _ generator: inout SeededGenerator) -> String {
    func digits(_ range: ClosedRange<Int>) -> String {
      let count = Int.random(in: range, using: &generator)
      return String((0..<count).map { _ in Character("\(Int.random(in: 0...9, using: &generator))") })
    }
    let sign = Bool.random(using: &generator) ? "-" : ""
    let whole = Bool.random(using: &generator) ? "0" : "\(Int.random(in: 1...9, using: &generator))" + digits(0...3)
    switch kind {
    case 0: return sign + whole + "." + digits(1...6)
    case 1: return sign + whole + "." + digits(1...25)
    case 2: return sign + whole + "." + digits(1...18) + "e\(Int.random(in: -45...30, using: &generator))"
    case 3: return sign + whole
    case 4: return Float(bitPattern: UInt32(truncatingIfNeeded: generator.next()) & 0xBFFF_FFFF).description
    case 5: return Double(Float.random(in: -1...1, using: &generator)).description
    case 6:  // The middle between two Floats, and what is a little above or below it.
      let float = Float(bitPattern: UInt32.random(in: 0x3000_0000...0x4F00_0000, using: &generator))
      let middle = (Double(float) + Double(float.nextUp)) / 2
      return [middle.nextDown, middle, middle.nextUp][Int(generator.next() % 3)].description
    default: return "\(Int32(truncatingIfNeeded: generator.next()))e\(Int.random(in: -30...20, using: &generator))"
    }
  }

  @Test("A hundred thousand random numbers are those of strtof and strtod", arguments: 0..<8)
  func random(kind: Int) throws {
    var generator = SeededGenerator(seed: UInt64(kind), stream: "numbers")
    let texts = (0..<12_500).map { _ in Self.texts(kind, &generator) }
    Self.expect(try Self.floats(texts), texts, "FP32")
    Self.expect(try Self.doubles(texts), texts, "FP64")
  }

  @Test(
    "Blanks of every kind stand between numbers",
    arguments: [
      "[1,-2,0.5,4]", "[1, -2, 0.5, 4]", " [ 1 , -2 ,\t0.5\r\n,\n 4 ] ", "[1,  -2,0.5 , 4]", "[1.0,-2.00,5e-1,0.4E1]",
    ])
  func blanks(data: String) throws {
    #expect(try Samples.content(data, .fp32, [4]) == .floats([1, -2, 0.5, 4]))
    // Far from the end of the body, where eight bytes at a time are read.
    let padded = data + String(repeating: " ", count: 100)
    #expect(try Samples.content(padded, .fp32, [4]) == .floats([1, -2, 0.5, 4]))
  }

  /// Not numbers of RFC 8259, or beyond the type.
  static let refused: [String] = [
    "", "-", "+1", ".5", "1.", "1.e5", "1e", "1e+", "01", "00", "-01", "0x10", "1_000", "NaN", "nan", "Infinity",
    "-Infinity",
    "inf", "1e400", "-1e400", "3.5e38", "340282356779733661637539395458142568448", "\"1\"", "true", "null", "[1]", "{}",
    "1 2", "1;",
    "1.5.5", "--1", "1-", "0e", "1e5.5", "٣", "1" + String(repeating: "0", count: 60),
  ]

  @Test(
    "What is no number, or beyond the type, is refused at the front, in the middle and at the end", arguments: refused)
  func refuses(text: String) {
    for row in [[text, "1", "2"], ["1", text, "2"], ["1", "2", text]] {
      for padding in ["", String(repeating: " ", count: 64)] {
        let data = "[" + row.joined(separator: ",") + "]" + padding
        #expect(throws: InferenceError.self, "\(data)") { try Samples.content(data, .fp32, [3]) }
      }
    }
  }

  @Test("FP64 goes as far as a Double and no further")
  func doubles() throws {
    #expect(try Self.doubles(["3.5e38", "-1e308"]) == [3.5e38, -1e308])
    for text in ["1e309", "-1e400", "NaN"] {
      #expect(throws: InferenceError.self) { try Self.doubles([text]) }
    }
  }

  private static let ranges: [(TensorDatatype, least: String, most: String, below: String, above: String)] = [
    (.uint8, "0", "255", "-1", "256"), (.uint16, "0", "65535", "-1", "65536"),
    (.uint32, "0", "4294967295", "-1", "4294967296"),
    (.uint64, "0", "18446744073709551615", "-1", "18446744073709551616"), (.int8, "-128", "127", "-129", "128"),
    (.int16, "-32768", "32767", "-32769", "32768"),
    (.int32, "-2147483648", "2147483647", "-2147483649", "2147483648"),
    (.int64, "-9223372036854775808", "9223372036854775807", "-9223372036854775809", "9223372036854775808"),
  ]

  @Test("Integers go from the least of their type to the largest", arguments: 0..<ranges.count)
  func integers(index: Int) throws {
    let (datatype, least, most, below, above) = Self.ranges[index]
    let content = try Samples.content("[\(least),\(most),-0,5.0,1e1,100e-1]", datatype, [6])
    let tensor = InferenceTensor(name: "x", datatype: datatype, shape: [6], content: content)
    var writer = JSONWriter()
    try writer.data(of: tensor)
    #expect(String(decoding: writer.bytes, as: UTF8.self) == "[\(least),\(most),0,5,10,10]")
    for text in [
      below, above, "1.5", "1e-1", "1e30", "0.1e0", "true", "\"1\"", "1" + String(repeating: "0", count: 40),
    ] {
      #expect(throws: InferenceError.self, "\(text)") { try Samples.content("[\(text)]", datatype, [1]) }
    }
  }

  @Test("Truth values are true, false, 1 and 0")
  func truth() throws {
    #expect(try Samples.content("[true,false,1,0]", .bool, [4]) == .raw([1, 0, 1, 0]))
    for text in ["2", "-1", "0.5", "\"true\"", "True", "tru", "null"] {
      #expect(throws: InferenceError.self, "\(text)") { try Samples.content("[\(text)]", .bool, [1]) }
    }
  }
}
