import CZeroMQ
import Synchronization

/// What happened to one connection of a monitored socket (zmq_socket_monitor(3)).
package struct ConnectionEvent: Equatable, Sendable {
  package enum Kind: Equatable, Sendable {
    case listening
    case accepted
    case connected
    /// The connection was lost, or closed because the peer broke a rule, such as the largest frame.
    case disconnected
    /// The handshake is complete: both sides know each other.
    case handshakeSucceeded
    /// The server's ZAP handler answered with this status, 400 for "not you". Seen at the client.
    case handshakeRefused(status: Int)
    /// The sides do not speak the same mechanism, or the server holds another key than expected.
    case handshakeViolatedProtocol(code: Int)
    case handshakeFailed(code: Int32)
    case bindFailed(code: Int32)
    case acceptFailed(code: Int32)
    /// The next attempt to connect comes after this pause.
    case connectRetried(after: Duration)
  }

  package let kind: Kind
  /// The endpoint of the socket itself: where it binds or connects to.
  package let endpoint: Endpoint
}

extension Socket {
  /// Calls `handler` inside `owner`, an actor of the loop, with what happens to the connections of this socket, until
  /// the socket closes. Only on the loop, once per socket, before it binds or connects.
  ///
  /// libzmq keeps about a thousand events for a loop that is late, then drops new ones.
  package borrowing func monitor<Owner: Actor>(
    on loop: IOLoop, for owner: Owner, handler: @escaping @Sendable (isolated Owner, ConnectionEvent) -> Void
  ) throws(ZeroMQError) {
    let endpoint = Endpoint.inproc(name: "monitor-\(SocketMonitor.nextNumber())")
    guard zmq_socket_monitor(handle.raw, endpoint.rawValue, SocketMonitor.watchedEvents) == 0 else {
      throw .last(.monitor)
    }
    let monitor = SocketMonitor(try Socket(.pair, in: handle.context, framesMax: 2)) { [weak owner] event in
      owner?.assumeIsolated { handler($0, event) }
    }
    try monitor.socket.connect(endpoint)
    monitor.start(on: loop)
  }
}

/// The reading end of a monitor. The loop keeps it until the monitored socket has closed.
private final class SocketMonitor {
  let socket: Socket
  private let handler: (ConnectionEvent) -> Void
  private var watch: SocketWatch?

  init(_ socket: consuming Socket, handler: @escaping (ConnectionEvent) -> Void) {
    self.socket = socket
    self.handler = handler
  }

  func start(on loop: IOLoop) {
    watch = loop.watch(socket) { [self] event in
      if case .message(let message) = event { read(message.frames) }
    }
  }

  /// Frames: event (16 bits) and value (32 bits) in the machine's byte order; endpoint.
  private func read(_ frames: [Frame]) {
    guard frames.count == 2, frames[0].count == 6 else { return }
    let (event, value) = frames[0].withUnsafeBytes {
      ($0.loadUnaligned(as: UInt16.self), $0.loadUnaligned(fromByteOffset: 2, as: Int32.self))
    }
    if Int32(event) == ZMQ_EVENT_MONITOR_STOPPED {
      watch?.cancel()  // The watch held the last reference.
      watch = nil
      return
    }
    guard let kind = Self.kind(of: Int32(event), value: value) else { return }
    handler(ConnectionEvent(kind: kind, endpoint: Endpoint(rawValue: frames[1].text)))
  }

  private static func kind(of event: Int32, value: Int32) -> ConnectionEvent.Kind? {
    switch event {
    case ZMQ_EVENT_LISTENING: .listening
    case ZMQ_EVENT_ACCEPTED: .accepted
    case ZMQ_EVENT_CONNECTED: .connected
    case ZMQ_EVENT_DISCONNECTED: .disconnected
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED: .handshakeSucceeded
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH: .handshakeRefused(status: Int(value))
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL: .handshakeViolatedProtocol(code: Int(value))
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL: .handshakeFailed(code: value)
    case ZMQ_EVENT_BIND_FAILED: .bindFailed(code: value)
    case ZMQ_EVENT_ACCEPT_FAILED: .acceptFailed(code: value)
    case ZMQ_EVENT_CONNECT_RETRIED: .connectRetried(after: .milliseconds(Int(value)))
    default: nil
    }
  }

  /// Closing by oneself and a connect that takes a moment are not news.
  static let watchedEvents = ZMQ_EVENT_ALL & ~(ZMQ_EVENT_CLOSED | ZMQ_EVENT_CLOSE_FAILED | ZMQ_EVENT_CONNECT_DELAYED)

  private static let counter = Atomic<Int>(0)

  static func nextNumber() -> Int { counter.add(1, ordering: .relaxed).newValue }
}
