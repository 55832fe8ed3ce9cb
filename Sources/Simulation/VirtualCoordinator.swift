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
    case sendBulk(BulkToWorker, payload: [UInt8]?, worker: Int, connection: UInt32)
    case desk(VirtualDesk.Delivery)
  }

  static let membershipTickInterval = Duration.milliseconds(100)
  static let poolTickInterval = Duration.seconds(1)

  private unowned let world: World
  private let disk: CoordinatorDisk
  private var desk: VirtualDesk
  private let template: VersionTemplate
  private let report: (SimulatedRound) -> Void
  private var table: MembershipTable
  /// The last session of each worker.
  private var sessions: [WorkerID: SessionID] = [:]
  private var machine: RunStateMachine?
  private var parameters: ParameterSet?
  private var parent: Digest?
  private var serverState = ServerState()
  private var average: [Float] = []
  private var processor = Processor()
  private var attemptStarted = VirtualTime.zero
  private var bytesUp: UInt64 = 0
  private var bytesUpAtStart: UInt64 = 0
  private(set) var rounds: [SimulatedRound] = []
  private(set) var endedAt: MonotonicTime?
  /// Counts starts of the process.
  private(set) var life = 0
  private(set) var isAlive = false

  init(world: World, disk: CoordinatorDisk, report: @escaping (SimulatedRound) -> Void) {
    self.world = world
    self.disk = disk
    self.report = report
    desk = VirtualDesk(world: world, store: disk.models, life: 0)
    let run = world.scenario.run, parties = world.parties
    table = Self.table(of: parties)
    template = VersionTemplate(
      federation: parties.membership.federation, model: run.model.name, run: run.name, aggregation: run.aggregation,
      architecture: run.model.architecture.description, dataScale: run.data.scale, signer: parties.coordinator.name,
      signingKey: parties.coordinator.signingKey, strategy: run.strategy)
  }

  private static func table(of parties: VirtualParties) -> MembershipTable {
    MembershipTable(federation: parties.membership.federation, allowed: Set(parties.workers.map(\.name)))
  }

  var outcome: RunStateMachine.Outcome? { machine?.outcome }

  /// The round of the last attempt that was recorded; 0 before the first.
  var lastRound: RoundNumber { disk.attempts.keys.max() ?? 0 }

  /// Begins the run: makes version 0, or goes on from the last version on disk.
  func start() throws {
    life += 1
    isAlive = true
    let run = world.scenario.run, architecture = run.model.architecture
    desk = VirtualDesk(world: world, store: disk.models, life: life)
    table = Self.table(of: world.parties)
    sessions = [:]
    let latest = ModelReference(model: run.model.name, selector: .alias(.latest))
    if let stored = try? disk.models.find(latest) {
      parameters = try ParameterSet(disk.models.artifact(of: stored).tensors, expecting: architecture.layout)
      parent = stored.digest
    } else {
      try publish(
        RoundClosing.initial(
          architecture.initialParameters(seed: run.model.seed), template: template, createdAt: world.calendar))
    }
    let manifest = try disk.models.find(latest).manifest
    serverState =
      disk.serverStates[manifest.version] ?? run.strategy.initialState(count: architecture.layout.count)
    if manifest.version.value > 0, disk.serverStates[manifest.version] == nil {
      world.violated("version \(manifest.version) is published and the server optimizer's state is not kept")
    }
    let round = manifest.round.next
    machine = RunStateMachine(
      plan: run.plan(membership: world.parties.membership, architecture: architecture),
      membership: world.parties.membership, certificate: world.parties.coordinator.certificate.certificate,
      signingKey: world.parties.coordinator.signingKey, base: BaseModel(manifest), round: round,
      attempt: disk.nextAttempt(round), computations: world.computations)
    schedule(.membershipTick, at: world.now + Self.membershipTickInterval)
    schedule(.poolTick, at: world.now + Self.poolTickInterval)
    handle(.started(now: world.calendar))
  }

  /// The process is gone; its disk stays.
  func crash() {
    isAlive = false
    machine = nil
    average = []
  }

  private func schedule(_ occurrence: Occurrence, at time: MonotonicTime) {
    world.schedule(.coordinator(occurrence, life: life), at: time)
  }

  private func publish(_ release: ModelRelease) throws {
    try disk.models.publish(release.manifest, artifact: release.artifact)
    let stored = try disk.models.find(
      ModelReference(model: release.model, selector: .version(release.base.version)))
    for claim in world.checkers.lineage.published(stored) { world.violated(claim) }
    parameters = release.parameters
    parent = stored.digest
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
        handle(isNewProcess ? .workerRestarted(worker) : .workerJoined(worker))
      case .rejoined(let worker, _):
        world.note("coordinator", "rejoined", ["worker": .text(worker.text)])
        handle(.workerJoined(worker))
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
    case .deadline(let deadline): handle(.deadlinePassed(deadline, now: world.calendar))
    case .send(let message, let worker):
      guard let link = table.link(of: worker) else { return }
      for claim in world.checkers.frames.sent(message) { world.violated(claim) }
      if send(.round(message), to: link) {
        _ = table.handle(.sent(to: link, at: world.now))
      } else {
        perform(table.handle(.linkRefused(link, at: world.now)))
      }
      _ = world.mayStrikeCoordinator()
    case .sendBulk(let message, let payload, let worker, let connection):
      try world.send(message, payload: payload, .toWorker, worker: worker, .bulk, connection: connection)
    case .desk(let delivery): receive(delivery)
    }
  }

  private func receive(_ delivery: VirtualDesk.Delivery) {
    switch delivery {
    case .uploadOpened(let header, let worker):
      handle(.uploadOpened(header, from: worker), cost: world.costs.verification)
    case .uploadCompleted(let trailer, let digest, let worker):
      handle(.uploadCompleted(trailer, payloadDigest: digest, from: worker), cost: world.costs.verification)
    case .inputRejected(let worker, let reason): handle(.inputRejected(from: worker, reason: reason))
    case .sumOpened(let opened):
      average = opened.average
      handle(.sumOpened(opened.summary))
    case .sumRefused(let reason): handle(.sumRefused(reason: reason))
    case .failed(let reason): handle(.failed(reason: reason))
    }
  }

  /// The machine changes first; then its actions are carried out, in their order.
  private func handle(_ event: RunStateMachine.Event, cost: Duration = .zero) {
    guard var machine = machine.take() else { return }  // One owner: nothing is copied when it changes.
    let actions = machine.handle(event)
    if world.checksPopulation { machine.checkInvariants() }
    self.machine = machine
    let done = processor.take(cost, at: world.now)
    for action in actions {
      if world.mayStrikeCoordinator() { return }
      perform(action, at: done)
    }
  }

  private func perform(_ action: RunStateMachine.Action, at time: MonotonicTime) {
    switch action {
    case .send(let message, let worker): schedule(.send(message, to: worker), at: time)
    case .startDeadline(let deadline, let duration): schedule(.deadline(deadline), at: time + duration)
    case .recordAttempt(let attempt, let cohort):
      disk.record(attempt)
      attemptStarted = world.now
      bytesUpAtStart = bytesUp
      world.note(
        "coordinator", "attempt", ["attempt": .text(attempt.description), "cohort": .number(UInt64(cohort.count))])
    case .openUploads(let plan): desk.openUploads(plan)
    case .acceptUpload(let worker): desk.accept(worker)
    case .refuseUpload(let worker, let reason):
      world.note("coordinator", "uploadRefused", ["worker": .text(worker.text), "why": .text(reason)])
      desk.refuse(worker, reason: reason)
    case .addInput(let worker):
      world.note("coordinator", "inputAdded", ["worker": .text(worker.text)])
      desk.add(worker)
    case .closeUploads: desk.closeUploads()
    case .unmask(let order): desk.open(order, rosterCount: machine?.rosterCount ?? 0)
    case .openPlainSum: desk.openPlain()
    case .commit(let order): commit(order)
    case .report(let report): self.report(report)
    case .blame(let worker, let fault):
      world.note("coordinator", "blamed", ["worker": .text(worker.text), "fault": .text(fault)])
    case .blocked(let reason): world.note("coordinator", "blocked", ["reason": .text(reason)])
    case .keepEvidence(let evidence): world.keep(evidence, by: "coordinator")
    case .ignored(let worker, let why):
      world.note("coordinator", "ignored", ["worker": .text(worker.text), "why": .text(why)])
    case .finished(let outcome):
      endedAt = world.now
      world.note("coordinator", "finished", ["outcome": .text(outcome.text)])
    }
  }

  private func commit(_ order: RunStateMachine.CommitOrder) {
    guard let parameters, let parent, isAlive else { return }
    do {
      let closed = try RoundClosing.next(
        order, base: parameters, state: serverState, average: average, parent: parent, template: template,
        createdAt: world.calendar)
      disk.serverStates[order.version] = closed.state
      if world.mayStrikeCoordinator() { return }
      try publish(closed.release)
      serverState = closed.state
      if world.mayStrikeCoordinator() { return }
      average = []
      handle(.committed(closed.release.base), cost: world.costs.signature)
    } catch let error as AggregationError {
      average = []
      handle(.sumRefused(reason: error.description))
    } catch {
      handle(.failed(reason: "version \(order.version) cannot be published: \(error)"))
    }
  }

  private func report(_ report: RoundReport) {
    let round = SimulatedRound(
      report: report, startedAt: attemptStarted.seconds, seconds: world.now.seconds - attemptStarted.seconds,
      bytesUp: bytesUp - bytesUpAtStart)
    rounds.append(round)
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
