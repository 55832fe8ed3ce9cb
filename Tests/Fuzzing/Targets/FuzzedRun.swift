import Aggregation
import Cryptography
import Federation
import Rounds
import SecureAggregation

/// A run of one training round with its machine and four or five workers' (`RunStateMachine`, `WorkerStateMachine`),
/// driven by the bytes of an input: messages are delivered, lost, repeated, overtaken, replayed and changed; offers too;
/// processes die and come back with what they had recorded; training fails; deadlines fire in the order of time.
///
/// Claims: nothing traps; the machines' invariants hold after every event; of no attempt, retries included, do both secrets
/// of an honest worker reach the threshold; a sum that opens is the plain sum of what was added; the run ends.
struct FuzzedRun {
  private static let stepsMax = 1200

  static func check(_ bytes: [UInt8]) throws(Finding) {
    var run = FuzzedRun(FuzzInput(bytes))
    try run.run()
    if bytes.isEmpty {
      try Finding.unless(run.machine.outcome == .completed(1), "an honest run did not complete")
    }
  }

  private struct Timer {
    let at: Duration
    let event: Event
  }

  private enum Event {
    case run(RunStateMachine.Event)
    case worker(WorkerID, WorkerStateMachine.Event)
    case message(FuzzedMessage)
  }

  private let members = FuzzedMembers.all
  private let names: [WorkerID]
  private let plan: RunPlan
  private let policy: WorkerPolicy
  private var input: FuzzInput
  private var machine: RunStateMachine
  private var workers: [WorkerID: WorkerStateMachine] = [:]
  private var lives = 0
  private var queue: [Event] = []
  private var timers: [Timer] = []
  private var time: Duration = .zero
  private var history: [FuzzedMessage] = []
  private var forger = FuzzedForger(roundID: .sha256(of: []))
  private var inputs: FuzzedInputs
  /// Of the attempt in hand.
  private var upload = Digest.sha256(of: [])
  private var releases = FuzzedReleases()
  private var orders: [WorkerID: WorkerStateMachine.UploadOrder] = [:]

  private init(_ input: FuzzInput) {
    var input = input
    let rules = input.byte()
    names = Array(members.workers.prefix(4 + Int(rules & 1)))
    let aggregation: AggregationMode = rules & 2 == 0 ? .secure : .plain
    func task(_ kind: TrainingTask.Kind) -> TrainingTask {
      TrainingTask(
        kind: kind, aggregation: aggregation, architecture: "softmax 3-2", dataScale: 1, holdOutFraction: 0.2, seed: 1)
    }
    func configuration(_ kind: TrainingTask.Kind) -> RoundConfiguration {
      FuzzedMembers.all.configuration(vectorLength: kind == .train ? 3 : 0) {
        $0.localEpochs = kind == .train ? 1 : 0
        $0.trainer = .sha256(of: task(kind).canonicalBytes)
      }
    }
    let training = configuration(.train)
    var plan = RunPlan(
      run: RunID(unchecked: "run"), modelName: ModelName(unchecked: "model"), rounds: 1, configuration: training,
      evaluationConfiguration: configuration(.evaluate), task: task(.train), evaluationTask: task(.evaluate),
      policy: CohortPolicy(training), cohortTarget: names.count, expectedWorkers: names.count, seed: 1)
    if aggregation == .plain, rules & 4 != 0 {
      plan.buffer = BufferRules(size: 3, stalenessMax: 1, exponent: 0.5)
      plan.rounds = 3
    }
    self.plan = plan
    var policy = WorkerPolicy(cohort: CohortPolicy(training))
    policy.allowPlain = aggregation == .plain
    self.policy = policy
    machine = RunStateMachine(
      plan: plan, membership: members.membership, certificate: members.coordinator, signingKey: members.coordinatorKey,
      start: RunStart(base: Self.model(0)), attempt: 0)
    inputs = FuzzedInputs(training)
    self.input = input
    for name in names { workers[name] = worker(name, ledger: WorkerLedger()) }
  }

  private static func model(_ version: ModelVersion) -> BaseModel {
    BaseModel(version: version, modelDigest: .sha256(of: Array("model \(version)".utf8)), tensors: [])
  }

  private func worker(_ name: WorkerID, ledger: WorkerLedger) -> WorkerStateMachine {
    WorkerStateMachine(
      certificate: members.certificate(of: name), membership: members.membership,
      coordinatorKey: members.coordinatorKey.signingPublicKey, policy: policy, signingKey: members.key(of: name),
      secrets: SeededSecretSource(seed: Array("\(name) \(lives)".utf8)), ledger: ledger)
  }

  // MARK: Running

