import Federation
import Membership
import Rounds

internal import CFederationMessages

/// The control socket, from a worker to the coordinator.
package enum ControlToCoordinator: WireMessage {
  case hello(Hello)
  case heartbeat
  case goodbye
  case round(WorkerMessage)

  package static let limits = FrameLimits.control

  package var kind: String {
    switch self {
    case .hello: "hello"
    case .heartbeat: "heartbeat"
    case .goodbye: "goodbye"
    case .round(let message): message.kind
    }
  }

  package var version: ProtocolVersion {
    if case .hello(let hello) = self { hello.version } else { .current }
  }

  package func write(to draft: EnvelopeDraft) {
    switch self {
    case .hello(let hello): draft.set(MURMUR__ENVELOPE__BODY_HELLO) { $1.hello = hello.draft(in: $0) }
    case .heartbeat: draft.setHeartbeat()
    case .goodbye: draft.setGoodbye()
    case .round(let message): message.write(to: draft)
    }
  }

  package init(reading view: EnvelopeView) throws(WireError) {
    self = try view.read { envelope throws(WireError) in
      switch envelope.body_case {
      case MURMUR__ENVELOPE__BODY_HELLO:
        .hello(try Hello(wire: Field.required(envelope.hello, "hello"), version: view.version))
      case MURMUR__ENVELOPE__BODY_HEARTBEAT: .heartbeat
      case MURMUR__ENVELOPE__BODY_GOODBYE: .goodbye
      default:
        if let message = try WorkerMessage(envelope: envelope) { .round(message) } else { throw view.unknownBody }
      }
    }
  }
}

/// The control socket, from the coordinator to a worker.
package enum ControlToWorker: WireMessage {
  case welcome(Welcome)
  case heartbeat
  case refused(SessionRefusal, detail: String)
  case goodbye
  case rest(Duration)
  case round(CoordinatorMessage)

  package static let limits = FrameLimits.control

  package var kind: String {
    switch self {
    case .welcome: "welcome"
    case .heartbeat: "heartbeat"
    case .refused: "refused"
    case .goodbye: "goodbye"
    case .rest: "rest"
    case .round(let message): message.kind
    }
  }

  package var version: ProtocolVersion {
    if case .welcome(let welcome) = self { welcome.version } else { .current }
  }

  package func write(to draft: EnvelopeDraft) {
    switch self {
    case .welcome(let welcome): draft.set(MURMUR__ENVELOPE__BODY_WELCOME) { $1.welcome = welcome.draft(in: $0) }
    case .heartbeat: draft.setHeartbeat()
    case .goodbye: draft.setGoodbye()
    case .rest(let duration):
      draft.set(MURMUR__ENVELOPE__BODY_REST) { arena, envelope in
        envelope.rest = arena.make(murmur__rest__init) { $0.milliseconds = UInt32(clamping: duration.milliseconds) }
      }
    case .refused(let reason, let detail):
      draft.set(MURMUR__ENVELOPE__BODY_REFUSED) { arena, envelope in
        envelope.refused = arena.make(murmur__session_refused__init) {
          $0.reason = Murmur__SessionRefusal(reason.rawValue)
          $0.detail = arena.prose(detail)
        }
      }
    case .round(let message): message.write(to: draft)
    }
  }

  package init(reading view: EnvelopeView) throws(WireError) {
    self = try view.read { envelope throws(WireError) in
      switch envelope.body_case {
      case MURMUR__ENVELOPE__BODY_WELCOME:
        .welcome(try Welcome(wire: Field.required(envelope.welcome, "welcome"), version: view.version))
      case MURMUR__ENVELOPE__BODY_HEARTBEAT: .heartbeat
      case MURMUR__ENVELOPE__BODY_GOODBYE: .goodbye
      case MURMUR__ENVELOPE__BODY_REST:
        .rest(
          .milliseconds(
            try Field.number(
              Field.required(envelope.rest, "rest").milliseconds, "rest.milliseconds",
              in: 1_000...UInt32(clamping: SessionMessage.restMax.milliseconds))))
      case MURMUR__ENVELOPE__BODY_REFUSED:
        try Self.refused(from: Field.required(envelope.refused, "refused"))
      default:
        if let message = try CoordinatorMessage(envelope: envelope) { .round(message) } else { throw view.unknownBody }
      }
    }
  }

  private static func refused(from message: Murmur__SessionRefused) throws(WireError) -> Self {
    .refused(
      try Field.choice(message.reason.rawValue, "refused.reason"),
      detail: try Field.text(message.detail, "refused.detail"))
  }
}

