import Federation
import Logging
import Observability
import Wire
import ZeroMQ

/// The coordinator's bulk socket. Reads and writes frames; what they mean is decided at the desk, on another thread.
actor BulkServer {
  /// A readable message with its raw frame.
  struct Delivery: Sendable {
    let message: BulkToCoordinator
    let payload: Frame?
    /// Of all frames.
    let byteCount: Int
    let worker: WorkerID
    let link: RoutingID
  }

  nonisolated let loop: IOLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  private let socket: Socket
  private let logger: Logger
  private let traffic: TrafficLedger
  private let backlog: PeerBacklog
  private let metrics: LinkMetrics
  private var deliver: (@Sendable (Delivery) -> Void)?
  /// Whose link it is, for the last link of each worker.
  private var owners: [RoutingID: WorkerID] = [:]
  private var links: [WorkerID: RoutingID] = [:]

  init(
    loop: IOLoop, socket: consuming sending Socket, traffic: TrafficLedger, backlog: PeerBacklog,
    metrics: LinkMetrics, logger: Logger
  ) {
    self.loop = loop
    self.socket = socket
    self.traffic = traffic
    self.backlog = backlog
    self.metrics = metrics
    self.logger = logger
  }

  func start(deliver: @escaping @Sendable (Delivery) -> Void) {
    self.deliver = deliver
    loop.watch(socket, for: self, messagesPerTurnMax: 16) { server, event in server.receive(event) }
  }

  /// A peer that is gone or whose queue is full gets nothing: it asks again after its own time.
  func send(_ message: BulkToWorker, payload: Frame? = nil, to link: RoutingID) {
    do {
      var frames = [Frame(copying: try message.encoded())]
      if let payload { frames.append(payload) }
      KillPoint.reached(.coordinator, .beforeSend, message.kind)
      let outcome = try socket.send(frames, to: link)
      KillPoint.reached(.coordinator, .afterSend, message.kind)
      if outcome == .sent {
        if let worker = owners[link] { traffic.sent(frames.reduce(0) { $0 + $1.count }, to: worker) }
      } else {
        metrics.full(on: .bulk).add()
        logger.debug("bulk message not sent", metadata: ["kind": "\(message.kind)", "outcome": "\(outcome)"])
      }
    } catch {
      logger.error("cannot send", metadata: ["kind": "\(message.kind)", "error": "\(error)"])
    }
  }

  private func note(_ link: RoutingID, of worker: WorkerID) {
    guard let last = links.updateValue(link, forKey: worker), last != link else {
      owners[link] = worker
      return
    }
    owners[last] = nil
    owners[link] = worker
  }

  private func receive(_ event: SocketEvent) {
    switch event {
    case .message(let message): receive(message)
    case .refused(let refused):
      logger.warning(
        "message refused",
        metadata: ["socket": "bulk", "reason": "\(refused.reason)", "peer": "\(refused.userID ?? "?")"])
    case .writable: break
    case .failed(let error): logger.critical("bulk socket failed", metadata: ["error": "\(error)"])
    }
  }

  private func receive(_ message: Message) {
    guard let link = message.origin, let worker = message.userID.flatMap({ WorkerID($0) }) else { return }
    let byteCount = message.frames.reduce(0) { $0 + $1.count }
    traffic.received(byteCount, from: worker)
    note(link, of: worker)
    do throws(WireError) {
      guard message.frames.count <= 2 else {
        throw .badField("frames", found: "\(message.frames.count)", expected: "1 or 2")
      }
      let payload = message.frames.count == 2 ? message.frames[1] : nil
      let body = try BulkToCoordinator(decoding: message.frames[0].array, payloadBytes: payload?.count)
      switch backlog.enter(worker, bytes: byteCount) {
      case .entered:
        deliver?(Delivery(message: body, payload: payload, byteCount: byteCount, worker: worker, link: link))
      case .full(let isNews):
        metrics.dropped(on: .bulk).add()
        guard isNews else { return }
        logger.warning("messages dropped", metadata: ["worker": "\(worker)", "first": "\(body.kind)"])
      }
    } catch {
      logger.warning(
        "unreadable frame", metadata: ["socket": "bulk", "worker": "\(worker)", "error": "\(error)"])
    }
  }
}
