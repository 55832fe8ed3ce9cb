import Aggregation
import ClusterConfiguration
import Cryptography
import Federation
import Logging
import ModelRegistry
import Observability
import Rounds
import SecureAggregation
import Wire
import ZeroMQ

/// Drives the runs' state machines: events in from sockets, timers and the desk; actions out to them, to disk and to the
/// registry. Owns the machines and the scheduler of the fleet they share; runs on a compute thread of its own.
///
/// Runs and their ends are in `+Runs`, whose turn it is in `+Fleet`, what a machine orders in `+Actions`, and what
/// operators ask in `+Questions`; `+Metrics` counts.
actor CoordinatorDriver {
  nonisolated let thread: ComputeThread
  nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

  let home: PartyHome
  let repository: any CoordinatorRepository
  let models: DirectoryModelStore
  let control: ControlServer
  let traffic: TrafficLedger
  let metrics: CoordinatorMetrics
  let backlog: PeerBacklog
  let logger: Logger
  let evidence: EvidenceStore
  let pace: PaceSteering
  /// Nil if the coordinator has no data of its own.
  let evaluator: CentralEvaluator?
  let strategyStates: StrategyStateStore
  let signer: ModelSigner
  var desk: BulkDesk?
  /// Tells serving nodes of a new version, or where an alias went.
  var announce: (@Sendable (StatePublisher.News) -> Void)?
  /// By name, as all of these.
  var active: [RunID: ActiveRun] = [:]
  var runs: [RunID: RunRecord] = [:]
  /// In the order of their submission.
  var order: [RunID] = []
  var scheduler = FleetScheduler()
  var present: Set<WorkerID> = []
  /// Of every worker that said hello to this process.
  var traits: [WorkerID: WorkerTraits] = [:]
  /// Until when those who were sent away are expected back.
  var resting: [WorkerID: MonotonicTime] = [:]
  var isSettling = false

  init(
    thread: ComputeThread, home: PartyHome, repository: any CoordinatorRepository, models: DirectoryModelStore,
    control: ControlServer, traffic: TrafficLedger, backlog: PeerBacklog, evaluator: CentralEvaluator?,
    pace: PaceSteering, strategyStates: StrategyStateStore, signer: ModelSigner, metrics: CoordinatorMetrics,
    logger: Logger
  ) {
    self.signer = signer
    self.evaluator = evaluator
    self.pace = pace
    self.thread = thread
    self.home = home
    self.repository = repository
    self.models = models
    self.control = control
    self.traffic = traffic
    self.metrics = metrics
    self.backlog = backlog
    self.logger = logger
    evidence = EvidenceStore(directory: home.path(EvidenceStore.folder))
    self.strategyStates = strategyStates
  }

  var membership: MembershipList { home.membership }

  /// Takes up unfinished runs where their last committed version left them.
  func start(desk: BulkDesk, announce: @escaping @Sendable (StatePublisher.News) -> Void) throws {
    self.desk = desk
    self.announce = announce
    for stored in try repository.runs() {
      runs[stored.name] = RunRecord(stored)
      order.append(stored.name)
    }
    for name in order { recover(name) }
    versions.recover()
    measureRuns()
    takeUpWaiting()
  }

  // MARK: Events

  func receive(_ delivery: ControlServer.Delivery) {
    switch delivery {
    case .joined(let worker, let traits):
      backlog.taken(worker, bytes: 0)
      arrived(worker, traits) { .workerJoined(worker) }
    case .restarted(let worker, let traits):
      backlog.taken(worker, bytes: 0)
      arrived(worker, traits) { .workerRestarted(worker) }
      post { $0.lost(worker) }
    case .lost(let worker, _):
      backlog.taken(worker, bytes: 0)
      present.remove(worker)
      for run in active.keys.sorted() { handle(.workerLost(worker), of: run) }
      post { $0.lost(worker) }
      settle()
    case .message(let message, let worker, let byteCount):
      backlog.taken(worker, bytes: byteCount)
      KillPoint.reached(.coordinator, .afterReceive, message.kind)
      for run in addressees(of: message, from: worker) { feed(.received(message, from: worker), to: run) }
    }
  }

  private func arrived(_ worker: WorkerID, _ traits: WorkerTraits, event: () -> RunStateMachine.Event) {
    present.insert(worker)
    resting[worker] = nil
    self.traits[worker] = traits
    for (name, run) in active.sorted(by: { $0.key < $1.key }) {
      if run.configuration.suits(traits) {
        handle(event(), of: name)
      } else if run.machine.available.contains(worker) {
        // Its owner has restarted it with other labels.
        handle(.workerLost(worker), of: name)
      }
    }
    settle()
  }

  /// The runs that a worker's message is for: the one that it names, or else the one in whose attempt the worker is. What
  /// it signed about an attempt that is over may be for any.
  private func addressees(of message: WorkerMessage, from worker: WorkerID) -> [RunID] {
    switch message {
    case .accept(let attempt), .decline(let attempt, _, _), .progress(let attempt, _, _, _), .advert(let attempt, _):
      active.values.first { $0.identity == attempt.run }.map { [$0.name] } ?? []
    case .bundle, .shareCheck, .agree, .unmask: scheduler.holder(of: worker).map { [$0] } ?? []
    case .abort: active.keys.sorted()
    }
  }

  func receive(_ delivery: BulkDesk.Delivery) {
    switch delivery {
    case .ofAttempt(let run, let upload, let news):
      // What the desk says of an attempt that is over is too late.
      guard active[run]?.uploads.contains(upload) == true else { return }
      receive(news, about: upload, of: run)
    case .blobDamaged(let digest, let reason):
      let using = active.values.filter { $0.machine.base.tensors.contains { $0.digest == digest } }
      for run in using.map(\.name).sorted() { interrupt(run, reason: reason) }
      settle()
    }
  }

  private func receive(_ news: BulkDesk.News, about upload: Digest, of run: RunID) {
    switch news {
    case .uploadOpened(let header, let worker): feed(.uploadOpened(header, from: worker), to: run)
    case .uploadCompleted(let trailer, let digest, let worker):
      feed(.uploadCompleted(trailer, payloadDigest: digest, from: worker), to: run)
    case .inputRejected(let worker, let reason):
      active[run]?.invalidInputs += 1
      feed(.inputRejected(from: worker, upload: upload, reason: reason), to: run)
    case .inputMeasured(let metrics, let worker): feed(.inputMeasured(metrics, from: worker), to: run)
    case .sumOpened(let opened):
      active[run]?.average = opened.average
      measure(average: opened.average, of: run)
      feed(.sumOpened(opened.summary), to: run)
    case .sumRefused(let reason): feed(.sumRefused(reason: reason), to: run)
    case .diskFailed(let reason):
      interrupt(run, reason: reason)
      settle()
    case .failed(let reason): feed(.failed(reason: reason), to: run)
    }
  }

  /// One event of one run, and what follows for the fleet.
  func feed(_ event: RunStateMachine.Event, to run: RunID) {
    let cohort = active[run]?.machine.cohort, isWaiting = active[run]?.machine.isWaitingForWorkers
    handle(event, of: run)
    // Most events belong to an attempt that goes on, and change nothing for the others.
    let machine = active[run]?.machine
    if cohort?.isEmpty != false || machine?.cohort != cohort || machine?.isWaitingForWorkers != isWaiting { settle() }
  }

  /// The machine changes first; then its actions are carried out, in their order.
  func handle(_ event: RunStateMachine.Event, of run: RunID) {
    guard var current = active[run] else { return }
    let actions = current.machine.handle(event, at: .now)
    current.machine.checkInvariants()
    active[run]?.machine = current.machine
    measurePhase(of: run)
    perform(actions, of: run)
  }

  func perform(_ actions: [RunStateMachine.Action], of run: RunID) {
    for action in actions {
      guard perform(action, of: run) else { return }
    }
  }

  func post(_ body: @escaping @Sendable (isolated BulkDesk) -> Void) {
    guard let desk else { return }
    desk.thread.post(to: desk, body)
  }
}
