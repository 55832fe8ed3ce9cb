import ClusterConfiguration
import Cryptography
import Federation
import Membership
import Rounds
import SecureAggregation
import Training
import Wire

/// What of a worker survives the death of its process.
final class WorkerDisk {
  private var entries: [WorkerLedger.Entry] = []
  /// Under SCAFFOLD, with the round that made it.
  private(set) var control: (values: [Float], round: RoundNumber)?

  func keep(_ control: [Float], of attempt: AttemptID) { self.control = (control, attempt.round) }

  func record(_ entry: WorkerLedger.Entry) { entries.append(entry) }

  /// Everything recorded so far.
  var ledger: WorkerLedger {
    var ledger = WorkerLedger()
    for entry in entries { ledger.apply(entry) }
    return ledger
  }
}

/// A worker's driver in virtual time: the counterpart of the cluster's `ControlClient`, `WorkerDriver` and `Trainer`.
final class VirtualWorker {
  enum Occurrence {
    case tick(due: MonotonicTime)
    case deadline(WorkerStateMachine.DeadlineID)
    case send(WorkerMessage)
    case sendBulk(BulkToCoordinator, payload: [UInt8]?)
    case training(RoundOffer)
    case progress(AttemptID, quarters: UInt32)
    case desk(VirtualWorkerDesk.Delivery)
  }

  /// What lives as long as the process.
  private struct Process {
    var session: CoordinatorSession
    var machine: WorkerStateMachine
    let desk: VirtualWorkerDesk
    var driver = Processor()
    var trainer = Processor()
    /// The attempt whose training still counts.
    var wanted: AttemptID?
    var update: ClientUpdate?
    /// What training made of the worker's control variate: its own only once the update counts.
    var control: [Float]?
    /// The process meets its end where it stands: nothing more leaves it.
    var isDoomed = false
    /// What was meant for the bulk socket while it was not connected.
    var waiting: [(BulkToCoordinator, [UInt8]?)] = []
    var armedTick: MonotonicTime?
  }

  /// More messages than both windows can ask for are a mistake of the process.
  private static let waitingMax = 256

  let index: Int
  let name: WorkerID
  /// Counts starts of the process.
  private(set) var life = 0
  private unowned let world: World
  private let party: VirtualParties.Party
  private let policy: Rounds.WorkerPolicy
  let disk = WorkerDisk()
  private let dataset: Dataset
  private var process: Process?

  init(world: World, index: Int, policy: Rounds.WorkerPolicy, dataset: Dataset) {
    self.world = world
    self.index = index
    self.policy = policy
    self.dataset = dataset
    party = world.parties.workers[index]
    name = party.name
  }

  var isAlive: Bool { process != nil }

  // MARK: Life

  func start() {
    life += 1
    var choices = SeededGenerator(seed: world.seed, stream: "session \(name) \(life)")
    let traits = world.scenario.traits(of: index)
    let hello = Hello(
      version: .current, session: SessionID(choices.next()), software: "simulation", threads: traits.threads,
      labels: traits.labels)
    let machine = WorkerStateMachine(
      certificate: party.certificate.certificate, membership: world.parties.membership,
      coordinatorKey: world.parties.coordinator.signingKey.signingPublicKey, policy: policy,
      signingKey: party.signingKey,
      secrets: VirtualParties.secrets(world.seed, owner: name.text, purpose: "rounds/\(life)"), ledger: disk.ledger,
      computations: world.computations)
    process = Process(
      session: CoordinatorSession(federation: world.parties.membership.federation, hello: hello), machine: machine,
      desk: VirtualWorkerDesk(world: world, index: index, life: life))
    world.note(name.text, "started", ["life": .number(UInt64(life))])
    feed(.started(at: world.now))
  }

  /// The process is gone; its disk stays.
  func crash() { process = nil }

  private func schedule(_ occurrence: Occurrence, at time: MonotonicTime) {
    world.schedule(.worker(index, life: life, occurrence), at: time)
  }

  // MARK: From the network