/// The session messages of one direction, for drivers that hold a `SessionMessage`.
extension ControlToCoordinator {
  /// Nil for what only the coordinator says.
  package init?(_ message: SessionMessage) {
    switch message {
    case .hello(let hello): self = .hello(hello)
    case .heartbeat: self = .heartbeat
    case .goodbye: self = .goodbye
    case .welcome, .refused, .rest: return nil
    }
  }

  /// Nil for a message of a round.
  package var session: SessionMessage? {
    switch self {
    case .hello(let hello): .hello(hello)
    case .heartbeat: .heartbeat
    case .goodbye: .goodbye
    case .round: nil
    }
  }
}

extension ControlToWorker {
  /// Nil for what only a worker says.
  package init?(_ message: SessionMessage) {
    switch message {
    case .welcome(let welcome): self = .welcome(welcome)
    case .heartbeat: self = .heartbeat
    case .refused(let reason, let detail): self = .refused(reason, detail: detail)
    case .goodbye: self = .goodbye
    case .rest(let duration): self = .rest(duration)
    case .hello: return nil
    }
  }

  /// Nil for a message of a round.
  package var session: SessionMessage? {
    switch self {
    case .welcome(let welcome): .welcome(welcome)
    case .heartbeat: .heartbeat
    case .refused(let reason, let detail): .refused(reason, detail: detail)
    case .goodbye: .goodbye
    case .rest(let duration): .rest(duration)
    case .round: nil
    }
  }
}

extension EnvelopeDraft {
  func setHeartbeat() {
    set(MURMUR__ENVELOPE__BODY_HEARTBEAT) { $1.heartbeat = $0.make(murmur__heartbeat__init) { _ in } }
  }

  func setGoodbye() {
    set(MURMUR__ENVELOPE__BODY_GOODBYE) { $1.goodbye = $0.make(murmur__goodbye__init) { _ in } }
  }
}

extension Hello {
  init(wire message: Murmur__Hello, version: ProtocolVersion) throws(WireError) {
    self.init(
      version: version, session: SessionID(message.session),
      software: try Field.text(message.software, "hello.software", max: WireLimits.softwareBytesMax),
      threads: message.threads, labels: try WorkerLabels(wire: message.labels, count: message.n_labels, "hello.labels"))
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__Hello> {
    arena.make(murmur__hello__init) {
      $0.session = session.value
      $0.software = arena.prose(software, max: WireLimits.softwareBytesMax)
      $0.threads = threads
      $0.n_labels = labels.pairs.count
      $0.labels = labels.draft(in: arena)
    }
  }
}

extension Welcome {
  init(wire message: Murmur__Welcome, version: ProtocolVersion) throws(WireError) {
    let milliseconds = try Field.number(
      message.heartbeat_milliseconds, "welcome.heartbeat_milliseconds", in: 10...60_000)
    self.init(
      version: version, session: SessionID(message.session),
      federation: try Field.name(message.federation, "welcome.federation"),
      heartbeatInterval: .milliseconds(milliseconds),
      missedHeartbeats: try Field.number(message.missed_heartbeats, "welcome.missed_heartbeats", in: 2...100))
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__Welcome> {
    arena.make(murmur__welcome__init) {
      $0.session = session.value
      $0.federation = arena.text(federation)
      $0.heartbeat_milliseconds = UInt32(clamping: heartbeatInterval.milliseconds)
      $0.missed_heartbeats = missedHeartbeats
    }
  }
}

extension Duration {
  /// Whole milliseconds, rounded down.
  var milliseconds: Int64 {
    let (seconds, attoseconds) = components
    return seconds &* 1000 &+ attoseconds / 1_000_000_000_000_000
  }
}
