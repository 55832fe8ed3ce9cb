import Aggregation
import ClusterConfiguration
import Cryptography
import Federation
import GradientKernel
import Logging
import Membership
import ModelRegistry
import Rounds
import SecureAggregation
import Tensors
import Training
import Wire
import ZeroMQ

/// Drives the run's state machine: events in from sockets, timers and the desk; actions out to them, to disk and to the
/// registry. Owns the machine; runs on a compute thread of its own.
///
/// One run at a time is in hand; others wait in the order of their submission.
actor CoordinatorDriver {
  /// The run in hand.
  struct Active {
    let configuration: RunConfiguration
    let template: VersionTemplate
    var machine: RunStateMachine
    var parameters: ParameterSet
    var parent: Digest
    /// What the server optimizer remembers with the base version.
    var serverState: ServerState
    var average: [Float] = []
    var attemptStarted: MonotonicTime
    var trafficAtStart: [WorkerID: UInt64]
  }

  struct RunRecord {
    let configuration: RunConfiguration
    var state: RunState
    var roundsCommitted: UInt64
    var reason: String
    var events: [RunEvent] = []
  }

  nonisolated let thread: ComputeThread
  nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

  let home: PartyHome
  let store: CoordinatorStore
  let models: DirectoryModelStore
  let control: ControlServer
  let traffic: TrafficLedger
  let backlog: PeerBacklog
  let logger: Logger
  let evidence: EvidenceStore
  let strategyStates: StrategyStateStore
  var desk: BulkDesk?
  /// Tells serving nodes of a new version.
  var announce: (@Sendable (StoredVersion) -> Void)?
  var active: Active?
  var queue: [RunID] = []
  var runs: [RunID: RunRecord] = [:]
  var order: [RunID] = []
  var present: Set<WorkerID> = []
  var lastHeard: Set<WorkerID> = []
  var sequence: UInt64 = 0

  /// The newest events that are kept for `runEvents`, per run.
  static let eventsMax = 10_000

  init(
    thread: ComputeThread, home: PartyHome, store: CoordinatorStore, models: DirectoryModelStore,
    control: ControlServer, traffic: TrafficLedger, backlog: PeerBacklog,
    strategyStates: StrategyStateStore, logger: Logger
  ) {
    self.thread = thread
    self.home = home
    self.store = store
    self.models = models
    self.control = control
    self.traffic = traffic
    self.backlog = backlog
    self.logger = logger
    evidence = EvidenceStore(directory: home.path(EvidenceStore.folder))
    self.strategyStates = strategyStates
  }

  /// Takes up unfinished runs where their last committed version left them.
  func start(desk: BulkDesk, announce: @escaping @Sendable (StoredVersion) -> Void) throws {
    self.desk = desk
    self.announce = announce
    for run in try store.runs() {
      let configuration = try RunConfiguration.read(ConfigurationFile(path: "run \(run.name)", text: run.yaml))
      runs[run.name] = RunRecord(
        configuration: configuration, state: run.state, roundsCommitted: committedRounds(configuration),
        reason: run.reason)
      order.append(run.name)
      if !run.state.isFinal { queue.append(run.name) }
    }
    try startNext()
  }

  private func committedRounds(_ configuration: RunConfiguration) -> UInt64 {
    let latest = try? models.find(ModelReference(model: configuration.model.name, selector: .alias(.latest)))
    return latest?.manifest.run == configuration.name ? latest?.manifest.round.value ?? 0 : 0
  }

  // MARK: Runs

  /// Checks and queues a run; durable when it returns.
  func submit(yaml: String) throws(Failure) -> RunID {
    let configuration: RunConfiguration
    do throws(ConfigurationError) {
      configuration = try RunConfiguration.read(ConfigurationFile(path: "run", text: yaml))
    } catch {
      throw Failure(.invalid, error.description)
    }
    guard runs[configuration.name] == nil else {
      throw Failure(.conflict, "a run '\(configuration.name)' exists already")
    }
    if let problem = forecastProblem(of: configuration) { throw Failure(.invalid, problem) }
    do {
      try store.add(.init(name: configuration.name, yaml: yaml, state: .queued, reason: ""))
      KillPoint.reached(.coordinator, .afterRecord, "run")
    } catch {
      throw Failure(.internal, "the run cannot be stored: \(error)")
    }
    runs[configuration.name] = RunRecord(
      configuration: configuration, state: .queued, roundsCommitted: 0, reason: "")
    order.append(configuration.name)
    queue.append(configuration.name)
    logger.info("run accepted", metadata: ["run": "\(configuration.name)"])
    do {
      try startNext()
    } catch {
      fail(configuration.name, reason: "\(error)")
    }
    return configuration.name
  }

  /// Why a run can never end well with the workers of this federation, or would lose too much to rounding (ruling A7).
  private func forecastProblem(of configuration: RunConfiguration) -> String? {
    do throws(ConfigurationError) {
      let organisations = membership.members(role: .worker).map(\.certificate.organisation)
      _ = try configuration.forecast(organisations: organisations, file: "run")
      return nil
    } catch {
      return error.description
    }
  }

  func stop(_ run: RunID) throws(Failure) {
    guard let record = runs[run] else { throw Failure(.notFound, "there is no run '\(run)'") }
    guard !record.state.isFinal else { throw Failure(.conflict, "the run '\(run)' has ended already") }
    if active?.machine.plan.run == run {
      handle(.stopRequested)
    } else {
      queue.removeAll { $0 == run }
      finish(run, state: .stopped, reason: "stopped before it began")
    }
  }

  var membership: MembershipList { home.membership }

  func architecture(of configuration: RunConfiguration) -> ModelArchitecture {
    configuration.model.architecture
  }

  /// Takes up the next run that waits, from its last committed version or from a new version 0.
  func startNext() throws {
    guard active == nil, let name = queue.first, let record = runs[name] else { return }
    queue.removeFirst()
    let configuration = record.configuration
    let architecture = architecture(of: configuration)
    let template = VersionTemplate(
      federation: membership.federation, model: configuration.model.name, run: name,
      aggregation: configuration.aggregation, architecture: architecture.description,
      dataScale: configuration.data.scale, signer: home.name, signingKey: home.signingKey,
      strategy: configuration.strategy)
    let (parameters, stored) = try startingVersion(configuration, architecture, template)
    let serverState: ServerState
    do throws(StrategyStateError) {
      serverState = try strategyStates.state(
        with: stored.manifest, of: name, strategy: configuration.strategy, count: parameters.values.count)
    } catch {
      fail(name, reason: error.description)
      return try startNext()
    }
    let round = stored.manifest.run == name ? stored.manifest.round.next : 1
    let plan = configuration.plan(membership: membership, architecture: architecture)
    var machine = RunStateMachine(
      plan: plan, membership: membership, certificate: home.certificate.certificate, signingKey: home.signingKey,
      base: BaseModel(stored.manifest), round: round, attempt: try store.nextAttempt(run: name, round: round))
    try store.set(.running, of: name, reason: "")
    KillPoint.reached(.coordinator, .afterRecord, "run")
    runs[name]?.state = .running
    for worker in present.sorted() { _ = machine.handle(.workerJoined(worker)) }
    active = Active(
      configuration: configuration, template: template, machine: machine, parameters: parameters,
      parent: stored.digest, serverState: serverState, attemptStarted: .now, trafficAtStart: traffic.snapshot)
    logger.info(
      "run started",
      metadata: ["run": "\(name)", "round": "\(round)", "version": "\(stored.manifest.version)"])
    handle(.started(now: unixTime()))
  }

  /// The model's latest version if this federation has one that fits, a new version 0 otherwise.
  private func startingVersion(
    _ configuration: RunConfiguration, _ architecture: ModelArchitecture, _ template: VersionTemplate
  ) throws -> (ParameterSet, StoredVersion) {
    let latest = ModelReference(model: configuration.model.name, selector: .alias(.latest))
    if let stored = try? models.find(latest) {
      let artifact = try models.artifact(of: stored)
      return (try ParameterSet(artifact.tensors, expecting: architecture.layout), stored)
    }
    let release = try RoundClosing.initial(
      architecture.initialParameters(seed: configuration.model.seed), template: template, createdAt: unixTime())
    return (release.parameters, try publish(release))
  }

  /// Stores a version durably and tells the serving nodes.
  func publish(_ release: ModelRelease) throws -> StoredVersion {
    try models.publish(release.manifest, artifact: release.artifact)
    KillPoint.reached(.coordinator, .afterRecord, "version")
    let stored = try models.find(
      ModelReference(model: release.model, selector: .version(release.base.version)))
    announce?(stored)
    return stored
  }

  // MARK: Events

  func receive(_ delivery: ControlServer.Delivery) {
    switch delivery {
    case .joined(let worker):
      backlog.taken(worker, bytes: 0)
      present.insert(worker)
      lastHeard.insert(worker)
      handle(.workerJoined(worker))
    case .restarted(let worker):
      backlog.taken(worker, bytes: 0)
      present.insert(worker)
      handle(.workerRestarted(worker))
      post { $0.lost(worker) }
    case .lost(let worker, _):
      backlog.taken(worker, bytes: 0)
      present.remove(worker)
      handle(.workerLost(worker))
      post { $0.lost(worker) }
    case .message(let message, let worker, let byteCount):
      backlog.taken(worker, bytes: byteCount)
      KillPoint.reached(.coordinator, .afterReceive, message.kind)
      handle(.received(message, from: worker))
    }
  }

  func receive(_ delivery: BulkDesk.Delivery) {
    switch delivery {
    case .uploadOpened(let header, let worker): handle(.uploadOpened(header, from: worker))
    case .uploadCompleted(let trailer, let digest, let worker):
      handle(.uploadCompleted(trailer, payloadDigest: digest, from: worker))
    case .inputRejected(let worker, let reason): handle(.inputRejected(from: worker, reason: reason))
    case .sumOpened(let opened):
      active?.average = opened.average
      handle(.sumOpened(opened.summary))
    case .sumRefused(let reason): handle(.sumRefused(reason: reason))
    case .failed(let reason): handle(.failed(reason: reason))
    }
  }

  /// The machine changes first; then its actions are carried out, in their order.
  func handle(_ event: RunStateMachine.Event) {
    guard var current = active else { return }
    let actions = current.machine.handle(event)
    current.machine.checkInvariants()
    active?.machine = current.machine
    for action in actions {
      guard perform(action) else { return }
    }
  }

  func post(_ body: @escaping @Sendable (isolated BulkDesk) -> Void) {
    guard let desk else { return }
    desk.thread.post(to: desk, body)
  }
}
