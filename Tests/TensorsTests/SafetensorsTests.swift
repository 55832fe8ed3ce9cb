import Tensors
import Testing

/// A file with this header text, announced by its true length, and a buffer of zeros.
private func file(_ header: String, buffer: Int = 0) -> [UInt8] {
  let text = Array(header.utf8)
  return (0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) } + text
    + [UInt8](repeating: 0, count: buffer)
}

@Suite("Safetensors")
struct SafetensorsTests {
  static let sample = [
    NamedTensor(name: "b", dtype: .u8, shape: [3], bytes: [1, 2, 3]),
    NamedTensor(name: "z", dtype: .f32, shape: [], bytes: [0, 0, 128, 63]),
    NamedTensor(name: "a", dtype: .f32, shape: [0, 5], bytes: []),
    NamedTensor(name: "n\"\\\u{1}é", dtype: .i64, shape: [1, 1], bytes: [1, 0, 0, 0, 0, 0, 0, 0]),
  ]

  @Test("The bytes are those of the format, and the same for every order of the tensors")
  func bytes() throws {
    let tensors = [
      NamedTensor(name: "b", dtype: .u8, shape: [2], bytes: [7, 8]),
      NamedTensor(name: "w", dtype: .f32, shape: [1, 1], bytes: [0, 0, 128, 63]),
    ]
    let header =
      #"{"__metadata__":{"a":"1","b":"2"},"w":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},"#
      + #""b":{"dtype":"U8","shape":[2],"data_offsets":[4,6]}}"#
    let padded = header + String(repeating: " ", count: (8 - header.utf8.count % 8) % 8)
    let expected = file(padded) + [0, 0, 128, 63, 7, 8]
    #expect(try Safetensors.encode(tensors, metadata: ["b": "2", "a": "1"]) == expected)
    #expect(try Safetensors.encode(tensors.reversed(), metadata: ["a": "1", "b": "2"]) == expected)
  }

  @Test("What was written is read back, and written again as the same bytes")
  func roundTrip() throws {
    let bytes = try Safetensors.encode(Self.sample, metadata: ["k\n": "v\t\u{7F}"])
    let back = try Safetensors.decode(bytes)
    #expect(back.metadata == ["k\n": "v\t\u{7F}"])
    #expect(Set(back.tensors) == Set(Self.sample))
    #expect(back["z"] == Self.sample[1])
    #expect(try Safetensors.encode(back.tensors, metadata: back.metadata) == bytes)
    #expect(try Safetensors.decode(Safetensors.encode([])) == SafetensorsFile(tensors: []))
  }

  @Test("Escapes and blanks that other writers use are understood")
  func foreignJSON() throws {
    let text =
      #" {"#.dropFirst() + #"  "\u0041\/\ud83d\ude00" : { "shape" : [ 1 ] , "data_offsets":[0,1],"dtype":"BOOL"}"#
      + "\t}\n"
    #expect(try Safetensors.decode(file(String(text), buffer: 1)).tensors.map(\.name) == ["A/😀"])
  }

