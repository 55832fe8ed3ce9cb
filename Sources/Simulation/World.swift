import ClusterConfiguration
import Federation
import Rounds
import SecureAggregation
import Wire

/// What is due at a moment of virtual time.
enum Occurrence {
  case arrival(Transmission)
  case connectionUp(worker: Int, VirtualSocket)
  /// Of one life of the coordinator's process, likewise.
  case coordinator(VirtualCoordinator.Occurrence, life: Int)
  /// Of one life of a worker's process; a later life has forgotten it.
  case worker(Int, life: Int, VirtualWorker.Occurrence)
  case faultStrikes(SimulationScenario.Fault, worker: Int)
  case faultEnds(SimulationScenario.Fault.Kind, worker: Int)
  case coordinatorFaultEnds(SimulationScenario.Fault.Kind)
  case coordinatorReturns
  /// A worker comes or goes, as its availability says.
  case presenceChanges(worker: Int)
  case regionChanges(RegionSchedule.Change)
}

/// Everything that the nodes of one simulation share: time, network, log, checkers. One thread runs it.
final class World {
  let scenario: SimulationScenario
  /// Of one worker's training.
  let threads: Int
  let seed: UInt64
  let parties: VirtualParties
  let costs: WorkCosts
  let plantedBug: PlantedBug?
  let malice: Malice
  private let observers: [any SimulationObserver]
  /// What logs and observers call the coordinator.
  static let coordinatorName = "coordinator"
  /// All nodes live in one process: what one of them has verified, none verifies again.
  let computations = RememberedComputations(servesMany: true, claimsMax: 1 << 18)
  private var broadcasts = Broadcasts()
  /// Thousands of workers hold the same model: one of its blobs in memory is enough. Bounded: old ones are let go.
  var blobs: [Digest: [UInt8]] = [:] {
    didSet { if blobs.count > Self.blobsMax { blobs = [:] } }
  }
  private static let blobsMax = 256
  private(set) var now = VirtualTime.zero
  private var queue = EventQueue<Occurrence>()
  private(set) var network: VirtualNetwork
  private(set) var log: EventLog
  var checkers: Checkers
  private var faults: FaultSchedule
  private(set) var misfortunes: MisfortuneSchedule
  private var coordinatorFaults: CoordinatorFaultSchedule
  /// Of the coordinator, and of the workers that ever had a fault of their disk or clock.
  private(set) var coordinatorConditions = Conditions()
  private var workerConditions: [Int: Conditions] = [:]
  /// Workers that nothing gets through to.
  private var absences = Absences()
  /// Of each worker; empty if all are always there.
  private var presences: [Presence]
  private var regions: RegionSchedule
  private var stragglers: StragglerDraw

  private(set) var eventCount: UInt64 = 0
  private(set) var messageCount: UInt64 = 0
  private(set) var byteCount: UInt64 = 0
  /// Of those from workers.
  private(set) var upByteCount: UInt64 = 0
  /// Deaths of processes and partitions.
  private(set) var outageCount: UInt64 = 0
  /// Parties whose process has died.
  private(set) var deaths: Set<SimulationScenario.Misfortune.Party> = []

  private(set) var coordinator: VirtualCoordinator?
  private(set) var workers: [VirtualWorker] = []
  private let indices: [WorkerID: Int]

  init(
    scenario: SimulationScenario, seed: UInt64, parties: VirtualParties, threads: Int, plantedBug: PlantedBug?,
    observers: [any SimulationObserver] = [], log: @escaping (String) -> Void
  ) {
    self.observers = observers
    self.scenario = scenario
    self.seed = seed
    self.threads = threads
    self.parties = parties
    self.plantedBug = plantedBug
    malice = Malice(scenario.malice, parties: parties)
    costs = WorkCosts(table: scenario.costs)
    network = VirtualNetwork(scenario, workers: parties.workers.map(\.name), seed: seed)
    self.log = EventLog(log)
    checkers = Checkers(parties: parties, contributionsMax: scenario.policy.maximumAttemptsPerModel)
    faults = FaultSchedule(scenario.faults)
    misfortunes = MisfortuneSchedule(scenario, parties: parties, seed: seed)
    coordinatorFaults = CoordinatorFaultSchedule(scenario.coordinatorFaults)
    regions = RegionSchedule(scenario)
    stragglers = StragglerDraw(scenario, seed: seed)
    presences = Presence.all(of: parties, in: scenario, seed: seed)
    indices = Dictionary(uniqueKeysWithValues: parties.workers.enumerated().map { ($1.name, $0) })
  }

