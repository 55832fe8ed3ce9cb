import Federation
import Rounds
import SecureAggregation
import Testing

/// The worker's own law: each key of it refuses what it forbids, by name, wherever that first shows.
struct WorkerLawTests {
  private static let attempt = AttemptID(run: "run", round: 1, attempt: 0)
  private static let noise = RoundConfiguration.Privacy(
    mechanism: 1, noiseMultiplier: 1, roundingBeta: 0.6, delta: 1e-6, rounds: 10, noiseCorruptionRule: 0)
  private static let requirement = PrivacyRequirement(
    mechanism: .discreteGaussian, minimumNoiseMultiplier: 1, maximumRounds: 10, maximumDelta: 1e-6)

  struct Case: Sendable, CustomTestStringConvertible {
    let key: String
    let law: @Sendable (inout WorkerPolicy) -> Void
    let offer: @Sendable (inout RoundConfiguration) -> Void
    let says: String
    var testDescription: String { key }
  }

  static let offers = [
    Case(
      key: "clip-maximum", law: { $0.clipMaximum = 2 }, offer: { $0.clip = 2.5 },
      says: "the clip bound 2.5 is above the policy's 2.0"),
    Case(
      key: "weight-maximum", law: { $0.weightMaximum = 1023 }, offer: { _ in },
      says: "maximumWeight 1024 is above the policy's 1023"),
    Case(
      key: "auxiliary-fields", law: { $0.auxiliaryFields.remove(.correct) }, offer: { _ in },
      says: "the policy lets no correct leave"),
    Case(
      key: "auxiliary-fields by default", law: { _ in }, offer: { $0.auxiliaryLayout.append(.normHistogram) },
      says: "the policy lets no norm-histogram leave"),
    Case(
      key: "suites", law: { $0.suites = [.aes256] }, offer: { _ in }, says: "the policy allows no suite 1"),
    Case(
      key: "modes", law: { _ in }, offer: { $0.mode = .semiHonest },
      says: "the policy does not allow the mode semiHonest"),
    Case(
      key: "privacy", law: { $0.privacy = requirement }, offer: { _ in },
      says: "the policy requires noise, and the offer has no privacyMechanism, noiseMultiplier, roundingBeta, "
        + "privacyDelta, privacyRounds, noiseCorruptionRule"),
    Case(
      key: "noise that nobody adds", law: { _ in }, offer: { $0.privacy = noise },
      says: "privacyMechanism 1: this version adds no noise, and takes no part in a run that needs it"),
    Case(
      key: "noise that is required and that nobody adds", law: { $0.privacy = requirement },
      offer: { $0.privacy = noise },
      says: "privacyMechanism 1: this version adds no noise, and takes no part in a run that needs it"),
  ]

  @Test("An offer that a law forbids is declined with the key's own reason, and nothing is recorded", arguments: offers)
  func declines(_ item: Case) throws {
    var members = try RoundsMembers(count: 5)
    item.law(&members.policy)
    var worker = try members.worker(members.workers[0], policy: members.policy)
    let actions = worker.handle(.received(.offer(members.offer(item.offer)), now: RoundsCluster.now))
    #expect(actions.details == [item.says])
    #expect(actions.declines == [.policy])
    #expect(worker.ledger == WorkerLedger())
  }

  @Test("A law that is exactly met declines nothing")
  func takesPart() throws {
    var members = try RoundsMembers(count: 5)
    members.policy.clipMaximum = 1
    members.policy.weightMaximum = 1024
    members.policy.suites = [.aes128]
    members.policy.privacy = Self.requirement
    members.policy.availableMechanisms = [.discreteGaussian]
    var worker = try members.worker(members.workers[0], policy: members.policy)
    let offer = members.offer { $0.privacy = Self.noise }
    let actions = worker.handle(.received(.offer(offer), now: RoundsCluster.now))
    #expect(actions.declines.isEmpty)
    #expect(worker.attempt == Self.attempt)
  }

  @Test(
    "Plain mode keeps to the same law on weights, metrics and noise",
    arguments: offers.filter { $0.key != "suites" && $0.key != "modes" })
  func declinesPlain(_ item: Case) throws {
    var members = try RoundsMembers(count: 5, aggregation: .plain)
    item.law(&members.policy)
    var worker = try members.worker(members.workers[0], policy: members.policy)
    let actions = worker.handle(.received(.offer(members.offer(item.offer)), now: RoundsCluster.now))
    #expect(actions.details == [item.says])
  }

  // MARK: Roster and survivors

  static let rosters: [(key: String, law: @Sendable (inout CohortPolicy) -> Void, refusal: Refusal)] = [
    ("minimum-cohort", { $0.minimumCohort = 6 }, .belowMinimumCohort),
    ("maximum-roster", { $0.maximumRoster = 4 }, .rosterTooLarge),
    ("minimum-organisations", { $0.minimumOrganisations = 6 }, .tooFewOrganisations),
    ("organisation-cap", { $0.organisationCap = .init(1, 6) }, .organisationAboveCap),
    ("minimum-honest-sum", { $0.minimumHonestSum = 5 }, .noSafeSurvivorSet),
  ]

  @Test("A roster that a law forbids is refused by name, before anything is masked", arguments: rosters.indices)
  func refusesRosters(index: Int) throws {
    let (_, law, refusal) = Self.rosters[index]
    var members = try RoundsMembers(count: 5)
    law(&members.policy.cohort)
    let cluster = try RoundsCluster(members, plan: members.plan(rounds: 1)).start().finish()
    for name in members.workers {
      #expect(cluster.endings(of: name).first == .refused(refusal))
      let story = try #require(cluster.workerActions[name]).story
      #expect(!story.contains("bundle") && !story.contains("upload"))
    }
    #expect(cluster.commits.isEmpty)
  }