  func connectionUp(_ socket: VirtualSocket) throws {
    guard socket == .bulk, let waiting = process?.waiting else { return }
    process?.waiting = []
    for (message, payload) in waiting {
      if try world.send(message, payload: payload, .toCoordinator, worker: index, .bulk) { sent(message, payload) }
    }
  }

  func receive(_ transmission: Transmission) throws {
    do throws(WireError) {
      switch transmission.socket {
      case .control:
        receive(try world.read(transmission))
      case .bulk:
        process?.desk.receive(
          try BulkToWorker(decoding: transmission.header, payloadBytes: transmission.payload?.count),
          payload: transmission.payload)
      }
    } catch {
      world.violated("the coordinator sent \(name) a frame that cannot be read: \(error)")
    }
    armTick()
  }

  private func receive(_ message: ControlToWorker) {
    if let part = message.session {
      feed(.received(part, at: world.now))
    } else if case .round(let round) = message {
      feed(.heardOther(at: world.now))
      handle(.received(round, now: world.calendar(of: index)), cost: world.costs.receiving(round))
    }
  }

  private func feed(_ event: CoordinatorSession.Event) {
    guard var session = process?.session else { return }
    let actions = session.handle(event)
    process?.session = session
    for claim in session.checkInvariants() { world.violated("session of \(name): \(claim)") }
    for action in actions {
      switch action {
      case .send(let message):
        if let message = ControlToCoordinator(message) { transmit(message) }
      case .connected:
        world.note(name.text, "sessionOpened")
        process?.desk.linkRestored()
        handle(.connected)
      case .lost(let reason):
        world.note(name.text, "sessionLost", ["reason": .text("\(reason)")])
        process?.waiting = []
        process?.desk.linkLost()
      case .ended(let reason): world.note(name.text, "sessionEnded", ["reason": .text("\(reason)")])
      }
    }
    armTick()
  }

  private func transmit(_ message: ControlToCoordinator) {
    guard process?.isDoomed == false else { return }
    do {
      try world.send(message, .toCoordinator, worker: index, .control)
    } catch {
      world.violated("\(message.kind) cannot be sent: \(error)")
    }
  }

  // MARK: Events

  func handle(_ occurrence: Occurrence) throws {
    switch occurrence {
    case .tick(let due):
      guard process?.armedTick == due else { return }
      process?.armedTick = nil
      feed(.tick(at: world.now))
      process?.desk.tick()
    case .deadline(let deadline): handle(.deadlinePassed(deadline))
    case .send(let message): send(message)
    case .sendBulk(let message, let payload): try sendBulk(message, payload)
    case .training(let offer): train(offer)
    case .progress(let attempt, let quarters):
      guard process?.wanted == attempt else { return }
      send(.progress(attempt, .training, quarters: quarters))
    case .desk(let delivery): receive(delivery)
    }
    armTick()
  }

  private func receive(_ delivery: VirtualWorkerDesk.Delivery) {
    switch delivery {
    case .modelHeld(let attempt, let digest):
      guard attempt == process?.machine.attempt else { return }
      handle(.modelHeld(attempt, modelDigest: digest))
    case .modelUnavailable(let attempt, let reason): handle(.modelUnavailable(attempt, reason: reason))
    case .uploaded(let attempt):
      if world.reached(.reported, attempt, worker: index, at: world.now) { process?.isDoomed = true }
      handle(.uploaded(attempt))
    case .uploadRefused(let attempt, let reason): handle(.uploadRefused(attempt, reason: reason))
    case .doomed: process?.isDoomed = true
    }
  }

  private func train(_ offer: RoundOffer) {
    let attempt = offer.attempt
    guard process?.wanted == attempt, let held = process?.desk.model(of: offer) else { return }
    do throws(LocalWorkError) {
      // Made for this once: thousands of workers would hold as many models.
      let work = LocalWork(worker: name, dataset: dataset, threads: world.threads)
      var rules = offer.configuration
      if offer.task.kind == .train { rules.localEpochs = world.epochs(of: index, offer) }
      let result = try work.perform(
        offer.task, configuration: rules, attempt: attempt, parameters: held.model,
        controls: controls(of: offer, server: held.control))
      process?.update = result.update
      process?.control = result.control
      world.note(name.text, "trained", ["attempt": .text(attempt.description)])
      if world.reached(.training, attempt, worker: index, at: world.now) { process?.isDoomed = true }
      handle(.trained(attempt))
    } catch {
      handle(.trainingFailed(attempt, reason: error.description))
    }
  }