  /// Puts the nodes in place and starts them.
  func start(coordinator: VirtualCoordinator, workers: [VirtualWorker]) throws {
    self.coordinator = coordinator
    self.workers = workers
    try coordinator.start()
    for (time, change) in regions.changes { schedule(.regionChanges(change), at: time) }
    for worker in workers {
      if presences.isEmpty || presences[worker.index].isHere {
        start(worker)
      } else {
        absences.begin(.away, of: worker.index)
      }
      schedulePresence(of: worker.index)
    }
  }

  private func start(_ worker: VirtualWorker) {
    worker.start()
    for socket in VirtualSocket.allCases { connect(worker.index, socket, after: .zero) }
  }

  // MARK: For the nodes

  /// The place of a worker that is one of the parties'.
  func index(of worker: WorkerID) -> Int {
    guard let index = indices[worker] else { preconditionFailure("\(worker) is not of this federation") }
    return index
  }

  /// Seconds since 1970, as the coordinator has them.
  var coordinatorCalendar: UInt64 { coordinatorConditions.calendar(at: now) }

  /// Seconds since 1970, as a worker has them.
  func calendar(of worker: Int) -> UInt64 { conditions(of: worker).calendar(at: now) }

  /// How many of the epochs that an attempt asks for a worker does; 0 for nothing that comes in time.
  func epochs(of worker: Int, _ offer: RoundOffer) -> UInt64 {
    stragglers.epochs(of: worker, offer.attempt, asked: offer.configuration.localEpochs)
  }

  /// Of a worker's disk and clock.
  func conditions(of worker: Int) -> Conditions { workerConditions[worker] ?? Conditions() }

  func schedule(_ occurrence: Occurrence, at time: MonotonicTime) { queue.schedule(occurrence, at: max(now, time)) }

  func schedule(_ occurrence: Occurrence, after duration: Duration) { schedule(occurrence, at: now + duration) }

  /// What a party found of another's misconduct.
  func keep(_ evidence: Evidence, by party: String) {
    note(
      party, "evidence",
      ["kind": .text(evidence.kind.rawValue), "accused": .text(evidence.accused?.text ?? "")])
  }

  /// Lets everyone who looks on see something.
  func observe(_ see: (any SimulationObserver) -> Void) { for observer in observers { see(observer) } }

  func note(_ node: String, _ event: String, _ fields: KeyValuePairs<String, EventLog.Value> = [:]) {
    log.append(at: now, node, event, fields)
  }

  func violated(_ claim: String) {
    checkers.violations.append(claim)
    note("checker", "violation", ["claim": .text(claim)])
  }

  /// Sends a message on a connection of a worker, from either end, as it leaves now.
  ///
  /// - Parameter connection: the one that the sender means; nil for the worker's present one.
  /// - Returns: false if there is no such connection.
  @discardableResult
  func send(
    _ message: some WireMessage, payload: [UInt8]? = nil, _ direction: Direction, worker: Int, _ socket: VirtualSocket,
    connection: UInt32? = nil
  ) throws -> Bool {
    let transmission = Transmission(
      worker: worker, socket: socket, direction: direction,
      connection: connection ?? network.number(worker, socket), kind: message.kind,
      header: try broadcasts.header(of: message), payload: payload)
    switch network.send(transmission, at: now) {
    case .arrives(let times):
      observe { $0.sent(transmission, at: now, arrivals: times) }
      messageCount += 1
      byteCount += UInt64(transmission.byteCount)
      if direction == .toCoordinator { upByteCount += UInt64(transmission.byteCount) }
      for time in times { schedule(.arrival(transmission), at: time) }
      return true
    case .broke:
      observe { $0.sent(transmission, at: now, arrivals: []) }
      // The sender's write succeeds; that nobody reads it turns out later.
      disconnect(worker, socket)
      connect(worker, socket, after: VirtualNetwork.reconnectDelay)
      return true
    case .refused:
      return false
    }
  }

