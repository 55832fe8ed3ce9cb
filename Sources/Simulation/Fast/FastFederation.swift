import Aggregation
import ClusterConfiguration
import Cryptography
import Federation
import ModelRegistry
import Rounds
import SecureAggregation
import Tensors
import Training

/// A scenario at the fast fidelity: the run's own machine, strategies and checks, real training, the keys, rosters and
/// encodings of the full one, and neither messages nor masks. Without faults it makes the same models, bit for bit.
final class FastFederation {
  enum Occurrence {
    case deadline(RunStateMachine.DeadlineID)
    case rosterFormed(AttemptID)
    /// Inputs are complete up to now.
    case reports(AttemptID)
    case sumDue(AttemptID)
    case faultStrikes(SimulationScenario.Fault)
    case workerMissed(WorkerID)
    case workerReturns(WorkerID, Absences.Cause)
    case presenceChanges(Int)
    case regionChanges(RegionSchedule.Change)
  }

  /// The attempt in hand.
  struct Attempt {
    let id: AttemptID
    let cohort: [WorkerID]
    var offer: RoundOffer?
    var journeys: [WorkerID: FastTimes.Journey] = [:]
    var roster: [WorkerID] = []
    /// Inputs on their way, the next one last.
    var arrivals: [AbridgedReport] = []
    var arrivedAt: [WorkerID: MonotonicTime] = [:]
    /// Went away after the offer: of them nothing more arrives.
    var gone: Set<WorkerID> = []
    var result: RoundSum.Opened?
    /// c_i⁺ of those who are counted, theirs once the attempt is committed.
    var controls: [WorkerID: [Float]] = [:]
    var bytesUp: UInt64 = 0
    let startedAt: MonotonicTime
  }

  /// Three heartbeats of half a second: who is silent for so long is lost.
  static let patience = Duration.milliseconds(1500)

  let scenario: SimulationScenario
  private let seed: UInt64
  let parties: VirtualParties
  private let datasets: [WorkerID: Dataset]
  private let times: FastTimes
  private let training: FastTraining
  private let versions: VirtualVersions
  private var lineage: LineageChecker
  private let judge: (ParameterSet) throws -> RoundMetrics?
  private let report: (SimulatedRound) -> Void
  private let observers: [any SimulationObserver]
  private var log: EventLog
  /// Claims that were found broken, in words.
  private(set) var violations: [String] = []
  private var faults: FaultSchedule
  let places: [WorkerID: Int]
  var absences = Absences()
  /// When the coordinator notices that a worker went; a worker that is back earlier is heard of then.
  var missedAt: [Int: MonotonicTime] = [:]
  /// Of each worker; empty if all are always there.
  var presences: [Presence]
  var regions: RegionSchedule
  var stragglers: StragglerDraw
  private var machine: RunStateMachine?
  private var queue = EventQueue<Occurrence>()
  var attempt: Attempt?
  /// Starts of each worker's process.
  var lives: [WorkerID: Int] = [:]
  /// c_i of each worker under SCAFFOLD: as long as the run, and one model a worker, because that is what the strategy is.
  private var controls: [WorkerID: [Float]] = [:]

  private(set) var now = VirtualTime.zero
  private(set) var rounds: [SimulatedRound] = []
  private(set) var endedAt: MonotonicTime?
  private(set) var eventCount: UInt64 = 0
  private(set) var byteCount: UInt64 = 0
  /// Of those from workers.
  private(set) var upByteCount: UInt64 = 0
  var outageCount: UInt64 = 0