  static let survivors: [(key: String, law: @Sendable (inout CohortPolicy) -> Void, refusal: Refusal)] = [
    ("minimum-cohort", { $0.minimumCohort = 6 }, .tooFewSurvivors),
    ("minimum-organisations", { $0.minimumOrganisations = 5 }, .tooFewOrganisations),
    ("organisation-cap", { $0.organisationCap = .init(1, 3) }, .organisationAboveCap),
    ("minimum-honest-sum", { $0.minimumHonestSum = 4 }, .tooFewSurvivors),
  ]

  @Test(
    "Survivors that a law forbids are refused by name, and no share of them leaves, though the roster was allowed",
    arguments: survivors.indices)
  func refusesSurvivors(index: Int) throws {
    let (_, law, refusal) = Self.survivors[index]
    var members = try RoundsMembers(organisations: ["a", "a", "b", "c", "d", "e"])
    let plan = members.plan(rounds: 1) {
      $0.organisationCap = .init(1, 2)
      $0.minimumHonestSum = 2
    }
    members.policy.cohort.organisationCap = .init(1, 2)
    members.policy.cohort.minimumHonestSum = 2
    law(&members.policy.cohort)
    let cluster = try RoundsCluster(members, plan: plan)
    let lost = members.workers[5]
    cluster.uploads = { name, attempt in name != lost || attempt.attempt > 0 }
    cluster.start().finish()
    let name = members.workers[0]
    #expect(cluster.endings(of: name).first == .refused(refusal))
    #expect(
      !cluster.records(of: name).prefix { $0 != .attemptBegun(Self.second) }.contains {
        if case .released = $0 { true } else { false }
      })
  }
  private static let second = AttemptID(run: "run", round: 1, attempt: 1)

  // MARK: Two workers

  @Test(
    "Two workers of two organisations commit a round only if both their laws say allow-pair", arguments: [true, false])
  func pair(isAllowed: Bool) throws {
    var members = try RoundsMembers(count: 2)
    members.policy.cohort.allowPair = isAllowed
    var plan = members.plan(rounds: 1) { $0.minimumCohort = 2 }
    plan.policy.allowPair = true
    let cluster = try RoundsCluster(members, plan: plan).start().finish()
    #expect(cluster.commits.count == (isAllowed ? 1 : 0))
    #expect(cluster.endings(of: members.workers[0]).contains(.refused(.belowMinimumCohort)) == !isAllowed)
  }

  // MARK: The privacy budget

  static let blocks: [(change: @Sendable (inout RoundConfiguration.Privacy) -> Void, says: String?)] = [
    ({ _ in }, nil),
    ({ $0.mechanism = 2 }, "privacyMechanism 2 is not the policy's 1 (discrete-gaussian)"),
    ({ $0.noiseMultiplier = 0.99 }, "noiseMultiplier 0.99 is below the policy's 1.0"),
    ({ $0.delta = 1e-5 }, "privacyDelta 1e-05 is above the policy's 1e-06"),
    ({ $0.rounds = 11 }, "privacyRounds 11 is above the policy's 10"),
  ]

  @Test("Noise that is weaker than the owner's is named by its field", arguments: blocks.indices)
  func namesField(index: Int) {
    var block = Self.noise
    Self.blocks[index].change(&block)
    #expect(Self.requirement.objection(to: block) == Self.blocks[index].says)
  }

  @Test("Every contribution under noise is charged before it leaves, retries too, until the budget is spent")
  func charges() throws {
    var members = try RoundsMembers(count: 5)
    members.policy.privacy = Self.requirement
    members.policy.privacy?.maximumRounds = 10
    members.policy.availableMechanisms = [.discreteGaussian]
    let name = members.workers[0]
    let plan = members.plan(rounds: 1) { $0.privacy = Self.noise }
    let cluster = try RoundsCluster(members, plan: plan)
    let lost = Set(members.workers.suffix(2))
    cluster.uploads = { name, attempt in attempt.attempt > 0 || !lost.contains(name) }
    cluster.start().finish()
    let story = try #require(cluster.workerActions[name]).story
    let charged = story.indices.filter { story[$0] == "record charged" }
    #expect(charged.count >= 2)
    for index in charged { #expect(story[index + 1] == "record contributed") }
    let ledger = try #require(cluster.workers[name]).ledger
    #expect(ledger.privacy.count == UInt64(charged.count))
  }

  @Test("A spent budget declines the next offer, after a restart too")
  func isSpent() throws {
    var members = try RoundsMembers(count: 5)
    members.policy.privacy = Self.requirement
    members.policy.availableMechanisms = [.discreteGaussian]
    var ledger = WorkerLedger()
    for attempt in 0..<10 {
      let id = AttemptID(run: "another", round: 1, attempt: AttemptNumber(UInt32(attempt)))
      ledger.apply(.charged(id, PrivacyCharge(Self.noise)))
    }
    var worker = try members.worker(members.workers[0], policy: members.policy, ledger: ledger)
    let offer = members.offer { $0.privacy = Self.noise }
    let actions = worker.handle(.received(.offer(offer), now: RoundsCluster.now))
    #expect(actions.details == ["the privacy budget is spent: 10 contributions of the policy's 10"])
  }
}

extension [WorkerStateMachine.Action] {
  /// What the log says of each declined offer.
  var details: [String] {
    compactMap { if case .note(.declined(_, _, let detail)) = $0 { detail } else { nil } }
  }
}
