import Cryptography
import Federation
import Rounds
import SecureAggregation

/// One attempt with the coordinator's machine and four to six workers', driven by the bytes of an input: messages are
/// delivered, lost, repeated, overtaken, replayed from an earlier attempt, changed byte by byte and signed anew by the
/// coordinator or by worker 0; sets of dealers and survivors and quorum certificates are made up; links and processes die;
/// deadlines fire early.
///
/// Claims: nothing traps; the machines' invariants hold after every event; no honest worker's two secrets reach the
/// threshold; a sum that opens is the plain sum of U3; the attempt ends. An empty input is an honest attempt, and ends in
/// a sum.
struct FuzzedAttempt {
  private static let stepsMax = 500

  static func check(_ bytes: [UInt8]) throws(Finding) {
    var attempt = FuzzedAttempt(FuzzInput(bytes))
    try attempt.run()
    if bytes.isEmpty { try Finding.unless(attempt.isSummed, "an honest attempt ended without a sum") }
  }

  private let members = FuzzedMembers.all
  private let names: [WorkerID]
  private let context: AttemptContext
  private let forger: FuzzedForger
  private var input: FuzzInput
  private var coordinator: SecureAggregationCoordinator
  private var workers: [WorkerID: SecureAggregationWorker] = [:]
  private var queue: [FuzzedMessage] = []
  private var history: [FuzzedMessage] = []
  private var inputs: FuzzedInputs
  private var releases = FuzzedReleases()
  private var orders: [WorkerID: MaskingOrder] = [:]
  private var views: [WorkerID: View] = [:]
  /// The sets that a worker was last told, whether or not it took them.
  private var told: [WorkerID: (dealers: Bitmap?, survivors: Bitmap?)] = [:]
  private var agreements: [View: [QuorumSignature]] = [:]
  private var isSummed = false

  /// What a worker has taken for true.
  private struct View: Hashable {
    var transcript: Digest
    var dealers: Bitmap?
    var survivors: Bitmap?
  }

  /// The messages of an honest attempt before this one, in the order in which they were sent.
  static let earlier: [FuzzedMessage] = {
    var attempt = FuzzedAttempt(FuzzInput([]), number: 0)
    try? attempt.run()
    return attempt.history
  }()

  init(_ input: FuzzInput, number: UInt32 = 1) {
    var input = input
    let rules = input.byte()
    names = Array(members.workers.prefix(4 + Int(rules & 3) % 3))
    let configuration = members.configuration(vectorLength: rules & 4 == 0 ? 3 : 0) {
      $0.ringBits = rules & 8 == 0 ? 32 : 16
      $0.suite = rules & 16 == 0 ? .aes128 : .aes256
    }
    context = AttemptContext(
      attempt: AttemptID(run: RunID(unchecked: "run"), round: 1, attempt: AttemptNumber(number)),
      modelDigest: .sha256(of: Array("model".utf8)), configuration: configuration, membership: members.membership,
      coordinatorKey: members.coordinatorKey.signingPublicKey, now: FuzzedMembers.now)
    forger = FuzzedForger(roundID: context.roundID)
    inputs = FuzzedInputs(configuration)
    let offer = members.coordinatorKey.signature(over: SignedString.offer(roundID: context.roundID))
    let policy = CohortPolicy(configuration)
    coordinator = SecureAggregationCoordinator(
      context: context, cohort: names, offerSignature: offer, policy: policy, signingKey: members.coordinatorKey)
    for name in names {
      workers[name] = SecureAggregationWorker(
        context: context, certificate: members.certificate(of: name), offerSignature: offer, policy: policy,
        signingKey: members.key(of: name), secrets: SeededSecretSource(seed: Array("\(name) \(number)".utf8)))
    }
    self.input = input
  }

  // MARK: Running

  mutating func run() throws(Finding) {
    try perform(coordinator.start())
    for name in names {
      if let actions = workers[name]?.start() { try perform(actions, by: name) }
    }
    for _ in 0..<Self.stepsMax {
      if queue.isEmpty, input.isAtEnd {
        guard let stage = coordinator.stage else { return }
        try feed(.deadlinePassed(stage))
      } else {
        try step(input.byte())
      }
    }
    // Used up: whatever is still on its way is lost, and every stage has a deadline.
    for _ in SecureAggregationStage.allCases {
      guard let stage = coordinator.stage else { return }
      try feed(.deadlinePassed(stage))
    }
    try Finding.unless(coordinator.stage == nil, "an attempt outlived the deadlines of all its stages")
  }