  /// - Parameter threads: of all training together; results do not depend on it.
  init(
    scenario: SimulationScenario, seed: UInt64, parties: VirtualParties, datasets: [Dataset], threads: Int,
    judge: @escaping (ParameterSet) throws -> RoundMetrics?, observers: [any SimulationObserver] = [],
    log: @escaping (String) -> Void, report: @escaping (SimulatedRound) -> Void
  ) {
    self.scenario = scenario
    self.seed = seed
    self.parties = parties
    self.datasets = Dictionary(uniqueKeysWithValues: zip(parties.workers.map(\.name), datasets))
    self.judge = judge
    self.report = report
    self.observers = observers
    self.log = EventLog(log)
    times = FastTimes(scenario, seed: seed)
    training = FastTraining(threads: threads)
    versions = VirtualVersions(scenario.run, parties: parties)
    lineage = LineageChecker(membership: parties.membership)
    faults = FaultSchedule(scenario.faults)
    places = Dictionary(uniqueKeysWithValues: parties.workers.enumerated().map { ($1.name, $0) })
    regions = RegionSchedule(scenario)
    stragglers = StragglerDraw(scenario, seed: seed)
    presences = Presence.all(of: parties, in: scenario, seed: seed)
  }

  var outcome: RunStateMachine.Outcome? { machine?.outcome }
  var faultsLeft: [SimulationScenario.Fault] { faults.left }
  var logLines: Int { log.lineCount }
  var logDigest: Digest { log.digest }
  var latest: (version: StoredVersion, artifact: ModelArtifact) {
    get throws { try versions.latest }
  }

  /// Under SCAFFOLD, at the end.
  var finalControls: SimulatedControls? {
    versions.serverState.control.map { server in
      SimulatedControls(server: server, workers: parties.workers.map { controls[$0.name] })
    }
  }

  // MARK: Time

  /// Runs to the end of the run, to the first broken claim, or to a moment of virtual time.
  func run(until deadline: MonotonicTime) throws {
    versions.reached = { [unowned self] in
      if case .versionKept(let stored) = $0 { for claim in self.lineage.published(stored) { self.violated(claim) } }
      return false
    }
    let start = try versions.begin(at: calendar)
    var plan = scenario.run.plan(membership: parties.membership, architecture: scenario.run.model.architecture)
    plan.isAbridged = true
    machine = RunStateMachine(
      plan: plan, membership: parties.membership, certificate: parties.coordinator.certificate.certificate,
      signingKey: parties.coordinator.signingKey, start: start, attempt: 0,
      computations: TrustingComputations())
    handle(.started(now: calendar))
    let unsuited = parties.workers.count - scenario.suitedCount
    if unsuited > 0 { handle(.turn(.init(unsuitedCount: unsuited))) }
    for (time, change) in regions.changes { schedule(.regionChanges(change), at: time) }
    for (place, party) in parties.workers.enumerated() {
      lives[party.name] = 1
      if presences.isEmpty || presences[place].isHere {
        joined(place)
      } else {
        absences.begin(.away, of: place)
      }
      schedulePresence(of: place)
    }
    while outcome == nil, violations.isEmpty, let due = queue.nextTime, due <= deadline {
      guard let (time, occurrence) = queue.next() else { break }
      now = time
      eventCount += 1
      handle(occurrence)
      observe { $0.advanced(to: now) }
    }
  }

  func observe(_ see: (any SimulationObserver) -> Void) { for observer in observers { see(observer) } }

  private var calendar: UInt64 { VirtualTime.calendar(at: now) }

  func schedule(_ occurrence: Occurrence, at time: MonotonicTime) {
    queue.schedule(occurrence, at: max(now, time))
  }

  func note(_ node: String, _ event: String, _ fields: KeyValuePairs<String, EventLog.Value> = [:]) {
    log.append(at: now, node, event, fields)
  }

  func violated(_ claim: String) {
    violations.append(claim)
    note("checker", "violation", ["claim": .text(claim)])
  }

  private func handle(_ occurrence: Occurrence) {
    switch occurrence {
    case .deadline(let deadline): handle(.deadlinePassed(deadline, now: calendar))
    case .rosterFormed(let id): formRoster(of: id)
    case .reports(let id): deliverReports(of: id)
    case .sumDue(let id):
      guard attempt?.id == id, let opened = attempt?.result else { return }
      versions.average = opened.average
      handle(.sumOpened(opened.summary))
    case .faultStrikes(let fault): strike(fault)
    case .workerMissed(let worker):
      note("coordinator", "workerLost", ["worker": .text(worker.text)])
      handle(.workerLost(worker))
    case .workerReturns(let worker, let cause): returns(worker, cause)
    case .presenceChanges(let place): changePresence(of: place)
    case .regionChanges(let change): self.change(change)
    }
  }

