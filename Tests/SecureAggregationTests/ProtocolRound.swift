import Cryptography
import Federation
import SecureAggregation
import Testing

/// The messages of a worker in the order in which it sends them.
enum ProtocolStep: Int, CaseIterable, Comparable, Sendable {
  case nothing, advert, bundle, shareCheck, input, agreement, unmask
  static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// One attempt with a coordinator and its workers in one process: messages wait in one queue, deadlines fire when it is
/// empty. Interference goes through the two `onWay` hooks, unreliability through `network`.
final class ProtocolRound {
  typealias ToCoordinator = SecureAggregationCoordinator.Event
  typealias ToWorker = SecureAggregationWorker.Event

  enum Envelope {
    case coordinator(ToCoordinator, from: WorkerID)
    case worker(WorkerID, ToWorker)

    func isOfLink(of other: Envelope) -> Bool {
      switch (self, other) {
      case (.coordinator(_, let a), .coordinator(_, let b)), (.worker(let a, _), .worker(let b, _)): a == b
      case (.coordinator, .worker), (.worker, .coordinator): false
      }
    }
  }

  /// Losses, repetitions and changes of order by a seeded generator; every chance is in per cent.
  struct Network {
    var generator: SeededGenerator
    var lost = 0
    var repeated = 0
    /// Messages of different links overtake each other.
    var isReordering = false
    /// Messages of one link overtake each other too.
    var isScrambling = false
    /// A worker's process dies at an event.
    var crashed = 0
    /// A link is lost for a while, and comes back.
    var interrupted = 0

    mutating func happens(_ percent: Int) -> Bool {
      percent > 0 && Int.random(in: 0..<100, using: &generator) < percent
    }
  }

  let federation: ProtocolFederation
  let context: AttemptContext
  var coordinator: SecureAggregationCoordinator
  var workers: [WorkerID: SecureAggregationWorker] = [:]
  /// The last thing a worker says; then its process is gone.
  var lastWord: [WorkerID: ProtocolStep] = [:]
  /// Whether the coordinator sees a lost link, or waits for the deadline.
  var noticesLoss = false
  var network: Network?
  var onWayToWorker: (WorkerID, ToWorker) -> [ToWorker] = { [$1] }
  var onWayToCoordinator: (WorkerID, ToCoordinator) -> [ToCoordinator] = { [$1] }

  private(set) var queue: [Envelope] = []
  private var dead: Set<WorkerID> = []
  private var orders: [WorkerID: MaskingOrder] = [:]
  private var spool: [WorkerID: [[[UInt8]]]] = [:]
  private var accumulators: [UInt32: RingAccumulator] = [:]
  private(set) var integers: [WorkerID: [[Int64]]] = [:]

  // What happened.
  private(set) var coordinatorActions: [SecureAggregationCoordinator.Action] = []
  private(set) var workerActions: [WorkerID: [SecureAggregationWorker.Action]] = [:]
  private(set) var added: [WorkerID] = []
  private(set) var releases = ReleaseRecord()
  /// The open sums, vectors in header order.
  private(set) var sums: [[Int64]]?
  private(set) var stagesEnded: [SecureAggregationStage] = []

  init(_ federation: ProtocolFederation, context: AttemptContext? = nil, coordinatorPolicy: CohortPolicy? = nil) throws
  {
    self.federation = federation
    self.context = context ?? federation.context()
    coordinator = federation.coordinator(in: self.context, policy: coordinatorPolicy)
    for name in federation.workers { workers[name] = try federation.worker(name, in: self.context) }
  }

  // MARK: Running

  /// Runs the attempt to its end.
  @discardableResult
  func run(isStarted: Bool = false) throws -> ProtocolRound {
    if !isStarted { try start() }
    while true {
      try drain()
      guard let stage = coordinator.stage else { break }
      stagesEnded.append(stage)
      try feed(.deadlinePassed(stage))
    }
    return self
  }

  /// Sends the first messages.
  func start() throws {
    try perform(coordinator.start())
    for name in federation.workers {
      guard let worker = workers[name] else { continue }
      try perform(worker.start(), by: name)
    }
  }

  func drain() throws {
    while !queue.isEmpty {
      var index = 0
      if network?.isReordering == true {
        index = Int.random(in: 0..<min(queue.count, 12), using: &network!.generator)
        if network?.isScrambling == false, let first = queue.firstIndex(where: { $0.isOfLink(of: queue[index]) }) {
          index = first
        }
      }
      switch queue.remove(at: index) {
      case .coordinator(let event, _): try feed(event)
      case .worker(let name, let event): try feed(event, to: name)
      }
      try misfortune()
    }
  }