  private mutating func step(_ choice: UInt8) throws(Finding) {
    switch choice {
    case 0..<150: try deliver(first())
    case 150..<165: try deliver(taken(at: input.below(max(queue.count, 1))))
    case 165..<172: _ = first()
    case 172..<180: queue.append(contentsOf: queue.prefix(1))
    case 180..<190: try deliver(input.element(of: history))
    case 190..<194: try deliver(input.element(of: Self.earlier))
    case 194..<200: if let stage = coordinator.stage { try feed(.deadlinePassed(stage)) }
    case 200..<204: try feed(.workerLost(someone()))
    case 204..<207: try feed(.workerReturned(someone()))
    case 207..<209:
      let name = someone()
      workers[name] = nil
      try feed(.workerRestarted(name))
    case 209..<211: try feed(.workerDeclined(someone()))
    case 211..<213: try feed(.inputFailed(from: someone()))
    case 213..<215: try feed(input.below(2) == 0 ? .deadlinePassed : .failed(.ownFailure), to: someone())
    case 215..<222: try forgeSurvivors()
    case 222..<227: try forgeDealers()
    case 227..<235: try forgeQuorum()
    default: if let message = first(), let changed = forger.mutated(message, &input) { try deliver(changed) }
    }
  }

  private mutating func first() -> FuzzedMessage? { queue.isEmpty ? nil : queue.removeFirst() }

  private mutating func taken(at index: Int) -> FuzzedMessage? { queue.isEmpty ? nil : queue.remove(at: index) }

  private mutating func someone() -> WorkerID { names[input.below(names.count)] }

  // MARK: Delivering

  private mutating func post(_ message: FuzzedMessage) {
    queue.append(message)
    history.append(message)
  }

  private mutating func deliver(_ message: FuzzedMessage?) throws(Finding) {
    switch message {
    case nil: break
    case .worker(let name, let body): if let event = event(body) { try feed(event, to: name) }
    case .coordinator(let body, let name): if let event = event(body, from: name) { try feed(event) }
    case .inputOpened(let header, let name): try feed(.inputOpened(header, from: name))
    case .inputCompleted(let trailer, let digest, let name):
      try feed(.inputCompleted(trailer, payloadDigest: digest, from: name))
    }
  }

  private func event(_ message: CoordinatorMessage) -> SecureAggregationWorker.Event? {
    switch message {
    case .roster(_, let roster): .rosterReceived(roster)
    case .peerShares(let shares): .peerSharesReceived(shares)
    case .dealers(let dealers): .dealersReceived(dealers)
    case .survivors(let survivors): .survivorsReceived(survivors)
    case .quorum(let quorum): .quorumReceived(quorum)
    case .result(let result): .resultReceived(result)
    case .offer, .ended, .aborts: nil
    }
  }

  private func event(_ message: WorkerMessage, from name: WorkerID) -> SecureAggregationCoordinator.Event? {
    switch message {
    case .advert(_, let advert): .advertReceived(advert, from: name)
    case .bundle(let bundle): .bundleReceived(bundle, from: name)
    case .shareCheck(let check): .shareCheckReceived(check, from: name)
    case .agree(let agreement): .agreementReceived(agreement, from: name)
    case .unmask(let shares): .unmaskReceived(shares, from: name)
    case .abort(let abort): .abortReceived(abort, from: name)
    case .decline: .workerDeclined(name)
    case .accept, .progress: nil
    }
  }

  private mutating func feed(_ event: SecureAggregationCoordinator.Event) throws(Finding) {
    try perform(coordinator.handle(event))
  }

  private mutating func feed(_ event: SecureAggregationWorker.Event, to name: WorkerID) throws(Finding) {
    look(event, name)
    guard let actions = workers[name]?.handle(event) else { return }
    workers[name]?.checkInvariants()
    try perform(actions, by: name)
  }

  /// Keeps what a dishonest coordinator told a worker.
  private mutating func look(_ event: SecureAggregationWorker.Event, _ name: WorkerID) {
    switch event {
    case .rosterReceived(let message):
      let entries = message.adverts.map(\.entry)
      let digest = Transcript.rosterDigest(roundID: context.roundID, entries: entries)
      let transcript = Transcript.transcript(roundID: context.roundID, rosterDigest: digest)
      releases.note(roster: entries.map(\.worker), of: transcript)
      if workers[name]?.transcript == nil { views[name] = View(transcript: transcript) }
    case .dealersReceived(let message): told[name, default: (nil, nil)].dealers = message.dealers
    case .survivorsReceived(let message): told[name, default: (nil, nil)].survivors = message.survivors
    case .deadlinePassed, .failed, .peerSharesReceived, .quorumReceived, .resultReceived: break
    }
  }

  // MARK: Forging sets

  /// A set over the roster of a worker's transcript: everyone but those whose bits the input sets.
  private mutating func someSet(_ view: View) -> Bitmap {
    let count = releases.roster(of: view.transcript).count
    let out = input.byte()
    return Bitmap(members: (0..<count).filter { out >> UInt8($0 & 7) & 1 == 0 }, count: count)
  }

