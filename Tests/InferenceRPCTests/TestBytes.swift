#if GRPC
  @testable import InferenceRPC

  #if canImport(FoundationEssentials)
    import FoundationEssentials
  #else
    import Foundation
  #endif

  extension Inference_ModelInferRequest {
    static func bytes(rows: Int) -> Data { data((0..<rows).flatMap { _ in [1, 2, 3] as [Float] }) }

    /// Little-endian.
    static func data(_ numbers: [Float]) -> Data {
      Data(numbers.flatMap { number in withUnsafeBytes(of: number.bitPattern.littleEndian) { Array($0) } })
    }
  }

  extension Inference_ModelInferResponse {
    /// The numbers of an output of datatype FP32.
    func floats(_ index: Int) -> [Float] {
      let bytes = Array(rawOutputContents[index])
      return stride(from: 0, to: bytes.count, by: 4).map { start in
        Float(bitPattern: bytes[start..<start + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) })
      }
    }
  }
#endif
