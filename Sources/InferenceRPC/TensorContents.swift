#if GRPC
  import Inference

  #if canImport(FoundationEssentials)
    import FoundationEssentials
  #else
    import Foundation
  #endif

  extension Inference_InferTensorContents {
    /// The elements in binary form, from the field that is for their datatype; what is in other fields is ignored.
    ///
    /// - Throws: `InferenceError` of kind `invalid` for numbers outside the datatype, and for FP16 and BF16, which have no
    ///   field.
    func binary(for input: AdmittedInput) throws(InferenceError) -> [UInt8] {
      switch input.datatype {
      case .bool: boolContents.map { $0 ? 1 : 0 }
      case .uint8: try Self.narrowed(uintContents, to: UInt8.self, input)
      case .uint16: try Self.narrowed(uintContents, to: UInt16.self, input)
      case .uint32: uintContents.littleEndianBytes { $0 }
      case .uint64: uint64Contents.littleEndianBytes { $0 }
      case .int8: try Self.narrowed(intContents, to: Int8.self, input)
      case .int16: try Self.narrowed(intContents, to: Int16.self, input)
      case .int32: intContents.littleEndianBytes { $0 }
      case .int64: int64Contents.littleEndianBytes { $0 }
      case .fp32: fp32Contents.littleEndianBytes(\.bitPattern)
      case .fp64: fp64Contents.littleEndianBytes(\.bitPattern)
      case .bytes: bytesContents.flatMap { UInt32(clamping: $0.count).littleEndianBytes + Array($0) }
      case .fp16, .bf16:
        throw InferenceError(
          .invalid, "input '\(input.name)': found contents of \(input.datatype.rawValue), expected raw_input_contents")
      }
    }

    private static func narrowed<Wide: FixedWidthInteger, Narrow: FixedWidthInteger>(
      _ numbers: [Wide], to type: Narrow.Type, _ input: AdmittedInput
    ) throws(InferenceError) -> [UInt8] {
      guard numbers.allSatisfy({ Narrow(exactly: $0) != nil }) else {
        throw InferenceError(
          .invalid,
          "input '\(input.name)': found a number outside \(Narrow.min) to \(Narrow.max), expected \(input.datatype.rawValue)"
        )
      }
      return numbers.littleEndianBytes { Narrow(truncatingIfNeeded: $0) }
    }
  }

  extension Array {
    /// The elements as numbers, each little-endian, without padding.
    fileprivate func littleEndianBytes<I: FixedWidthInteger>(_ number: (Element) -> I) -> [UInt8] {
      [UInt8](unsafeUninitializedCapacity: count * MemoryLayout<I>.size) { buffer, filled in
        for (index, element) in enumerated() {
          UnsafeMutableRawBufferPointer(buffer).storeBytes(
            of: number(element).littleEndian, toByteOffset: index * MemoryLayout<I>.size, as: I.self)
        }
        filled = buffer.count
      }
    }
  }

  extension FixedWidthInteger {
    fileprivate var littleEndianBytes: [UInt8] { [self].littleEndianBytes { $0 } }
  }
#endif
