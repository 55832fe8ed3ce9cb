import ClusterConfiguration
import Cryptography
import Federation
import Logging
import Membership
import Rounds
import SecureAggregation
import Training
import ZeroMQ

/// Drives the worker's state machine: events in from sockets, timers, training and the desk; actions out to them and to
/// the ledger. Owns the machine; runs on a compute thread of its own.
actor WorkerDriver {
  nonisolated let thread: ComputeThread
  nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

  private let control: ControlClient
  private let ledger: any LedgerKeeping
  private let controls: any ControlVariateKeeping
  private let backlog: Backlog
  private let logger: Logger
  private let evidence: EvidenceStore
  private let ends: AsyncStream<ProcessEnd>.Continuation
  private var machine: WorkerStateMachine
  private var watch: TrainingWatch
  /// Of the training in hand, done so far.
  private var quarters: UInt32 = 0
  private var desk: WorkerDesk?
  private var trainer: Trainer?
  /// The offered model of the attempt in hand.
  private var model = HeldModel()
  /// What training gave; leaves this process only as the upload's chunks.
  private var update: ClientUpdate?
  /// What training made of the worker's control variate: its own only once the update counts.
  private var nextControl: [Float]?
  /// Something that had to be durable is not: nothing that the machine takes for recorded may leave any more.
  private var isBroken = false

  init(
    thread: ComputeThread, machine: WorkerStateMachine, control: ControlClient, ledger: any LedgerKeeping,
    evidence: EvidenceStore, watch: TrainingWatch, backlog: Backlog, controls: any ControlVariateKeeping,
    ends: AsyncStream<ProcessEnd>.Continuation,
    logger: Logger
  ) {
    self.thread = thread
    self.machine = machine
    self.control = control
    self.ledger = ledger
    self.controls = controls
    self.backlog = backlog
    self.ends = ends
    self.logger = logger
    self.evidence = evidence
    self.watch = watch
  }

  /// How often training is watched.
  static let watchInterval = Duration.milliseconds(500)

  func start(desk: WorkerDesk, trainer: Trainer) {
    self.desk = desk
    self.trainer = trainer
  }

  // MARK: Events

  func receive(_ delivery: ControlClient.Delivery) {
    switch delivery {
    case .connected: handle(.connected)
    // What the machine says until the next session is dropped by the client; the desk hears of its own link from its
    // own socket.
    case .disconnected: break
    case .message(let message):
      backlog.taken()
      KillPoint.reached(.worker, .afterReceive, message.kind)
      handle(.received(message, now: unixTime()))
    case .ended(let reason): end(.failed(describe(reason)))
    case .notAdmitted:
      end(.refused("the coordinator does not admit this worker's key: not in its membership list"))
    }
  }

  func receive(_ delivery: WorkerDesk.Delivery) {
    switch delivery {
    case .modelHeld(let attempt, let digest, let model):
      guard attempt == machine.attempt else { return }
      self.model = model
      handle(.modelHeld(attempt, modelDigest: digest))
    case .modelUnavailable(let attempt, let reason): handle(.modelUnavailable(attempt, reason: reason))
    case .uploaded(let attempt): handle(.uploaded(attempt))
    case .uploadRefused(let attempt, let reason): handle(.uploadRefused(attempt, reason: reason))
    }
  }

  func receive(_ delivery: Trainer.Delivery) {
    switch delivery {
    case .trained(let attempt, let result, let time):
      perform(watch.handle(.ended(attempt)))
      guard attempt == machine.attempt else { return }
      update = result.update
      nextControl = result.control
      logger.info(
        "trained",
        metadata: [
          "attempt": "\(attempt)", "seconds": "\(time.seconds)", "processor-seconds": "\(time.processorSeconds)",
        ])
      handle(.trained(attempt))
    case .failed(let attempt, let reason):
      perform(watch.handle(.ended(attempt)))
      handle(.trainingFailed(attempt, reason: reason))
    case .progress(let attempt, let quarters):
      guard attempt == machine.attempt else { return }
      self.quarters = quarters
      send(.progress(attempt, .training, quarters: quarters))
    case .idle: perform(watch.handle(.ready))
    }
  }

  // MARK: Watching

  func watchTraining() {
    guard let trainer else { return }
    perform(watch.handle(.tick(steps: trainer.steps.withLock { $0 }, at: .now)))
  }

  private func perform(_ actions: [TrainingWatch.Action]) {
    for action in actions {
      switch action {
      case .report(let attempt, let stalled):
        guard attempt == machine.attempt else { continue }
        let seconds = UInt32(clamping: Int64(stalled.seconds))
        send(.progress(attempt, .training, quarters: quarters, stalledSeconds: seconds))
      case .giveUp(let attempt, let silence):
        logger.error(
          "training hangs", metadata: ["attempt": "\(attempt)", "seconds": "\(Int64(silence.seconds))"])
        handle(.trainerHung)
        handle(.trainingFailed(attempt, reason: "no progress for \(Int64(silence.seconds)) s"))
      case .recovered:
        logger.notice("training thread is back")
        handle(.trainerReady)
      }
    }
  }

  func stop() { handle(.stopRequested) }

  /// The machine changes first; then its actions are carried out, in their order.
  private func handle(_ event: WorkerStateMachine.Event) {
    guard !isBroken else { return }
    let actions = machine.handle(event)
    machine.checkInvariants()
    for action in actions {
      guard perform(action) else { return }
    }
  }

  // MARK: Actions

  /// False if the rest must not happen: something that had to be durable is not.
  private func perform(_ action: WorkerStateMachine.Action) -> Bool {
    switch action {
    case .send(let message): send(message)
    case .record(let entry):
      do {
        try ledger.record(entry)
        KillPoint.reached(.worker, .afterRecord, WorkerLedgerStore.kind(of: entry))
      } catch {
        isBroken = true
        end(.failed("the ledger cannot be written: \(error)"))
        return false
      }
    case .fetchModel(let offer):
      forgetWork()
      logger.info(
        "offer", metadata: ["attempt": "\(offer.attempt)", "version": "\(offer.baseVersion)"])
      post { $0.fetchModel(offer) }
    case .train(let offer):
      guard let trainer else { return true }
      let model = model
      trainer.wanted.withLock { $0 = offer.attempt }
      quarters = 0
      perform(watch.handle(.started(offer.attempt, steps: trainer.steps.withLock { $0 }, at: .now)))
      trainer.thread.post(to: trainer) { $0.perform(offer, on: model) }
    case .upload(let order): upload(order)
    case .keepControl(let attempt): return keepControl(of: attempt)
    case .cancelWork(let attempt):
      forgetWork()
      trainer?.wanted.withLock { if $0 == attempt { $0 = nil } }
      perform(watch.handle(.ended(attempt)))
      post { $0.cancel(attempt) }
    case .startDeadline(let deadline, let duration): startDeadline(deadline, after: duration)
    case .note(let note): log(note)
    case .keepEvidence(let found): evidence.keep(EvidencePiece(found), logger: logger)
    }
    return true
  }

  private func forgetWork() {
    update = nil
    nextControl = nil
    model = HeldModel()
  }

  private func keepControl(of attempt: AttemptID) -> Bool {
    guard let nextControl else { return true }
    do {
      try controls.keep(nextControl, of: attempt)
      KillPoint.reached(.worker, .afterRecord, "control")
      return true
    } catch {
      isBroken = true
      end(.failed("the control variate of attempt \(attempt) cannot be kept: \(error)"))
      return false
    }
  }

  private func upload(_ order: WorkerStateMachine.UploadOrder) {
    let (attempt, configuration): (AttemptID, RoundConfiguration) =
      switch order {
      case .secure(let attempt, _, let configuration), .plain(let attempt, _, let configuration):
        (attempt, configuration)
      }
    guard let update else { return }
    do {
      let source = try UploadSource(order, update: update)
      self.update = nil
      let deadline = Duration.milliseconds(Int64(clamping: configuration.inputDeadline))
      post { $0.start(source, deadline: deadline) }
    } catch {
      handle(.trainingFailed(attempt, reason: "the update is refused: \(error)"))
    }
  }

  private func startDeadline(_ deadline: WorkerStateMachine.DeadlineID, after duration: Duration) {
    control.loop.post(to: control) { [self] client in
      client.loop.schedule(after: duration, for: client) { _ in
        self.elapsed(deadline)
      }
    }
  }

  nonisolated private func elapsed(_ deadline: WorkerStateMachine.DeadlineID) {
    thread.post(to: self) { $0.handle(.deadlinePassed(deadline)) }
  }

  private func send(_ message: WorkerMessage) {
    control.loop.post(to: control) { $0.send(message) }
  }

  private func post(_ body: @escaping @Sendable (isolated WorkerDesk) -> Void) {
    guard let desk else { return }
    desk.thread.post(to: desk, body)
  }

  private func end(_ end: ProcessEnd) { ends.yield(end) }

  private func describe(_ reason: CoordinatorSession.EndReason) -> String {
    switch reason {
    case .refused(let refusal, let detail): detail.isEmpty ? "\(refusal)" : "\(refusal): \(detail)"
    case .wrongFederation(let federation): "the coordinator serves the federation '\(federation)'"
    case .unacceptableTiming: "the coordinator's heartbeat timing is out of bounds"
    }
  }

  private func log(_ note: WorkerStateMachine.Note) {
    switch note {
    case .declined(let attempt, let reason, let detail):
      logger.notice(
        "declined", metadata: ["attempt": "\(attempt)", "reason": "\(reason)", "detail": "\(detail)"])
    case .ignored(let kind, let why): logger.debug("ignored", metadata: ["kind": "\(kind)", "why": "\(why)"])
    case .ended(let attempt, let ending):
      logger.info("attempt ended", metadata: ["attempt": "\(attempt)", "ending": "\(ending)"])
    }
  }
}

/// Why a process ends.
enum ProcessEnd: Sendable {
  case asked
  case failed(String)
  /// The other side does not let this party in.
  case refused(String)
}
