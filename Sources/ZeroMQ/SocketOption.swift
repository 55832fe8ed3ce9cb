import CZeroMQ

/// One setting of a socket, to be made before it binds or connects (zmq_setsockopt(3)).
///
/// Serving CURVE is not among them: see ``Socket/serveCurve(_:in:admittedBy:)``.
package enum SocketOption: Equatable, Sendable {
  /// How long unsent messages keep a closed socket alive.
  case linger(Duration)
  /// Most messages, not bytes, queued to one peer.
  case sendHighWaterMark(Int)
  /// Most messages, not bytes, queued from one peer; more wait in its own queue.
  case receiveHighWaterMark(Int)
  /// A ROUTER reports peers it cannot reach instead of dropping what is sent to them.
  case routerMandatory(Bool)
  /// A ROUTER gives a routing id that comes again to the newer connection.
  case routerHandover(Bool)
  /// Largest frame; a peer that sends a larger one is disconnected without an error at either end.
  ///
  /// libzmq bounds neither the frames of one message nor their sum: it keeps an over-long message of an admitted peer
  /// in memory until it is complete and read. Such a message is then refused with the peer's user id, to revoke it.
  case frameBytesMax(Int)
  /// Time for the handshakes of ZMTP and CURVE.
  case handshakeInterval(Duration)
  /// ZMTP pings: sent every `interval`, the connection is closed after `timeout` without any traffic here and after
  /// `timeToLive` (below 60 s) without any there.
  case heartbeat(interval: Duration, timeout: Duration, timeToLive: Duration)
  /// TCP keepalive: first probe after `idle`, then `count` probes, `interval` apart. Whole seconds.
  case tcpKeepalive(idle: Duration, count: Int, interval: Duration)
  /// Pause before connecting again, doubled from `initial` to `longest`.
  case reconnect(initial: Duration, longest: Duration)
  /// Time for TCP to connect.
  case connectTimeout(Duration)
  /// Queue only to completed connections.
  case immediate(Bool)
  case ipv6(Bool)
  /// Which of the context's I/O threads serve new connections, counted from 0; empty means all.
  case ioThreads(Set<Int>)
  /// A SUB receives messages whose first frame begins with this.
  case subscribe([UInt8])
  case unsubscribe([UInt8])
  /// An XPUB waits for slow subscribers instead of dropping what they cannot take.
  case publishWithoutDropping(Bool)
  /// Asks the ZAP handler about peers of a socket without CURVE too.
  case zapDomain(ZAPDomain)
  /// Connects as `keyPair`, only to a server that holds the secret of `server`.
  case curveClient(keyPair: CurveKeyPair, server: CurvePublicKey)
}

/// Which keys a server socket lets in: the name under which a ``ZAPAuthenticator`` keeps them.
package struct ZAPDomain: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
  package let rawValue: String

  package init(rawValue: String) { self.rawValue = rawValue }

  /// Workers, at control and bulk.
  package static let worker = ZAPDomain(rawValue: "murmur.worker")
  /// Serving nodes, at state and snapshot.
  package static let serve = ZAPDomain(rawValue: "murmur.serve")
  /// Consumers of models, at pull.
  package static let user = ZAPDomain(rawValue: "murmur.user")
  /// Operators who connect from other machines.
  package static let `operator` = ZAPDomain(rawValue: "murmur.operator")

  package var description: String { rawValue }
}

extension Socket {
  /// What CURVE adds to a frame before libzmq measures it (RFC 26: command name, nonce, authenticator, flags).
  private static let sealBytes: Int64 = 33