  /// Hands the coordinator an event as it is.
  func feed(_ event: ToCoordinator) throws { try perform(coordinator.handle(event)) }

  /// Hands a worker an event as it is.
  func feed(_ event: ToWorker, to name: WorkerID) throws {
    guard let actions = workers[name]?.handle(event) else { return }
    workers[name]?.checkInvariants()
    try perform(actions, by: name)
  }

  /// The process of a worker is gone, with its secrets.
  func kill(_ name: WorkerID, restarts: Bool = false) throws {
    guard workers.removeValue(forKey: name) != nil else { return }
    dead.insert(name)
    if noticesLoss { try feed(restarts ? .workerRestarted(name) : .workerLost(name)) }
  }

  private func misfortune() throws {
    guard network != nil else { return }
    if network!.happens(network!.crashed), let name = workers.keys.sorted().randomElement(using: &network!.generator) {
      try kill(name, restarts: network!.happens(50))
    }
    if network!.happens(network!.interrupted),
      let name = workers.keys.sorted().randomElement(using: &network!.generator)
    {
      try feed(.workerLost(name))
      try feed(.workerReturned(name))
    }
  }

  private func post(_ event: ToWorker, to name: WorkerID) {
    for event in onWayToWorker(name, event) {
      for _ in 0..<copies() { queue.append(.worker(name, event)) }
    }
  }

  private func say(_ step: ProtocolStep, _ event: ToCoordinator, by name: WorkerID) throws {
    guard !dead.contains(name) else { return }
    if let last = lastWord[name], step > last { return try kill(name) }
    if case .unmaskReceived(let shares, _) = event { releases.note(shares) }
    for event in onWayToCoordinator(name, event) {
      for _ in 0..<copies() { queue.append(.coordinator(event, from: name)) }
    }
  }

  private func copies() -> Int {
    guard network != nil else { return 1 }
    if network!.happens(network!.lost) { return 0 }
    return network!.happens(network!.repeated) ? 2 : 1
  }

  // MARK: The coordinator's driver

  private func perform(_ actions: [SecureAggregationCoordinator.Action]) throws {
    coordinatorActions += actions
    for action in actions {
      switch action {
      case .sendRoster(let message, let names): names.forEach { post(.rosterReceived(message), to: $0) }
      case .sendPeerShares(let message, let name): post(.peerSharesReceived(message), to: name)
      case .sendDealers(let message, let names): names.forEach { post(.dealersReceived(message), to: $0) }
      case .sendSurvivors(let message, let names): names.forEach { post(.survivorsReceived(message), to: $0) }
      case .sendQuorum(let message, let names): names.forEach { post(.quorumReceived(message), to: $0) }
      case .repeatOffer(let name):
        if let advert = workers[name]?.advert { try say(.advert, .advertReceived(advert, from: name), by: name) }
      case .acceptInput(let name): try upload(name)
      case .addInput(let name): try add(name)
      case .unmask(let order): try open(order)
      case .startDeadline, .openInputs, .refuseInput, .closeInputs, .leaveOut, .ignored, .blame, .keepEvidence,
        .abandon:
        break
      }
    }
  }

  private func add(_ name: WorkerID) throws {
    added.append(name)
    let vectors = VectorSpecification.all(for: context.configuration)
    for (vector, chunks) in zip(vectors, try #require(spool[name])) {
      let accumulator =
        try accumulators[vector.id]
        ?? #require(RingAccumulator(ringBits: vector.ringBits, count: Int(vector.count)))
      accumulators[vector.id] = accumulator
      for (index, chunk) in chunks.enumerated() {
        try accumulator.add(chunk, at: vector.elements(ofChunk: index).lowerBound)
      }
    }
  }

  private func open(_ order: UnmaskingOrder) throws {
    var sums: [[Int64]] = []
    for (vector, terms) in zip(order.vectors, try order.terms(order.vectors)) {
      let accumulator = try #require(accumulators[vector.id])
      accumulator.apply(terms, elements: 0..<accumulator.count)
      sums.append(accumulator.signedValues)
    }
    self.sums = sums
    let result = coordinator.result(
      modelDigest: .sha256(of: Array("next model".utf8)), weight: UInt64(sums.last?[0] ?? 0))
    for name in coordinator.rosterWorkers { post(.resultReceived(result), to: name) }
  }