  /// What a worker reads in a control frame.
  func read(_ transmission: Transmission) throws(WireError) -> ControlToWorker {
    try broadcasts.read(transmission)
  }

  /// Tells the schedule of faults that a worker has come to a point of a round.
  ///
  /// - Returns: whether the worker meets its fate there, at `time`, and does nothing more until then.
  func reached(_ point: SimulationScenario.Fault.Point, _ attempt: AttemptID, worker: Int, at time: MonotonicTime)
    -> Bool
  {
    guard let fault = faults.take(point, worker: parties.workers[worker].name, round: attempt.round) else {
      return false
    }
    schedule(.faultStrikes(fault, worker: worker), at: time)
    return fault.kind == .crash
  }

  /// Whether claims about the whole population are checked at this event: always up to 256 workers, above that once in
  /// as many events as there are workers, because each check is as long as the population.
  var checksPopulation: Bool { workers.count <= 256 || eventCount.isMultiple(of: UInt64(workers.count)) }

  /// Faults whose worker never came to their point.
  var faultsLeft: [SimulationScenario.Fault] { faults.left }
  var coordinatorFaultsLeft: [SimulationScenario.CoordinatorFault] { coordinatorFaults.left }

  // MARK: Events

  /// When the next thing happens; nil if nothing is left to.
  var nextTime: MonotonicTime? { queue.nextTime }

  /// Lets the next thing happen.
  func step() throws {
    guard let (time, occurrence) = queue.next() else { return }
    now = time
    eventCount += 1
    switch occurrence {
    case .arrival(let transmission): try deliver(transmission)
    case .connectionUp(let worker, let socket): try connectionUp(worker, socket)
    case .coordinator(let occurrence, let life):
      if coordinator?.isAlive == true, coordinator?.life == life { try coordinator?.handle(occurrence) }
    case .worker(let index, let life, let occurrence):
      if workers[index].isAlive, workers[index].life == life { try workers[index].handle(occurrence) }
    case .faultStrikes(let fault, let worker): strike(fault, worker)
    case .faultEnds(let kind, let worker): end(kind, worker)
    case .coordinatorFaultEnds(let kind): try endCoordinatorFault(kind)
    case .coordinatorReturns:
      observe { $0.outageEnded(.crash, of: Self.coordinatorName, at: now) }
      try coordinator?.start()
    case .presenceChanges(let worker): changePresence(of: worker)
    case .regionChanges(let change): self.change(change)
    }
    observe { $0.advanced(to: now) }
  }

  private func deliver(_ transmission: Transmission) throws {
    let name = parties.workers[transmission.worker].name.text
    let toWorker = transmission.direction == .toWorker
    guard network.delivers(transmission), !toWorker || workers[transmission.worker].isAlive else {
      note(
        toWorker ? name : "coordinator", "lost",
        ["kind": .text(transmission.kind), "from": .text(toWorker ? "coordinator" : name)])
      return
    }
    note(
      toWorker ? name : "coordinator", "received",
      [
        "kind": .text(transmission.kind), "from": .text(toWorker ? "coordinator" : name),
        "socket": .text(transmission.socket.name), "bytes": .number(UInt64(transmission.byteCount)),
        "header": .text(Digest.sha256(of: transmission.header).short),
      ])
    if toWorker {
      try workers[transmission.worker].receive(transmission)
    } else {
      try coordinator?.receive(transmission)
    }
  }

  // MARK: Connections

  private func connect(_ worker: Int, _ socket: VirtualSocket, after delay: Duration) {
    schedule(
      .connectionUp(worker: worker, socket), at: network.handshake(worker, socket, at: now + delay))
  }