  /// The malformed files: the cases of upstream's `SafeTensorError`, and the JSON that the format does not allow.
  static let malformed: [([UInt8], SafetensorsError)] = [
    ([], .headerTooShort(found: 0)),
    ([1, 2, 3, 4, 5, 6, 7], .headerTooShort(found: 7)),
    ([UInt8](repeating: 0, count: 8), .headerDoesNotStartWithBrace(found: nil)),
    ([UInt8](repeating: 255, count: 16), .headerTooLarge(found: .max, max: 100_000_000)),
    ([0x01, 0xE1, 0xF5, 0x05, 0, 0, 0, 0], .headerTooLarge(found: 100_000_001, max: 100_000_000)),
    ([3, 0, 0, 0, 0, 0, 0, 0, 0x7B, 0x7D], .headerPassesEnd(headerByteCount: 3, available: 2)),
    (file(" {}"), .headerDoesNotStartWithBrace(found: 0x20)),
    (file("[]"), .headerDoesNotStartWithBrace(found: 0x5B)),
    (file("{"), .badHeader(offset: 1, expected: "string")),
    (file("{}x"), .badHeader(offset: 2, expected: "end of header")),
    (file(#"{"a"}"#), .badHeader(offset: 4, expected: "':'")),
    (file(#"{"a":{},}"#), .badHeader(offset: 6, expected: "string")),
    (file(#"{"a"#), .badHeader(offset: 3, expected: "end of the string that starts at 1")),
    (file(#"{"\x":1}"#), .badHeader(offset: 2, expected: "escape sequence")),
    (file(#"{"\ud800":1}"#), .badHeader(offset: 2, expected: "escape sequence")),
    (file(#"{"\udc00":1}"#), .badHeader(offset: 2, expected: "escape sequence")),
    (file("{\"\n\":1}"), .badHeader(offset: 2, expected: "string without control characters")),
    ([4, 0, 0, 0, 0, 0, 0, 0, 0x7B, 0x22, 0xFF, 0x22], .badHeader(offset: 1, expected: "string in UTF-8")),
    (file(#"{"__metadata__":{"a":1}}"#), .badHeader(offset: 21, expected: "string")),
    (file(#"{"__metadata__":{"a":"1","a":"2"}}"#), .duplicateKey("a")),
    (file(#"{"__metadata__":{},"__metadata__":{}}"#), .duplicateKey("__metadata__")),
    (file(many(["a", "a"])), .duplicateKey("a")),
    (file(#"{"a":{"dtype":"U8","dtype":"U8"}}"#), .duplicateKey("dtype")),
    (file(#"{"a":{"dtype":"U8","colour":"red"}}"#), .unknownField(tensor: "a", field: "colour")),
    (file(#"{"a":{"dtype":"U8","shape":[0]}}"#), .missingField(tensor: "a", field: "data_offsets")),
    (file(#"{"a":{"shape":[0]}}"#), .missingField(tensor: "a", field: "dtype")),
    (file(#"{"a":{"dtype":"U8"}}"#), .missingField(tensor: "a", field: "shape")),
    (file(#"{"a":{"dtype":"F4"}}"#), .unknownDType(tensor: "a", found: "F4")),
    (
      file(#"{"a":{"shape":[-1]}}"#),
      .badHeader(offset: 15, expected: "whole number from 0 to 9223372036854775807")
    ),
    (
      file(#"{"a":{"shape":[01]}}"#),
      .badHeader(offset: 15, expected: "whole number from 0 to 9223372036854775807")
    ),
    (
      file(#"{"a":{"shape":[9223372036854775808]}}"#),
      .badHeader(offset: 15, expected: "whole number from 0 to 9223372036854775807")
    ),
    (file(#"{"a":{"shape":[1.0]}}"#), .badHeader(offset: 16, expected: "']'")),
    (file(#"{"a":{"data_offsets":[0]}}"#), .badHeader(offset: 21, expected: "two offsets of tensor a")),
    (file(#"{"a":{"data_offsets":[0,1,2]}}"#), .badHeader(offset: 21, expected: "two offsets of tensor a")),
    (file(one(shape: "4294967296,4294967296", 0, 4), buffer: 4), .sizeOverflow(tensor: "a")),
    (
      file(one(shape: "4294967296,4294967296,0", 0, 0)), .sizeOverflow(tensor: "a")
    ),
    (file(one(shape: "2305843009213693952", 0, 4), buffer: 4), .sizeOverflow(tensor: "a")),
    (
      file(one(shape: Array(repeating: "1", count: 256).joined(separator: ","), 0, 4), buffer: 4),
      .rankTooLarge(tensor: "a", max: 255)
    ),
    (file(one(shape: "1", 0, 5), buffer: 5), .wrongByteCount(tensor: "a", expected: 4, found: 5)),
    (file(one(shape: "2", 0, 4), buffer: 4), .wrongByteCount(tensor: "a", expected: 8, found: 4)),
    (file(one(shape: "1", 4, 8), buffer: 8), .badOffsets(tensor: "a", expectedBegin: 0, begin: 4, end: 8)),
    (file(one(shape: "1", 4, 0), buffer: 4), .badOffsets(tensor: "a", expectedBegin: 0, begin: 4, end: 0)),
    (file(one(shape: "1", 0, 4), buffer: 5), .wrongBufferLength(expected: 4, found: 5)),
    (file(one(shape: "1", 0, 4), buffer: 3), .wrongBufferLength(expected: 4, found: 3)),
    (file("{}", buffer: 1), .wrongBufferLength(expected: 0, found: 1)),
    (
      file(overlapping, buffer: 6), .badOffsets(tensor: "b", expectedBegin: 4, begin: 2, end: 6)
    ),
  ]

  private static func one(shape: String, _ begin: Int, _ end: Int) -> String {
    #"{"a":{"dtype":"F32","shape":[\#(shape)],"data_offsets":[\#(begin),\#(end)]}}"#
  }
  private static func many(_ names: [String]) -> String {
    "{" + names.map { #""\#($0)":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}"# }.joined(separator: ",") + "}"
  }
  private static let overlapping =
    #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}"#

  @Test("A malformed file is refused by name")
  func refused() {
    for (bytes, error) in Self.malformed {
      #expect(throws: error, "\(String(decoding: bytes.dropFirst(8), as: UTF8.self))") {
        try Safetensors.decode(bytes)
      }
    }
  }

  @Test("Every cut of a good file is refused, and no changed byte of its header crashes the reader")
  func damaged() throws {
    let good = try Safetensors.encode(Self.sample, metadata: ["a": "b"])
    for length in 0..<good.count {
      #expect(throws: SafetensorsError.self) { try Safetensors.decode(Array(good[..<length])) }
    }
    for position in good.indices {
      for value in [0, 0x22, 0x30, 0x39, 0x5B, 0x5C, 0x7D, 0xFF] as [UInt8] {
        var bytes = good
        bytes[position] = value
        _ = try? Safetensors.decode(bytes)
      }
    }
  }

  @Test(
    "The writer refuses what the reader would",
    arguments: [
      (
        [NamedTensor(name: "a", dtype: .u8, shape: [2], bytes: [1])],
        .wrongByteCount(tensor: "a", expected: 2, found: 1)
      ),
      ([NamedTensor(name: "a", dtype: .u8, shape: [-1], bytes: [])], .badShape(tensor: "a")),
      ([NamedTensor(name: "__metadata__", dtype: .u8, shape: [0], bytes: [])], .reservedName("__metadata__")),
      (
        [
          NamedTensor(name: "a", dtype: .u8, shape: [0], bytes: []),
          NamedTensor(name: "a", dtype: .f32, shape: [0], bytes: []),
        ], .duplicateKey("a")
      ),
      ([NamedTensor(name: "a", dtype: .f64, shape: [1 << 61], bytes: [])], .sizeOverflow(tensor: "a")),
    ] as [([NamedTensor], SafetensorsError)])
  func unwritable(_ tensors: [NamedTensor], error: SafetensorsError) {
    #expect(throws: error) { try Safetensors.encode(tensors) }
  }
}