  private mutating func run() throws(Finding) {
    try feed(.run(.started(now: FuzzedMembers.now)))
    for name in names { try feed(.run(.workerJoined(name))) }
    for _ in 0..<Self.stepsMax {
      if machine.outcome != nil, input.isAtEnd { return }
      if !queue.isEmpty || !input.isAtEnd {
        try step(input.byte())
      } else if !fire() {
        break
      }
    }
    if machine.outcome == nil { try feed(.run(.stopRequested)) }
    // A version that is being committed is committed first.
    while machine.outcome == nil, let event = first() { try feed(event) }
    try Finding.unless(machine.outcome != nil, "a run outlived the order to stop")
  }

  private mutating func step(_ choice: UInt8) throws(Finding) {
    switch choice {
    case 0..<160: if let event = first() { try feed(event) }
    case 160..<172: if !queue.isEmpty { try feed(queue.remove(at: input.below(queue.count))) }
    case 172..<180: _ = first()
    case 180..<186: queue.append(contentsOf: queue.prefix(1))
    case 186..<196: if let message = input.element(of: history) { try feed(.message(message)) }
    case 196..<202: _ = fire()
    case 202..<206: try feed(.run(.workerLost(someone())))
    case 206..<210: try feed(.run(.workerJoined(someone())))
    case 210..<214: try restart(someone())
    case 214..<217: try failTraining(of: someone())
    case 217..<219: try feed(.run(.inputRejected(from: someone(), upload: upload, reason: "fuzzed")))
    case 219: try feed(.run(.stopRequested))
    case 220: try feed(.worker(someone(), .stopRequested))
    case 221: try feed(.worker(someone(), .connected))
    default: if case .message(let message)? = first() { try change(message) }
    }
  }

  private mutating func change(_ message: FuzzedMessage) throws(Finding) {
    if let changed = forger.mutated(message, &input) { try feed(.message(changed)) }
  }

  private mutating func first() -> Event? { queue.isEmpty ? nil : queue.removeFirst() }

  private mutating func someone() -> WorkerID { names[input.below(names.count)] }

  private mutating func fire() -> Bool {
    guard let next = timers.indices.min(by: { timers[$0].at < timers[$1].at }) else { return false }
    let timer = timers.remove(at: next)
    time = timer.at
    queue.append(timer.event)
    return true
  }

  /// Another process with what the one before had recorded.
  private mutating func restart(_ name: WorkerID) throws(Finding) {
    guard let ledger = workers[name]?.ledger else { return }
    lives += 1
    workers[name] = worker(name, ledger: ledger)
    orders[name] = nil
    try feed(.run(.workerRestarted(name)))
  }

  private mutating func failTraining(of name: WorkerID) throws(Finding) {
    guard let attempt = workers[name]?.attempt else { return }
    try feed(
      .worker(
        name,
        input.below(2) == 0
          ? .trainingFailed(attempt, reason: "fuzzed") : .modelUnavailable(attempt, reason: "fuzzed")))
  }

  // MARK: Delivering

  private mutating func post(_ message: FuzzedMessage) {
    queue.append(.message(message))
    history.append(message)
  }

  private mutating func feed(_ event: Event) throws(Finding) {
    switch event {
    case .run(let event): try feed(event)
    case .worker(let name, let event): try feed(event, to: name)
    case .message(.worker(let name, let body)):
      look(body)
      try feed(.received(body, now: FuzzedMembers.now), to: name)
    case .message(.coordinator(let body, let name)): try feed(.received(body, from: name))
    case .message(.inputOpened(let header, let name)): try feed(.uploadOpened(header, from: name))
    case .message(.inputCompleted(let trailer, let digest, let name)):
      try feed(.uploadCompleted(trailer, payloadDigest: digest, from: name))
    }
  }

  private mutating func feed(_ event: RunStateMachine.Event) throws(Finding) {
    let actions = machine.handle(event, at: MonotonicTime(nanoseconds: 0) + time)
    machine.checkInvariants()
    for action in actions { try perform(action) }
  }

  private mutating func feed(_ event: WorkerStateMachine.Event, to name: WorkerID) throws(Finding) {
    guard let actions = workers[name]?.handle(event) else { return }
    workers[name]?.checkInvariants()
    for action in actions { try perform(action, by: name) }
  }

  /// Keeps the transcripts that a roster makes, and for which round messages can be forged.
  private mutating func look(_ message: CoordinatorMessage) {
    guard case .roster(let attempt, let roster) = message else { return }
    for configuration in [plan.configuration, plan.evaluationConfiguration] {
      for version in [ModelVersion(0), ModelVersion(1)] {
        let roundID = Transcript.roundID(
          federation: members.membership.federation, attemptID: attempt, modelDigest: Self.model(version).modelDigest,
          configurationDigest: configuration.digest)
        let entries = roster.adverts.map(\.entry)
        let digest = Transcript.rosterDigest(roundID: roundID, entries: entries)
        releases.note(
          roster: entries.map(\.worker), of: Transcript.transcript(roundID: roundID, rosterDigest: digest))
      }
    }
  }

