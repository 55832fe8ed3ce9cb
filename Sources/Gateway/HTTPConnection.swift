import NIOCore
import NIOHTTP1
import NIOPosix

/// One connection: reads a request within the limits, has it answered, sends the answer, and reads the next.
///
///     waiting ── head ──▶ reading ── end ──▶ answering ── answer sent ──▶ waiting
///                  └ refused ▶ discarding ── end ──┘
///
/// A body that is refused is read and dropped up to the limit of bodies, so that the client gets to see the answer; beyond
/// it the connection ends.
final class HTTPConnection: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  private enum State {
    case waiting
    case reading(HTTPRequestHead, ByteBuffer)
    case discarding(HTTPRequestHead, HTTPReply, count: Int)
    case answering
    case closing
  }

  private let service: any HTTPService
  private let loop: HTTPLoop
  private let limits: HTTPLimits
  private let budget: HTTPBudget
  private var state = State.waiting
  /// Bytes of this connection in the budget.
  private var held = 0
  private var lastActivity = NIODeadline.now()
  private var idleCheck: Scheduled<Void>?
  private var isOpen = false
  /// The server ends: so does the connection, behind the answer in hand.
  private var isStopping = false

  init(service: any HTTPService, loop: HTTPLoop, limits: HTTPLimits, budget: HTTPBudget) {
    self.service = service
    self.loop = loop
    self.limits = limits
    self.budget = budget
  }

  // MARK: Life of the connection

  func handlerAdded(context: ChannelHandlerContext) {
    if context.channel.isActive { opened(context) }
  }

  func channelActive(context: ChannelHandlerContext) {
    opened(context)
    context.fireChannelActive()
  }

  private func opened(_ context: ChannelHandlerContext) {
    guard !isOpen else { return }
    isOpen = true
    watch(context, from: .now())
  }

  func channelInactive(context: ChannelHandlerContext) {
    state = .closing
    idleCheck?.cancel()
    releaseBody()
    context.fireChannelInactive()
  }

  /// Ends the connection when for the limit no request has got on: one check in each such time, not one for each request.
  private func watch(_ context: ChannelHandlerContext, from start: NIODeadline) {
    let idle = TimeAmount.nanoseconds(limits.idle.components.seconds * 1_000_000_000)
    idleCheck = context.eventLoop.assumeIsolated().scheduleTask(deadline: start + idle) { [weak self] in
      guard let self else { return }
      if case .answering = self.state { return self.watch(context, from: .now()) }
      guard NIODeadline.now() - self.lastActivity < idle else { return self.end(context) }
      self.watch(context, from: self.lastActivity)
    }
  }

  private func end(_ context: ChannelHandlerContext) {
    state = .closing
    context.close(promise: nil)
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    guard event is ServerStopping else { return context.fireUserInboundEventTriggered(event) }
    isStopping = true
    if case .waiting = state { end(context) }
  }

  private func releaseBody() {
    if held > 0 { budget.giveBack(held) }
    held = 0
  }

  // MARK: Requests

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head): begin(head, context)
    case .body(let bytes): take(bytes, context)
    case .end: finish(context)
    }
  }

  private func begin(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
    guard case .waiting = state else { return }
    lastActivity = .now()
    if let reply = refusal(of: head) {
      state = .discarding(head, reply, count: 0)
      return
    }
    if head.headers["expect"].contains(where: { $0.lowercased() == "100-continue" }), head.version.minor > 0 {
      context.writeAndFlush(wrapOutboundOut(.head(.init(version: .http1_1, status: .continue))), promise: nil)
    }
    state = .reading(head, ByteBuffer())
  }

  private func refusal(of head: HTTPRequestHead) -> HTTPReply? {
    guard head.uri.utf8.count <= limits.targetBytesMax else {
      return service.refusal(status: 414, message: "found a target of more than \(limits.targetBytesMax) bytes")
    }
    if let reply = service.refusal(of: head.method, target: head.uri, headers: head.headers) { return reply }
    if let length = head.headers.first(name: "content-length").flatMap({ Int($0) }), length > limits.bodyBytesMax {
      return tooLarge
    }
    return nil
  }

  private var tooLarge: HTTPReply {
    var reply = service.refusal(
      status: 413, message: "found a body of more than \(limits.bodyBytesMax) bytes, which is the most that is taken")
    reply.closes = true
    return reply
  }

  private func take(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
    switch state {
    case .reading(let head, var body):
      guard body.readableBytes + bytes.readableBytes <= limits.bodyBytesMax else {
        releaseBody()
        return answer(head, with: tooLarge, context)
      }
      guard budget.take(bytes.readableBytes) else {
        releaseBody()
        var reply = service.refusal(status: 503, message: "too many requests are being read")
        reply.headers.append((name: "retry-after", value: "1"))
        state = .discarding(head, reply, count: body.readableBytes + bytes.readableBytes)
        return
      }
      held += bytes.readableBytes
      // The usual body comes in one piece, and is not copied.
      state = .answering
      if body.readableBytes == 0 {
        body = bytes
      } else {
        var bytes = bytes
        body.writeBuffer(&bytes)
      }
      state = .reading(head, body)
    case .discarding(let head, let reply, let count):
      state = .discarding(head, reply, count: count + bytes.readableBytes)
      if count + bytes.readableBytes > limits.bodyBytesMax { answer(head, with: reply.closing, context) }
    case .waiting, .answering, .closing: return
    }
  }

  private func finish(_ context: ChannelHandlerContext) {
    switch state {
    case .discarding(let head, let reply, _): answer(head, with: reply, context)
    case .reading(let head, let body):
      state = .answering
      let request: HTTPRequest
      switch decoded(body, head.headers) {
      case .success(let body):
        request = HTTPRequest(method: head.method, target: head.uri, headers: head.headers, body: body)
      case .failure(let refusal): return answer(head, with: refusal.reply, context)
      }
      service.answer(request, on: loop) { [weak self] reply in self?.answer(head, with: reply, context) }
    case .waiting, .answering, .closing: return
    }
  }

  private struct Refusal: Error {
    let reply: HTTPReply
  }

  /// The body without its coding.
  private func decoded(_ body: ByteBuffer, _ headers: HTTPHeaders) -> Result<ByteBuffer, Refusal> {
    guard let text = headers.first(name: "content-encoding"), text.lowercased() != "identity" else {
      return .success(body)
    }
    guard let coding = ContentCoding(rawValue: text.lowercased()) else {
      return .failure(
        Refusal(
          reply: service.refusal(
            status: 415, message: "found the content encoding '\(text.prefix(32))', expected gzip or deflate")))
    }
    do throws(ContentCoding.Failure) {
      let bytes = try body.withUnsafeReadableBytes { bytes throws(ContentCoding.Failure) in
        try coding.decode(bytes, byteCountMax: limits.bodyBytesMax)
      }
      return .success(ByteBuffer(bytes: bytes))
    } catch {
      let reply =
        error == .tooLarge
        ? tooLarge : service.refusal(status: 400, message: "the body is not what \(coding.rawValue) makes")
      return .failure(Refusal(reply: reply))
    }
  }

  // MARK: Answers

  private func answer(_ head: HTTPRequestHead, with reply: HTTPReply, _ context: ChannelHandlerContext) {
    if case .closing = state { return }
    guard context.channel.isActive else { return }
    state = .answering
    releaseBody()
    let isLast = reply.closes || isStopping || !head.isKeepAlive
    let (reply, headers) = prepared(reply, for: head, isLast: isLast)
    let status = HTTPResponseStatus(statusCode: reply.status)
    context.write(wrapOutboundOut(.head(.init(version: .http1_1, status: status, headers: headers))), promise: nil)
    guard head.method != .HEAD else { return sent(context, isLast: isLast) }
    switch reply.body {
    case .bytes(let bytes):
      if !bytes.isEmpty {
        context.write(wrapOutboundOut(.body(.byteBuffer(context.channel.allocator.buffer(bytes: bytes)))), promise: nil)
      }
      sent(context, isLast: isLast)
    case .pieces(let count, let read):
      send(from: 0, of: count, read: read, context, isLast: isLast)
    }
  }

  private func prepared(_ reply: HTTPReply, for head: HTTPRequestHead, isLast: Bool) -> (HTTPReply, HTTPHeaders) {
    var reply = reply
    var headers = HTTPHeaders()
    headers.reserveCapacity(8)
    headers.add(name: "date", value: loop.date)
    if let type = reply.contentType { headers.add(name: "content-type", value: type) }
    if reply.isCompressible, case .bytes(let bytes) = reply.body, bytes.count >= ContentCoding.compressedBytesMin,
      let coding = ContentCoding.accepted(by: head.headers.first(name: "accept-encoding"))
    {
      reply.body = .bytes(coding.encode(bytes))
      headers.add(name: "content-encoding", value: coding.rawValue)
      headers.add(name: "vary", value: "accept-encoding")
    }
    // The length of what is not sent again would be that of the whole (RFC 9110 §8.6).
    if reply.status != 304 { headers.add(name: "content-length", value: "\(reply.byteCount)") }
    for header in reply.headers { headers.add(name: header.name, value: header.value) }
    if isLast { headers.add(name: "connection", value: "close") }
    return (reply, headers)
  }

  private func sent(_ context: ChannelHandlerContext, isLast: Bool) {
    lastActivity = .now()
    guard isLast else {
      state = .waiting
      return context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }
    state = .closing
    let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
    context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in bound.value.close(promise: nil) }
  }

  /// Bytes of a piece of a long body.
  private static let pieceBytes: UInt64 = 256 << 10

  /// Sends the rest of a long body: one piece is read on another thread when the one before has been sent.
  private func send(
    from start: UInt64, of count: UInt64, read: @escaping @Sendable (Range<UInt64>) throws -> [UInt8],
    _ context: ChannelHandlerContext, isLast: Bool
  ) {
    guard start < count else { return sent(context, isLast: isLast) }
    let end = min(count, start + Self.pieceBytes)
    let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
    loop.pool.runIfActive(eventLoop: context.eventLoop) { try read(start..<end) }.whenComplete { result in
      let (connection, context) = bound.value
      guard context.channel.isActive, case .success(let bytes) = result else {
        // The length is out already: the client sees that something is missing.
        return connection.end(context)
      }
      connection.lastActivity = .now()
      let buffer = context.channel.allocator.buffer(bytes: bytes)
      context.writeAndFlush(connection.wrapOutboundOut(.body(.byteBuffer(buffer)))).whenComplete { result in
        guard case .success = result else { return }
        let (connection, context) = bound.value
        connection.send(from: end, of: count, read: read, context, isLast: isLast)
      }
    }
  }

  // MARK: What is no HTTP

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    guard error is HTTPParserError, isFree, context.channel.isActive else { return end(context) }
    let isHeader = (error as? HTTPParserError) == .headerOverflow
    let reply =
      isHeader
      ? service.refusal(status: 431, message: "found header fields of more than \(limits.headerBytesMax) bytes")
      : service.refusal(status: 400, message: "found something else, expected a request of HTTP/1.1")
    answer(HTTPRequestHead(version: .http1_1, method: .GET, uri: "/"), with: reply.closing, context)
  }

  /// Whether no answer is on its way.
  private var isFree: Bool {
    switch state {
    case .waiting, .reading, .discarding: true
    case .answering, .closing: false
    }
  }
}

extension HTTPReply {
  /// The same, and then the end of the connection.
  var closing: HTTPReply {
    var reply = self
    reply.closes = true
    return reply
  }
}
