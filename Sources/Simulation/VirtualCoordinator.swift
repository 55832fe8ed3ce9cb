import Aggregation
import ClusterConfiguration
import Federation
import GradientKernel
import Membership
import ModelRegistry
import Rounds
import SecureAggregation
import Tensors
import Training
import Wire

/// What of a coordinator survives the death of its process.
final class CoordinatorDisk {
  let models = MemoryModelStore()
  /// The last attempt of each round that was recorded.
  private(set) var attempts: [RoundNumber: AttemptNumber] = [:]
  /// What the server optimizer remembers with each version.
  var serverStates: [ModelVersion: ServerState] = [:]
  /// What the coordinator's own data say of versions, as the history has it.
  var measured: [MeasuredVersion] = []

  func record(_ attempt: AttemptID) {
    attempts[attempt.round] = max(attempts[attempt.round] ?? 0, attempt.attempt)
  }

  /// The first attempt number of a round that was never recorded.
  func nextAttempt(_ round: RoundNumber) -> AttemptNumber { attempts[round].map(\.next) ?? 0 }
}

/// The coordinator's driver in virtual time: the counterpart of the cluster's `ControlServer` and `CoordinatorDriver`.
final class VirtualCoordinator {
  enum Occurrence {
    case membershipTick
    case poolTick
    case deadline(RunStateMachine.DeadlineID)
    case send(CoordinatorMessage, to: WorkerID)
    case dismiss(WorkerID, for: Duration)
    case sendBulk(BulkToWorker, payload: [UInt8]?, worker: Int, connection: UInt32)
    case desk(VirtualDesk.Delivery)
  }

  static let membershipTickInterval = Duration.milliseconds(100)
  static let poolTickInterval = Duration.seconds(1)

  unowned let world: World
  private let disk: CoordinatorDisk
  var desk: VirtualDesk
  private let versions: VirtualVersions
  private let report: (SimulatedRound) -> Void
  /// The data that no worker has is the coordinator's own.
  private let judge: (ParameterSet) throws -> RoundMetrics?
  var table: MembershipTable
  /// The last session of each worker.
  private var sessions: [WorkerID: SessionID] = [:]
  var machine: RunStateMachine?
  private var processor = Processor()
  private var attemptStarted = VirtualTime.zero
  private var bytesUp: UInt64 = 0
  private var bytesUpAtStart: UInt64 = 0
  private(set) var rounds: [SimulatedRound] = []
  private(set) var endedAt: MonotonicTime?
  /// From each return of the process to its next offer.
  private(set) var recoveries: [Duration] = []
  private var returnedAt: MonotonicTime?
  /// Counts starts of the process.
  private(set) var life = 0
  private(set) var isAlive = false
  /// Why the run is set aside; nil if it is not.
  var pausedBecause: String?
  /// Whether the machine is to end because the disk does not take something.
  var isInterrupted = false

  init(
    world: World, disk: CoordinatorDisk, judge: @escaping (ParameterSet) throws -> RoundMetrics?,
    report: @escaping (SimulatedRound) -> Void
  ) {
    self.judge = judge
    self.world = world
    self.disk = disk
    self.report = report
    desk = VirtualDesk(world: world, store: disk.models, life: 0)
    table = Self.table(of: world.parties)
    versions = VirtualVersions(world.scenario.run, parties: world.parties, disk: disk)
    versions.reached = { [unowned self] in self.reached($0) }
    versions.published = { [unowned self] in self.notePublished($0) }
  }

  private static func table(of parties: VirtualParties) -> MembershipTable {
    MembershipTable(federation: parties.membership.federation, allowed: Set(parties.workers.map(\.name)))
  }

  var outcome: RunStateMachine.Outcome? { machine?.outcome }

  /// c of SCAFFOLD with the base version, and the first round that went into it; nil for zeros.
  var control: (values: [Float], since: RoundNumber)? {
    guard let round = machine?.round, let values = versions.serverState.control else { return nil }
    return (values, RoundNumber(round.value - versions.serverState.steps))
  }

