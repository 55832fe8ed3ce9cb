import Federation
import Logging
import Membership
import Observability
import Rounds
import Wire
import ZeroMQ

/// The coordinator's control socket: sessions and heartbeats are answered here, on the loop's thread; messages of rounds
/// go on to the driver, so that nothing it computes delays a heartbeat.
actor ControlServer {
  /// What the driver hears.
  enum Delivery: Sendable {
    case joined(WorkerID, WorkerTraits)
    /// A new process of a worker that was here before: it knows nothing of the attempt in hand.
    case restarted(WorkerID, WorkerTraits)
    case lost(WorkerID, LossReason)
    case message(WorkerMessage, from: WorkerID, byteCount: Int)
  }

  nonisolated let loop: IOLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  private let socket: Socket
  private var table: MembershipTable
  private let logger: Logger
  private let traffic: TrafficLedger
  private let backlog: PeerBacklog
  private let links: LinkMetrics
  private var deliver: (@Sendable (Delivery) -> Void)?
  private var progress: [WorkerID: ReportedProgress] = [:]
  private var sessions: [WorkerID: SessionID] = [:]
  private var deadlines = RunDeadlines<LoopTimer>()

  /// Binds the socket; nothing is read until `start`.
  init(
    loop: IOLoop, socket: consuming sending Socket, membership: MembershipList, timing: SessionTiming,
    traffic: TrafficLedger, backlog: PeerBacklog, links: LinkMetrics, logger: Logger
  ) {
    self.loop = loop
    self.socket = socket
    self.traffic = traffic
    self.backlog = backlog
    self.links = links
    self.logger = logger
    table = MembershipTable(
      federation: membership.federation,
      allowed: Set(membership.members(role: .worker).map(\.certificate.name)), timing: timing)
  }

  func start(deliver: @escaping @Sendable (Delivery) -> Void) {
    self.deliver = deliver
    loop.watch(socket, for: self) { server, event in server.receive(event) }
    loop.schedule(every: table.timing.tickInterval, for: self) { $0.tick() }
  }

  /// Sends a control message to a worker that is there; one that is not will be told again when it returns.
  func send(_ message: CoordinatorMessage, to worker: WorkerID) {
    switch message {
    case .result, .ended: progress[worker] = nil  // The worker has nothing in hand now.
    case .offer, .roster, .peerShares, .dealers, .survivors, .quorum, .aborts: break
    }
    guard let link = table.link(of: worker) else { return }
    KillPoint.reached(.coordinator, .beforeSend, message.kind)
    send(.round(message), to: link, of: worker)
    KillPoint.reached(.coordinator, .afterSend, message.kind)
    _ = table.handle(.sent(to: link, at: .now))
  }

  /// The worker is not needed for a while.
  func dismiss(_ worker: WorkerID, for duration: Duration) {
    perform(table.handle(.dismissed(worker, for: duration, at: .now)))
  }

  /// Calls `elapsed` when the deadline has passed, unless its attempt or its run ends before.
  func start(
    _ deadline: RunStateMachine.DeadlineID, after duration: Duration, of run: RunID,
    elapsed: @escaping @Sendable () -> Void
  ) {
    deadlines.add(deadline, of: run) { number in
      loop.schedule(after: duration, for: self) { server in
        server.deadlines.passed(number, of: run)
        elapsed()
      }
    }
  }

  func cancelDeadlines(of attempt: AttemptID, of run: RunID) {
    for timer in deadlines.ended(attempt, of: run) { timer.cancel() }
  }

  func cancelDeadlines(of run: RunID) {
    for timer in deadlines.ended(run) { timer.cancel() }
  }

  func goodbye() {
    for worker in table.present {
      if let link = table.link(of: worker) { send(.goodbye, to: link) }
    }
  }

  /// Who is there, for status.
  func presence() -> [(entry: MembershipTable.Entry, phase: WorkPhase?, stalledSeconds: UInt32)] {
    table.entries(at: .now).map {
      let reported = progress[$0.worker]
      return ($0, reported?.phase, reported?.stalledSeconds(at: .now) ?? 0)
    }
  }

  private func tick() { perform(table.handle(.tick(at: .now))) }

  private func receive(_ event: SocketEvent) {
    switch event {
    case .message(let message): receive(message)
    case .refused(let refused):
      logger.warning(
        "message refused",
        metadata: ["socket": "control", "reason": "\(refused.reason)", "peer": "\(refused.userID ?? "?")"])
    case .writable: break
    case .failed(let error): logger.critical("control socket failed", metadata: ["error": "\(error)"])
    }
  }

  private func receive(_ message: Message) {
    guard let origin = message.origin, let name = message.userID.flatMap({ WorkerID($0) }) else { return }
    let link = LinkID(origin.bytes)
    let byteCount = message.frames.reduce(0) { $0 + $1.count }
    traffic.received(byteCount, from: name)
    let decoded: ControlToCoordinator
    do throws(WireError) {
      guard message.frames.count == 1 else {
        throw .badField("frames", found: "\(message.frames.count)", expected: "1")
      }
      decoded = try ControlToCoordinator(decoding: message.frames[0].array)
    } catch {
      refuse(error, from: name, link: link)
      return
    }
    switch decoded {
    case .hello(let hello):
      // Every greeting can make work for the driver. One that waits is said again.
      guard backlog.hasRoom(for: name) else { return }
      perform(table.handle(.helloReceived(hello, from: name, link: link, at: .now)))
    case .goodbye: perform(table.handle(.goodbyeReceived(from: name, link: link, at: .now)))
    case .heartbeat: perform(table.handle(.heard(from: name, link: link, at: .now)))
    case .round(let body):
      perform(table.handle(.heard(from: name, link: link, at: .now)))
      guard table.isCurrent(link: link, of: name) else { return }
      if case .progress(_, let phase, _, let stalledSeconds) = body { note(phase, stalledSeconds, of: name) }
      switch backlog.enter(name, bytes: byteCount) {
      case .entered: deliver?(.message(body, from: name, byteCount: byteCount))
      case .full(let isNews):
        links.dropped(on: .control).add()
        guard isNews else { return }
        logger.warning("messages dropped", metadata: ["worker": "\(name)", "first": "\(body.kind)"])
      }
    }
  }

  private func note(_ phase: WorkPhase, _ stalledSeconds: UInt32, of worker: WorkerID) {
    let last = progress.updateValue(
      ReportedProgress(phase: phase, stalled: stalledSeconds, reportedAt: .now), forKey: worker)
    guard (last?.stalled ?? 0 > 0) != (stalledSeconds > 0) else { return }
    logger.notice(
      stalledSeconds > 0 ? "training stalls" : "training goes on",
      metadata: ["worker": "\(worker)", "seconds": "\(stalledSeconds)"])
  }

  /// A frame that cannot be read says nothing; its sender is told, and the federation goes on.
  private func refuse(_ error: WireError, from name: WorkerID, link: LinkID) {
    logger.warning(
      "unreadable frame", metadata: ["socket": "control", "worker": "\(name)", "error": "\(error)"])
    let refusal: SessionRefusal = if case .unsupportedVersion = error { .unsupportedVersion } else { .malformed }
    send(.refused(refusal, detail: String("\(error)".prefix(200))), to: link)
  }

  /// Links that turn out to be gone are reported to the table after the batch: its later actions stay in order.
  private func perform(_ actions: [MembershipTable.Action]) {
    var gone: [LinkID] = []
    for action in actions {
      switch action {
      case .send(let message, let link):
        if let message = ControlToWorker(message), !transmit(message, to: link) { gone.append(link) }
      case .joined(let worker, let session):
        logger.info("worker joined", metadata: ["worker": "\(worker)", "session": "\(session)"])
        let last = sessions.updateValue(session, forKey: worker)
        let traits = table.traits(of: worker)
        tell(last == nil || last == session ? .joined(worker, traits) : .restarted(worker, traits), of: worker)
      case .rejoined(let worker, _): tell(.joined(worker, table.traits(of: worker)), of: worker)
      case .lost(let worker, let reason):
        logger.notice("worker lost", metadata: ["worker": "\(worker)", "reason": "\(reason)"])
        progress[worker] = nil
        tell(.lost(worker, reason), of: worker)
      }
    }
    for link in gone { perform(table.handle(.linkRefused(link, at: .now))) }
  }

  private func tell(_ news: Delivery, of worker: WorkerID) {
    backlog.enterAlways(worker)
    deliver?(news)
  }

  /// - Parameter worker: whom the message is counted for, if it is one of a round.
  private func send(_ message: ControlToWorker, to link: LinkID, of worker: WorkerID? = nil) {
    if !transmit(message, to: link, of: worker) { perform(table.handle(.linkRefused(link, at: .now))) }
  }

  /// False if nobody is behind the link, or its queue is full.
  private func transmit(_ message: ControlToWorker, to link: LinkID, of worker: WorkerID? = nil) -> Bool {
    do {
      let header = try message.encoded()
      if let worker { traffic.sent(header.count, to: worker) }
      let isSent = try socket.send([Frame(copying: header)], to: RoutingID(bytes: link.bytes)) == .sent
      if !isSent { links.full(on: .control).add() }
      return isSent
    } catch {
      logger.error("cannot send", metadata: ["kind": "\(message.kind)", "error": "\(error)"])
      return true
    }
  }
}

/// What a worker said last of its work.
private struct ReportedProgress {
  let phase: WorkPhase
  /// Seconds without a finished step when it said so; 0 while steps are finished.
  let stalled: UInt32
  let reportedAt: MonotonicTime

  /// A silence goes on until its end is reported.
  func stalledSeconds(at time: MonotonicTime) -> UInt32 {
    stalled == 0 ? 0 : stalled + UInt32(clamping: Int64(time.since(reportedAt).seconds))
  }
}
