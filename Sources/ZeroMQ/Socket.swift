import CZeroMQ

/// One ZeroMQ socket and the only owner of its handle.
///
/// Not `Sendable`: a socket is used by one thread, that of the ``IOLoop`` of the actor that owns it. It closes when its
/// owner lets go of it, on whatever thread that happens: the loop then closes it on its own.
package struct Socket: ~Copyable {
  package enum Kind: Sendable, CustomStringConvertible {
    case router, dealer, xpub, sub, pair, rep, req

    package var description: String {
      switch self {
      case .router: "ROUTER"
      case .dealer: "DEALER"
      case .xpub: "XPUB"
      case .sub: "SUB"
      case .pair: "PAIR"
      case .rep: "REP"
      case .req: "REQ"
      }
    }

    var rawValue: Int32 {
      switch self {
      case .router: ZMQ_ROUTER
      case .dealer: ZMQ_DEALER
      case .xpub: ZMQ_XPUB
      case .sub: ZMQ_SUB
      case .pair: ZMQ_PAIR
      case .rep: ZMQ_REP
      case .req: ZMQ_REQ
      }
    }
  }

  /// Most frames of a message, unless said otherwise.
  package static let framesMaxDefault = 16

  let handle: SocketHandle

  /// Opens a socket that does not linger.
  ///
  /// - Parameter framesMax: most frames of a received message, without the routing id; longer ones are refused whole.
  package init(_ kind: Kind, in context: Context, framesMax: Int = framesMaxDefault) throws(ZeroMQError) {
    handle = try SocketHandle(kind, framesMax: framesMax, context: context)
  }

  /// Opens a socket with all options of a profile, in their order.
  package init(_ profile: SocketProfile, in context: Context) throws(ZeroMQError) {
    let socket = try Socket(profile.kind, in: context, framesMax: profile.framesMax)
    for option in profile.options { try socket.set(option) }
    self = socket
  }

  deinit { handle.retire() }

  package var kind: Kind { handle.kind }

  /// Binds, and returns the endpoint as it is then: with the port the system chose for `*`.
  @discardableResult
  package borrowing func bind(_ endpoint: Endpoint) throws(ZeroMQError) -> Endpoint {
    guard zmq_bind(handle.raw, endpoint.rawValue) == 0 else { throw .last(.bind(endpoint)) }
    return try lastEndpoint()
  }

  package borrowing func unbind(_ endpoint: Endpoint) throws(ZeroMQError) {
    guard zmq_unbind(handle.raw, endpoint.rawValue) == 0 else { throw .last(.unbind(endpoint)) }
  }

  /// Starts to connect; libzmq goes on trying for as long as the socket is open.
  package borrowing func connect(_ endpoint: Endpoint) throws(ZeroMQError) {
    guard zmq_connect(handle.raw, endpoint.rawValue) == 0 else { throw .last(.connect(endpoint)) }
  }

  package borrowing func disconnect(_ endpoint: Endpoint) throws(ZeroMQError) {
    guard zmq_disconnect(handle.raw, endpoint.rawValue) == 0 else { throw .last(.disconnect(endpoint)) }
  }

  /// Starts to connect anew, whatever is left of the connection before: what it still had to send is dropped.
  package borrowing func reconnect(_ endpoint: Endpoint) throws(ZeroMQError) {
    do throws(ZeroMQError) {
      try disconnect(endpoint)
    } catch {
      // libzmq forgets the endpoint of a connection that it has given up.
      guard error.code == ENOENT else { throw error }
    }
    try connect(endpoint)
  }

  /// Takes one waiting message, without waiting for one.
  package borrowing func receive() throws(ZeroMQError) -> Reception { try handle.receive() }

  /// Hands one message to libzmq, whole or not at all, without waiting.
  ///
  /// - Parameters:
  ///   - frames: at least one. Their memory is shared, not copied.
  ///   - route: the peer, at a ROUTER; nil elsewhere.
  package borrowing func send(_ frames: [Frame], to route: RoutingID? = nil) throws(ZeroMQError) -> SendOutcome {
    try handle.send(frames, to: route)
  }

  /// Waits on this thread until a message can be received, for programs without a loop.
  ///
  /// - Returns: false if the time has passed.
  package borrowing func waitUntilReadable(within limit: Duration) throws(ZeroMQError) -> Bool {
    let deadline = ContinuousClock.now + limit
    while true {
      var item = zmq_pollitem_t(socket: handle.raw, fd: 0, events: Int16(ZMQ_POLLIN), revents: 0)
      let result = zmq_poll(&item, 1, pollTimeout(until: deadline, now: ContinuousClock.now))
      if result > 0 { return true }
      if result == 0 {
        if ContinuousClock.now >= deadline { return false }
      } else if zmq_errno() != EINTR {
        throw .last(.poll)
      }
    }
  }

  private borrowing func lastEndpoint() throws(ZeroMQError) -> Endpoint {
    var text = [CChar](repeating: 0, count: 1024)
    var count = text.count
    guard zmq_getsockopt(handle.raw, ZMQ_LAST_ENDPOINT, &text, &count) == 0 else {
      throw .last(.readOption(name: "ZMQ_LAST_ENDPOINT"))
    }
    return Endpoint(rawValue: String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
  }
}

/// Milliseconds for zmq_poll(3), rounded up so that a deadline has passed when it returns; −1 waits for ever.
func pollTimeout(until deadline: ContinuousClock.Instant?, now: ContinuousClock.Instant) -> Int {
  guard let deadline else { return -1 }
  let wait = (deadline - now).components
  if wait.seconds < 0 || wait.attoseconds < 0 { return 0 }
  let milliseconds = (wait.attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
  return Int(min(wait.seconds, 1_000_000) * 1000 + milliseconds)
}
