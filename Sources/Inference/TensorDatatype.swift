/// The element type of a tensor, by its name in the Open Inference Protocol, version 2.
package enum TensorDatatype: String, Hashable, Sendable, CaseIterable {
  case bool = "BOOL"
  case uint8 = "UINT8"
  case uint16 = "UINT16"
  case uint32 = "UINT32"
  case uint64 = "UINT64"
  case int8 = "INT8"
  case int16 = "INT16"
  case int32 = "INT32"
  case int64 = "INT64"
  case fp16 = "FP16"
  case fp32 = "FP32"
  case fp64 = "FP64"
  case bf16 = "BF16"
  /// Elements of any length, each behind its length as u32 in binary form.
  case bytes = "BYTES"

  /// Of one element; nil where elements differ.
  package var byteCount: Int? {
    switch self {
    case .bool, .uint8, .int8: 1
    case .uint16, .int16, .fp16, .bf16: 2
    case .uint32, .int32, .fp32: 4
    case .uint64, .int64, .fp64: 8
    case .bytes: nil
    }
  }

  /// Whether JSON has numbers for it: halves travel in binary form only.
  package var hasJSONForm: Bool { self != .fp16 && self != .bf16 }
}