  private func connectionUp(_ worker: Int, _ socket: VirtualSocket) throws {
    guard workers[worker].isAlive, !network.isUp(worker, socket), !absences.isAway(worker) else { return }
    guard coordinator?.isAlive == true else {
      return connect(worker, socket, after: VirtualNetwork.reconnectDelay)
    }
    network.connect(worker, socket)
    note(workers[worker].name.text, "connected", ["socket": .text(socket.name)])
    try workers[worker].connectionUp(socket)
  }

  private func disconnect(_ worker: Int, _ socket: VirtualSocket, deliversRest: Bool = false) {
    guard network.isUp(worker, socket) else { return }
    network.disconnect(worker, socket, deliversRest: deliversRest)
    note(workers[worker].name.text, "disconnected", ["socket": .text(socket.name)])
  }

  // MARK: Faults

  private func strike(_ fault: SimulationScenario.Fault, _ worker: Int) {
    note(
      fault.worker.text, "fault",
      ["kind": .text(fault.kind.rawValue), "at": .text(fault.at.rawValue), "round": .number(fault.round.value)])
    strike(fault.kind, worker, for: fault.duration, fault.amount)
  }

  private func strike(
    _ kind: SimulationScenario.Fault.Kind, _ worker: Int, for duration: Duration?, _ amount: Duration = .zero
  ) {
    outageCount += 1
    observe { $0.outageBegan(kind, of: workers[worker].name.text, at: now) }
    switch kind {
    case .crash:
      deaths.insert(.worker(worker))
      workers[worker].crash()
      for socket in VirtualSocket.allCases { disconnect(worker, socket, deliversRest: true) }
    case .partition:
      // Real links notice after a while that nothing gets through; here both ends lose the connection at once.
      cut(worker, .partition)
    case .diskFull, .slowDisk, .clockSkew:
      workerConditions[worker, default: Conditions()].begin(kind, amount)
    }
    if let duration { schedule(.faultEnds(kind, worker: worker), after: duration) }
  }

  private func end(_ kind: SimulationScenario.Fault.Kind, _ worker: Int) {
    note(workers[worker].name.text, "faultEnds", ["kind": .text(kind.rawValue)])
    observe { $0.outageEnded(kind, of: workers[worker].name.text, at: now) }
    switch kind {
    case .crash:
      if !workers[worker].isAlive { start(workers[worker]) }
    case .partition:
      join(worker, .partition)
    case .diskFull, .slowDisk, .clockSkew:
      workerConditions[worker]?.end(kind)
      // A full disk ended its process.
      if kind == .diskFull, !workers[worker].isAlive { start(workers[worker]) }
    }
  }

  /// A worker cannot keep what it must not forget: as in the cluster its process ends.
  func cannotKeep(worker: Int) {
    note(workers[worker].name.text, "failed", ["why": "the ledger cannot be written: the disk is full"])
    workers[worker].crash()
    for socket in VirtualSocket.allCases { disconnect(worker, socket, deliversRest: true) }
  }

  // MARK: Faults of the coordinator

  /// Tells the schedule of faults that the coordinator has come to a point of a round.
  ///
  /// - Returns: whether its process is gone.
  func coordinatorReached(_ point: SimulationScenario.CoordinatorFault.Point, _ round: RoundNumber) -> Bool {
    guard !coordinatorFaults.isEmpty, let coordinator, coordinator.isAlive else { return false }
    var isGone = false
    for fault in coordinatorFaults.take(point, round: round) {
      note(
        Self.coordinatorName, "fault",
        ["kind": .text(fault.kind.rawValue), "at": .text(point.rawValue), "round": .number(round.value)])
      if fault.kind == .crash {
        strike(coordinator, for: fault.duration ?? .zero)
        isGone = true
      } else {
        outageCount += 1
        observe { $0.outageBegan(fault.kind, of: Self.coordinatorName, at: now) }
        coordinatorConditions.begin(fault.kind, fault.amount)
        if let duration = fault.duration { schedule(.coordinatorFaultEnds(fault.kind), after: duration) }
      }
    }
    return isGone
  }

  private func endCoordinatorFault(_ kind: SimulationScenario.Fault.Kind) throws {
    note(Self.coordinatorName, "faultEnds", ["kind": .text(kind.rawValue)])
    observe { $0.outageEnded(kind, of: Self.coordinatorName, at: now) }
    coordinatorConditions.end(kind)
    if kind == .diskFull { try coordinator?.resume() }
  }

