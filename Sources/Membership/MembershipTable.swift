import Federation

/// Who is there, at the coordinator: sessions, heartbeats, liveness.
///
///     absent ── hello ──▶ joined ── silence, goodbye, link closed ──▶ absent
///                           └── hello of another session: the older one is lost and told so, the newer joins
///
/// A worker has at most one session, on one link. Traffic on any other link is not that session's: a link that was
/// left behind is ignored, an unknown one is told to say hello. Sessions that were replaced never come back
/// (`retiredSessionsMax` of them are remembered per worker), so two processes with one key cannot take turns.
/// Every event carries the time; call `tick` at `nextDeadline` or soon after.
package struct MembershipTable: Sendable {
  /// Replaced sessions that are remembered per worker.
  package static let retiredSessionsMax = 8
  /// Links left behind that are remembered per worker.
  package static let staleLinksMax = 8

  /// What happened. `from` is the authenticated name of the sender, never what the message says.
  package enum Event: Hashable, Sendable {
    case helloReceived(Hello, from: WorkerID, link: LinkID, at: MonotonicTime)
    /// Any other message, heartbeats too. Process it only if `isCurrent(link:of:)` holds afterwards.
    case heard(from: WorkerID, link: LinkID, at: MonotonicTime)
    /// Something other than this table's own messages was sent: it stands for a heartbeat.
    case sent(to: LinkID, at: MonotonicTime)
    case goodbyeReceived(from: WorkerID, link: LinkID, at: MonotonicTime)
    /// The coordinator does not need the worker for a while.
    case dismissed(WorkerID, for: Duration, at: MonotonicTime)
    /// The socket has no peer behind this link (EHOSTUNREACH), or its queue is full.
    case linkRefused(LinkID, at: MonotonicTime)
    case tick(at: MonotonicTime)
  }

  package enum Action: Hashable, Sendable {
    case send(SessionMessage, to: LinkID)
    case joined(WorkerID, SessionID)
    /// The same session said hello again: what was sent to it lately may not have arrived.
    case rejoined(WorkerID, SessionID)
    case lost(WorkerID, LossReason)
  }

  /// One live session, for status.
  package struct Entry: Hashable, Sendable {
    package let worker: WorkerID
    package let session: SessionID
    package let link: LinkID
    package let software: String
    package let threads: UInt32
    package let connectedFor: Duration
    package let silentFor: Duration
  }

  private struct Session {
    let hello: Hello
    var link: LinkID
    let joinedAt: MonotonicTime
    var greetedAt: MonotonicTime
    var heardAt: MonotonicTime
    var sentAt: MonotonicTime
  }

  private struct Member {
    var live: Session?
    /// The session that joined last, live or lost.
    var latest: SessionID?
    var retired: [SessionID] = []
    var staleLinks: [LinkID] = []
    /// Who was last told to say hello, and when: not more than once per heartbeat interval.
    var notice: (link: LinkID, at: MonotonicTime)?
  }

  package let federation: FederationID
  package let timing: SessionTiming
  /// Messages from names outside the membership list: dropped unanswered.
  package private(set) var strangerMessages = 0
  /// When `tick` is due; nil while nobody is there. May be earlier than needed, never later.
  package private(set) var nextDeadline: MonotonicTime?

  private let names: [WorkerID]
  private var members: [WorkerID: Member]
  /// The worker behind each live session's link.
  private var owners: [LinkID: WorkerID] = [:]
  private var tickedAt: MonotonicTime?

  /// - Parameters:
  ///   - allowed: the workers of the membership list; nobody else ever gets an entry.
  ///   - timing: told to each worker in its welcome; `isAcceptable`.
  package init(federation: FederationID, allowed: Set<WorkerID>, timing: SessionTiming = .standard) {
    precondition(timing.isAcceptable, "a heartbeat of \(timing.heartbeatInterval), \(timing.missedHeartbeats) missed")
    self.federation = federation
    self.timing = timing
    names = allowed.sorted()
    members = Dictionary(uniqueKeysWithValues: names.map { ($0, Member()) })
  }

  package mutating func handle(_ event: Event) -> [Action] {
    switch event {
    case .helloReceived(let hello, let worker, let link, let time):
      return fromMember(worker, link) { $0.greet(worker, hello, link, time) }
    case .heard(let worker, let link, let time):
      return fromMember(worker, link) { $0.note(worker, link, time) }
    case .sent(let link, let time):
      if let worker = owners[link] { members[worker]?.live?.sentAt = time }
      return []
    case .goodbyeReceived(let worker, let link, _):
      return fromMember(worker, link) {
        guard $0.isCurrent(link: link, of: worker) else { return [] }
        $0.leaveBehind(link, worker)
        return $0.lose(worker, .goodbye)
      }
    case .dismissed(let worker, let duration, _):
      guard let link = link(of: worker) else { return [] }
      leaveBehind(link, worker)
      return [.send(.rest(min(max(duration, .seconds(1)), SessionMessage.restMax)), to: link)] + lose(worker, .resting)
    case .linkRefused(let link, _):
      return owners[link].map { lose($0, .linkClosed) } ?? []
    case .tick(let time):
      return tick(time)
    }
  }

  /// Whether messages on `link` belong to the live session of `worker`.
  package func isCurrent(link: LinkID, of worker: WorkerID) -> Bool { members[worker]?.live?.link == link }

  /// Where messages for `worker` go; nil while it is not there.
  package func link(of worker: WorkerID) -> LinkID? { members[worker]?.live?.link }

  /// The live session of `worker`; nil while it is not there.
  package func session(of worker: WorkerID) -> SessionID? { members[worker]?.live?.hello.session }

  /// What the live session of `worker` said of itself; nothing while it is not there.
  package func traits(of worker: WorkerID) -> WorkerTraits {
    members[worker]?.live?.hello.traits ?? WorkerTraits(threads: 0)
  }

  /// Everyone who is there, sorted by name.
  package var present: [WorkerID] { names.filter { members[$0]?.live != nil } }

  /// Every live session, sorted by worker.
  package func entries(at time: MonotonicTime) -> [Entry] {
    names.compactMap { worker in
      guard let live = members[worker]?.live else { return nil }
      return Entry(
        worker: worker, session: live.hello.session, link: live.link, software: live.hello.software,
        threads: live.hello.threads, connectedFor: time.since(live.joinedAt), silentFor: time.since(live.heardAt))
    }
  }

  /// Runs `body` for a member. A link that another worker held leads to this sender now, so that worker has lost it.
  private mutating func fromMember(
    _ worker: WorkerID, _ link: LinkID, _ body: (inout MembershipTable) -> [Action]
  ) -> [Action] {
    guard members[worker] != nil else {
      strangerMessages += 1
      return []
    }
    guard let owner = owners[link], owner != worker else { return body(&self) }
    return lose(owner, .linkClosed) + body(&self)
  }

  private mutating func greet(
    _ worker: WorkerID, _ hello: Hello, _ link: LinkID, _ time: MonotonicTime
  ) -> [Action] {
    guard hello.version.major == ProtocolVersion.current.major else {
      let detail = "the coordinator speaks \(ProtocolVersion.current), the worker \(hello.version)"
      return [.send(.refused(.unsupportedVersion, detail: detail), to: link)]
    }
    guard let member = members[worker], !member.retired.contains(hello.session) else {
      if !isCurrent(link: link, of: worker) { leaveBehind(link, worker) }
      return [.send(.refused(.superseded, detail: ""), to: link)]
    }
    guard let live = member.live else { return join(worker, hello, link, time) }
    guard live.hello.session == hello.session else {
      leaveBehind(live.link, worker)
      // On one and the same link the older process is gone, and the newer one must not read its farewell.
      let farewell: [Action] = live.link == link ? [] : [.send(.refused(.superseded, detail: ""), to: live.link)]
      return farewell + lose(worker, .superseded) + join(worker, hello, link, time)
    }
    return move(worker, live, to: link, time)
  }

  private mutating func join(
    _ worker: WorkerID, _ hello: Hello, _ link: LinkID, _ time: MonotonicTime
  ) -> [Action] {
    if let previous = members[worker]?.latest, previous != hello.session {
      members[worker]?.retired.append(previous, keepingLast: Self.retiredSessionsMax)
    }
    members[worker]?.latest = hello.session
    members[worker]?.notice = nil
    let session = Session(
      hello: hello, link: link, joinedAt: time, greetedAt: time, heardAt: time, sentAt: time)
    place(worker, session, time)
    return [welcome(hello.session, to: link), .joined(worker, hello.session)]
  }

  private mutating func move(
    _ worker: WorkerID, _ live: Session, to link: LinkID, _ time: MonotonicTime
  ) -> [Action] {
    var session = live
    // Repeated hellos that waited in a queue arrive together; one of them is news.
    let isNews = live.link != link || time.since(live.greetedAt) >= timing.heartbeatInterval
    if live.link != link {
      leaveBehind(live.link, worker)
      owners[live.link] = nil
    }
    (session.link, session.greetedAt, session.heardAt, session.sentAt) = (link, time, time, time)
    place(worker, session, time)
    let welcome = welcome(live.hello.session, to: link)
    return isNews ? [welcome, .rejoined(worker, live.hello.session)] : [welcome]
  }

  private mutating func place(_ worker: WorkerID, _ session: Session, _ time: MonotonicTime) {
    members[worker]?.live = session
    members[worker]?.staleLinks.removeAll { $0 == session.link }
    owners[session.link] = worker
    nextDeadline = min(nextDeadline ?? time + timing.heartbeatInterval, time + timing.heartbeatInterval)
  }

  private func welcome(_ session: SessionID, to link: LinkID) -> Action {
    .send(
      .welcome(
        Welcome(
          version: .current, session: session, federation: federation,
          heartbeatInterval: timing.heartbeatInterval, missedHeartbeats: timing.missedHeartbeats)), to: link)
  }

  private mutating func note(_ worker: WorkerID, _ link: LinkID, _ time: MonotonicTime) -> [Action] {
    if isCurrent(link: link, of: worker) {
      members[worker]?.live?.heardAt = time
      return []
    }
    guard let member = members[worker], !member.staleLinks.contains(link) else { return [] }
    if let notice = member.notice, notice.link == link, time.since(notice.at) < timing.heartbeatInterval { return [] }
    members[worker]?.notice = (link, time)
    return [.send(.refused(.unknownSession, detail: ""), to: link)]
  }

  private mutating func leaveBehind(_ link: LinkID, _ worker: WorkerID) {
    members[worker]?.staleLinks.removeAll { $0 == link }
    members[worker]?.staleLinks.append(link, keepingLast: Self.staleLinksMax)
  }

  private mutating func lose(_ worker: WorkerID, _ reason: LossReason) -> [Action] {
    guard let live = members[worker]?.live else { return [] }
    owners[live.link] = nil
    members[worker]?.live = nil
    return [.lost(worker, reason)]
  }

  private mutating func tick(_ time: MonotonicTime) -> [Action] {
    // While nobody ticked, this process was away (suspended, starved): its absence is not the peers' silence.
    let absence = tickedAt.map { time.since($0) } ?? .zero
    let excused = absence > timing.heartbeatInterval * 2 ? absence - timing.heartbeatInterval : .zero
    tickedAt = time
    nextDeadline = nil
    var actions: [Action] = []
    for worker in names {
      guard var live = members[worker]?.live else { continue }
      live.heardAt = min(time, live.heardAt + excused)
      if time.since(live.heardAt) >= timing.patience {
        actions += lose(worker, .silence)
        continue
      }
      if time.since(live.sentAt) >= timing.heartbeatInterval {
        live.sentAt = time
        actions.append(.send(.heartbeat, to: live.link))
      }
      members[worker]?.live = live
      let due = min(live.sentAt + timing.heartbeatInterval, live.heardAt + timing.patience)
      nextDeadline = min(nextDeadline ?? due, due)
    }
    return actions
  }

  /// What must hold after every event, in words; empty when all of it does.
  package func checkInvariants() -> [String] {
    var broken: [String] = []
    func expect(_ holds: Bool, _ words: String) { if !holds { broken.append(words) } }
    expect(members.count == names.count, "an entry for a worker that is not allowed")
    expect(owners.count == present.count, "links and live sessions do not match")
    for worker in names {
      guard let member = members[worker] else { continue }
      expect(member.retired.count <= Self.retiredSessionsMax, "\(worker): too many retired sessions")
      expect(member.staleLinks.count <= Self.staleLinksMax, "\(worker): too many stale links")
      guard let live = member.live else { continue }
      expect(owners[live.link] == worker, "\(worker): its link belongs to another")
      expect(member.latest == live.hello.session, "\(worker): the live session is not the latest")
      expect(!member.retired.contains(live.hello.session), "\(worker): a retired session lives")
      expect(!member.staleLinks.contains(live.link), "\(worker): a live link is stale")
      expect(nextDeadline != nil, "\(worker): is there, but no tick is due")
    }
    return broken
  }
}

extension Array {
  /// Appends, and forgets the oldest beyond `limit`.
  fileprivate mutating func append(_ element: Element, keepingLast limit: Int) {
    append(element)
    if count > limit { removeFirst(count - limit) }
  }
}
