import Cryptography
import Federation
import SecureAggregation

/// An attempt whose secrets are all known beforehand, run to its end with the real machines and real masks.
///
/// Five workers; the last one deals shares and then is gone, so that both kinds of secrets are reconstructed. It is the
/// same attempt in every process: one process runs it and is searched, another runs it and knows what to search for.
package final class PlantedRound {
  /// When a round stands still to be searched.
  package enum Moment: String, CaseIterable, Comparable, Sendable {
    /// Every share lies open at its helper.
    case dealt
    /// Every input is masked, and every mask key still there.
    case masked
    /// The shares of M9 are out; secrets are reconstructed and mask keys derived at the coordinator.
    case reconstructed
    /// The sum is open and everybody has been told; the machines are still there.
    case closed
    /// Nothing of the attempt is left.
    case ended

    package static func < (a: Self, b: Self) -> Bool {
      allCases.firstIndex(of: a) ?? 0 < allCases.firstIndex(of: b) ?? 0
    }
  }

  package enum Failure: Error {
    case incomplete
    case notOnList(WorkerID)
  }

  package static let count = 5
  private static let now: UInt64 = 1_000_000

  private let context: AttemptContext
  private let names: [WorkerID]
  private var coordinator: SecureAggregationCoordinator
  private var workers: [WorkerID: SecureAggregationWorker] = [:]
  private var inputs: [WorkerID: [[[UInt8]]]] = [:]
  /// Kept as by workers that may have to send their inputs again.
  private var orders: [MaskingOrder] = []
  private var queue: [() throws -> Void] = []
  private let pause: (Moment) -> Void
  private let observer: Observer?
  private var reached: Set<Moment> = []

  /// Runs the attempt, and calls `pause` at each moment, `ended` last.
  package static func run(observer: Observer? = nil, pause: (Moment) -> Void) throws {
    let isComplete = try withoutActuallyEscaping(pause) { pause in
      let round = try PlantedRound(observer: observer, pause: pause)
      try round.run()
      return round.reached.count == Moment.allCases.count - 1
    }
    guard isComplete else { throw Failure.incomplete }
    pause(.ended)
  }

  private init(observer: Observer?, pause: @escaping (Moment) -> Void) throws {
    self.pause = pause
    self.observer = observer
    func key(_ name: String) throws -> SigningKey {
      let seed = SeededSecretSource(seed: Array("planted identity of \(name)".utf8)).secret(SigningKey.seedByteCount)
      observer?.note("identity seed of \(name)", seed)
      return try SigningKey(seed: seed)
    }
    let authority = try key("authority")
    let coordinatorKey = try key("coordinator")
    names = (0..<Self.count).map { WorkerID(unchecked: "worker-\($0)") }
    let keys = try names.map { try key($0.text) }
    let members = zip(names, keys).map { name, key in
      let certificate = Certificate(
        organisation: OrganisationID(unchecked: "organisation of \(name)"), name: name, role: .worker,
        signingKey: key.signingPublicKey, linkKey: LinkPublicKey(unchecked: SHA256.hash(Array("link".utf8))),
        notBefore: 0, notAfter: 2 * Self.now)
      return SignedCertificate(
        certificate: certificate, signature: authority.signature(over: certificate.canonicalBytes))
    }
    let membership = MembershipList(federation: "fed", authorityKey: authority.signingPublicKey, members: members)
    var configuration = RoundConfiguration(
      vectorLength: 5000, issuanceLog: .sha256(of: membership.issuanceLogBytes),
      revocationList: .sha256(of: membership.revocationListBytes))
    configuration.chunkElements = 1024
    context = AttemptContext(
      attempt: AttemptID(run: "run", round: 1, attempt: 0), modelDigest: .sha256(of: [1]),
      configuration: configuration, membership: membership, coordinatorKey: coordinatorKey.signingPublicKey,
      now: Self.now)
    let policy = CohortPolicy(configuration)
    let offer = coordinatorKey.signature(over: SignedString.offer(roundID: context.roundID))
    coordinator = SecureAggregationCoordinator(
      context: context, cohort: names, offerSignature: offer, policy: policy, signingKey: coordinatorKey)
    for (name, key) in zip(names, keys) {
      guard let member = membership[name] else { throw Failure.notOnList(name) }
      let planted = SeededSecretSource(seed: Array("planted secrets of \(name)".utf8))
      workers[name] = SecureAggregationWorker(
        context: context, certificate: member.certificate, offerSignature: offer, policy: policy, signingKey: key,
        secrets: observer.map { $0.source(of: name, from: planted) } ?? planted)
    }
  }

  private func reach(_ moment: Moment) {
    if reached.insert(moment).inserted { pause(moment) }
  }

  private func run() throws {
    try perform(coordinator.start())
    for name in names {
      if let worker = workers[name] { try perform(worker.start(), by: name) }
    }
    while true {
      while !queue.isEmpty { try queue.removeFirst()() }
      guard let stage = coordinator.stage else { break }
      try perform(coordinator.handle(.deadlinePassed(stage)))
    }
    reach(.closed)
  }

  private func say(_ event: SecureAggregationCoordinator.Event) {
    queue.append { [unowned self] in try perform(coordinator.handle(event)) }
  }

  private func post(_ event: SecureAggregationWorker.Event, to name: WorkerID) {
    queue.append { [unowned self] in
      if let actions = workers[name]?.handle(event) { try perform(actions, by: name) }
    }
  }

  private func perform(_ actions: [SecureAggregationCoordinator.Action]) throws {
    for action in actions {
      switch action {
      case .sendRoster(let message, let names): for name in names { post(.rosterReceived(message), to: name) }
      case .sendPeerShares(let message, let name): post(.peerSharesReceived(message), to: name)
      case .sendDealers(let message, let names):
        reach(.dealt)
        for name in names { post(.dealersReceived(message), to: name) }
      case .sendSurvivors(let message, let names):
        reach(.masked)
        orders = []
        for name in names { post(.survivorsReceived(message), to: name) }
      case .sendQuorum(let message, let names): for name in names { post(.quorumReceived(message), to: name) }
      case .unmask(let order): try open(order)
      case .acceptInput, .addInput, .startDeadline, .openInputs, .refuseInput, .closeInputs, .leaveOut, .repeatOffer,
        .ignored, .blame, .keepEvidence, .abandon:
        break
      }
    }
  }

  private func perform(_ actions: [SecureAggregationWorker.Action], by name: WorkerID) throws {
    for action in actions {
      switch action {
      case .sendAdvert(let advert): say(.advertReceived(advert, from: name))
      case .sendBundle(let bundle): say(.bundleReceived(bundle, from: name))
      case .sendShareCheck(let check): say(.shareCheckReceived(check, from: name))
      case .maskInput(let order):
        observer?.note(order, of: name)
        orders.append(order)
        if name != names.last { try upload(order, by: name) }
      case .sendAgreement(let agreement): say(.agreementReceived(agreement, from: name))
      case .sendUnmask(let shares):
        observer?.noteReleased(shares)
        say(.unmaskReceived(shares, from: name))
      case .sendAbort(let abort): say(.abortReceived(abort, from: name))
      case .recordSurvivors, .recordRelease, .recordPromise, .keepEvidence, .ignored, .closed: break
      }
    }
  }

  private func upload(_ order: MaskingOrder, by name: WorkerID) throws {
    say(.inputOpened(order.header, from: name))
    let rules = try EncodingRules(context.configuration, rosterCount: order.rosterCount)
    let update = (0..<Int(context.configuration.vectorLength)).map { Float($0 % 17) / 1000 }
    let encoder = try UpdateEncoder(
      update: update, exampleCount: 10, rules: rules, transcript: order.transcript, roundingSeed: order.roundingSeed)
    let metrics = RoundMetrics(lossSum: 1, correct: 2, evaluated: 3)
    let auxiliary = try AuxiliaryVector.encode(
      layout: context.configuration.auxiliaryLayout, exampleCount: 10, metrics: metrics,
      isClipped: encoder.isClipped, saturated: encoder.saturated, norm: encoder.norm, rules: rules)
    var vectors: [[[UInt8]]] = []
    var digests: [Digest] = []
    let sources: [InputChunks.Source] = [.update(encoder), .auxiliary(auxiliary)]
    for ((vector, keys), source) in zip(zip(order.header.vectors, order.keys), sources) {
      let maker = try InputChunks(
        transcript: order.transcript, worker: order.worker, vector: vector, source: source, keys: keys)
      let chunks = (0..<maker.count).map { maker.chunk($0) }
      digests += chunks.enumerated().map { maker.digest(ofChunk: $0, bytes: $1) }
      vectors.append(chunks)
    }
    inputs[name] = vectors
    say(
      .inputCompleted(
        order.trailer(chunkDigests: digests), payloadDigest: ChunkDigests.payload(digests), from: name))
  }

  /// Opens the sum as a coordinator does, and tells the workers.
  private func open(_ order: UnmaskingOrder) throws {
    let terms = try order.terms(order.vectors)
    var weight: Int64 = 0
    for (place, vector) in order.vectors.enumerated() {
      guard let sum = RingAccumulator(ringBits: vector.ringBits, count: Int(vector.count)) else { continue }
      for input in inputs.values {
        for (index, chunk) in input[place].enumerated() {
          try sum.add(chunk, at: vector.elements(ofChunk: index).lowerBound)
        }
      }
      sum.apply(terms[place], elements: 0..<sum.count)
      weight = sum.signedValue(at: 0)
    }
    withExtendedLifetime((order, terms)) { reach(.reconstructed) }
    let result = coordinator.result(modelDigest: .sha256(of: [2]), weight: UInt64(weight))
    for name in coordinator.rosterWorkers { post(.resultReceived(result), to: name) }
  }
}