  private func controls(of offer: RoundOffer, server: [Float]?) -> ControlVariates {
    guard offer.usesControlVariates, let since = offer.task.control?.since else { return ControlVariates() }
    let own = disk.control.flatMap { $0.round >= since ? $0.values : nil }
    return ControlVariates(server: server, own: own)
  }

  /// The machine changes first; then its actions are carried out, in their order.
  private func handle(_ event: WorkerStateMachine.Event, cost: Duration = .zero) {
    guard var machine = process?.machine else { return }
    let actions = machine.handle(event)
    machine.checkInvariants()
    process?.machine = machine
    var done = process?.driver.take(cost, at: world.now) ?? world.now
    for action in actions {
      if world.mayStrike(worker: index) { return }
      if case .record = action {
        let conditions = world.conditions(of: index)
        if conditions.isDiskFull { return world.cannotKeep(worker: index) }
        done = process?.driver.take(conditions.writeDelay, at: world.now) ?? done
      }
      perform(action, at: done)
    }
  }

  private func perform(_ action: WorkerStateMachine.Action, at time: MonotonicTime) {
    switch action {
    case .send(let message): schedule(.send(message), at: time)
    case .record(let entry):
      disk.record(entry)
      world.note(name.text, "recorded", ["entry": .text(entry.kind)])
    case .fetchModel(let offer):
      process?.update = nil
      process?.control = nil
      process?.desk.fetchModel(offer)
    case .train(let offer): startTraining(offer, at: time)
    case .upload(let order): upload(order, at: time)
    case .keepControl(let attempt):
      if let control = process?.control { disk.keep(control, of: attempt) }
    case .cancelWork(let attempt):
      process?.update = nil
      process?.control = nil
      if process?.wanted == attempt { process?.wanted = nil }
      process?.desk.cancel(attempt)
    case .startDeadline(let deadline, let duration): schedule(.deadline(deadline), at: time + duration)
    case .note(let note): log(note)
    case .keepEvidence(let evidence): world.keep(evidence, by: name.text)
    }
  }

  private func startTraining(_ offer: RoundOffer, at time: MonotonicTime) {
    process?.wanted = offer.attempt
    let heldOut = Int((Double(dataset.count) * offer.task.holdOutFraction).rounded())
    let isTraining = offer.task.kind == .train
    let rules = offer.configuration, examples = dataset.count - heldOut
    let epochs = isTraining ? world.epochs(of: index, offer) : rules.localEpochs
    // The coordinator's deadline is what it hears first.
    guard !isTraining || epochs > 0 else { return }
    let passes =
      offer.task.optimizer.steps.map { Double($0) * Double(min(rules.batchSize, UInt64(examples))) }
      ?? Double(epochs) * Double(examples)
    let cost =
      world.costs.training(passes: isTraining ? passes : 0, heldOut: heldOut)
      * world.scenario.slowness(of: index, named: name)
    guard let done = process?.trainer.take(cost, at: time) else { return }
    if isTraining {
      for quarters in 1...4 {
        let left = cost * (4 - quarters) / 4
        schedule(
          .progress(offer.attempt, quarters: UInt32(quarters)),
          at: time + max(.zero, done.since(time) - left))
      }
    }
    schedule(.training(offer), at: done)
  }

  private func upload(_ order: WorkerStateMachine.UploadOrder, at time: MonotonicTime) {
    let attempt: AttemptID, configuration: RoundConfiguration
    switch order {
    case .secure(let id, _, let rules), .plain(let id, _, let rules): (attempt, configuration) = (id, rules)
    }
    guard let update = process?.update.map({ world.learnt($0, by: name, in: attempt) }) else { return }
    do {
      let source = try UploadSource(order, update: update)
      world.checkers.sum.contributed(order, update: update, by: name)
      process?.update = nil
      process?.desk.start(
        source, terms: order.termCount, deadline: .milliseconds(Int64(clamping: configuration.inputDeadline)),
        at: time)
    } catch {
      handle(.trainingFailed(attempt, reason: "the update is refused: \(error)"))
    }
  }