  private func cut(_ worker: Int, _ cause: Absences.Cause) {
    absences.begin(cause, of: worker)
    for socket in VirtualSocket.allCases { disconnect(worker, socket) }
  }

  private func join(_ worker: Int, _ cause: Absences.Cause) {
    guard absences.end(cause, of: worker) else { return }
    for socket in VirtualSocket.allCases { connect(worker, socket, after: .zero) }
  }

  // MARK: Population

  private func schedulePresence(of worker: Int) {
    guard !presences.isEmpty, let time = presences[worker].next() else { return }
    schedule(.presenceChanges(worker: worker), at: time)
  }

  /// A worker that goes lives on and reaches nobody, as a telephone without its wireless network.
  private func changePresence(of worker: Int) {
    let isHere = presences[worker].isHere
    note(workers[worker].name.text, isHere ? "comes" : "goes")
    if !isHere {
      cut(worker, .away)
    } else if workers[worker].life == 0 {
      _ = absences.end(.away, of: worker)
      start(workers[worker])
    } else {
      join(worker, .away)
    }
    schedulePresence(of: worker)
  }

  /// Partitions by rounds begin and end with an attempt's offer.
  func attemptBegins(_ attempt: AttemptID) {
    for change in regions.attemptBegins(at: attempt.round) { self.change(change) }
  }

  private func change(_ change: RegionSchedule.Change) {
    let region = regions.name(of: change.partition)
    note(region, change.begins ? "partition" : "partitionEnds")
    if change.begins {
      outageCount += 1
      observe { $0.outageBegan(.partition, of: region, at: now) }
    } else {
      observe { $0.outageEnded(.partition, of: region, at: now) }
    }
    for worker in regions.workers(behind: change.partition) {
      if change.begins { cut(worker, .region(change.partition)) } else { join(worker, .region(change.partition)) }
    }
  }

  // MARK: Misfortunes

  /// Lets a misfortune strike a worker where it stands.
  ///
  /// - Returns: whether its process is gone.
  func mayStrike(worker: Int) -> Bool {
    guard workers[worker].isAlive,
      let (misfortune, isDrawn) = misfortunes.strikes(
        .worker(worker), round: coordinator?.lastRound ?? 0, isPartitioned: absences.contains(worker, .partition))
    else { return false }
    note(workers[worker].name.text, isDrawn ? "chaos" : "misfortune", ["kind": .text(misfortune.kind.rawValue)])
    strike(misfortune.kind, worker, for: misfortune.duration)
    return misfortune.kind == .crash
  }

  /// Lets a misfortune strike the coordinator where it stands: what it has not sent yet, and what is on its way, is lost.
  ///
  /// - Returns: whether its process is gone.
  func mayStrikeCoordinator() -> Bool {
    guard let coordinator, coordinator.isAlive, coordinator.outcome == nil,
      let (misfortune, isDrawn) = misfortunes.strikes(.coordinator, round: coordinator.lastRound)
    else { return false }
    note("coordinator", isDrawn ? "chaos" : "misfortune", ["kind": "crash"])
    strike(coordinator, for: misfortune.duration)
    return true
  }

  private func strike(_ coordinator: VirtualCoordinator, for duration: Duration) {
    outageCount += 1
    observe { $0.outageBegan(.crash, of: Self.coordinatorName, at: now) }
    deaths.insert(.coordinator)
    coordinator.crash()
    for worker in workers.indices {
      for socket in VirtualSocket.allCases where network.isUp(worker, socket) {
        disconnect(worker, socket)
        connect(worker, socket, after: VirtualNetwork.reconnectDelay)
      }
    }
    schedule(.coordinatorReturns, after: duration)
  }
}

/// One party's thread: work is done one piece after another, each for its time.
struct Processor {
  private var freeAt = VirtualTime.zero

  /// When work that is handed in now is done.
  mutating func take(_ cost: Duration, at time: MonotonicTime) -> MonotonicTime {
    freeAt = max(freeAt, time) + cost
    return freeAt
  }
}
