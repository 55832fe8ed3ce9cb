import Aggregation
import Cryptography
import Federation
import Rounds
import SecureAggregation
import Testing

/// One run in memory: a coordinator, its workers, instant training, virtual time. Messages wait in one queue; when it is
/// empty the earliest deadline fires.
final class RoundsCluster {
  typealias ToCoordinator = RunStateMachine.Event
  typealias ToWorker = WorkerStateMachine.Event

  enum Envelope {
    case coordinator(ToCoordinator)
    case worker(WorkerID, ToWorker)
  }

  private struct Timer {
    let at: Duration
    let envelope: Envelope
  }

  static let now: UInt64 = 5_000

  let members: RoundsMembers
  var run: RunStateMachine
  var workers: [WorkerID: WorkerStateMachine] = [:]
  var onWayToWorker: (WorkerID, CoordinatorMessage) -> [CoordinatorMessage] = { [$1] }
  var onWayToCoordinator: (WorkerID, WorkerMessage) -> [WorkerMessage] = { [$1] }
  /// What a worker's driver answers to an order to train; empty: it never ends.
  var training: (WorkerID, RoundOffer) -> [ToWorker] = { [.trained($1.attempt)] }
  /// Whether a worker's upload arrives.
  var uploads: (WorkerID, AttemptID) -> Bool = { _, _ in true }
  /// What a worker makes its input by, in place of its machine's order.
  var lying: (WorkerID, WorkerStateMachine.UploadOrder) -> WorkerStateMachine.UploadOrder = { $1 }
  /// Called after every event that was delivered.
  var misfortune: (RoundsCluster) throws -> Void = { _ in }
  /// What the coordinator's driver makes of a sum that it opened.
  var opening: (SumSummary, AttemptID) -> SumSummary = { sum, _ in sum }
  /// What becomes of an order to commit.
  var committing: (RunStateMachine.CommitOrder) -> ToCoordinator? = { _ in nil }
  /// What the coordinator's own data says of a version; nil if nobody ever hears.
  var measuring: (ModelVersion) -> RoundMetrics? = { _ in RoundMetrics(lossSum: 1, correct: 1, evaluated: 1) }
  /// Called before the coordinator's driver opens a sum.
  var beforeOpening: () -> [ToCoordinator] = { [] }

  private var queue: [Envelope] = []
  private var lives = 0
  private var timers: [Timer] = []
  private(set) var time: Duration = .zero
  private var sources: [WorkerID: UploadSource] = [:]
  /// What has arrived of each worker, for which upload; it outlives the worker's process.
  private var spool: [WorkerID: (upload: Digest, chunks: [[UInt8]])] = [:]
  /// By upload, the sum of the auxiliary vectors, masked until it is opened.
  private var lanes: [Digest: [UInt64]] = [:]
  private var plans: [Digest: RunStateMachine.UploadPlan] = [:]
  /// By upload, where the cohort is divided.
  private var sums: [Digest: RoundSum] = [:]
  /// Of the attempt in hand.
  private(set) var upload: Digest?

  // What happened.
  private(set) var actions: [RunStateMachine.Action] = []
  private(set) var workerActions: [WorkerID: [WorkerStateMachine.Action]] = [:]
  private(set) var commits: [RunStateMachine.CommitOrder] = []
  /// Of cohorts that are divided.
  private(set) var opened: [RoundSum.Opened] = []

  init(_ members: RoundsMembers, plan: RunPlan? = nil, policy: WorkerPolicy? = nil) throws {
    self.members = members
    run = members.run(plan ?? members.plan())
    for name in members.workers { workers[name] = try members.worker(name, policy: policy ?? members.policy) }
  }

  // MARK: Running

  @discardableResult
  func start(joining names: [WorkerID]? = nil) -> RoundsCluster {
    feed(.started(now: Self.now))
    for name in names ?? members.workers { feed(.workerJoined(name)) }
    return self
  }

  /// Starts, and leaves every worker at a training that never ends.
  func startTraining() {
    training = { _, _ in [] }
    start().drain()
  }

  /// Until the run is finished, or nothing is left to happen.
  @discardableResult
  func finish(timersMax: Int = 200) -> RoundsCluster {
    drain()
    var fired = 0
    while run.outcome == nil, fired < timersMax, let next = timers.indices.min(by: { timers[$0].at < timers[$1].at }) {
      let timer = timers.remove(at: next)
      time = timer.at
      deliver(timer.envelope)
      drain()
      fired += 1
    }
    return self
  }