  // MARK: The drivers

  private mutating func perform(_ action: RunStateMachine.Action) throws(Finding) {
    switch action {
    case .send(let message, let name):
      if case .offer(let offer) = message { forge(for: offer) }
      post(.worker(name, message))
    case .startDeadline(let deadline, let duration):
      timers.append(
        Timer(at: time + duration, event: .run(.deadlinePassed(deadline, now: FuzzedMembers.now))))
    case .openUploads(let plan):
      inputs = FuzzedInputs(plan.configuration)
      upload = plan.upload
    case .acceptUpload(let name): try upload(name)
    case .refuseUpload(let name, let reason):
      if let attempt = workers[name]?.attempt {
        queue.append(.worker(name, .uploadRefused(attempt, reason: reason)))
      }
    case .addInput(let name): if plan.task.aggregation == .secure { try inputs.add(name) }
    case .unmask(let order): try open(order)
    case .openPlainSum, .openBuffer, .openGroups:
      queue.append(
        .run(
          .sumOpened(
            SumSummary(
              weight: 4, workers: 4, clipped: 0, saturated: 0,
              metrics: RoundMetrics(lossSum: 1, correct: 1, evaluated: 4)))))
    case .commit(let order): queue.append(.run(.committed(Self.model(order.version))))
    case .prepare:
      let metrics = RoundMetrics(lossSum: 1, correct: 1, evaluated: 1)
      queue.append(.run(.candidateMeasured(metrics, base: metrics)))
    case .admitUpload, .blame, .blocked, .closeUpload, .closeUploads, .extendAttempt, .finished, .foundBest,
      .groupLeftOut, .ignored, .keepEvidence, .recordAttempt, .report, .takeBack:
      break
    }
  }

  private mutating func forge(for offer: RoundOffer) {
    forger = FuzzedForger(
      roundID: Transcript.roundID(
        federation: members.membership.federation, attemptID: offer.attempt, modelDigest: offer.modelDigest,
        configurationDigest: offer.configuration.digest))
  }

  private mutating func upload(_ name: WorkerID) throws(Finding) {
    switch orders[name] {
    case nil: break
    case .secure(let attempt, let masking, let configuration):
      // A worker that was shown other rules prepared another input; the coordinator has none of it.
      guard configuration.vectorLength == inputs.vectorLength else { return }
      let (trailer, digest) = try inputs.upload(masking, attempt: attempt, by: name)
      post(.inputCompleted(trailer, payloadDigest: digest, from: name))
      queue.append(.worker(name, .uploaded(attempt)))
    case .plain(let attempt, let plain, let configuration):
      let update = members.update(of: name, vectorLength: Int(configuration.vectorLength))
      guard let source = try? UploadSource(.plain(attempt, plain, configuration), update: update) else {
        throw Finding("an honest update of \(name) cannot be sent in clear")
      }
      let digests = (0..<source.chunkCount).map { source.chunk($0).digest }
      post(
        .inputCompleted(
          source.trailer(chunkDigests: digests), payloadDigest: ChunkDigests.payload(digests), from: name))
      queue.append(.worker(name, .uploaded(attempt)))
    }
  }

  private mutating func open(_ order: UnmaskingOrder) throws(Finding) {
    let layout = plan.configuration.auxiliaryLayout
    guard let auxiliary = try inputs.open(order).last, let sums = try? AuxiliaryVector.decode(auxiliary, layout: layout)
    else { throw Finding("the sum of honest inputs is out of form") }
    queue.append(
      .run(
        .sumOpened(
          SumSummary(
            weight: sums.weight, workers: sums.workers, clipped: sums.clipped, saturated: sums.saturated,
            metrics: sums.metrics))))
  }

  private mutating func perform(_ action: WorkerStateMachine.Action, by name: WorkerID) throws(Finding) {
    switch action {
    case .send(let message):
      if case .unmask(let shares) = message { try releases.note(shares, from: name) }
      post(.coordinator(message, from: name))
    case .fetchModel(let offer):
      queue.append(.worker(name, .modelHeld(offer.attempt, modelDigest: offer.modelDigest)))
    case .train(let offer): queue.append(.worker(name, .trained(offer.attempt)))
    case .upload(let order):
      orders[name] = order
      let header: InputHeader
      switch order {
      case .secure(_, let masking, _): header = masking.header
      case .plain(_, let plain, _): header = plain.header
      }
      post(.inputOpened(header, from: name))
    case .startDeadline(let deadline, let duration):
      timers.append(Timer(at: time + duration, event: .worker(name, .deadlinePassed(deadline))))
    case .cancelWork, .keepControl, .keepEvidence, .note, .record: break
    }
  }
}
