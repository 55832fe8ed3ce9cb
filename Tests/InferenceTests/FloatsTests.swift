import Testing

@testable import Inference

@Suite("Numbers of any type as FP32")
struct FloatsTests {
  private static func tensor(_ datatype: TensorDatatype, _ bytes: [UInt8]) -> InferenceTensor {
    InferenceTensor(
      name: "x", datatype: datatype, shape: [bytes.count / (datatype.byteCount ?? 1)], content: .raw(bytes))
  }

  private static func bytes<I: FixedWidthInteger>(_ values: [I]) -> [UInt8] {
    values.flatMap { withUnsafeBytes(of: $0.littleEndian, Array.init) }
  }

  @Test("Integers are exact up to 2^24 and the nearest Float beyond")
  func integers() throws {
    #expect(try Self.tensor(.uint8, [0, 255]).floats() == [0, 255])
    #expect(try Self.tensor(.int8, [127, 128]).floats() == [127, -128])
    #expect(try Self.tensor(.uint16, Self.bytes([UInt16.max])).floats() == [65535])
    #expect(try Self.tensor(.int16, Self.bytes([Int16.min])).floats() == [-32768])
    #expect(try Self.tensor(.uint32, Self.bytes([UInt32.max, 16_777_216])).floats() == [0x1p32, 16_777_216])
    #expect(try Self.tensor(.int32, Self.bytes([Int32.min, -16_777_217])).floats() == [-0x1p31, -16_777_216])
    #expect(try Self.tensor(.uint64, Self.bytes([UInt64.max])).floats() == [0x1p64])
    #expect(try Self.tensor(.int64, Self.bytes([Int64.min, 16_777_219])).floats() == [-0x1p63, 16_777_220])
  }

  @Test("Halves are exact: all that are finite")
  func halves() throws {
    let halves: [(UInt16, Float)] = [
      (0x0000, 0), (0x0001, 0x1p-24), (0x03FF, 0x1.FF8p-15), (0x0400, 0x1p-14), (0x3C00, 1), (0xC000, -2),
      (0x7BFF, 65504), (0x3555, 0x1.554p-2),
    ]
    for (bits, value) in halves { #expect(try Self.tensor(.fp16, Self.bytes([bits])).floats() == [value]) }
    #expect(try Self.tensor(.fp16, Self.bytes([0x8000 as UInt16])).floats()[0].sign == .minus)
    #expect(try Self.tensor(.bf16, Self.bytes([0x3F80, 0xC049] as [UInt16])).floats() == [1, -3.140625])
  }

  @Test("FP64 becomes the nearest Float")
  func doubles() throws {
    let values = [0.1, -1e-50, 1 + 0x1p-24, 1 + 0x1.8p-23].map(\.bitPattern)
    #expect(try Self.tensor(.fp64, Self.bytes(values)).floats() == [0.1, -0.0, 1, 1 + 0x1p-22])
  }

  @Test("FP32 stays what it is")
  func floats() throws {
    #expect(
      try Samples.floats([1, -0.5, .leastNonzeroMagnitude, .greatestFiniteMagnitude]).floats() == [
        1, -0.5, .leastNonzeroMagnitude, .greatestFiniteMagnitude,
      ])
    #expect(try InferenceTensor(name: "x", datatype: .fp32, shape: [0], content: .floats([])).floats() == [])
  }

  static let refused: [InferenceTensor] = [
    Samples.floats([1, 2, 3, .nan]), Samples.floats([.infinity, 1, 1, 1]), Samples.floats([1, -.infinity, 1, 1]),
    tensor(.fp64, bytes([1e39.bitPattern])), tensor(.fp64, bytes([Double.nan.bitPattern])),
    tensor(.fp16, bytes([0x7C00 as UInt16])), tensor(.fp16, bytes([0xFE00 as UInt16])),
    tensor(.bf16, bytes([0x7F80 as UInt16])),
    tensor(.bool, [1]), InferenceTensor(name: "x", shape: [1], byteStrings: [[49]]),
  ]

  @Test("Numbers that are not finite in FP32, truth values and strings are refused", arguments: refused)
  func refuses(tensor: InferenceTensor) {
    let error = #expect(throws: InferenceError.self) { try tensor.floats() }
    #expect(error?.kind == .invalid)
    #expect(error?.message.hasPrefix("'x': found ") == true)
  }
}
