import Federation

/// The worker's side of its session with the coordinator.
///
///     idle ── started ──▶ greeting ── welcome ──▶ connected ── silence, goodbye, unknown session ──▶ greeting
///                            └────────── superseded, unsupported version ──────────┴──▶ ended
///
/// A coordinator that says `rest` gets its next hello after that time.
///
/// Hello is repeated until it is answered, 0.25 s after the first and then at doubled distances up to 4 s, each moved
/// by up to a quarter, so that the workers of a coordinator that restarted do not all speak at once.
package struct CoordinatorSession: Sendable {
  /// Distance of the second hello from the first, before the move.
  package static let helloDelay = Duration.milliseconds(250)
  /// Longest distance between hellos, before the move.
  package static let helloDelayMax = Duration.seconds(4)

  package enum Event: Hashable, Sendable {
    case started(at: MonotonicTime)
    case received(SessionMessage, at: MonotonicTime)
    /// Any message that is not a session message arrived on the link.
    case heardOther(at: MonotonicTime)
    /// Anything but this session's own messages was sent: it stands for a heartbeat.
    case sent(at: MonotonicTime)
    case tick(at: MonotonicTime)
    /// The worker ends of its own will.
    case stopped(at: MonotonicTime)
  }

  package enum Action: Hashable, Sendable {
    case send(SessionMessage)
    /// From here on messages of rounds may be sent; repeat those that have not been answered.
    case connected(Welcome)
    /// Nothing but session messages is sent until `connected`.
    case lost(LossReason)
    /// The process must end; only `superseded` is no error.
    case ended(EndReason)
  }

  /// Why a session cannot go on, now or later.
  package enum EndReason: Hashable, Sendable {
    case refused(SessionRefusal, detail: String)
    case wrongFederation(FederationID)
    /// The coordinator's heartbeats are outside the bounds of `SessionTiming.isAcceptable`.
    case unacceptableTiming
  }

  private enum State {
    case idle
    case greeting(hellos: Int, next: MonotonicTime)
    case connected(Life)
    case ended
  }

  private struct Life {
    let timing: SessionTiming
    var heardAt: MonotonicTime
    var sentAt: MonotonicTime

    func heard(at time: MonotonicTime) -> Life { Life(timing: timing, heardAt: time, sentAt: sentAt) }

    var deadline: MonotonicTime { min(sentAt + timing.heartbeatInterval, heardAt + timing.patience) }
  }

  package let federation: FederationID
  package let hello: Hello
  private var state = State.idle

  package init(federation: FederationID, hello: Hello) {
    self.federation = federation
    self.hello = hello
  }

  package var isConnected: Bool { if case .connected = state { true } else { false } }
  package var isEnded: Bool { if case .ended = state { true } else { false } }

  /// When `tick` is due; nil before the start and after the end.
  package var nextDeadline: MonotonicTime? {
    switch state {
    case .idle, .ended: nil
    case .greeting(_, let next): next
    case .connected(let life): life.deadline
    }
  }

  package mutating func handle(_ event: Event) -> [Action] {
    switch (state, event) {
    case (.idle, .started(let time)):
      return greet(after: 0, time)
    case (.greeting, .received(let message, let time)):
      return answer(message, time)
    case (.greeting(let hellos, let next), .tick(let time)):
      return time < next ? [] : greet(after: hellos, time)
    case (.connected(let life), .received(let message, let time)):
      return take(message, life, time)
    case (.connected(let life), .heardOther(let time)):
      state = .connected(life.heard(at: time))
      return []
    case (.connected(var life), .sent(let time)):
      life.sentAt = time
      state = .connected(life)
      return []
    case (.connected(let life), .tick(let time)):
      return watch(life, time)
    case (.greeting, .stopped), (.connected, .stopped):
      state = .ended
      return [.send(.goodbye)]
    case (.idle, .stopped):
      state = .ended
      return []
    case (.idle, .received), (.idle, .heardOther), (.idle, .sent), (.idle, .tick),
      (.greeting, .started), (.greeting, .heardOther), (.greeting, .sent), (.connected, .started), (.ended, _):
      return []
    }
  }

  private mutating func greet(after hellos: Int, _ time: MonotonicTime) -> [Action] {
    state = .greeting(hellos: hellos + 1, next: time + Self.distance(after: hellos, session: hello.session))
    return [.send(.hello(hello))]
  }

  /// How long to wait for the answer to hello number `hellos` (from 0): the same for the same session.
  package static func distance(after hellos: Int, session: SessionID) -> Duration {
    let plain = min(helloDelayMax, helloDelay * (1 << min(hellos, 8)))
    // Half-mixed bits are enough: they only keep workers apart.
    let bits = (session.value ^ UInt64(hellos)) &* 0x9E37_79B9_7F4A_7C15
    return plain * (768 + Int(bits >> 55)) / 1024
  }

  private mutating func answer(_ message: SessionMessage, _ time: MonotonicTime) -> [Action] {
    switch message {
    case .welcome(let welcome):
      return accept(welcome, time)
    case .refused(let refusal, let detail):
      return end(refusal, detail)
    case .hello, .heartbeat, .goodbye, .rest:
      return []
    }
  }

  private mutating func accept(_ welcome: Welcome, _ time: MonotonicTime) -> [Action] {
    // The answer to an earlier process on the same link.
    guard welcome.session == hello.session else { return [] }
    guard welcome.version.major == ProtocolVersion.current.major else {
      return end(
        .unsupportedVersion, "the coordinator speaks \(welcome.version), the worker \(ProtocolVersion.current)")
    }
    guard welcome.federation == federation else { return end(.wrongFederation(welcome.federation)) }
    let timing = welcome.timing
    guard timing.isAcceptable else { return end(.unacceptableTiming) }
    state = .connected(Life(timing: timing, heardAt: time, sentAt: time))
    return [.connected(welcome)]
  }

  private mutating func take(_ message: SessionMessage, _ life: Life, _ time: MonotonicTime) -> [Action] {
    switch message {
    case .refused(.unknownSession, _):
      return lose(.forgotten, time)
    case .goodbye:
      return lose(.goodbye, time)
    case .rest(let duration):
      state = .greeting(hellos: 1, next: time + min(max(duration, .seconds(1)), SessionMessage.restMax))
      return [.lost(.resting)]
    case .refused(let refusal, let detail):
      state = .connected(life.heard(at: time))
      return end(refusal, detail)
    case .heartbeat, .welcome, .hello:
      state = .connected(life.heard(at: time))
      return []
    }
  }

  /// A refusal ends the session if saying hello again cannot help. An unknown session is what the next hello is for, and
  /// a message that could not be read is for the driver's log.
  private mutating func end(_ refusal: SessionRefusal, _ detail: String) -> [Action] {
    switch refusal {
    case .superseded, .unsupportedVersion: end(.refused(refusal, detail: detail))
    case .unknownSession, .malformed: []
    }
  }

  private mutating func end(_ reason: EndReason) -> [Action] {
    state = .ended
    return [.ended(reason)]
  }

  private mutating func lose(_ reason: LossReason, _ time: MonotonicTime) -> [Action] {
    [.lost(reason)] + greet(after: 0, time)
  }

  private mutating func watch(_ life: Life, _ time: MonotonicTime) -> [Action] {
    var watched = life
    // A late tick means that this process was away: its absence is not the coordinator's silence.
    let absence = time.since(life.deadline)
    if absence > life.timing.heartbeatInterval { watched.heardAt = min(time, life.heardAt + absence) }
    if time.since(watched.heardAt) >= life.timing.patience { return lose(.silence, time) }
    let isDue = time.since(watched.sentAt) >= life.timing.heartbeatInterval
    if isDue { watched.sentAt = time }
    state = .connected(watched)
    return isDue ? [.send(.heartbeat)] : []
  }

  /// What must hold after every event, in words; empty when all of it does.
  package func checkInvariants() -> [String] {
    switch state {
    case .idle, .ended: []
    case .greeting(let hellos, _): hellos > 0 ? [] : ["greeting without a hello"]
    case .connected(let life): life.timing.isAcceptable ? [] : ["connected with unacceptable timing"]
    }
  }
}
