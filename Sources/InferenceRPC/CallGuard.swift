#if GRPC
  import GRPCCore
  import Gateway
  import NIOCore
  import NIOHPACK
  import NIOHTTP2
  import Observability

  /// Counts what one call brings, in front of everything that keeps it, and ends the call with a status when that is too
  /// much: for a message, or for all calls together. The library's own limit ends the call without a word, to which a status
  /// is added where it can be only that.
  final class CallGuard: ChannelDuplexHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias InboundOut = HTTP2Frame.FramePayload
    typealias OutboundIn = HTTP2Frame.FramePayload
    typealias OutboundOut = HTTP2Frame.FramePayload

    /// In front of a message: whether it is compressed, and its length.
    private static let prefixBytes = 5
    /// The most that deflate, and so gzip, makes of a byte (zlib, "Technical Details").
    private static let inflationMax = 1_032

    private let messageBytesMax: Int
    /// Within which a call has to have come.
    private let patience: Duration
    private let budget: HTTPBudget
    private let metrics: ServingMetrics
    private var received = 0
    /// Bytes that one that is received may become.
    private var expansion = 1
    /// Bytes of this call in the budget.
    private var held = 0
    private var isRefused = false
    /// Bytes behind the refusal.
    private var dropped = 0
    /// The library has sent the status.
    private var isAnswered = false
    private var patienceEnd: Scheduled<Void>?
    /// The first bytes of the message.
    private var prefix: [UInt8] = []

    init(limits: HTTPLimits, budget: HTTPBudget, metrics: ServingMetrics) {
      messageBytesMax = limits.bodyBytesMax
      patience = limits.idle
      self.budget = budget
      self.metrics = metrics
    }

    func handlerAdded(context: ChannelHandlerContext) {
      let time = TimeAmount.nanoseconds(Int64(patience / .nanoseconds(1)))
      patienceEnd = context.eventLoop.assumeIsolated().scheduleTask(in: time) { [weak self] in
        self?.metrics.rejected(.deadline)
        context.close(promise: nil)
      }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      guard !isRefused else { return drop(unwrapInboundIn(data), context) }
      switch unwrapInboundIn(data) {
      case .headers(let fields):
        // Without the field the library takes a compressed message for a broken one.
        if fields.headers.first(name: "grpc-encoding").map({ $0 != "identity" }) ?? false {
          expansion = Self.inflationMax
        }
        if fields.endStream { patienceEnd?.cancel() }
      case .data(let frame):
        if frame.endStream { patienceEnd?.cancel() }
        if case .byteBuffer(let bytes) = frame.data, prefix.count < Self.prefixBytes {
          prefix += bytes.readableBytesView.prefix(Self.prefixBytes - prefix.count)
        }
        guard take(frame.data.readableBytes, context) else {
          if frame.endStream { context.close(promise: nil) }
          return
        }
      default: break
      }
      context.fireChannelRead(data)
    }

    /// - Returns: false if the call has been refused.
    private func take(_ count: Int, _ context: ChannelHandlerContext) -> Bool {
      received += count
      let most = messageBytesMax + Self.prefixBytes
      guard received <= most, announced ?? 0 <= messageBytesMax else {
        refuse(context, "found a message of more than \(messageBytesMax) bytes")
        return false
      }
      // What is compressed is held as what it may become, which the library bounds as well.
      let due = min(most, received * expansion)
      guard budget.take(due - held) else {
        refuse(context, "found no room for a message now, expected fewer at once")
        return false
      }
      held = due
      return true
    }

    /// The rest of a refused message is read and dropped, up to the limit of messages, so that the client gets to see the
    /// status; behind it the call is reset.
    private func drop(_ payload: HTTP2Frame.FramePayload, _ context: ChannelHandlerContext) {
      guard case .data(let frame) = payload else { return }
      dropped += frame.data.readableBytes
      if frame.endStream || dropped > messageBytesMax { context.close(promise: nil) }
    }

    /// What the message says of its length; nil before that has come.
    private var announced: Int? {
      prefix.count < Self.prefixBytes ? nil : prefix.dropFirst().reduce(0) { $0 << 8 | Int($1) }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
      if case .headers(let fields) = unwrapOutboundIn(data), fields.endStream { isAnswered = true }
      context.write(data, promise: promise)
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
      if mode == .all, expansion > 1, !isAnswered, !isRefused {
        let mayBeLong = received * expansion > messageBytesMax
        refuse(
          context,
          "found a compressed message that is broken" + (mayBeLong ? " or of more than \(messageBytesMax) bytes" : ""),
          mayBeLong ? .resourceExhausted : .invalidArgument)
      }
      context.close(mode: mode, promise: promise)
    }

    func channelInactive(context: ChannelHandlerContext) {
      release()
      context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { release() }

    private func release() {
      patienceEnd?.cancel()
      budget.giveBack(held)
      held = 0
    }

    /// Sends a status and nothing else (gRPC over HTTP/2, "Trailers-Only").
    private func refuse(
      _ context: ChannelHandlerContext, _ message: String, _ code: Status.Code = .resourceExhausted
    ) {
      isRefused = true
      metrics.rejected(.bodyTooLarge)
      let trailers: HPACKHeaders = [
        ":status": "200", "content-type": "application/grpc",
        "grpc-status": "\(code.rawValue)", "grpc-message": message,
      ]
      context.writeAndFlush(wrapOutboundOut(.headers(.init(headers: trailers, endStream: true))), promise: nil)
    }
  }
#endif