  package borrowing func set(_ option: SocketOption) throws(ZeroMQError) {
    switch option {
    case .linger(let time): try set(ZMQ_LINGER, "ZMQ_LINGER", milliseconds: time)
    case .sendHighWaterMark(let count): try set(ZMQ_SNDHWM, "ZMQ_SNDHWM", count)
    case .receiveHighWaterMark(let count): try set(ZMQ_RCVHWM, "ZMQ_RCVHWM", count)
    case .routerMandatory(let isOn): try set(ZMQ_ROUTER_MANDATORY, "ZMQ_ROUTER_MANDATORY", isOn ? 1 : 0)
    case .routerHandover(let isOn): try set(ZMQ_ROUTER_HANDOVER, "ZMQ_ROUTER_HANDOVER", isOn ? 1 : 0)
    case .frameBytesMax(let count): try set(ZMQ_MAXMSGSIZE, "ZMQ_MAXMSGSIZE", value: Int64(count) + Self.sealBytes)
    case .handshakeInterval(let time): try set(ZMQ_HANDSHAKE_IVL, "ZMQ_HANDSHAKE_IVL", milliseconds: time)
    case .heartbeat(let interval, let timeout, let timeToLive):
      // The field is 16 bits of deciseconds, and large values misbehave in 4.3.4 (libzmq issue 4226).
      guard timeToLive < .seconds(60) else { throw ZeroMQError(.setOption(name: "ZMQ_HEARTBEAT_TTL"), code: EINVAL) }
      try set(ZMQ_HEARTBEAT_IVL, "ZMQ_HEARTBEAT_IVL", milliseconds: interval)
      try set(ZMQ_HEARTBEAT_TIMEOUT, "ZMQ_HEARTBEAT_TIMEOUT", milliseconds: timeout)
      try set(ZMQ_HEARTBEAT_TTL, "ZMQ_HEARTBEAT_TTL", milliseconds: timeToLive)
    case .tcpKeepalive(let idle, let count, let interval):
      try set(ZMQ_TCP_KEEPALIVE, "ZMQ_TCP_KEEPALIVE", 1)
      try set(ZMQ_TCP_KEEPALIVE_IDLE, "ZMQ_TCP_KEEPALIVE_IDLE", Int(idle.components.seconds))
      try set(ZMQ_TCP_KEEPALIVE_CNT, "ZMQ_TCP_KEEPALIVE_CNT", count)
      try set(ZMQ_TCP_KEEPALIVE_INTVL, "ZMQ_TCP_KEEPALIVE_INTVL", Int(interval.components.seconds))
    case .reconnect(let initial, let longest):
      try set(ZMQ_RECONNECT_IVL, "ZMQ_RECONNECT_IVL", milliseconds: initial)
      try set(ZMQ_RECONNECT_IVL_MAX, "ZMQ_RECONNECT_IVL_MAX", milliseconds: longest)
    case .connectTimeout(let time): try set(ZMQ_CONNECT_TIMEOUT, "ZMQ_CONNECT_TIMEOUT", milliseconds: time)
    case .immediate(let isOn): try set(ZMQ_IMMEDIATE, "ZMQ_IMMEDIATE", isOn ? 1 : 0)
    case .ipv6(let isOn): try set(ZMQ_IPV6, "ZMQ_IPV6", isOn ? 1 : 0)
    case .ioThreads(let threads):
      guard threads.allSatisfy({ (0..<64).contains($0) }) else {
        throw ZeroMQError(.setOption(name: "ZMQ_AFFINITY"), code: EINVAL)
      }
      try set(ZMQ_AFFINITY, "ZMQ_AFFINITY", value: threads.reduce(UInt64(0)) { $0 | 1 << UInt64($1) })
    case .subscribe(let prefix): try set(ZMQ_SUBSCRIBE, "ZMQ_SUBSCRIBE", bytes: prefix)
    case .unsubscribe(let prefix): try set(ZMQ_UNSUBSCRIBE, "ZMQ_UNSUBSCRIBE", bytes: prefix)
    case .publishWithoutDropping(let isOn): try set(ZMQ_XPUB_NODROP, "ZMQ_XPUB_NODROP", isOn ? 1 : 0)
    case .zapDomain(let domain): try set(ZMQ_ZAP_DOMAIN, "ZMQ_ZAP_DOMAIN", bytes: Array(domain.rawValue.utf8))
    case .curveClient(let keyPair, let server):
      try set(ZMQ_CURVE_SERVERKEY, "ZMQ_CURVE_SERVERKEY", bytes: server.bytes)
      try set(keyPair)
    }
  }

  /// Serves CURVE as `keyPair` to those peers whose key the authenticator holds in `domain`, and to nobody else.
  ///
  /// libzmq lets everybody in when no ZAP handler runs. That cannot happen here: the authenticator runs from its
  /// creation on, and the socket keeps it alive. To be called before the socket binds.
  ///
  /// - Precondition: socket and authenticator have the same context, where alone they can find each other.
  package borrowing func serveCurve(
    _ keyPair: CurveKeyPair, in domain: ZAPDomain, admittedBy authenticator: ZAPAuthenticator
  ) throws(ZeroMQError) {
    precondition(authenticator.context === handle.context, "ZAP reaches only sockets of its own context")
    precondition(!domain.rawValue.isEmpty, "libzmq does not ask about a domain without a name")
    handle.authenticator = authenticator
    try set(.zapDomain(domain))
    try set(ZMQ_CURVE_SERVER, "ZMQ_CURVE_SERVER", 1)
    try set(keyPair)
  }

  private borrowing func set(_ keyPair: CurveKeyPair) throws(ZeroMQError) {
    try set(ZMQ_CURVE_PUBLICKEY, "ZMQ_CURVE_PUBLICKEY", bytes: keyPair.publicKey.bytes)
    let result = keyPair.secretKey.withUnsafeBytes { [raw = handle.raw] in
      zmq_setsockopt(raw, ZMQ_CURVE_SECRETKEY, $0.baseAddress, $0.count)
    }
    guard result == 0 else { throw .last(.setOption(name: "ZMQ_CURVE_SECRETKEY")) }
  }

  private borrowing func set(_ option: Int32, _ name: String, milliseconds time: Duration) throws(ZeroMQError) {
    let (seconds, attoseconds) = time.components
    guard seconds >= 0, attoseconds >= 0, seconds <= 2_000_000 else {
      throw ZeroMQError(.setOption(name: name), code: EINVAL)
    }
    try set(option, name, Int(seconds) * 1000 + Int(attoseconds / 1_000_000_000_000_000))
  }

  private borrowing func set(_ option: Int32, _ name: String, _ value: Int) throws(ZeroMQError) {
    guard let value = Int32(exactly: value) else { throw ZeroMQError(.setOption(name: name), code: EINVAL) }
    try set(option, name, value: value)
  }

  private borrowing func set<Value: BitwiseCopyable>(
    _ option: Int32, _ name: String, value: Value
  ) throws(ZeroMQError) {
    var value = value
    guard zmq_setsockopt(handle.raw, option, &value, MemoryLayout<Value>.size) == 0 else {
      throw .last(.setOption(name: name))
    }
  }

  private borrowing func set(_ option: Int32, _ name: String, bytes: [UInt8]) throws(ZeroMQError) {
    guard zmq_setsockopt(handle.raw, option, bytes, bytes.count) == 0 else { throw .last(.setOption(name: name)) }
  }
}