  func drain() {
    while !queue.isEmpty { deliver(queue.removeFirst()) }
  }

  /// Delivers one message; false if none waits.
  func step() -> Bool {
    guard !queue.isEmpty else { return false }
    deliver(queue.removeFirst())
    return true
  }

  private func deliver(_ envelope: Envelope) {
    switch envelope {
    case .coordinator(let event): feed(event)
    case .worker(let name, let event): feed(event, to: name)
    }
    do { try misfortune(self) } catch { Issue.record(error) }
  }

  func feed(_ event: ToCoordinator) {
    let new = run.handle(event, at: MonotonicTime(nanoseconds: 0) + time)
    run.checkInvariants()
    perform(new)
  }

  func feed(_ event: ToWorker, to name: WorkerID) {
    guard let new = workers[name]?.handle(event) else { return }
    workers[name]?.checkInvariants()
    perform(new, by: name)
  }

  func send(_ message: CoordinatorMessage, to name: WorkerID) { feed(.received(message, now: Self.now), to: name) }

  /// A new process with what the old one had recorded.
  func restart(_ name: WorkerID, policy: WorkerPolicy? = nil) throws {
    let ledger = try #require(workers[name]).ledger
    lives += 1
    workers[name] = try members.worker(name, policy: policy ?? members.policy, ledger: ledger, life: lives)
    sources[name] = nil
  }

  // MARK: The coordinator's driver

  private func perform(_ new: [RunStateMachine.Action]) {
    actions += new
    for action in new {
      switch action {
      case .send(let message, let name):
        for message in onWayToWorker(name, message) {
          queue.append(.worker(name, .received(message, now: Self.now)))
        }
      case .startDeadline(let deadline, let duration):
        timers.append(
          Timer(at: time + duration, envelope: .coordinator(.deadlinePassed(deadline, now: Self.now))))
      case .openUploads(let plan):
        plans = plans.filter { plan.beside.contains($0.key) }
        lanes = lanes.filter { plan.beside.contains($0.key) }
        if plan.beside.isEmpty { spool = [:] }
        sums = sums.filter { plan.beside.contains($0.key) }
        plans[plan.upload] = plan
        if run.plan.groups != nil { sums[plan.upload] = try? RoundSum(plan) }
        upload = plan.upload
      case .acceptUpload(let name): upload(name)
      case .refuseUpload(let name, let reason):
        if let attempt = sources[name]?.attempt {
          queue.append(.worker(name, .uploadRefused(attempt, reason: reason)))
        }
      case .addInput(let name): add(name)
      case .unmask(let order): open(order)
      case .openPlainSum: open(nil)
      case .openBuffer(let order): open(order)
      case .openGroups(let order): open(order)
      case .prepare(let order, let measuresBase):
        guard let metrics = measuring(order.version) else { continue }
        queue.append(
          .coordinator(
            .candidateMeasured(metrics, base: measuresBase ? measuring(order.base.version) : nil)))
      case .commit(let order):
        commits.append(order)
        queue.append(.coordinator(committing(order) ?? .committed(members.model(order.version))))
      case .recordAttempt, .extendAttempt, .admitUpload, .closeUploads, .closeUpload, .takeBack, .foundBest, .report,
        .groupLeftOut, .blame, .keepEvidence, .blocked, .ignored, .finished:
        break
      }
    }
  }

  private func upload(_ name: WorkerID) {
    guard let source = sources[name], uploads(name, source.attempt) else { return }
    let chunks = (0..<source.chunkCount).map { source.chunk($0) }
    spool[name] = (source.upload, chunks.map(\.bytes))
    let digests = chunks.map(\.digest)
    queue.append(
      .coordinator(
        .uploadCompleted(
          source.trailer(chunkDigests: digests), payloadDigest: ChunkDigests.payload(digests), from: name)))
    queue.append(.worker(name, .uploaded(source.attempt)))
  }

  /// Adds the lanes of all vectors; plain Float32 lanes are left out, their sum is not what these tests are about.
  private func add(_ name: WorkerID) {
    guard let (upload, chunks) = spool[name], let plan = plans[upload] else {
      Issue.record("an input of \(name) that never came")
      return
    }
    if var sum = sums.removeValue(forKey: upload) {
      do { try sum.add(from: name) { chunks[Int($0)] } } catch { Issue.record(error) }
      sums[upload] = sum
    }
    var next = 0
    for vector in plan.vectors {
      for index in 0..<vector.chunkCount {
        if vector.id == VectorSpecification.auxiliaryID {
          var sum = lanes[upload] ?? [UInt64](repeating: 0, count: Int(vector.count))
          for (place, element) in vector.elements(ofChunk: index).enumerated() {
            let bytes = chunks[next][(8 * place)..<(8 * place + 8)]
            sum[element] &+= bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
          }
          lanes[upload] = sum
        }
        next += 1
      }
    }
  }

