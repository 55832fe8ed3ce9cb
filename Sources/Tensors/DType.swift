/// The element types of tensors in a model file. The raw value is the type's name in safetensors.
package enum DType: String, CaseIterable, Sendable, Hashable {
  case bool = "BOOL"
  case u8 = "U8"
  case i8 = "I8"
  case i16 = "I16"
  case u16 = "U16"
  case f16 = "F16"
  case bf16 = "BF16"
  case i32 = "I32"
  case u32 = "U32"
  case f32 = "F32"
  case i64 = "I64"
  case u64 = "U64"
  case f64 = "F64"

  /// The number that stands for the type in a model digest (Protocols/secure-aggregation.md, "Model digest").
  package var code: UInt8 {
    switch self {
    case .bool: 1
    case .u8: 2
    case .i8: 3
    case .i16: 4
    case .u16: 5
    case .f16: 6
    case .bf16: 7
    case .i32: 8
    case .u32: 9
    case .f32: 10
    case .i64: 11
    case .u64: 12
    case .f64: 13
    }
  }

  /// The type behind a number in a model digest; nil for a number that stands for none.
  package init?(code: UInt8) {
    guard let type = Self.allCases.first(where: { $0.code == code }) else { return nil }
    self = type
  }

  /// Bytes of one element.
  package var byteCount: Int {
    switch self {
    case .bool, .u8, .i8: 1
    case .i16, .u16, .f16, .bf16: 2
    case .i32, .u32, .f32: 4
    case .i64, .u64, .f64: 8
    }
  }

  /// Where tensors of the type stand in a file; the highest rank first, so that every tensor is aligned to its elements.
  var fileRank: Int {
    switch self {
    case .bool: 0
    case .u8: 1
    case .i8: 2
    case .i16: 3
    case .u16: 4
    case .f16: 5
    case .bf16: 6
    case .i32: 7
    case .u32: 8
    case .f32: 9
    case .f64: 10
    case .i64: 11
    case .u64: 12
    }
  }
}

/// The number of elements of a tensor; nil if a dimension is negative or the product, taken from the left, overflows.
///
/// Shape `[]` is a scalar: one element.
package func elementCount(ofShape shape: [Int]) -> Int? {
  var count = 1
  for dimension in shape {
    let (product, overflow) = count.multipliedReportingOverflow(by: dimension)
    guard dimension >= 0, !overflow else { return nil }
    count = product
  }
  return count
}