  // MARK: A worker's driver

  private func perform(_ actions: [SecureAggregationWorker.Action], by name: WorkerID) throws {
    workerActions[name, default: []] += actions
    for action in actions {
      switch action {
      case .sendAdvert(let advert): try say(.advert, .advertReceived(advert, from: name), by: name)
      case .sendBundle(let bundle): try say(.bundle, .bundleReceived(bundle, from: name), by: name)
      case .sendShareCheck(let check): try say(.shareCheck, .shareCheckReceived(check, from: name), by: name)
      case .maskInput(let order):
        orders[name] = order
        try say(.input, .inputOpened(order.header, from: name), by: name)
      case .sendAgreement(let agreement): try say(.agreement, .agreementReceived(agreement, from: name), by: name)
      case .sendUnmask(let shares):
        try say(.unmask, .unmaskReceived(shares, from: name), by: name)
      case .sendAbort(let abort): try say(.nothing, .abortReceived(abort, from: name), by: name)
      case .recordSurvivors, .recordRelease, .recordPromise, .keepEvidence, .ignored, .closed: break
      }
    }
  }

  /// Encodes, masks and sends the input of a worker; what is sent again is the same, byte for byte.
  private func upload(_ name: WorkerID) throws {
    guard workers[name] != nil, let order = orders[name] else { return }
    let rules = try EncodingRules(context.configuration, rosterCount: order.rosterCount)
    let own = federation.update(of: try #require(federation.workers.firstIndex(of: name)))
    var sources: [InputChunks.Source] = []
    var values: [[Int64]] = []
    var encoder: UpdateEncoder?
    if context.configuration.vectorLength > 0 {
      let made = try UpdateEncoder(
        update: own.difference, exampleCount: own.exampleCount, rules: rules, transcript: order.transcript,
        roundingSeed: order.roundingSeed)
      sources.append(.update(made))
      values.append(made.encode(0..<made.count))
      encoder = made
    }
    let auxiliary = try AuxiliaryVector.encode(
      layout: context.configuration.auxiliaryLayout, exampleCount: own.exampleCount, metrics: own.metrics,
      isClipped: encoder?.isClipped ?? false, saturated: encoder?.saturated ?? 0, norm: encoder?.norm, rules: rules)
    sources.append(.auxiliary(auxiliary))
    values.append(auxiliary)
    var chunks: [[[UInt8]]] = []
    var digests: [Digest] = []
    for ((vector, keys), source) in zip(zip(order.header.vectors, order.keys), sources) {
      let maker = try InputChunks(
        transcript: order.transcript, worker: order.worker, vector: vector, source: source, keys: keys)
      chunks.append((0..<maker.count).map { maker.chunk($0) })
      digests += chunks[chunks.count - 1].enumerated().map { maker.digest(ofChunk: $0, bytes: $1) }
    }
    if let before = spool[name] { #expect(before == chunks) }
    spool[name] = chunks
    integers[name] = values
    let trailer = order.trailer(chunkDigests: digests)
    try say(
      .input, .inputCompleted(trailer, payloadDigest: ChunkDigests.payload(digests), from: name), by: name)
  }
}

/// Which shares ever left a worker, whether or not they arrived.
struct ReleaseRecord {
  struct Owner: Hashable {
    let transcript: Digest
    let owner: Int
  }

  private(set) var selfMasks: [Owner: Set<Int>] = [:]
  private(set) var maskKeys: [Owner: Set<Int>] = [:]
  private(set) var helpers: Set<Int> = []

  mutating func note(_ shares: UnmaskShares) {
    helpers.insert(shares.helper)
    for entry in shares.selfMaskShares {
      selfMasks[Owner(transcript: shares.transcript, owner: entry.owner), default: []].insert(shares.helper)
    }
    for entry in shares.maskKeyShares {
      maskKeys[Owner(transcript: shares.transcript, owner: entry.owner), default: []].insert(shares.helper)
    }
  }

  var isEmpty: Bool { helpers.isEmpty }

  /// Owners of whom `threshold` helpers let both secrets out: must be empty for ever.
  func exposed(threshold: Int) -> [Owner] {
    selfMasks.filter { $1.count >= threshold && maskKeys[$0, default: []].count >= threshold }.map(\.key)
  }
}