  // MARK: The run

  /// The machine changes first; then its actions are carried out, in their order.
  func handle(_ event: RunStateMachine.Event) {
    guard var machine = machine.take() else { return }  // One owner: nothing is copied when it changes.
    machine.bytesMoved = byteCount
    let actions = machine.handle(event, at: now)
    machine.checkInvariants()
    self.machine = machine
    for action in actions { perform(action) }
    beginAttempt()
  }

  private func perform(_ action: RunStateMachine.Action) {
    observe { $0.performed(action, at: now) }
    switch action {
    case .send(.offer(let offer), _): attempt?.offer = offer
    case .startDeadline(let deadline, let duration): schedule(.deadline(deadline), at: now + duration)
    case .recordAttempt(let id, let cohort):
      attempt = Attempt(id: id, cohort: cohort, startedAt: now)
      note("coordinator", "attempt", ["attempt": .text(id.description), "cohort": .number(UInt64(cohort.count))])
      for change in regions.attemptBegins(at: id.round) { self.change(change) }
    case .openPlainSum: openSum()
    case .prepare(let order, let measuresBase):
      handle(versions.prepare(order, measuresBase: measuresBase, at: calendar, judge: judge))
    case .commit(let order): commit(order)
    case .takeBack(let version, let base, let reason):
      note("coordinator", "takenBack", ["version": .number(version.value), "reason": .text(reason)])
      controls = [:]
      if let failure = versions.takeBack(version, to: base, reason: reason) { handle(failure) }
    case .foundBest(let version):
      note("coordinator", "best", ["version": .number(version.value)])
      if let failure = versions.move(.best, to: version) { handle(failure) }
    case .report(let report): self.report(report)
    case .blocked(let reason): note("coordinator", "blocked", ["reason": .text(reason)])
    case .ignored(let worker, let why):
      note("coordinator", "ignored", ["worker": .text(worker.text), "why": .text(why)])
    case .blame(let worker, let fault):
      note("coordinator", "blamed", ["worker": .text(worker.text), "fault": .text(fault)])
    case .finished(let outcome):
      endedAt = now
      note("coordinator", "finished", ["outcome": .text(outcome.text)])
    // Messages, uploads and masks are left out.
    case .send, .openUploads, .acceptUpload, .refuseUpload, .addInput, .closeUploads, .unmask, .keepEvidence: break
    // Of asynchronous runs, which are refused (`SimulationScenario.objectionToFast`).
    case .extendAttempt, .admitUpload, .openBuffer: preconditionFailure("an asynchronous run at the fast fidelity")
    case .openGroups, .closeUpload, .groupLeftOut: preconditionFailure("a divided cohort at the fast fidelity")
    }
  }

  private func commit(_ order: RunStateMachine.CommitOrder) {
    guard let event = versions.commit(order, at: calendar) else { return }
    if case .committed(let base) = event {
      controls.merge(attempt?.controls ?? [:]) { $1 }
      note(
        "coordinator", "published",
        ["version": .number(base.version.value), "model": .text(base.modelDigest.hex)])
    }
    handle(event)
  }

  private func report(_ report: RoundReport) {
    let round = SimulatedRound(
      report: report, startedAt: attempt?.startedAt.seconds ?? 0,
      seconds: now.seconds - (attempt?.startedAt.seconds ?? 0), bytesUp: attempt?.bytesUp ?? 0)
    rounds.append(round)
    note(
      "coordinator", "round",
      [
        "attempt": .text(report.attempt.description), "outcome": .text(round.outcomeName),
        "cohort": .number(UInt64(report.cohort)), "reported": .number(UInt64(report.reported)),
      ])
    self.report(round)
  }

