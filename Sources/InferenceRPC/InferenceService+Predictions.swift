#if GRPC
  import Access
  import Federation
  import Gateway
  import Hosting
  import Inference
  import Observability

  extension InferenceService {
    /// Predicts: limits, version, decoding, batch, encoding, each with its own refusal.
    func infer(
      _ message: Inference_ModelInferRequest, _ call: RPCCall
    ) async throws(InferenceError) -> Inference_ModelInferResponse {
      let model: ServedModel
      do throws(InferenceError) {
        try gateway.admit(call.caller, to: message.modelName, at: call.started)
        model = try gateway.host.find(message.modelName, version: message.modelVersion.orNil)
      } catch {
        gateway.metrics.answeredByNone(.grpc, code: error.httpStatus)
        throw error
      }
      do throws(InferenceError) {
        let response = try await predict(message, call, with: model)
        model.metrics.answered(.grpc, code: 200)
        return Inference_ModelInferResponse(response)
      } catch {
        model.metrics.answered(.grpc, code: error.httpStatus)
        throw error
      }
    }

    private func predict(
      _ message: Inference_ModelInferRequest, _ call: RPCCall, with model: ServedModel
    ) async throws(InferenceError) -> InferenceResponse {
      let request = try InferenceRequest(
        message, signature: model.interface.signature, limits: gateway.options.inference)
      // Whichever ends first; what has passed while the caller's key was looked up counts.
      let longest = gateway.options.deadline
      let timeout = min(request.timeout ?? longest, call.timeout ?? longest, longest)
      gateway.metrics.inflight.add(1)
      let result = await lanes.predict(request, with: model, timeout: timeout - MonotonicTime.now.since(call.started))
      gateway.metrics.inflight.add(-1)
      model.metrics.duration.observe(
        Double(MonotonicTime.now.nanoseconds - call.started.nanoseconds) / 1e9, trace: call.trace,
        at: Double(WallClock.unixMilliseconds) / 1_000)
      if case .failure(let error) = result { count(error) }
      return try result.get()
    }

    private func count(_ error: InferenceError) {
      switch error.kind {
      case .deadlineExceeded: gateway.metrics.rejected(.deadline)
      case .overloaded: gateway.metrics.rejected(.queueFull)
      case .invalid, .unauthenticated, .forbidden, .notFound, .methodNotAllowed, .tooLarge, .unsupportedMediaType,
        .limited, .notReady, .internal:
        break
      }
    }
  }

  extension HTTPServer {
    /// Predicts as a request of HTTP would: on one of the loops, in a batch with what is there.
    ///
    /// The server must not stop before the answer is there.
    ///
    /// - Parameter timeout: after it nobody waits for the answer.
    func predict(
      _ request: InferenceRequest, with model: ServedModel, timeout: Duration
    ) async -> Result<InferenceResponse, InferenceError> {
      await withCheckedContinuation { continuation in
        submit { loop in
          loop.lane.submit(request, to: model, timeout: timeout) { continuation.resume(returning: $0) }
        }
      }
    }
  }
#endif
