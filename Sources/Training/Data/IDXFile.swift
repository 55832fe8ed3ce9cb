/// The IDX format of the MNIST files: `00 00 type rank`, the dimensions as big-endian 32-bit numbers, the elements.
enum IDXFile {
  static let rankMax = 8

  /// Whether the bytes begin as an IDX file does.
  static func isRecognised(_ file: FileBytes) -> Bool {
    guard file.count >= 4, file.raw[0] == 0, file.raw[1] == 0 else { return false }
    return element(code: file.raw[2]) != nil && (1...rankMax).contains(Int(file.raw[3]))
  }

  /// - Parameter name: of the file, in errors.
  /// - Throws: `DatasetError.badFile`; nothing is allocated by what the header says.
  static func parse(_ file: FileBytes, name: String) throws(DatasetError) -> NumericArray {
    guard isRecognised(file), let element = element(code: file.raw[2]) else {
      let found = file.bytes(0..<min(4, file.count)).map { String($0, radix: 16) }.joined(separator: " ")
      throw .badFile(
        file: name, found: "a beginning of '\(found)'",
        expected: "'0 0', an element type and a rank from 1 to \(rankMax)")
    }
    let rank = Int(file.raw[3])
    let start = 4 + 4 * rank
    guard file.count >= start else {
      throw .badFile(file: name, found: "\(file.count) bytes", expected: "a header of \(start)")
    }
    let shape = (0..<rank).map { Int(file.unsigned(at: 4 + 4 * $0, byteCount: 4, bigEndian: true)) }
    return try NumericArray(
      place: name, element: element, isBigEndian: true, shape: shape, in: file, at: start,
      byteCount: file.count - start)
  }

  private static func element(code: UInt8) -> NumericArray.Element? {
    switch code {
    case 0x08: .u8
    case 0x09: .i8
    case 0x0B: .i16
    case 0x0C: .i32
    case 0x0D: .f32
    case 0x0E: .f64
    default: nil
    }
  }
}
