import Federation
import Logging
import Membership
import Rounds
import Wire
import ZeroMQ

/// The worker's control socket and its session: greets, beats, and hands messages of rounds to the driver.
actor ControlClient {
  /// What the driver hears.
  enum Delivery: Sendable {
    case connected
    case disconnected(LossReason)
    case message(CoordinatorMessage)
    case ended(CoordinatorSession.EndReason)
    /// The coordinator's socket does not let this key in.
    case notAdmitted
  }

  nonisolated let loop: IOLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  private let socket: Socket
  private let endpoint: Endpoint
  private var session: CoordinatorSession
  private let logger: Logger
  private let backlog: Backlog
  private var deliver: (@Sendable (Delivery) -> Void)?
  private var linkWatch = LinkWatch()
  private var ticks: LoopTimer?

  init(
    loop: IOLoop, socket: consuming sending Socket, endpoint: Endpoint, federation: FederationID, hello: Hello,
    backlog: Backlog, logger: Logger
  ) {
    self.loop = loop
    self.socket = socket
    self.endpoint = endpoint
    self.backlog = backlog
    self.logger = logger
    session = CoordinatorSession(federation: federation, hello: hello)
  }

  func start(deliver: @escaping @Sendable (Delivery) -> Void) throws {
    self.deliver = deliver
    try socket.monitor(on: loop, for: self) { client, event in client.note(event) }
    loop.watch(socket, for: self) { client, event in client.receive(event) }
    try socket.connect(endpoint)
    perform(session.handle(.started(at: .now)))
    tick(every: SessionTiming.standard.tickInterval)
  }

  private func tick(every interval: Duration) {
    ticks?.cancel()
    ticks = loop.schedule(every: interval, for: self) { client in
      client.perform(client.session.handle(.tick(at: .now)))
    }
  }

  func send(_ message: WorkerMessage) {
    guard session.isConnected else { return }
    KillPoint.reached(.worker, .beforeSend, message.kind)
    transmit(.round(message))
    KillPoint.reached(.worker, .afterSend, message.kind)
    perform(session.handle(.sent(at: .now)))
  }

  func stop() { perform(session.handle(.stopped(at: .now))) }

  private func note(_ event: ConnectionEvent) {
    switch event.kind {
    case .handshakeRefused: deliver?(.notAdmitted)
    default: logger.trace("link", metadata: ["event": "\(event.kind)"])
    }
    guard linkWatch.note(event.kind) else { return }
    loop.schedule(after: LinkWatch.patience, for: self) { $0.reconnectIfGivenUp() }
  }

  private func reconnectIfGivenUp() {
    guard linkWatch.takeGivenUp() else { return }
    logger.notice("connecting anew", metadata: ["socket": "control"])
    do {
      try socket.reconnect(endpoint)
    } catch {
      logger.critical("control socket failed", metadata: ["error": "\(error)"])
    }
  }

  private func receive(_ event: SocketEvent) {
    switch event {
    case .message(let message): receive(message)
    case .refused(let refused):
      logger.warning("message refused", metadata: ["socket": "control", "reason": "\(refused.reason)"])
    case .writable: break
    case .failed(let error): logger.critical("control socket failed", metadata: ["error": "\(error)"])
    }
  }

  private func receive(_ message: Message) {
    do throws(WireError) {
      guard message.frames.count == 1 else {
        throw .badField("frames", found: "\(message.frames.count)", expected: "1")
      }
      let body = try ControlToWorker(decoding: message.frames[0].array)
      if let part = body.session {
        perform(session.handle(.received(part, at: .now)))
      } else if case .round(let round) = body {
        perform(session.handle(.heardOther(at: .now)))
        guard backlog.enter() else {
          logger.warning("message dropped", metadata: ["kind": "\(round.kind)"])
          return
        }
        deliver?(.message(round))
      }
    } catch {
      logger.warning("unreadable frame", metadata: ["socket": "control", "error": "\(error)"])
    }
  }

  private func perform(_ actions: [CoordinatorSession.Action]) {
    for action in actions {
      switch action {
      case .send(let message):
        if let message = ControlToCoordinator(message) { transmit(message) }
      case .connected(let welcome):
        // The coordinator's owner may want heartbeats that are closer together.
        tick(every: welcome.timing.tickInterval)
        logger.info("connected", metadata: ["coordinator": "\(endpoint)"])
        deliver?(.connected)
      case .lost(let reason):
        logger.notice("coordinator lost", metadata: ["reason": "\(reason)"])
        deliver?(.disconnected(reason))
      case .ended(let reason): deliver?(.ended(reason))
      }
    }
  }

  private func transmit(_ message: ControlToCoordinator) {
    do {
      let outcome = try socket.send([Frame(copying: try message.encoded())])
      if outcome != .sent { logger.debug("not sent", metadata: ["kind": "\(message.kind)"]) }
    } catch {
      logger.error("cannot send", metadata: ["kind": "\(message.kind)", "error": "\(error)"])
    }
  }
}
