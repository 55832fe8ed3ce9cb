import Cryptography
import Federation
import SecureAggregation
import Testing

/// A coordinator that tells different workers different things, or the same thing twice.
struct SplitViewTests {
  @Test(
    "Two models or two configurations are noticed on the roster, before anything is masked", arguments: [false, true])
  func noticesTwoOffers(twoConfigurations: Bool) throws {
    let federation = try ProtocolFederation(count: 6)
    var lax = federation.configuration
    lax.clip = 10
    let contexts = [
      federation.context(),
      twoConfigurations ? federation.context(configuration: lax) : federation.context(model: "other model"),
    ]
    var workers: [SecureAggregationWorker] = []
    for (index, name) in federation.workers.enumerated() {
      workers.append(try federation.worker(name, in: contexts[index / 3]))
    }
    let adverts = workers.map(\.advert)
    for index in workers.indices {
      let roster = ProtocolForgery(federation: federation, context: contexts[index / 3]).roster(adverts)
      let actions = workers[index].handle(.rosterReceived(roster))
      #expect(actions.count == 2)
      guard case .keepEvidence(let evidence) = actions.first,
        case .closed(.refused(.advertOfAnotherOffer)) = actions.last
      else {
        Issue.record("\(actions)")
        continue
      }
      // Both offers for one attempt, each signed by the coordinator.
      #expect(evidence.kind == .twoOffers && evidence.attempt == contexts[0].attempt)
      #expect(
        Set(evidence.statements.map(\.string)) == Set(contexts.map { SignedString.offer(roundID: $0.roundID) }))
      #expect(evidence.statements.allSatisfy { $0.isAuthentic })
      #expect(evidence.statements.map(\.key) == Array(repeating: contexts[0].coordinatorKey, count: 2))
    }
  }

  @Test(
    "A coordinator with laxer rules than a worker's own law is refused at the roster",
    arguments: [
      (["a", "a", "b", "c", "d"], .organisationAboveCap), (["a", "b", "c", "a", "b", "c"], .noSafeSurvivorSet),
      (["a", "b", "a", "b"], .tooFewOrganisations), (["a", "b"], .belowMinimumCohort),
    ] as [([String], Refusal)])
  func refusesLaxRules(_ organisations: [String], refusal: Refusal) throws {
    let federation = try ProtocolFederation(organisations: organisations)
    var lax = CohortPolicy()
    lax.minimumCohort = 1
    lax.minimumOrganisations = 1
    lax.minimumHonestSum = refusal == .noSafeSurvivorSet ? 2 : 0
    lax.organisationCap = RoundConfiguration.Ratio(1, 1)
    var own = CohortPolicy()
    if refusal == .noSafeSurvivorSet { own.minimumHonestSum = 5 }
    let round = try ProtocolRound(federation, coordinatorPolicy: lax)
    for name in round.names { round.workers[name] = try federation.worker(name, in: round.context, policy: own) }
    try round.run()
    for name in round.names { #expect(round.outcome(of: name) == .refused(refusal)) }
    #expect(round.releases.isEmpty)
    #expect(round.sums == nil)
  }

  @Test("A roster above the limit of the configuration is refused")
  func refusesLargeRoster() throws {
    let federation = try ProtocolFederation(count: 6) { $0.maximumRoster = 5 }
    var workers: [SecureAggregationWorker] = []
    for name in federation.workers { workers.append(try federation.worker(name, in: federation.context())) }
    let roster = ProtocolForgery(federation: federation, context: federation.context()).roster(workers.map(\.advert))
    guard case .closed(.refused(.rosterTooLarge)) = workers[0].handle(.rosterReceived(roster)).first else {
      Issue.record("the roster was accepted")
      return
    }
    #expect(try ProtocolRound(federation).run().abandonment == .rosterRefused(.rosterTooLarge))
  }

  @Test("A dead certificate on the roster is refused by every worker")
  func refusesDeadCertificate() throws {
    let federation = try ProtocolFederation(organisations: (0..<6).map { "o\($0)" }, expired: [4])
    var workers: [SecureAggregationWorker] = []
    for name in federation.workers { workers.append(try federation.worker(name, in: federation.context())) }
    let roster = ProtocolForgery(federation: federation, context: federation.context()).roster(workers.map(\.advert))
    for index in workers.indices {
      guard case .closed(.refused(.certificateNotValidNow)) = workers[index].handle(.rosterReceived(roster)).first
      else {
        Issue.record("worker \(index) accepted the roster")
        return
      }
    }
  }

  @Test("Frames of another attempt are dropped and counted, at every stage, and the attempt completes")
  func dropsForeignFrames() throws {
    let federation = try ProtocolFederation(count: 5)
    var foreign: [WorkerID: [SecureAggregationWorker.Event]] = [:]
    let earlier = try ProtocolRound(federation, context: federation.context(attempt: 0))
    earlier.onWayToWorker = { name, event in
      foreign[name, default: []].append(event)
      return [event]
    }
    try earlier.run()
    var foreignAnswers: [WorkerID: [SecureAggregationCoordinator.Event]] = [:]
    let other = try ProtocolRound(federation, context: federation.context(attempt: 7))
    other.onWayToCoordinator = { name, event in
      foreignAnswers[name, default: []].append(event)
      return [event]
    }
    try other.run()
    let round = try ProtocolRound(federation, context: federation.context(attempt: 1))
    // Everything but the roster names its transcript; the roster names its attempt in the frame around it.
    round.onWayToWorker = { name, event in
      (foreign[name] ?? []).filter { if case .rosterReceived = $0 { false } else { true } } + [event]
    }
    round.onWayToCoordinator = { name, event in
      let foreign = (foreignAnswers[name] ?? []).filter {
        switch $0 {
        case .advertReceived, .inputOpened, .inputCompleted: false
        default: true
        }
      }
      return foreign + [event]
    }
    try round.run()
    #expect(round.sums == round.plainSum(of: round.names))
    #expect(round.blames.isEmpty)
    #expect(round.ignoredByCoordinator.contains(.otherTranscript))
    for name in round.names { #expect(round.ignored(by: name).contains(.otherTranscript)) }
    #expect(round.releases.exposed(threshold: 1).isEmpty)
  }

  @Test("A victim that is alive to itself and dead to the others stays closed")
  func victimAliveAndDead() throws {
    let federation = try ProtocolFederation(count: 8)
    let round = try ProtocolRound(federation)
    let forgery = ProtocolForgery(federation: federation, context: round.context)
    // Worker 0 and worker 1 see a U3 with worker 0; the others see it among the dropouts.
    round.onWayToWorker = { name, event in
      guard case .survivorsReceived(let message) = event, !round.names.prefix(2).contains(name) else { return [event] }
      return [.survivorsReceived(forgery.survivors(Array(1..<8), count: 8, like: message))]
    }
    // The coordinator takes what it is given: it would rather have the certificate for the set without worker 0.
    var collected: [SurvivorAgreement] = []
    round.onWayToCoordinator = { _, event in
      if case .agreementReceived(let agreement, _) = event { collected.append(agreement) }
      return [event]
    }
    try round.run()
    #expect(round.releases.isEmpty)
    #expect(round.sums == nil)
    // Six signatures certify a set here: the six who saw it, but not one more, so nobody else can be asked for the other.
    let without = Bitmap(members: Array(1..<8), count: 8)
    let certificate = QuorumCertificate(
      transcript: try #require(collected.first).transcript,
      signers: collected.filter { $0.worker >= 2 }.sorted { $0.worker < $1.worker }.map {
        .init(worker: $0.worker, signature: $0.signature)
      })
    #expect(certificate.signers.count == 6)
    for name in round.names.prefix(2) {
      try round.feed(.quorumReceived(certificate), to: name)
    }
    #expect(round.releases.isEmpty)
    #expect(!without.contains(0))
  }

  @Test("Two quorums cannot be made with an organisation at its cap", arguments: [6, 9, 12, 30])
  func noTwoQuorums(count: Int) throws {
    let colluders = (count + 2) / 3
    let organisations = (0..<count).map { OrganisationID(unchecked: $0 < colluders ? "mole" : "o\($0)") }
    let thresholds = try Thresholds.compute(organisations: organisations, mode: .malicious, policy: CohortPolicy())
    let honest = count - colluders
    // Each honest worker signs one set, each colluder both.
    #expect(honest + 2 * colluders < 2 * thresholds.quorum)
    #expect(thresholds.threshold + thresholds.quorum >= count + colluders + 1)
    // The bound without ruling A1 would have let it pass: the check above can fail.
    let naive = (count + (count + 2) / 3 - 1) / 2 + 1
    #expect(honest + 2 * colluders >= 2 * naive)
  }

  @Test("At n = 6 no two survivor sets gather a quorum, whatever the coordinator shows to whom")
  func exhaustsTwoQuorums() throws {
    let organisations = ["mole", "mole", "a", "b", "c", "d"].map { OrganisationID(unchecked: $0) }
    var policy = CohortPolicy()
    let thresholds = try Thresholds.compute(organisations: organisations, mode: .malicious, policy: policy)
    #expect(thresholds.quorum == 5)
    policy.organisationCap = RoundConfiguration.Ratio(1, 2)  // Leave the count alone to defend.
    let everyone = Bitmap(members: 0..<6, count: 6)
    func willing(_ worker: Int, _ set: Bitmap) -> Bool {
      if worker < 2 { return set.contains(worker) }
      return
        (try? RoundChecks.checkSurvivors(
          set, dealers: everyone, me: worker, organisations: organisations, signedBefore: nil, mode: .malicious,
          policy: policy)) != nil
    }
    var certifiable = 0
    let sets = (1..<64).map { mask in Bitmap(members: (0..<6).filter { mask >> $0 & 1 == 1 }, count: 6) }
    for a in sets {
      for b in sets where a != b {
        for shownA in 0..<16 {  // Which honest workers see a; the others see b.
          let seesA = (0..<4).filter { shownA >> $0 & 1 == 1 }.map { $0 + 2 }
          let seesB = (0..<4).filter { shownA >> $0 & 1 == 0 }.map { $0 + 2 }
          let signersA = ([0, 1] + seesA).filter { willing($0, a) }.count
          let signersB = ([0, 1] + seesB).filter { willing($0, b) }.count
          if signersA >= thresholds.quorum && signersB >= thresholds.quorum { certifiable += 1 }
        }
      }
    }
    #expect(certifiable == 0)
  }

  @Test("At n = 6 the workers refuse the two halves of the attack by name")
  func refusesTwoHalves() throws {
    let federation = try ProtocolFederation(organisations: ["mole", "mole", "a", "b", "c", "d"])
    let round = try ProtocolRound(federation)
    let forgery = ProtocolForgery(federation: federation, context: round.context)
    let halves = [[0, 1, 2, 3], [0, 1, 4, 5]]
    round.onWayToWorker = { name, event in
      guard case .survivorsReceived(let message) = event, let index = round.names.firstIndex(of: name) else {
        return [event]
      }
      return [.survivorsReceived(forgery.survivors(halves[index < 4 ? 0 : 1], count: 6, like: message))]
    }
    try round.run()
    for name in round.names { #expect(round.outcome(of: name) == .refused(.tooFewSurvivors)) }
    #expect(round.releases.isEmpty)
  }
}