  private mutating func forgeDealers() throws(Finding) {
    let name = someone()
    guard let view = views[name] else { return }
    try feed(.dealersReceived(forger.dealers(someSet(view), transcript: view.transcript)), to: name)
  }

  private mutating func forgeSurvivors() throws(Finding) {
    let name = someone()
    guard let view = views[name], let dealers = view.dealers else { return }
    let message = forger.survivors(someSet(view), transcript: view.transcript, dealersDigest: dealers.digest)
    try feed(.survivorsReceived(message), to: name)
  }

  /// Everything that was ever signed for the set a worker agreed to, and worker 0's signature, but those left out.
  private mutating func forgeQuorum() throws(Finding) {
    let name = someone()
    guard let view = views[name], let dealers = view.dealers, let survivors = view.survivors else { return }
    var signers = agreements[view] ?? []
    if let index = releases.roster(of: view.transcript).firstIndex(of: FuzzedMembers.dishonest) {
      signers.append(
        forger.agreement(
          transcript: view.transcript, worker: index, dealersDigest: dealers.digest, survivors: survivors))
    }
    let out = input.byte()
    signers = signers.filter { out >> UInt8($0.worker & 7) & 1 == 0 }.sorted { $0.worker < $1.worker }
    try feed(.quorumReceived(QuorumCertificate(transcript: view.transcript, signers: signers)), to: name)
  }

  // MARK: The drivers

  private mutating func perform(_ actions: [SecureAggregationCoordinator.Action]) throws(Finding) {
    for action in actions {
      switch action {
      case .sendRoster(let message, let to): for name in to { post(.worker(name, .roster(context.attempt, message))) }
      case .sendPeerShares(let message, let name): post(.worker(name, .peerShares(message)))
      case .sendDealers(let message, let to): for name in to { post(.worker(name, .dealers(message))) }
      case .sendSurvivors(let message, let to): for name in to { post(.worker(name, .survivors(message))) }
      case .sendQuorum(let message, let to): for name in to { post(.worker(name, .quorum(message))) }
      case .repeatOffer(let name):
        if let worker = workers[name] { post(.coordinator(.advert(context.attempt, worker.advert), from: name)) }
      case .acceptInput(let name): try upload(name)
      case .addInput(let name): try inputs.add(name)
      case .unmask(let order): try open(order)
      case .abandon, .blame, .closeInputs, .ignored, .keepEvidence, .leaveOut, .openInputs, .refuseInput,
        .startDeadline:
        break
      }
    }
  }

  private mutating func upload(_ name: WorkerID) throws(Finding) {
    guard workers[name] != nil, let order = orders[name] else { return }
    let (trailer, digest) = try inputs.upload(order, attempt: context.attempt, by: name)
    post(.inputCompleted(trailer, payloadDigest: digest, from: name))
  }

  private mutating func open(_ order: UnmaskingOrder) throws(Finding) {
    try Finding.unless(!isSummed, "a sum opened twice")
    try Finding.unless(
      inputs.added.sorted() == coordinator.survivors, "the sum holds \(inputs.added), U3 is \(coordinator.survivors)")
    let sums = try inputs.open(order)
    isSummed = true
    let result = coordinator.result(
      modelDigest: .sha256(of: Array("next model".utf8)), weight: UInt64(clamping: sums.last?.first ?? 0))
    for name in coordinator.rosterWorkers { post(.worker(name, .result(result))) }
  }

  private mutating func perform(
    _ actions: [SecureAggregationWorker.Action], by name: WorkerID
  ) throws(Finding) {
    for action in actions {
      switch action {
      case .sendAdvert(let advert): post(.coordinator(.advert(context.attempt, advert), from: name))
      case .sendBundle(let bundle): post(.coordinator(.bundle(bundle), from: name))
      case .sendShareCheck(let check): post(.coordinator(.shareCheck(check), from: name))
      case .maskInput(let order):
        orders[name] = order
        views[name]?.dealers = told[name]?.dealers
        post(.inputOpened(order.header, from: name))
      case .sendAgreement(let agreement):
        views[name]?.survivors = told[name]?.survivors
        if let view = views[name] {
          let signed = QuorumSignature(worker: agreement.worker, signature: agreement.signature)
          if agreements[view]?.contains(signed) != true { agreements[view, default: []].append(signed) }
        }
        post(.coordinator(.agree(agreement), from: name))
      case .sendUnmask(let shares):
        try releases.note(shares, from: name)
        post(.coordinator(.unmask(shares), from: name))
      case .sendAbort(let abort): post(.coordinator(.abort(abort), from: name))
      case .closed, .ignored, .keepEvidence, .recordPromise, .recordRelease, .recordSurvivors: break
      }
    }
  }
}
