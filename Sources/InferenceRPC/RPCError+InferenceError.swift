#if GRPC
  import GRPCCore
  import Inference

  extension RPCError {
    /// Longest message of a status, in characters: clients take some thousand bytes of trailers.
    private static let messageMax = 1_024

    /// A refusal as a status of gRPC; with `grpc-retry-pushback-ms` (gRFC A6) where another attempt may succeed.
    init(_ error: InferenceError) {
      self.init(code: Self.code(of: error.kind), message: String(error.message.prefix(Self.messageMax)))
      switch error.kind {
      case .limited(let pause), .overloaded(let pause):
        let milliseconds = max(1, Int64((pause / .milliseconds(1)).rounded(.up)))
        metadata.addString("\(milliseconds)", forKey: "grpc-retry-pushback-ms")
      case .invalid, .unauthenticated, .forbidden, .notFound, .methodNotAllowed, .tooLarge, .unsupportedMediaType,
        .notReady, .deadlineExceeded, .internal:
        break
      }
    }

    private static func code(of kind: InferenceError.Kind) -> Code {
      switch kind {
      case .invalid: .invalidArgument
      case .unauthenticated: .unauthenticated
      case .forbidden: .permissionDenied
      case .notFound: .notFound
      case .methodNotAllowed, .unsupportedMediaType: .unimplemented
      case .tooLarge, .limited, .overloaded: .resourceExhausted
      case .notReady: .unavailable
      case .deadlineExceeded: .deadlineExceeded
      case .internal: .internalError
      }
    }
  }
#endif