  // MARK: Sending

  /// What cannot be said now is not kept here: when the session is back the coordinator repeats its question, and the
  /// machine its statements.
  private func send(_ message: WorkerMessage) {
    guard let process, process.session.isConnected, !process.isDoomed else { return }
    for said in world.said(message, by: name, in: process.machine.attempt) {
      transmit(.round(said))
      sent(said)
    }
    if let claim = world.plantedBug?.extra(message, from: name) {
      transmit(.round(claim))
      sent(claim)
    }
    feed(.sent(at: world.now))
    guard let point = message.faultPoint, let attempt = process.machine.attempt else { return }
    if world.reached(point, attempt, worker: index, at: world.now) { self.process?.isDoomed = true }
    _ = world.mayStrike(worker: index)
  }

  /// Every frame that leaves counts, whether or not it arrives.
  private func sent(_ message: WorkerMessage) {
    for claim in world.checkers.frames.sent(message, by: name) { world.violated(claim) }
  }

  private func sendBulk(_ message: BulkToCoordinator, _ payload: [UInt8]?) throws {
    guard let process, !process.isDoomed else { return }
    let own = world.uploaded(message, payload, by: name, in: process.machine.attempt)
    for (message, payload) in [own] + (world.plantedBug?.extra(message, payload, from: name) ?? []) {
      if try world.send(message, payload: payload, .toCoordinator, worker: index, .bulk) {
        sent(message, payload)
      } else if process.waiting.count < Self.waitingMax {
        self.process?.waiting.append((message, payload))
      }
    }
    _ = world.mayStrike(worker: index)
  }

  private func sent(_ message: BulkToCoordinator, _ payload: [UInt8]?) {
    for claim in world.checkers.frames.sent(message, payload: payload, by: name) { world.violated(claim) }
  }

  // MARK: Ticks

  /// Ticks are due when a core says so: session, upload or download.
  private func armTick() {
    guard let process else { return }
    let due = [process.session.nextDeadline, process.desk.nextDeadline].compactMap { $0 }.min()
    guard let due, process.armedTick.map({ due < $0 }) ?? true else { return }
    self.process?.armedTick = max(due, world.now)
    schedule(.tick(due: max(due, world.now)), at: due)
  }

  private func log(_ note: WorkerStateMachine.Note) {
    switch note {
    case .declined(let attempt, let reason, let detail):
      world.malice.refused(detail, by: name)
      world.note(
        name.text, "declined",
        ["attempt": .text(attempt.description), "reason": .text("\(reason)"), "detail": .text(detail)])
    case .ignored(let kind, let why): world.note(name.text, "ignored", ["kind": .text(kind), "why": .text(why)])
    case .ended(let attempt, let ending):
      world.malice.refused(ending.text, by: name)
      world.note(name.text, "ended", ["attempt": .text(attempt.description), "ending": .text(ending.text)])
    }
  }
}

extension WorkerLedger.Entry {
  var kind: String {
    switch self {
    case .attemptBegun: "begun"
    case .contributed: "contributed"
    case .excused: "excused"
    case .survivorsSigned: "survivors"
    case .released: "released"
    case .promised: "promised"
    case .charged: "charged"
    }
  }
}

extension WorkerStateMachine.Ending {
  var text: String {
    switch self {
    case .committed(_, let counted): counted ? "committed" : "committed without it"
    case .notCounted: "not counted"
    case .counted: "counted"
    case .abandoned(let reason): "abandoned: \(reason)"
    case .refused(let refusal): "refused: \(refusal.rawValue)"
    case .aborted(let reason): "aborted: \(reason)"
    }
  }
}

extension WorkerStateMachine.UploadOrder {
  /// Masks on each element: none in plain mode.
  var termCount: Int {
    switch self {
    case .secure(_, let masking, _): masking.keys.map(\.terms.count).max() ?? 0
    case .plain: 0
    }
  }
}