  /// The round of the last attempt that was recorded; 0 before the first.
  var lastRound: RoundNumber { disk.attempts.keys.max() ?? 0 }

  /// Begins the run, or goes on with it.
  func start() throws {
    life += 1
    isAlive = true
    returnedAt = life > 1 ? world.now : nil
    desk = VirtualDesk(world: world, store: disk.models, life: life)
    table = Self.table(of: world.parties)
    sessions = [:]
    schedule(.membershipTick, at: world.now + Self.membershipTickInterval)
    schedule(.poolTick, at: world.now + Self.poolTickInterval)
    try takeUp()
  }

  /// Makes version 0, or goes on from the last version on disk.
  func takeUp() throws {
    let run = world.scenario.run, architecture = run.model.architecture
    let beginning = try versions.begin(at: world.coordinatorCalendar)
    serveControl(with: beginning.base.version)
    machine = RunStateMachine(
      plan: run.plan(membership: world.parties.membership, architecture: architecture),
      membership: world.parties.membership, certificate: world.parties.coordinator.certificate.certificate,
      signingKey: world.parties.coordinator.signingKey, start: beginning,
      attempt: disk.nextAttempt(beginning.round), computations: world.computations)
    handle(.started(now: world.coordinatorCalendar))
    let unsuited = world.parties.workers.count - world.scenario.suitedCount
    if unsuited > 0 { handle(.turn(.init(unsuitedCount: unsuited))) }
  }

  /// The process is gone; its disk stays.
  func crash() {
    isAlive = false
    forgetRun()
  }

  func forgetRun() {
    machine = nil
    versions.forgetRun()
    pausedBecause = nil
  }

  private func schedule(_ occurrence: Occurrence, at time: MonotonicTime) {
    world.schedule(.coordinator(occurrence, life: life), at: time)
  }

  /// - Returns: whether the process is gone.
  private func reached(_ step: VirtualVersions.Step) -> Bool {
    switch step {
    case .stateKept: return world.mayStrikeCoordinator()
    case .versionKept(let stored):
      for claim in world.checkers.lineage.published(stored) { world.violated(claim) }
      world.checkers.sum.published()
      world.malice.published(stored.manifest.madeBy)
      guard let round = machine?.round else { return false }
      return world.mayStrikeCoordinator() || world.coordinatorReached(.publish, round)
    case .published:
      desk.serve(ControlBlob(versions.serverState))
      return world.mayStrikeCoordinator()
    }
  }

  private func notePublished(_ stored: StoredVersion) {
    world.note(
      "coordinator", "published",
      [
        "version": .number(stored.manifest.version.value), "model": .text(stored.manifest.modelDigest.hex),
        "manifest": .text(stored.digest.short),
      ])
  }

  // MARK: From the network

  func receive(_ transmission: Transmission) throws {
    bytesUp += UInt64(transmission.byteCount)
    let worker = world.parties.workers[transmission.worker].name
    do throws(WireError) {
      switch transmission.socket {
      case .control:
        receive(
          try ControlToCoordinator(decoding: transmission.header, payloadBytes: transmission.payload?.count), worker,
          LinkID(worker: transmission.worker, socket: .control, connection: transmission.connection))
      case .bulk:
        desk.receive(
          try BulkToCoordinator(decoding: transmission.header, payloadBytes: transmission.payload?.count),
          payload: transmission.payload, from: worker, index: transmission.worker,
          connection: transmission.connection)
      }
    } catch {
      world.violated("\(worker) sent a frame that cannot be read: \(error)")
    }
  }

  private func receive(_ message: ControlToCoordinator, _ worker: WorkerID, _ link: LinkID) {
    switch message {
    case .hello(let hello): perform(table.handle(.helloReceived(hello, from: worker, link: link, at: world.now)))
    case .goodbye: perform(table.handle(.goodbyeReceived(from: worker, link: link, at: world.now)))
    case .heartbeat: perform(table.handle(.heard(from: worker, link: link, at: world.now)))
    case .round(let body):
      perform(table.handle(.heard(from: worker, link: link, at: world.now)))
      guard table.isCurrent(link: link, of: worker) else { return }
      if let answers = world.malice.coordinator?.hearing(body, from: worker) {
        for (message, reader) in answers { say(message, to: reader) }
        return
      }
      handle(.received(body, from: worker), cost: world.costs.receiving(body))
    }
  }

