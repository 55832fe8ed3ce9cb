#if GRPC
  import Inference
  import SwiftProtobuf

  #if canImport(FoundationEssentials)
    import FoundationEssentials
  #else
    import Foundation
  #endif

  extension Inference_ModelInferResponse {
    /// An answer, its elements raw.
    init(_ response: InferenceResponse) {
      self.init()
      modelName = response.modelName
      modelVersion = response.modelVersion
      id = response.id ?? ""
      outputs = response.outputs.map { output in
        .with {
          $0.name = output.name
          $0.datatype = output.datatype.rawValue
          $0.shape = output.shape.map { Int64($0) }
        }
      }
      rawOutputContents = response.outputs.map { $0.withBinary { Data($0) } }
    }
  }
#endif
