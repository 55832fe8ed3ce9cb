#if GRPC
  import Access
  import GRPCCore

  /// The calls of `inference.GRPCInferenceService`, by their names in `Protocols/inference.proto`.
  package enum RPCMethod: String, Sendable, CaseIterable {
    case serverLive = "ServerLive"
    case serverReady = "ServerReady"
    case serverMetadata = "ServerMetadata"
    case modelReady = "ModelReady"
    case modelMetadata = "ModelMetadata"
    case modelConfig = "ModelConfig"
    case modelStatistics = "ModelStatistics"
    case repositoryIndex = "RepositoryIndex"
    case repositoryModelLoad = "RepositoryModelLoad"
    case repositoryModelUnload = "RepositoryModelUnload"
    case modelInfer = "ModelInfer"

    package static let service = "inference.GRPCInferenceService"

    package var descriptor: MethodDescriptor {
      MethodDescriptor(fullyQualifiedService: Self.service, method: rawValue, type: .unary)
    }

    /// What the caller has to be permitted; nil for what everybody may see. As over HTTP.
    var permission: Permission? {
      switch self {
      case .serverLive, .serverReady, .serverMetadata: nil
      case .modelReady, .modelMetadata, .modelConfig, .modelStatistics, .repositoryIndex: .read
      case .repositoryModelLoad, .repositoryModelUnload: .admin
      case .modelInfer: .infer
      }
    }
  }
#endif
