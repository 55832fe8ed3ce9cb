import ClusterConfiguration
import Cryptography
import Federation
import Membership
import Testing
import Wire
import ZeroMQ

/// One socket at the coordinator that says whatever a test wants, with or without a key.
actor HostilePeer {
  enum Target {
    case control, bulk
  }

  private let socket: Socket
  private let endpoint: Endpoint

  private init(_ socket: consuming sending Socket, endpoint: Endpoint) throws {
    self.socket = socket
    self.endpoint = endpoint
    try self.socket.connect(endpoint)
  }

  /// - Parameter keys: nil for a peer that does not speak CURVE.
  static func connect(
    to target: Target, of federation: ProcessFederation, with keys: CurveKeyPair?
  ) throws -> HostilePeer {
    let socket = try Socket(.dealer, in: try Context(), framesMax: 64)
    // No bound on what it sends or receives, and back again at once after it was thrown out.
    try socket.set(.immediate(true))
    try socket.set(.reconnect(initial: .milliseconds(10), longest: .milliseconds(10)))
    if let keys {
      let server = try #require(federation.file.membership.members(role: .coordinator).first?.certificate.linkKey)
      let key = try #require(CurvePublicKey(bytes: server.bytes))
      try socket.set(.curveClient(keyPair: keys, server: key))
    }
    let endpoints = try federation.endpoints
    return try HostilePeer(
      socket, endpoint: Endpoint(rawValue: target == .control ? endpoints.control : endpoints.bulk))
  }

  static func connect(
    to target: Target, of federation: ProcessFederation, as name: String, _ role: Role = .worker
  ) throws -> HostilePeer {
    try connect(to: target, of: federation, with: try federation.home(name, role).keys)
  }

  /// Hands one message to libzmq; false if nobody takes it within the limit.
  func send(_ frames: [[UInt8]], within limit: Duration = .seconds(10)) async throws -> Bool {
    let message = frames.map { Frame(copying: $0) }
    return try await eventually(within: limit) { try socket.send(message) == .sent }
  }

  func send(_ message: some WireMessage, payload: [UInt8]? = nil) async throws -> Bool {
    try await send([try message.encoded()] + (payload.map { [$0] } ?? []))
  }

  /// Hands over messages as fast as libzmq takes them, until it takes no more; returns how many.
  func pour(_ messages: [[UInt8]], upTo limit: Int = 2000) throws -> Int {
    var count = 0
    while count < limit, try socket.send([Frame(copying: messages[count % messages.count])]) == .sent { count += 1 }
    return count
  }

  /// Everything that has arrived and was not taken yet.
  func take() throws -> [Message] {
    var messages: [Message] = []
    while case .message(let message) = try socket.receive() { messages.append(message) }
    return messages
  }

  func takeControl() throws -> [ControlToWorker] {
    try take().map { try ControlToWorker(decoding: $0.frames[0].array) }
  }

  /// Takes what arrives until `count` messages satisfy the claim; false if the time is over before.
  func hears(
    _ count: Int = 1, within limit: Duration = .seconds(20), _ claim: (ControlToWorker) -> Bool
  ) async throws -> Bool {
    var found = 0
    return try await eventually(within: limit) {
      found += try takeControl().count(where: claim)
      return found >= count
    }
  }
}

extension HostilePeer {
  /// Says hello again and again until it is welcome.
  func greets(session: UInt64) async throws -> Bool {
    try await eventually {
      _ = try await send(ControlToCoordinator.hello(session: session))
      return try await hears(within: .milliseconds(100)) { $0.welcomes(session) }
    }
  }
}

extension PartyHome {
  var keys: CurveKeyPair {
    get throws { try CurveKeyPair(secretKey: try #require(linkSecret.withUnsafeBytes { CurveSecretKey(copying: $0) })) }
  }
}

extension ControlToCoordinator {
  static func hello(session: UInt64, software: String = "hostile", version: ProtocolVersion = .current) -> Self {
    .hello(Hello(version: version, session: SessionID(session), software: software, threads: 1))
  }
}

extension ControlToWorker {
  func refuses(_ reason: SessionRefusal) -> Bool {
    if case .refused(reason, _) = self { true } else { false }
  }

  func welcomes(_ session: UInt64) -> Bool {
    if case .welcome(let welcome) = self { welcome.session == SessionID(session) } else { false }
  }
}
