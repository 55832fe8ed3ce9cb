import Federation
import Logging
import Wire
import ZeroMQ

/// The worker's bulk socket. Reads and writes frames; what they mean is decided at the desk, on another thread.
actor BulkClient {
  nonisolated let loop: IOLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  private let socket: Socket
  private let endpoint: Endpoint
  private let logger: Logger
  private var watch: SocketWatch?
  /// Sent in order as the socket takes them: at most the granted windows.
  private var waiting: [[Frame]] = []
  private var deliver: (@Sendable (Delivery) -> Void)?
  private var linkWatch = LinkWatch()

  /// What the desk hears.
  enum Delivery: Sendable {
    case message(BulkToWorker, Frame?)
    /// The connection broke; another is being made.
    case linkLost
    case linkRestored
  }

  /// More frames than both windows can ask for are a mistake of this process.
  private static let waitingMax = 256

  init(loop: IOLoop, socket: consuming sending Socket, endpoint: Endpoint, logger: Logger) {
    self.loop = loop
    self.socket = socket
    self.endpoint = endpoint
    self.logger = logger
  }

  func start(deliver: @escaping @Sendable (Delivery) -> Void) throws {
    self.deliver = deliver
    try socket.monitor(on: loop, for: self) { client, event in client.note(event) }
    watch = loop.watch(socket, for: self, messagesPerTurnMax: 16) { client, event in client.receive(event) }
    try socket.connect(endpoint)
  }

  func send(_ message: BulkToCoordinator, payload: [UInt8]? = nil) {
    do {
      var frames = [Frame(copying: try message.encoded())]
      if let payload { frames.append(Frame(copying: payload)) }
      guard waiting.count < Self.waitingMax else {
        logger.warning("bulk queue full", metadata: ["kind": "\(message.kind)"])
        return
      }
      KillPoint.reached(.worker, .beforeSend, message.kind)
      waiting.append(frames)
      flush()
      KillPoint.reached(.worker, .afterSend, message.kind)
    } catch {
      logger.error("cannot send", metadata: ["kind": "\(message.kind)", "error": "\(error)"])
    }
  }

  /// What was meant for a link that is gone is dropped: both sides start again from what arrived.
  func forget() { waiting = [] }

  private func note(_ event: ConnectionEvent) {
    switch event.kind {
    case .handshakeSucceeded: deliver?(.linkRestored)
    case .disconnected:
      forget()
      deliver?(.linkLost)
    default: break
    }
    guard linkWatch.note(event.kind) else { return }
    loop.schedule(after: LinkWatch.patience, for: self) { $0.reconnectIfGivenUp() }
  }

  private func reconnectIfGivenUp() {
    guard linkWatch.takeGivenUp() else { return }
    logger.notice("connecting anew", metadata: ["socket": "bulk"])
    do {
      try socket.reconnect(endpoint)
    } catch {
      logger.critical("bulk socket failed", metadata: ["error": "\(error)"])
    }
  }

  private func flush() {
    while let frames = waiting.first {
      do {
        guard try socket.send(frames) == .sent else {
          watch?.notifyWhenWritable()
          return
        }
        waiting.removeFirst()
      } catch {
        logger.error("bulk socket failed", metadata: ["error": "\(error)"])
        waiting.removeFirst()
      }
    }
  }

  private func receive(_ event: SocketEvent) {
    switch event {
    case .message(let message):
      do throws(WireError) {
        guard message.frames.count <= 2 else {
          throw .badField("frames", found: "\(message.frames.count)", expected: "1 or 2")
        }
        let payload = message.frames.count == 2 ? message.frames[1] : nil
        deliver?(
          .message(try BulkToWorker(decoding: message.frames[0].array, payloadBytes: payload?.count), payload))
      } catch {
        logger.warning("unreadable frame", metadata: ["socket": "bulk", "error": "\(error)"])
      }
    case .refused(let refused):
      logger.warning("message refused", metadata: ["socket": "bulk", "reason": "\(refused.reason)"])
    case .writable: flush()
    case .failed(let error): logger.critical("bulk socket failed", metadata: ["error": "\(error)"])
    }
  }
}
