#if GRPC
  import Inference

  #if canImport(FoundationEssentials)
    import FoundationEssentials
  #else
    import Foundation
  #endif

  extension InferenceRequest {
    /// Reads a request for predictions: raw contents of all inputs, or typed contents of all.
    ///
    /// - Throws: `InferenceError`: `tooLarge` beyond `limits`, otherwise `invalid`.
    init(
      _ message: Inference_ModelInferRequest, signature: ModelSignature, limits: InferenceLimits
    ) throws(InferenceError) {
      let isRaw = !message.rawInputContents.isEmpty
      guard !isRaw || message.rawInputContents.count == message.inputs.count else {
        throw InferenceError(
          .invalid, "found \(message.rawInputContents.count) raw_input_contents for \(message.inputs.count) inputs")
      }
      var assembly = RequestAssembly(signature: signature, limits: limits)
      for (index, input) in message.inputs.enumerated() {
        let admitted = try assembly.admit(
          name: input.name, datatype: input.datatype, shape: input.shape.map { Int($0) })
        guard isRaw else {
          let bytes = try input.contents.binary(for: admitted)
          try bytes.withBytes { bytes throws(InferenceError) in try assembly.add(admitted, binary: bytes) }
          continue
        }
        guard !input.hasContents else {
          throw InferenceError(
            .invalid, "input '\(input.name)': found contents and raw_input_contents, expected one of them")
        }
        let raw = message.rawInputContents[index]
        try raw.withBytes { bytes throws(InferenceError) in try assembly.add(admitted, binary: bytes) }
      }
      self = try assembly.request(
        id: message.id.orNil, outputs: message.outputs.map(\.name), timeout: Self.timeout(of: message.parameters))
    }

    /// Of the parameter `timeout`, in microseconds, and 0 for none, as Triton reads it.
    private static func timeout(
      of parameters: [String: Inference_InferParameter]
    ) throws(InferenceError) -> Duration? {
      let microseconds: Int64
      switch parameters["timeout"]?.parameterChoice {
      case nil: return nil
      case .int64Param(let value): microseconds = value
      case .uint64Param(let value): microseconds = Int64(clamping: value)
      case .boolParam, .stringParam, .doubleParam:
        throw InferenceError(.invalid, "found another type of the parameter 'timeout', expected int64, in microseconds")
      }
      return microseconds == 0 ? nil : .microseconds(microseconds)
    }
  }

  extension ContiguousBytes {
    /// `withUnsafeBytes` with the error that the closure throws.
    func withBytes(_ body: (UnsafeRawBufferPointer) throws(InferenceError) -> Void) throws(InferenceError) {
      let result: Result<Void, InferenceError> = withUnsafeBytes { bytes in
        do throws(InferenceError) {
          return .success(try body(bytes))
        } catch {
          return .failure(error)
        }
      }
      try result.get()
    }
  }
#endif