  /// Links that turn out to be gone are reported to the table after the batch: its later actions stay in order.
  private func perform(_ actions: [MembershipTable.Action]) {
    var gone: [LinkID] = []
    for action in actions {
      switch action {
      case .send(let message, let link):
        guard let message = ControlToWorker(message), !send(message, to: link) else { continue }
        gone.append(link)
      case .joined(let worker, let session):
        world.note("coordinator", "joined", ["worker": .text(worker.text)])
        let isNewProcess = sessions.updateValue(session, forKey: worker).map { $0 != session } ?? false
        if isSuited(worker) { handle(isNewProcess ? .workerRestarted(worker) : .workerJoined(worker)) }
      case .rejoined(let worker, _):
        world.note("coordinator", "rejoined", ["worker": .text(worker.text)])
        if isSuited(worker) { handle(.workerJoined(worker)) }
      case .lost(let worker, let reason):
        world.note("coordinator", "workerLost", ["worker": .text(worker.text), "reason": .text("\(reason)")])
        handle(.workerLost(worker))
        desk.lost(worker)
      }
    }
    for link in gone { perform(table.handle(.linkRefused(link, at: world.now))) }
    guard world.checksPopulation else { return }
    for claim in table.checkInvariants() { world.violated("membership: \(claim)") }
  }

  /// Whether the run may select a worker, by what its hello said.
  func isSuited(_ worker: WorkerID) -> Bool { world.scenario.run.suits(table.traits(of: worker)) }

  private func send(_ message: ControlToWorker, to link: LinkID) -> Bool {
    guard let (worker, connection) = link.virtual else { return false }
    do {
      return try world.send(message, .toWorker, worker: worker, .control, connection: connection)
    } catch {
      world.violated("\(message.kind) cannot be sent: \(error)")
      return true
    }
  }

  // MARK: Events

  func handle(_ occurrence: Occurrence) throws {
    switch occurrence {
    case .membershipTick:
      perform(table.handle(.tick(at: world.now)))
      schedule(.membershipTick, at: world.now + Self.membershipTickInterval)
    case .poolTick:
      desk.tick()
      schedule(.poolTick, at: world.now + Self.poolTickInterval)
    case .deadline(let deadline): handle(.deadlinePassed(deadline, now: world.coordinatorCalendar))
    case .send(let message, let worker):
      guard table.link(of: worker) != nil else { return }
      for said in world.said(message, to: worker, blob: { try? self.disk.models.blob($0) }) { say(said, to: worker) }
      _ = world.mayStrikeCoordinator()
    case .dismiss(let worker, let rest): perform(table.handle(.dismissed(worker, for: rest, at: world.now)))
    case .sendBulk(let message, let payload, let worker, let connection):
      try world.send(message, payload: payload, .toWorker, worker: worker, .bulk, connection: connection)
    case .desk(let delivery): receive(delivery)
    }
  }

  private func say(_ message: CoordinatorMessage, to worker: WorkerID) {
    guard let link = table.link(of: worker) else { return }
    // Of a malicious coordinator it is known that it shows different things; what workers release is judged all the same.
    for claim in world.checkers.frames.sent(message) where world.malice.coordinator == nil { world.violated(claim) }
    if send(.round(message), to: link) {
      _ = table.handle(.sent(to: link, at: world.now))
    } else {
      perform(table.handle(.linkRefused(link, at: world.now)))
    }
  }

