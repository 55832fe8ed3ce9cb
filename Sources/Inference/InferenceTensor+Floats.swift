extension InferenceTensor {
  /// All numbers as FP32, row-major: the input of a model.
  ///
  /// Exact for FP32, FP16, BF16 and integers of up to 16 bits; the nearest Float, ties to even, for FP64 and wider
  /// integers (exact up to 2^24). Numbers that are not finite afterwards are refused: one of them makes a whole row of
  /// answers NaN, which JSON cannot say.
  ///
  /// - Throws: `InferenceError` of kind `invalid` for BOOL and BYTES, and for numbers that are not finite in FP32.
  package func floats() throws(InferenceError) -> [Float] {
    guard let floats = converted else {
      throw InferenceError(.invalid, "'\(name)': found datatype \(datatype.rawValue), expected numbers")
    }
    // The magnitudes of infinity and NaN are the largest bit patterns: one pass without branches.
    let largest = floats.reduce(Int32(0)) { max($0, Int32(bitPattern: $1.bitPattern & 0x7FFF_FFFF)) }
    guard largest < 0x7F80_0000 else {
      throw InferenceError(.invalid, "'\(name)': found a number that is not finite in FP32, expected finite numbers")
    }
    return floats
  }

  private var converted: [Float]? {
    guard case .raw(let bytes) = content else {
      if case .floats(let floats) = content { return floats }
      return nil
    }
    return switch datatype {
    case .bool, .bytes: nil
    case .uint8: bytes.map { Float($0) }
    case .int8: bytes.map { Float(Int8(bitPattern: $0)) }
    case .uint16: bytes.elements(of: UInt16.self) { Float($0) }
    case .int16: bytes.elements(of: Int16.self) { Float($0) }
    case .uint32: bytes.elements(of: UInt32.self) { Float($0) }
    case .int32: bytes.elements(of: Int32.self) { Float($0) }
    case .uint64: bytes.elements(of: UInt64.self) { Float($0) }
    case .int64: bytes.elements(of: Int64.self) { Float($0) }
    case .fp16: bytes.elements(of: UInt16.self, Float.init(halfBitPattern:))
    case .bf16: bytes.elements(of: UInt16.self) { Float(bitPattern: UInt32($0) << 16) }
    case .fp32: bytes.elements(of: UInt32.self, Float.init(bitPattern:))
    case .fp64: bytes.elements(of: UInt64.self) { Float(Double(bitPattern: $0)) }
    }
  }
}

extension [UInt8] {
  /// Whole little-endian elements, each converted.
  func elements<I: FixedWidthInteger & BitwiseCopyable, T>(of type: I.Type, _ convert: (I) -> T) -> [T] {
    withUnsafeBytes { buffer in
      (0..<buffer.count / MemoryLayout<I>.size).map { i in
        convert(I(littleEndian: buffer.loadUnaligned(fromByteOffset: i * MemoryLayout<I>.size, as: I.self)))
      }
    }
  }
}

extension Float {
  /// The value of a binary16 number (IEEE 754-2019 §3.6): exact. `Float16` is not on every platform.
  init(halfBitPattern bits: UInt16) {
    let exponent = Int(bits >> 10 & 0x1F)
    let fraction = UInt32(bits & 0x3FF)
    let magnitude: Float =
      switch exponent {
      case 0: Float(fraction) * 0x1p-24
      case 0x1F: Float(bitPattern: 0x7F80_0000 | fraction << 13)
      default: Float(bitPattern: UInt32(exponent + 127 - 15) << 23 | fraction << 13)
      }
    self = bits >> 15 == 0 ? magnitude : -magnitude
  }
}