  private func open(_ order: UnmaskingOrder?) {
    for event in beforeOpening() { feed(event) }
    let lanes = upload.flatMap { self.lanes.removeValue(forKey: $0) } ?? []
    var values = lanes.map { Int64(bitPattern: $0) }
    if let order, let vector = order.vectors.last, let accumulator = RingAccumulator(ringBits: 64, count: lanes.count) {
      let bytes = lanes.flatMap { lane in (0..<8).map { UInt8(truncatingIfNeeded: lane >> UInt64(8 * $0)) } }
      try? accumulator.add(bytes, at: 0)
      if let terms = try? order.terms([vector]) { accumulator.apply(terms[0], elements: 0..<lanes.count) }
      values = accumulator.signedValues
    }
    guard let layout = upload.flatMap({ plans[$0] })?.configuration.auxiliaryLayout,
      let sums = try? AuxiliaryVector.decode(values, layout: layout)
    else {
      Issue.record("a sum out of form")
      return
    }
    let summary = SumSummary(
      weight: sums.weight, workers: sums.workers, clipped: sums.clipped, saturated: sums.saturated,
      metrics: sums.metrics)
    tell(summary)
  }

  private func tell(_ summary: SumSummary) {
    guard let attempt = attempts.last else { return }
    queue.append(.coordinator(.sumOpened(opening(summary, attempt))))
  }

  /// The sums of a divided cohort, as a coordinator's driver opens them.
  private func open(_ order: GroupsOrder) {
    for event in beforeOpening() { feed(event) }
    do {
      let sums = try order.groups.map { try #require(self.sums[$0.upload]) }
      let result = try RoundSum.open(order, sums: sums)
      opened.append(result)
      tell(result.summary)
    } catch let error as AggregationError {
      queue.append(.coordinator(.sumRefused(reason: error.description)))
    } catch {
      Issue.record(error)
    }
  }

  /// The sums of all groups, and the metrics of the newest.
  private func open(_ order: BufferOrder) {
    for event in beforeOpening() { feed(event) }
    var summary = SumSummary(
      weight: 0, workers: 0, clipped: 0, saturated: 0, metrics: RoundMetrics(lossSum: 0, correct: 0, evaluated: 0))
    for group in order.groups {
      guard let plan = plans[group.upload] else {
        Issue.record("a group that was never planned")
        continue
      }
      guard let values = lanes.removeValue(forKey: group.upload)?.map({ Int64(bitPattern: $0) }),
        let sums = try? AuxiliaryVector.decode(values, layout: plan.configuration.auxiliaryLayout)
      else { continue }
      summary.weight += sums.weight
      summary.workers += sums.workers
      if group.staleness == 0 { summary.metrics = sums.metrics }
    }
    tell(summary)
  }

  // MARK: A worker's driver

  private func perform(_ new: [WorkerStateMachine.Action], by name: WorkerID) {
    workerActions[name, default: []] += new
    for action in new {
      switch action {
      case .send(let message):
        for message in onWayToCoordinator(name, message) { queue.append(.coordinator(.received(message, from: name))) }
      case .fetchModel(let offer):
        queue.append(.worker(name, .modelHeld(offer.attempt, modelDigest: offer.modelDigest)))
      case .train(let offer):
        for event in training(name, offer) { queue.append(.worker(name, event)) }
      case .upload(let order):
        let update = members.update(of: name, isTraining: order.configuration.vectorLength > 0)
        guard let source = try? UploadSource(lying(name, order), update: update) else {
          Issue.record("an update that cannot be sent")
          continue
        }
        sources[name] = source
        queue.append(.coordinator(.uploadOpened(source.header, from: name)))
      case .startDeadline(let deadline, let duration):
        timers.append(Timer(at: time + duration, envelope: .worker(name, .deadlinePassed(deadline))))
      case .record, .keepControl, .keepEvidence, .cancelWork, .note: break
      }
    }
  }
}

extension WorkerStateMachine.UploadOrder {
  var configuration: RoundConfiguration {
    switch self {
    case .secure(_, _, let configuration), .plain(_, _, let configuration): configuration
    }
  }
}
