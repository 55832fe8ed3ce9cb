import Logging
import Observability
import Serving
import Wire
import ZeroMQ

/// The serving node's ear at the coordinator's state socket.
actor StateSubscriber {
  nonisolated let loop: IOLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  private let socket: Socket
  private let endpoint: Endpoint
  private let backlog: Backlog
  private let links: LinkMetrics?
  private let logger: Logger
  private var linkWatch = LinkWatch()

  /// - Parameters:
  ///   - socket: of `SocketProfile.state`, with its keys, not connected yet.
  ///   - backlog: of records on their way to the node; one too many is left out, which the node sees as a gap.
  ///   - links: counts such records, and connections made anew; nil where nobody asks.
  init(
    loop: IOLoop, socket: consuming sending Socket, endpoint: Endpoint, backlog: Backlog,
    links: LinkMetrics? = nil, logger: Logger
  ) {
    self.loop = loop
    self.socket = socket
    self.endpoint = endpoint
    self.backlog = backlog
    self.links = links
    self.logger = logger
  }

  /// Subscribes to everything. `deliver` is called on the loop; the receiver calls `backlog.taken`.
  func start(deliver: @escaping @Sendable (StateRecord) -> Void) throws(ZeroMQError) {
    try socket.set(.subscribe([]))
    try socket.monitor(on: loop, for: self) { subscriber, event in subscriber.note(event.kind) }
    loop.watch(socket, for: self) { subscriber, event in
      switch event {
      case .message(let message): subscriber.receive(message, deliver)
      case .refused(let refused):
        subscriber.logger.warning(
          "message refused", metadata: ["socket": "state", "reason": "\(refused.reason)"])
      case .writable: break
      case .failed(let error): subscriber.logger.critical("state socket failed", metadata: ["error": "\(error)"])
      }
    }
    try socket.connect(endpoint)
  }

  private func note(_ event: ConnectionEvent.Kind) {
    guard linkWatch.note(event) else { return }
    loop.schedule(after: LinkWatch.patience, for: self) { $0.reconnectIfGivenUp() }
  }

  /// The records missed meanwhile show as a gap.
  private func reconnectIfGivenUp() {
    guard linkWatch.takeGivenUp() else { return }
    links?.reconnects(on: .state).add()
    logger.notice("connecting anew", metadata: ["socket": "state"])
    do {
      try socket.reconnect(endpoint)
    } catch {
      logger.critical("state socket failed", metadata: ["error": "\(error)"])
    }
  }

  private func receive(_ message: Message, _ deliver: (StateRecord) -> Void) {
    do throws(WireError) {
      guard let header = message.frames.first, message.frames.count == 1 else {
        throw .badField("frames", found: "\(message.frames.count)", expected: "1")
      }
      let received = try StateMessage(decoding: header.bytes)
      guard case .record(let record) = received else { return }
      guard backlog.enter() else {
        links?.dropped(on: .state).add()
        return
      }
      deliver(record)
    } catch {
      logger.warning("unreadable frame", metadata: ["socket": "state", "error": "\(error)"])
    }
  }
}
