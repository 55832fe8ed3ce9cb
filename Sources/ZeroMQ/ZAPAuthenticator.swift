import CZeroMQ

/// Decides who may connect to the CURVE servers of one context, and names them (ZAP, RFC 27).
///
/// Runs on a thread of its own from creation until the last socket it vouches for has closed, and refuses whatever its
/// table does not hold. The table may change at any time; a change concerns new connections only, so a driver that
/// revokes a key also drops messages of that ``Message/userID``.
package final class ZAPAuthenticator: @unchecked Sendable {
  /// One refused connection, for logs.
  package struct RefusedPeer: Equatable, Sendable {
    package let reason: ZAPRefusal
    package let domain: ZAPDomain
    /// The peer's IP address.
    package let address: String
    /// The key it holds, if it speaks CURVE.
    package let publicKey: CurvePublicKey?
  }

  package struct Statistics: Equatable, Sendable {
    package var admissionCount = 0
    package var refusalCounts: [ZAPRefusal: Int] = [:]
  }

  /// Longest user id, in UTF-8 bytes: the field has one byte for its length.
  package static let userIDBytesMax = 255

  let context: Context
  private let loop: IOLoop
  private let desk: Desk

  /// Starts to answer; connections are refused until keys are admitted.
  ///
  /// - Parameter whenRefused: called for each refused connection, on the authenticator's thread; must be quick.
  /// - Throws: `isAddressInUse` if the context has an authenticator already.
  package init(
    in context: Context, whenRefused: (@Sendable (RefusedPeer) -> Void)? = nil
  ) throws(ZeroMQError) {
    let socket = try Socket(.router, in: context, framesMax: 16)
    try socket.set(.linger(.zero))
    _ = try socket.bind(.inproc(name: "zeromq.zap.01"))
    self.context = context
    loop = try IOLoop(name: "zap")
    let desk = Desk(socket, whenRefused: whenRefused)
    self.desk = desk
    loop.perform { [loop] in
      _ = loop.watch(desk.socket) { event in desk.handle(event) }
    }
  }

  deinit { loop.stop() }

  /// Sets the whole table: the keys of each domain, and whose they are. Domains not named refuse everybody.
  package func replace(with table: [ZAPDomain: [CurvePublicKey: String]]) {
    for (_, keys) in table { keys.values.forEach(Self.check) }
    desk.state.withLock { $0.table = table }
  }

  /// Lets the holder of a key into a domain, as `userID`.
  package func admit(_ key: CurvePublicKey, as userID: String, in domain: ZAPDomain) {
    Self.check(userID)
    desk.state.withLock { $0.table[domain, default: [:]][key] = userID }
  }

  /// Refuses the holder of a key from now on. Its present connections stay.
  package func revoke(_ key: CurvePublicKey, in domain: ZAPDomain) {
    desk.state.withLock { _ = $0.table[domain]?.removeValue(forKey: key) }
  }

  package var statistics: Statistics { desk.state.withLock { $0.statistics } }

  private static func check(_ userID: String) {
    precondition((1...userIDBytesMax).contains(userID.utf8.count), "a user id is 1…255 bytes long")
    precondition(!userID.utf8.contains(0), "a user id ends at its first zero byte")
  }

  /// What the thread works with; apart from the authenticator, so that the thread does not keep it alive.
  private final class Desk: @unchecked Sendable {
    struct State {
      var table: [ZAPDomain: [CurvePublicKey: String]] = [:]
      var statistics = Statistics()
    }

    let socket: Socket
    let state = Locked(State())
    private let whenRefused: (@Sendable (RefusedPeer) -> Void)?

    init(_ socket: consuming sending Socket, whenRefused: (@Sendable (RefusedPeer) -> Void)?) {
      self.socket = socket
      self.whenRefused = whenRefused
    }

    func handle(_ event: SocketEvent) {
      switch event {
      case .message(let message): answer(message)
      case .refused: refuse(.malformedRequest)
      case .writable: break
      case .failed(let error): preconditionFailure("the ZAP socket cannot be read: \(error)")
      }
    }

    private func answer(_ message: Message) {
      // Enveloped as by a REQ: routing id, an empty delimiter, the request.
      guard let origin = message.origin, message.frames.first?.isEmpty == true else { return refuse(.malformedRequest) }
      let frames = message.frames.dropFirst().map(\.array)
      let requestID = frames.count > 1 ? frames[1] : []
      let reply: [Frame]
      do throws(ZAPRefusal) {
        let request = try ZAPRequest(frames: frames)
        do throws(ZAPRefusal) {
          let userID = try request.userID(in: state.withLock { $0.table })
          state.withLock { $0.statistics.admissionCount += 1 }
          reply = ZAPRequest.reply(to: requestID, status: "200", text: "OK", userID: userID)
        } catch {
          refuse(error, request)
          reply = ZAPRequest.reply(to: requestID, status: "400", text: error.rawValue)
        }
      } catch {
        refuse(error)
        reply = ZAPRequest.reply(to: requestID, status: "500", text: error.rawValue)
      }
      // An answer that cannot be sent leaves the peer outside until its handshake times out.
      _ = try? socket.send([Frame()] + reply, to: origin)
    }

    private func refuse(_ reason: ZAPRefusal, _ request: ZAPRequest? = nil) {
      state.withLock { $0.statistics.refusalCounts[reason, default: 0] += 1 }
      whenRefused?(
        RefusedPeer(
          reason: reason, domain: ZAPDomain(rawValue: request?.domain ?? ""), address: request?.address ?? "",
          publicKey: request?.publicKey))
    }
  }
}