  private func receive(_ delivery: VirtualDesk.Delivery) {
    switch delivery {
    case .uploadOpened(let header, let worker):
      handle(.uploadOpened(header, from: worker), cost: world.costs.verification)
    case .uploadCompleted(let trailer, let digest, let worker):
      handle(.uploadCompleted(trailer, payloadDigest: digest, from: worker), cost: world.costs.verification)
    case .inputRejected(let worker, let upload, let reason):
      handle(.inputRejected(from: worker, upload: upload, reason: reason))
    case .inputMeasured(let metrics, let worker): handle(.inputMeasured(metrics, from: worker))
    case .sumOpened(let opened):
      versions.average = opened.average
      handle(.sumOpened(opened.summary))
    case .sumRefused(let reason): handle(.sumRefused(reason: reason))
    case .failed(let reason): handle(.failed(reason: reason))
    }
  }

  /// The machine changes first; then its actions are carried out, in their order.
  func handle(_ event: RunStateMachine.Event, cost: Duration = .zero) {
    guard var machine = machine.take() else { return }  // One owner: nothing is copied when it changes.
    machine.bytesMoved = world.byteCount
    let actions = machine.handle(event, at: world.now)
    if world.checksPopulation { machine.checkInvariants() }
    self.machine = machine
    var done = processor.take(cost, at: world.now)
    for action in actions {
      if world.mayStrikeCoordinator() || meetsFault(before: action) { return }
      perform(action, at: done)
      if pausedBecause != nil || meetsFault(behind: action) { return }
      let delay = world.coordinatorConditions.writeDelay
      if case .recordAttempt = action, delay > .zero { done = processor.take(delay, at: world.now) }
    }
  }

  private func perform(_ action: RunStateMachine.Action, at time: MonotonicTime) {
    world.observe { $0.performed(action, at: time) }
    switch action {
    case .send(let message, let worker): schedule(.send(message, to: worker), at: time)
    case .startDeadline(let deadline, let duration): schedule(.deadline(deadline), at: time + duration)
    case .recordAttempt(let attempt, let cohort):
      guard !world.coordinatorConditions.isDiskFull else {
        return interrupt("attempt \(attempt) cannot be recorded")
      }
      disk.record(attempt)
      world.attemptBegins(attempt)
      if let returnedAt { recoveries.append(world.now.since(returnedAt)) }
      returnedAt = nil
      if attemptStarted > VirtualTime.zero { dismissIdle(besides: cohort, attempt: attempt) }
      attemptStarted = world.now
      bytesUpAtStart = bytesUp
      world.note(
        "coordinator", "attempt", ["attempt": .text(attempt.description), "cohort": .number(UInt64(cohort.count))])
    case .extendAttempt(let attempt, let workers):
      world.note(
        "coordinator", "extended",
        ["attempt": .text(attempt.description), "workers": .number(UInt64(workers.count))])
    case .openUploads(let plan): desk.openUploads(plan)
    case .admitUpload(let worker, let upload): desk.admit(worker, to: upload)
    case .acceptUpload(let worker): desk.accept(worker)
    case .refuseUpload(let worker, let reason):
      world.note("coordinator", "uploadRefused", ["worker": .text(worker.text), "why": .text(reason)])
      desk.refuse(worker, reason: reason)
    case .addInput(let worker):
      world.note("coordinator", "inputAdded", ["worker": .text(worker.text)])
      desk.add(worker)
    case .closeUploads: desk.closeUploads()
    case .closeUpload(let upload): desk.closeUpload(upload)
    case .unmask(let order): desk.open(order, rosterCount: machine?.rosterCount ?? 0)
    case .openPlainSum: desk.openPlain()
    case .openBuffer(let order): desk.open(order)
    case .openGroups(let order): desk.open(order)
    case .prepare(let order, let measuresBase): prepare(order, measuresBase: measuresBase)
    case .commit(let order): commit(order)
    case .takeBack(let version, let base, let reason): takeBack(version, to: base, reason: reason)
    case .foundBest(let version):
      world.note("coordinator", "best", ["version": .number(version.value)])
      if let failure = versions.move(.best, to: version) { handle(failure) }
    case .report(let report): self.report(report)
    case .groupLeftOut(let attempt, let group):
      world.note(
        "coordinator", "groupLeftOut",
        [
          "attempt": .text(attempt.description), "group": .number(UInt64(group.place + 1)), "why": .text(group.reason),
        ])
    case .blame(let worker, let fault):
      world.note("coordinator", "blamed", ["worker": .text(worker.text), "fault": .text(fault)])
      world.malice.blamed(worker, fault: fault)
    case .blocked(let reason): world.note("coordinator", "blocked", ["reason": .text(reason)])
    case .keepEvidence(let evidence): world.keep(evidence, by: "coordinator")
    case .ignored(let worker, let why):
      world.note("coordinator", "ignored", ["worker": .text(worker.text), "why": .text(why)])
    case .finished(let outcome):
      if isInterrupted { return setAside(outcome) }
      endedAt = world.now
      world.note("coordinator", "finished", ["outcome": .text(outcome.text)])
    }
  }