  // MARK: One attempt

  /// As soon as an attempt is offered: when its workers have advertised their keys.
  private func beginAttempt() {
    guard var attempt, let offer = attempt.offer, attempt.journeys.isEmpty else { return }
    let modelBytes = offer.blobs.reduce(0) { $0 + $1.byteCount }
    var setup = Duration.zero
    for worker in attempt.cohort {
      guard let dataset = datasets[worker], let place = places[worker] else { continue }
      let heldOut = Int((Double(dataset.count) * offer.task.holdOutFraction).rounded())
      let journey = times.journey(
        offer, of: worker, at: place, examples: (dataset.count - heldOut, heldOut),
        epochs: epochs(of: place, offer), modelBytes: modelBytes)
      attempt.journeys[worker] = journey
      guard !absences.isAway(place) else { continue }
      setup = max(setup, journey.advertised)
      move(modelBytes, .toWorker)
    }
    self.attempt = attempt
    schedule(.rosterFormed(attempt.id), at: now + (offer.task.aggregation == .secure ? setup : .zero))
  }

  private func formRoster(of id: AttemptID) {
    guard var attempt, attempt.id == id, let offer = attempt.offer else { return }
    attempt.roster = attempt.cohort.filter { worker in !isUnreachable(worker, in: attempt) }
    let isSecure = offer.task.aggregation == .secure
    let dealing = isSecure ? times.dealing(rosterCount: attempt.roster.count) : .zero
    let dealt = isSecure ? attempt.journeys.values.map(\.setup).max() ?? .zero : .zero
    var arrivals: [AbridgedReport] = []
    for worker in attempt.roster {
      guard let journey = attempt.journeys[worker] else { continue }
      let ready = max(now + dealt + dealing, attempt.startedAt + journey.trained)
      let fault = faults.takeFirst(of: worker, round: id.round)
      if let fault { schedule(.faultStrikes(fault), at: moment(of: fault, journey, ready: ready, in: attempt)) }
      guard fault.map({ Self.hasReported($0.at) }) ?? true, epochs(of: worker, offer) > 0 else { continue }
      arrivals.append(AbridgedReport(worker: worker, time: ready + journey.upload))
    }
    // The coordinator adds one after the other.
    arrivals.sort { ($0.time, $0.worker) < ($1.time, $1.worker) }
    let adding = times.adding(offer.configuration)
    var freeAt = now
    attempt.arrivals = arrivals.map { report in
      freeAt = max(freeAt, report.time) + adding
      return AbridgedReport(worker: report.worker, time: freeAt)
    }.reversed()
    self.attempt = attempt
    if let first = attempt.arrivals.last { schedule(.reports(id), at: first.time) }
    handle(.rosterFormed(attempt.roster))
  }

  /// Hands over what has arrived until anything else happens: thousands of inputs are one event.
  private func deliverReports(of id: AttemptID) {
    guard var attempt, attempt.id == id else { return }
    let horizon = max(now, queue.nextTime ?? attempt.arrivals.first?.time ?? now)
    var due: [AbridgedReport] = []
    while let next = attempt.arrivals.last, next.time <= horizon {
      if !attempt.gone.contains(next.worker) { due.append(next) }
      attempt.arrivals.removeLast()
    }
    for report in due { attempt.arrivedAt[report.worker] = report.time }
    let next = attempt.arrivals.last
    self.attempt = attempt
    if let next { schedule(.reports(id), at: next.time) }
    handle(.inputsReported(due))
  }

