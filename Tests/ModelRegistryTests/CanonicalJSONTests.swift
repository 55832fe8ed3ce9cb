import Testing

@testable import ModelRegistry

@Suite("Canonical JSON")
struct CanonicalJSONTests {
  /// RFC 8785, appendix B, and the edges of ECMAScript's placement of the point.
  @Test(
    "Numbers are written as ECMAScript writes them",
    arguments: [
      (0x0000_0000_0000_0000, "0"), (0x0000_0000_0000_0001, "5e-324"), (0x8000_0000_0000_0001, "-5e-324"),
      (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"), (0x4340_0000_0000_0000, "9007199254740992"),
      (0x4430_0000_0000_0000, "295147905179352830000"), (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
      (0x44b5_2d02_c7e1_4af6, "1e+23"), (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
      (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"), (0x444b_1ae4_d6e2_ef50, "1e+21"),
      (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"), (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
      (0x41b3_de43_5555_5553, "333333333.3333332"), (0x41b3_de43_5555_5557, "333333333.33333343"),
      (0xbecb_f647_612f_3696, "-0.0000033333333333333333"), (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
      (0x3ff0_0000_0000_0000, "1"), (0x4030_0000_0000_0000, "16"), (0x3fc9_9999_9999_999a, "0.2"),
    ] as [(UInt64, String)])
  func numbers(_ bits: UInt64, _ text: String) throws {
    #expect(CanonicalJSON.decimal(Double(bitPattern: bits)) == text)
    #expect(try CanonicalJSONParser.parse(Array(text.utf8)) == .number(Double(bitPattern: bits)))
  }

  @Test("Members are sorted and nothing is between them")
  func members() throws {
    let value = CanonicalJSON.object(["b": .array([.number(1), .string("x y")]), "a": .object([:]), "B": .array([])])
    #expect(String(decoding: value.bytes, as: UTF8.self) == #"{"B":[],"a":{},"b":[1,"x y"]}"#)
    #expect(try CanonicalJSONParser.parse(value.bytes) == value)
  }

  @Test(
    "What has another encoding, or none, is refused",
    arguments: [
      #"{"b":1,"a":2}"#, #"{"a":1, "b":2}"#, #" {"a":1}"#, #"{"a":1} "#, #"{"a":1}x"#, #"{"a":1.0}"#, #"{"a":01}"#,
      #"{"a":+1}"#, #"{"a":1e2}"#, #"{"a":-0}"#, #"{"a":0.10}"#, #"{"a":1,}"#, #"{"a"}"#, #"{"a":}"#, #"{a:1}"#, #"["#,
      #"[1"#, #"[1,]"#, #"{"a":1"#, #""a"#, #"{"a":"\n"}"#, #"{"a":"\u0041"}"#, "{\"a\":\"\u{1}\"}", "{\"a\":\"é\"}",
      "",
      #"{"a":true}"#, #"{"a":null}"#, #"{"a":nan}"#, #"{"a":inf}"#, #"{"a":0x10}"#, #"{"a":1e999}"#, #"{"a":1,"a":1}"#,
      #"[[[[[[[[[[[[[[]]]]]]]]]]]]]]"#, "1.00000000000000000000000000000000000000000000000001",
    ])
  func refuses(_ text: String) {
    #expect(throws: ManifestError.self) { try CanonicalJSONParser.parse(Array(text.utf8)) }
  }
}
