#if GRPC
  import Access
  import Federation
  import GRPCCore
  import NIOCore
  import Observability

  /// One call on its way to its answer.
  struct RPCCall: Sendable {
    let method: RPCMethod
    /// Who asks; nobody with scopes where everybody may.
    let caller: Principal
    /// The trace that the call is part of.
    let trace: TraceContext?
    let started: MonotonicTime
    /// How long the caller waits; nil where the call does not say.
    let timeout: Duration?

    init(_ method: RPCMethod, caller: Principal, metadata: Metadata, started: MonotonicTime) {
      self.method = method
      self.caller = caller
      self.started = started
      trace = metadata.trace
      timeout = metadata.first("grpc-timeout").flatMap { Duration(grpcTimeout: $0) }
    }
  }

  extension RPCCall {
    /// Whether the caller sees a model in a list.
    func shows(_ model: String) -> Bool { caller.may(.read, model: model) }
  }

  extension MonotonicTime {
    /// On the clock of event loops, which the lanes of predictions keep time by.
    static var now: MonotonicTime { MonotonicTime(nanoseconds: NIODeadline.now().uptimeNanoseconds) }
  }

  extension Duration {
    /// Of the header `grpc-timeout`: at most eight digits, and a unit (gRPC over HTTP/2, "Requests").
    ///
    /// - Returns: nil for any other text.
    init?(grpcTimeout text: String) {
      guard let unit = text.utf8.last, let count = Int64(text.dropLast()), (2...9).contains(text.utf8.count), count >= 0
      else { return nil }
      switch unit {
      case UInt8(ascii: "H"): self = .seconds(3_600 * count)
      case UInt8(ascii: "M"): self = .seconds(60 * count)
      case UInt8(ascii: "S"): self = .seconds(count)
      case UInt8(ascii: "m"): self = .milliseconds(count)
      case UInt8(ascii: "u"): self = .microseconds(count)
      case UInt8(ascii: "n"): self = .nanoseconds(count)
      default: return nil
      }
    }
  }

  extension Metadata {
    func first(_ key: String) -> String? { self[stringValues: key].first { _ in true } }

    var trace: TraceContext? { first("traceparent").flatMap { TraceContext(traceparent: $0) } }
  }
#endif
