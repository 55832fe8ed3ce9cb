import CZeroMQ

/// The libzmq handle behind a ``Socket``, and the way to close it on the right thread.
///
/// libzmq allows one thread at a time per socket. While an ``IOLoop`` polls the socket, that is the loop's thread: a
/// socket dropped on another thread is then closed by the loop.
final class SocketHandle: @unchecked Sendable {
  private(set) var raw: UnsafeMutableRawPointer?
  let kind: Socket.Kind
  let framesMax: Int
  let context: Context  // Outlives the handle: zmq_ctx_term(3) waits for open sockets.
  /// The handler that vouches for peers of a CURVE server. It lives at least as long as the socket: libzmq would let
  /// anybody in if there were none.
  var authenticator: ZAPAuthenticator?
  /// The loop that polls the socket or did so once; set by the owner on the loop's thread.
  var loop: IOLoop?

  init(_ kind: Socket.Kind, framesMax: Int, context: Context) throws(ZeroMQError) {
    guard let raw = zmq_socket(context.handle, kind.rawValue) else { throw .last(.openSocket(kind)) }
    var linger: Int32 = 0  // libzmq's own default waits for ever at exit.
    let result = zmq_setsockopt(raw, ZMQ_LINGER, &linger, MemoryLayout<Int32>.size)
    precondition(result == 0, "zmq_setsockopt accepts a linger of 0 for every socket")
    self.raw = raw
    self.kind = kind
    self.framesMax = framesMax
    self.context = context
  }

  deinit { close() }

  /// Called once, by the owner, from any thread.
  func retire() {
    if let loop { loop.close(self) } else { close() }
  }

  /// On the thread that may use the socket.
  func close() {
    guard let raw else { return }
    self.raw = nil
    let result = zmq_close(raw)
    precondition(result == 0, "zmq_close fails only for a handle that is not a socket")
    authenticator = nil
  }
}

// MARK: - Messages

extension SocketHandle {
  func receive() throws(ZeroMQError) -> Reception {
    var frames: [Frame] = []
    var origin: RoutingID?
    var frameCount = 0
    var sender: (userID: String?, peerAddress: String?)
    var isFollowed = true
    while isFollowed {
      let frame = Frame()
      guard try receive(into: frame) else { return .nothing }  // Messages arrive whole: never in the middle of one.
      isFollowed = frame.isFollowed
      if kind == .router, origin == nil {
        origin = RoutingID(bytes: frame.array)
        continue
      }
      frameCount += 1
      if frameCount == 1 { sender = (frame.userID, frame.peerAddress) }
      if frameCount <= framesMax {
        frame.markShared()
        frames.append(frame)
      } else {
        frames = []
      }
    }
    func refused(_ reason: RefusedMessage.Reason) -> Reception {
      .refused(
        RefusedMessage(reason: reason, origin: origin, userID: sender.userID, peerAddress: sender.peerAddress))
    }
    if frameCount > framesMax { return refused(.tooManyFrames(frameCount)) }
    if frameCount == 0 { return refused(.empty) }
    if authenticator != nil, (sender.userID ?? "").isEmpty { return refused(.unauthenticated) }
    return .message(Message(origin: origin, frames: frames))
  }

  /// False if no message is waiting.
  private func receive(into frame: Frame) throws(ZeroMQError) -> Bool {
    while zmq_msg_recv(frame.message, raw, ZMQ_DONTWAIT) < 0 {
      switch zmq_errno() {
      case EAGAIN: return false
      case EINTR: continue
      case let code: throw ZeroMQError(.receive, code: code)
      }
    }
    return true
  }

  func send(_ frames: [Frame], to route: RoutingID?) throws(ZeroMQError) -> SendOutcome {
    precondition(!frames.isEmpty, "a message has at least one frame")
    precondition((route != nil) == (kind == .router), "a ROUTER needs a route, other sockets have none")
    var isBegun = false
    if let route {
      let outcome = try send(Frame(copying: route.bytes), isFollowed: true)
      guard outcome == .sent else { return outcome }
      isBegun = true
    }
    var result = SendOutcome.sent
    for (index, frame) in frames.enumerated() {
      let outcome = try send(frame, isFollowed: index < frames.count - 1)
      if outcome == .sent { continue }
      guard isBegun || index > 0 else { return outcome }
      // The peer went away in the middle. libzmq drops the message up to its last frame, which has to come all the
      // same: otherwise it would drop the beginning of the next message (libzmq 4.3.4, lb.cpp, `lb_t::sendpipe`).
      result = .unreachable
    }
    return result
  }

  private func send(_ frame: Frame, isFollowed: Bool) throws(ZeroMQError) -> SendOutcome {
    var copy = zmq_msg_t()
    zmq_msg_init(&copy)
    zmq_msg_copy(&copy, frame.message)
    while zmq_msg_send(&copy, raw, ZMQ_DONTWAIT | (isFollowed ? ZMQ_SNDMORE : 0)) < 0 {
      let code = zmq_errno()
      if code == EINTR { continue }
      zmq_msg_close(&copy)
      switch code {
      case EAGAIN: return .wouldBlock
      case EHOSTUNREACH: return .unreachable
      default: throw ZeroMQError(.send, code: code)
      }
    }
    return .sent
  }
}