  /// Trains those who are counted, and nobody else.
  private func openSum() {
    guard var attempt, let offer = attempt.offer, let machine, let base = versions.parameters else { return }
    let survivors = machine.survivors
    do {
      let keys = FastRoster(
        attempt.roster, offer: offer, parties: parties, seed: seed, lives: lives, pool: training.pool)
      let rule = offer.task.kind == .train ? Strategy(parsing: offer.configuration.strategy)?.robustRule : nil
      let outcome = try training.perform(
        offer, on: base, control: versions.serverState.control,
        by: survivors.compactMap { worker in
          datasets[worker].map {
            FastTraining.Assignment(
              worker: worker, dataset: $0, roundingSeed: keys.roundingSeed(of: worker), control: controls[worker],
              localEpochs: epochs(of: worker, offer))
          }
        },
        into: {
          try UnmaskedSum(
            offer.configuration, aggregation: offer.task.aggregation, rosterCount: attempt.roster.count,
            transcript: keys.transcript)
        }, keepsUpdates: rule != nil)
      guard outcome.failures.isEmpty else { return failed(outcome.failures, in: attempt.id) }
      for (worker, metrics) in outcome.metrics.sorted(by: { $0.key < $1.key })
      where offer.task.aggregation == .plain {
        handle(.inputMeasured(metrics, from: worker))
      }
      attempt.controls = outcome.controls
      let bytes = UInt64(offer.configuration.vectorLength) * (isSecure(offer) ? offer.configuration.ringBits / 8 : 4)
      attempt.bytesUp = bytes * UInt64(survivors.count)
      move(attempt.bytesUp, .toCoordinator)
      attempt.result = try outcome.sum.opened(combining: rule.map { ($0, outcome.kept) })
      let slowest = survivors.compactMap { attempt.journeys[$0]?.latency }.max() ?? .zero
      self.attempt = attempt
      // With the last input that is counted, which may be before the last that is on its way.
      let complete = survivors.compactMap { attempt.arrivedAt[$0] }.max() ?? now
      schedule(
        .sumDue(attempt.id),
        at: complete
          + times.opening(
            offer, survivors: survivors.count, dropouts: attempt.roster.count - survivors.count, slowest: slowest))
    } catch let error as AggregationError {
      handle(.sumRefused(reason: error.description))
    } catch {
      handle(.failed(reason: "cannot open the sum: \(error)"))
    }
  }

  private func move(_ bytes: UInt64, _ direction: Direction) {
    byteCount += bytes
    if direction == .toCoordinator { upByteCount += bytes }
    observe { $0.moved(bytes, direction) }
  }

  private func isSecure(_ offer: RoundOffer) -> Bool { offer.task.aggregation == .secure }

  /// The machine drops them from the sum and orders it again, or abandons the attempt.
  private func failed(_ failures: [WorkerID: String], in id: AttemptID) {
    for (worker, reason) in failures.sorted(by: { $0.key < $1.key }) where attempt?.id == id {
      handle(.received(.decline(id, .trainingFailed, detail: String(reason.prefix(200))), from: worker))
    }
  }

  // MARK: Faults

  /// Whether the input of a worker that fails at this point is complete.
  private static func hasReported(_ point: SimulationScenario.Fault.Point) -> Bool {
    switch point {
    case .advertiseKeys, .shareKeys, .checkShares, .training, .maskedInput: false
    case .reported, .consistencyCheck, .unmask: true
    }
  }

  private func moment(
    of fault: SimulationScenario.Fault, _ journey: FastTimes.Journey, ready: MonotonicTime, in attempt: Attempt
  ) -> MonotonicTime {
    switch fault.at {
    case .advertiseKeys, .shareKeys, .checkShares: now
    case .training: attempt.startedAt + journey.trained
    case .maskedInput: ready
    case .reported, .consistencyCheck, .unmask: ready + journey.upload
    }
  }

  private func strike(_ fault: SimulationScenario.Fault) {
    note(
      fault.worker.text, "fault",
      ["kind": .text(fault.kind.rawValue), "at": .text(fault.at.rawValue), "round": .number(fault.round.value)])
    outageCount += 1
    observe { $0.outageBegan(fault.kind, of: fault.worker.text, at: now) }
    guard let place = places[fault.worker] else { return }
    let cause: Absences.Cause = fault.kind == .crash ? .crash : .partition
    leaves(place, cause)
    guard let duration = fault.duration else { return }
    schedule(.workerReturns(fault.worker, cause), at: now + max(duration, Self.patience))
  }
}
