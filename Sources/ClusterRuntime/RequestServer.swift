import Logging
import Observability
import Wire
import ZeroMQ

/// An answer that can say why there is no other.
protocol FailableReply: WireMessage {
  static func failed(_ failure: Failure) -> Self
  /// Why there is no other answer; nil if there is one.
  var failure: Failure? { get }
}

extension SnapshotReply: FailableReply {
  var failure: Failure? { if case .failed(let failure) = self { failure } else { nil } }
}

extension OperatorReply: FailableReply {
  var failure: Failure? { if case .failed(let failure) = self { failure } else { nil } }
}

extension PullReply: FailableReply {
  var failure: Failure? { if case .failed(let failure) = self { failure } else { nil } }
}

extension EventReply: FailableReply {
  var failure: Failure? { if case .failed(let failure) = self { failure } else { nil } }
}

/// A ROUTER that reads requests and sends answers. What they mean is decided elsewhere, on another thread.
///
/// A request is answered once: by one message, or by the chunks that it asked for. What cannot be read is answered with
/// `Failure.invalid` if at least its envelope can, and by silence otherwise. Requests in hand are bounded, in all and
/// for each peer; what is over is answered with `Failure.unavailable`.
actor RequestServer<Request: WireMessage, Reply: FailableReply> {
  /// A request in hand, to be given back to `reply`.
  struct Inquiry: Sendable {
    let request: Request
    /// The raw frame beside it, where requests of this socket have one.
    let payload: Frame?
    let id: UInt64
    let link: RoutingID
    /// The certificate's name; "local" on a socket without keys.
    let peer: String
  }

  /// One message of an answer, with its raw frame.
  struct Piece: Sendable {
    let message: Reply
    var payload: Frame?
  }

  struct Limits: Sendable {
    var total = 256
    var perPeer = 32
  }

  nonisolated let loop: IOLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  private let socket: Socket
  private let name: String
  private let limits: Limits
  private let unsent: Counter?
  private let unreadable: (@Sendable () -> Void)?
  private let logger: Logger
  private var answer: (@Sendable (Inquiry) -> Void)?
  private var inHand: [String: Int] = [:]

  /// - Parameters:
  ///   - name: of the socket, in logs.
  ///   - unsent: counts answers that their peers did not get; nil where nobody asks.
  ///   - unreadable: told of each message that is no request; nil where nobody asks.
  init(
    loop: IOLoop, socket: consuming sending Socket, name: String, limits: Limits = Limits(), unsent: Counter? = nil,
    unreadable: (@Sendable () -> Void)? = nil, logger: Logger
  ) {
    self.loop = loop
    self.socket = socket
    self.name = name
    self.limits = limits
    self.unsent = unsent
    self.unreadable = unreadable
    self.logger = logger
  }

  /// Starts to read. `answer` is called on the loop for each request, and leads to one call of `reply`.
  func start(answer: @escaping @Sendable (Inquiry) -> Void) {
    self.answer = answer
    loop.watch(socket, for: self, messagesPerTurnMax: 16) { server, event in server.receive(event) }
  }

  /// Sends an answer and lets go of the request. No pieces: the request gets no answer.
  ///
  /// A peer that is gone or whose queue is full gets nothing: it asks again after its own time.
  func reply(to inquiry: Inquiry, _ pieces: [Piece]) {
    let left = (inHand[inquiry.peer] ?? 1) - 1
    inHand[inquiry.peer] = left > 0 ? left : nil
    for piece in pieces { send(piece, id: inquiry.id, to: inquiry.link) }
  }

  private func receive(_ event: SocketEvent) {
    switch event {
    case .message(let message): receive(message)
    case .refused(let refused):
      logger.warning(
        "message refused",
        metadata: ["socket": "\(name)", "reason": "\(refused.reason)", "peer": "\(refused.userID ?? "?")"])
    case .writable: break
    case .failed(let error): logger.critical("socket failed", metadata: ["socket": "\(name)", "error": "\(error)"])
    }
  }

  private func receive(_ message: Message) {
    guard let link = message.origin, let header = message.frames.first else { return }
    let peer = message.userID ?? "local"
    do throws(WireError) {
      guard message.frames.count <= 2 else {
        throw .badField("frames", found: "\(message.frames.count)", expected: "1, or 2 with a payload")
      }
      let payload = message.frames.count == 2 ? message.frames[1] : nil
      let received = try Request.receive(header.bytes, payloadBytes: payload?.count)
      guard inHand.values.reduce(0, +) < limits.total, inHand[peer, default: 0] < limits.perPeer else {
        let failure = Failure(.unavailable, "too many requests at once")
        send(Piece(message: .failed(failure)), id: received.request, to: link)
        return
      }
      inHand[peer, default: 0] += 1
      answer?(
        Inquiry(request: received.message, payload: payload, id: received.request, link: link, peer: peer))
    } catch {
      unreadable?()
      logger.warning("unreadable frame", metadata: ["socket": "\(name)", "peer": "\(peer)", "error": "\(error)"])
      guard let id = try? AnyBody<Request>.receive(header.bytes).request else { return }
      send(Piece(message: .failed(Failure(.invalid, "\(error)"))), id: id, to: link)
    }
  }

  private func send(_ piece: Piece, id: UInt64, to link: RoutingID) {
    do {
      var frames = [Frame(copying: try piece.message.encoded(request: id))]
      if let payload = piece.payload { frames.append(payload) }
      let outcome = try socket.send(frames, to: link)
      if outcome != .sent {
        unsent?.add()
        logger.debug(
          "answer not sent",
          metadata: ["socket": "\(name)", "kind": "\(piece.message.kind)", "outcome": "\(outcome)"])
      }
    } catch {
      logger.error(
        "cannot send", metadata: ["socket": "\(name)", "kind": "\(piece.message.kind)", "error": "\(error)"])
      // An answer that does not fit into a frame: who asked is told so, in one that does.
      guard error is WireError, piece.message.failure == nil else { return }
      send(Piece(message: .failed(Failure(.internal, "\(error)"))), id: id, to: link)
    }
  }
}

/// An envelope of a socket, whatever is in it: read for the number of a request that has no other meaning.
private struct AnyBody<Request: WireMessage>: WireMessage {
  static var limits: FrameLimits { Request.limits }
  var kind: String { "any" }
  func write(to draft: EnvelopeDraft) {}
  init(reading view: EnvelopeView) {}
}
