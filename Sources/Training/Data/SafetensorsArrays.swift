import Tensors

/// Arrays of numbers in safetensors files.
enum SafetensorsArrays {
  /// Whether the bytes begin as a safetensors file does: a header that fits, which is a JSON object.
  static func isRecognised(_ file: FileBytes) -> Bool {
    guard file.count >= 10, file.raw[8] == UInt8(ascii: "{") else { return false }
    return file.unsigned(at: 0, byteCount: 8, bigEndian: false) <= UInt64(file.count - 8)
  }

  /// The names of the arrays and a way to get at one.
  ///
  /// - Throws: `DatasetError.badFile`.
  static func read(_ file: FileBytes, name: String) throws(DatasetError) -> SafetensorsFile {
    do throws(SafetensorsError) {
      return try Safetensors.decode(file.bytes(0..<file.count))
    } catch {
      throw .badFile(file: name, found: "\(error)", expected: "a safetensors file")
    }
  }

  /// - Throws: `DatasetError.badFile` for an element type that is none of U8, I8, I16, I32, I64, F32 and F64.
  static func array(_ tensor: NamedTensor, place: String) throws(DatasetError) -> NumericArray {
    let element: NumericArray.Element? =
      switch tensor.dtype {
      case .u8: .u8
      case .i8: .i8
      case .i16: .i16
      case .i32: .i32
      case .i64: .i64
      case .f32: .f32
      case .f64: .f64
      case .bool, .u16, .f16, .bf16, .u32, .u64: nil
      }
    guard let element else {
      throw .badFile(
        file: place, found: "elements of type \(tensor.dtype.rawValue)",
        expected: "one of U8, I8, I16, I32, I64, F32, F64")
    }
    return try NumericArray(
      place: place, element: element, isBigEndian: false, shape: tensor.shape, in: FileBytes(tensor.bytes), at: 0,
      byteCount: tensor.bytes.count)
  }
}