  /// c goes with the version that the run goes on from.
  private func serveControl(with version: ModelVersion) {
    desk.serve(ControlBlob(versions.serverState))
    if version > 0, disk.serverStates[version] == nil {
      world.violated("version \(version) is published and the server optimizer's state is not kept")
    }
  }

  /// As the cluster's driver does: those who would only wait to be drawn may go for a while.
  private func dismissIdle(besides cohort: [WorkerID], attempt: AttemptID) {
    guard let plan = machine?.plan else { return }
    var choices = SeededGenerator(seed: plan.seed, stream: "pace \(attempt)")
    let idle = Set(table.present).subtracting(cohort)
    let dismissals = PaceSteering().dismissals(
      present: table.present.count, idle: Array(idle), wanted: plan.cohortTarget,
      period: world.now.since(attemptStarted), using: &choices)
    for (worker, rest) in dismissals { schedule(.dismiss(worker, for: rest), at: world.now) }
  }

  private func prepare(_ order: RunStateMachine.CommitOrder, measuresBase: Bool) {
    guard isAlive else { return }
    let event = versions.prepare(
      order, measuresBase: measuresBase, at: world.coordinatorCalendar, judge: judge)
    guard case .candidateMeasured(let metrics, _) = event else { return handle(event) }
    handle(event, cost: world.costs.training(passes: 0, heldOut: Int(clamping: metrics.evaluated)))
  }

  private func commit(_ order: RunStateMachine.CommitOrder) {
    guard isAlive else { return }
    let conditions = world.coordinatorConditions
    guard !conditions.isDiskFull else { return interrupt("version \(order.version) cannot be published") }
    guard let event = versions.commit(order, at: world.coordinatorCalendar) else { return }
    guard case .committed = event else { return handle(event) }
    // What the server optimizer remembers, the version and its alias.
    handle(event, cost: world.costs.signature + conditions.writeDelay * 3)
  }

  private func takeBack(_ version: ModelVersion, to base: BaseModel, reason: String) {
    world.note(
      "coordinator", "takenBack",
      ["version": .number(version.value), "to": .number(base.version.value), "reason": .text(reason)])
    if let failure = versions.takeBack(version, to: base, reason: reason) { return handle(failure) }
    serveControl(with: base.version)
  }

  private func report(_ report: RoundReport) {
    let round = SimulatedRound(
      report: report, startedAt: attemptStarted.seconds, seconds: world.now.seconds - attemptStarted.seconds,
      bytesUp: bytesUp - bytesUpAtStart)
    rounds.append(round)
    if case .committed(let version, _) = report.outcome, let central = report.central {
      disk.measured.append(MeasuredVersion(version: version, metrics: central))
    }
    world.note(
      "coordinator", "round",
      [
        "attempt": .text(report.attempt.description), "outcome": .text(round.outcomeName),
        "cohort": .number(UInt64(report.cohort)), "reported": .number(UInt64(report.reported)),
      ])
    if let saturated = report.summary?.saturated, saturated > 0 {
      world.note(
        "coordinator", "saturated",
        ["attempt": .text(report.attempt.description), "elements": .number(saturated)])
    }
    self.report(round)
  }
}

extension RunStateMachine.Outcome {
  var text: String {
    switch self {
    case .completed(let version): "completed with version \(version)"
    case .failed(let reason): "failed: \(reason)"
    case .stopped: "stopped"
    }
  }
}
