#if GRPC
  import GRPCCore
  import Gateway
  import NIOCore
  import NIOHPACK
  import NIOHTTP2
  import Observability

  /// Counts what one call brings, in front of everything that keeps it, and ends the call with a status when that is too
  /// much: for a message, or for all calls together. (The library's own limit resets the call without a word.)
  final class CallGuard: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias InboundOut = HTTP2Frame.FramePayload
    typealias OutboundOut = HTTP2Frame.FramePayload

    /// In front of a message: whether it is compressed, and its length.
    private static let prefixBytes = 5

    private let messageBytesMax: Int
    private let budget: HTTPBudget
    private let metrics: ServingMetrics
    /// Bytes of this call in the budget.
    private var held = 0
    private var isRefused = false

    init(messageBytesMax: Int, budget: HTTPBudget, metrics: ServingMetrics) {
      self.messageBytesMax = messageBytesMax
      self.budget = budget
      self.metrics = metrics
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      guard !isRefused else { return }
      guard case .data(let frame) = unwrapInboundIn(data) else { return context.fireChannelRead(data) }
      let count = frame.data.readableBytes
      guard held + count <= messageBytesMax + Self.prefixBytes else {
        return refuse(context, "found a message of more than \(messageBytesMax) bytes")
      }
      guard budget.take(count) else {
        return refuse(context, "found no room for a message now, expected fewer at once")
      }
      held += count
      context.fireChannelRead(data)
    }

    func channelInactive(context: ChannelHandlerContext) {
      release()
      context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { release() }

    private func release() {
      budget.giveBack(held)
      held = 0
    }

    /// Sends a status and nothing else (gRPC over HTTP/2, "Trailers-Only").
    private func refuse(_ context: ChannelHandlerContext, _ message: String) {
      isRefused = true
      metrics.rejected(.bodyTooLarge)
      let trailers: HPACKHeaders = [
        ":status": "200", "content-type": "application/grpc",
        "grpc-status": "\(Status.Code.resourceExhausted.rawValue)", "grpc-message": message,
      ]
      context.writeAndFlush(wrapOutboundOut(.headers(.init(headers: trailers, endStream: true))), promise: nil)
      context.close(promise: nil)
    }
  }
#endif
