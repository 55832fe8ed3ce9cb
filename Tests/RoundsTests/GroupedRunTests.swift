import Aggregation
import Federation
import Rounds
import SecureAggregation
import Testing

@Suite("A run whose cohort is divided into groups")
struct GroupedRunTests {
  private static func cluster(
    count: Int = 20, strategy: String = "median, groups 5", law: (inout WorkerPolicy) -> Void = { _ in },
    rules: @escaping (inout RoundConfiguration) -> Void = { _ in }
  ) throws -> RoundsCluster {
    let members = try RoundsMembers(count: count)
    var policy = members.policy
    policy.allowGroups = true
    law(&policy)
    let strategy = try #require(Strategy(parsing: strategy))
    var plan = members.plan(rounds: 1, target: count) {
      $0.strategy = strategy.description
      $0.maximumWeight = strategy.weighsByExamples ? 1024 : 1
      $0.clip = 4
      $0.minimumCohort = 4
      rules(&$0)
    }
    plan.groups = strategy.groupRules
    plan.attemptsPerRoundMax = 1
    return try RoundsCluster(members, plan: plan, policy: policy)
  }

  /// The rosters of training attempts, as the coordinator showed them.
  private static func rosters(_ cluster: RoundsCluster) -> [[WorkerID]] {
    var found: [[WorkerID]] = []
    for case .send(.roster(let attempt, let roster), _) in cluster.actions where attempt.round == 1 {
      let workers = roster.adverts.map(\.entry.worker)
      if !found.contains(workers) { found.append(workers) }
    }
    return found
  }

  private static func orders(_ cluster: RoundsCluster) -> [GroupsOrder] {
    cluster.actions.compactMap { if case .openGroups(let order) = $0 { order } else { nil } }
  }

  private static func reports(_ cluster: RoundsCluster) -> [RoundReport] {
    cluster.actions.compactMap { if case .report(let report) = $0 { report } else { nil } }
  }

  private static func abandonment(_ cluster: RoundsCluster) -> String? {
    if case .abandoned(let reason)? = reports(cluster).first?.outcome { reason } else { nil }
  }

  /// `Σ w_k·Δ_k ÷ Σ w_k` of these workers.
  private static func mean(_ workers: [WorkerID], _ cluster: RoundsCluster, _ maximum: UInt64) -> [Double] {
    let updates = workers.map { cluster.members.update(of: $0, isTraining: true) }
    let weights = updates.map { Double(min($0.exampleCount, maximum)) }
    return updates[0].difference.indices.map { e in
      zip(updates, weights).reduce(0) { $0 + $1.1 * Double($1.0.difference[e]) } / weights.reduce(0, +)
    }
  }

  @Test("Groups are rosters of their own, a partition of the cohort with sizes within one of each other")
  func groups() throws {
    let cluster = try Self.cluster(count: 23)
    cluster.start().finish()
    let rosters = Self.rosters(cluster)
    #expect(rosters.map(\.count).sorted() == [4, 4, 5, 5, 5])
    #expect(rosters.flatMap { $0 }.sorted() == cluster.members.workers)
    let again = try Self.cluster(count: 23)
    again.start().finish()
    #expect(Self.rosters(again).sorted { $0[0] < $1[0] } == rosters.sorted { $0[0] < $1[0] })
  }

  @Test(
    "The version moves by what the rule makes of the means of the groups, and the counts are those of all",
    arguments: [
      "median, groups 5", "median, groups 4", "trimmed-mean, trim 0.2, groups 5", "krum, byzantine 1, groups 5",
      "multi-krum, byzantine 1, groups 5", "multi-krum, byzantine 1, keep 2, groups 5",
      "geometric-median, smoothing 1e-06, iterations 8, groups 5",
    ])
  func combines(_ text: String) throws {
    let cluster = try Self.cluster(strategy: text)
    cluster.start().finish()
    let opened = try #require(cluster.opened.first), order = try #require(Self.orders(cluster).first)
    let rosters = Self.rosters(cluster)
    let maximum = try #require(cluster.run.plan.configuration.maximumWeight as UInt64?)
    let means = rosters.map { Self.mean($0, cluster, maximum) }
    let weights = rosters.map { roster in
      roster.reduce(UInt64(0)) { $0 + min(cluster.members.update(of: $1, isTraining: true).exampleCount, maximum) }
    }
    // In the order of the groups' places, of which the rule takes the first where two are as good.
    let places = order.groups.map { group in
      rosters.firstIndex { $0.count == group.rosterCount && Self.transcripts(cluster)[$0] == group.upload } ?? 0
    }
    #expect(places.sorted() == Array(rosters.indices))
    let expected = try order.rules.rule.combine(
      HeldUpdates(values: places.map { means[$0].map(Float.init) }, weights: places.map { weights[$0] }))
    // The step of the encoding is 4/2^28: in a group of four, whose integers have 30 bits, less than 1e-7.
    for (found, wanted) in zip(opened.average, expected) { #expect(abs(found - wanted) < 1e-6) }
    #expect(opened.average.count == 9)
    #expect(opened.summary.workers == 20)
    #expect(opened.summary.weight == weights.reduce(0, +))
    #expect(opened.summary.metrics == RoundMetrics(lossSum: 20, correct: 60, evaluated: 80))
    #expect(cluster.run.outcome == .completed(1))
  }

  /// Of each roster.
  private static func transcripts(_ cluster: RoundsCluster) -> [[WorkerID]: Digest] {
    var found: [[WorkerID]: Digest] = [:]
    for case .openUploads(let plan) in cluster.actions where plan.configuration.vectorLength > 0 {
      found[plan.workers.sorted()] = plan.upload
    }
    return found
  }

  @Test("The evaluation at the end is one sum of everyone, which needs no rule")
  func evaluation() throws {
    let cluster = try Self.cluster()
    cluster.start().finish()
    let evaluated = try #require(Self.reports(cluster).last)
    #expect(evaluated.outcome == .evaluated)
    #expect(evaluated.summary?.workers == 20 && evaluated.groups == nil)
    #expect(Self.orders(cluster).count == 1)
  }

  @Test("A group that loses fewer workers than it can bear goes on without them")
  func dropout() throws {
    let cluster = try Self.cluster(count: 25)
    var gone: Set<WorkerID> = []
    cluster.uploads = { name, attempt in
      if attempt.round == 1, gone.isEmpty { gone = [name] }
      return attempt.round > 1 || !gone.contains(name)
    }
    cluster.start().finish()
    #expect(try #require(cluster.opened.first).summary.workers == 24)
    #expect(Self.orders(cluster).first?.groups.map(\.unmasking.survivors.count).sorted() == [4, 5, 5, 5, 5])
    #expect(cluster.run.outcome == .completed(1))
  }

  /// A cluster in which every worker of so many groups fails to report.
  private static func losing(_ count: Int, strategy: String = "median, groups 5") throws -> (RoundsCluster, [WorkerID])
  {
    let first = try cluster(strategy: strategy)
    first.start().finish()
    let lost = rosters(first).prefix(count).flatMap { $0.prefix(1) }
    let cluster = try cluster(strategy: strategy)
    cluster.uploads = { name, attempt in attempt.round > 1 || !lost.contains(name) }
    cluster.start().finish()
    return (cluster, rosters(first).prefix(count).flatMap { $0 })
  }

  @Test(
    "A group below its threshold is left out, its workers are told, and the others make the version", arguments: [1, 2])
  func leftOut(count: Int) throws {
    let (cluster, lost) = try Self.losing(count)
    #expect(cluster.run.outcome == .completed(1))
    let order = try #require(Self.orders(cluster).first)
    #expect(order.groups.count == 5 - count)
    #expect(try #require(cluster.opened.first).summary.workers == UInt64(20 - 4 * count))
    let report = try #require(Self.reports(cluster).first)
    #expect(report.reported == 20 - 4 * count && report.dropped == 4 * count)
    let tally = try #require(report.groups)
    #expect(tally.count == 5 && tally.summed == 5 - count)
    #expect(tally.leftOut.split(separator: ";").count == count && tally.leftOut.contains("group "))
    let told = cluster.actions.compactMap { action -> WorkerID? in
      guard case .send(.ended(let attempt, .notCounted, let reason), let worker) = action, attempt.round == 1,
        reason.contains("inputs arrived")
      else { return nil }
      return worker
    }
    #expect(told.sorted() == lost.sorted())
    let named = cluster.actions.count { if case .groupLeftOut = $0 { true } else { false } }
    #expect(named == count)
    let results = cluster.actions.compactMap { action -> WorkerID? in
      if case .send(.result, let worker) = action { worker } else { nil }
    }
    #expect(Set(results).count == 20 && results.count == 40 - 4 * count)
  }

  @Test(
    "With too few groups left the attempt is abandoned with their reasons, and no sum is opened",
    arguments: [(3, "median, groups 5"), (1, "trimmed-mean, trim 0.2, groups 5"), (1, "krum, byzantine 1, groups 5")])
  func tooFew(count: Int, strategy: String) throws {
    let (cluster, lost) = try Self.losing(count, strategy: strategy)
    let reason = try #require(Self.abandonment(cluster))
    #expect(reason.contains("\(5 - count) of 5 groups are left"))
    #expect(reason.contains("3 inputs arrived, 4 are needed"))
    #expect(Self.orders(cluster).isEmpty && cluster.commits.isEmpty)
    #expect(!lost.isEmpty)
  }

  @Test("A cohort that is too small for its groups is refused with the numbers")
  func tooSmall() throws {
    let cluster = try Self.cluster(count: 19)
    cluster.start().finish()
    let reason = try #require(Self.abandonment(cluster))
    #expect(reason == "a cohort of 19 is too small for 5 groups of at least 4 workers")
    #expect(Self.rosters(cluster).isEmpty)
  }

  @Test("A worker whose law allows no groups declines them, and takes part without")
  func lawOfOne() throws {
    let refusing = try Self.cluster { $0.allowGroups = false }
    refusing.start().finish()
    let notes = refusing.workers.keys.flatMap { refusing.workerActions[$0] ?? [] }.compactMap { action -> String? in
      if case .note(.declined(_, .policy, let detail)) = action { detail } else { nil }
    }
    #expect(notes.count == 20)
    #expect(notes.allSatisfy { $0 == "the policy allows no sums of groups, and the run divides its cohort into 5" })
    #expect(Self.rosters(refusing).isEmpty && Self.orders(refusing).isEmpty)
    let law = WorkerPolicy()
    #expect(law.objection(to: refusing.run.plan.configuration, aggregation: .secure) != nil)
    var without = refusing.run.plan.configuration
    without.strategy = "fedavg"
    #expect(law.objection(to: without, aggregation: .secure) == nil)
  }

  @Test(
    "Workers refuse groups that are smaller than their own law allows, and nothing of them is masked or opened",
    arguments: [
      ("belowMinimumCohort", 5, 3, 3, 3), ("tooFewOrganisations", 3, 5, 3, 3), ("organisationAboveCap", 3, 3, 5, 3),
      ("noSafeSurvivorSet", 3, 3, 3, 4),
    ])
  func smallGroups(refusal: String, workers: Int, organisations: Int, share: UInt32, honest: Int) throws {
    let cluster = try Self.cluster {
      $0.cohort.minimumCohort = workers
      $0.cohort.minimumOrganisations = organisations
      $0.cohort.organisationCap = .init(1, share)
      $0.cohort.minimumHonestSum = honest
    }
    cluster.start().finish()
    #expect(Self.rosters(cluster).map(\.count) == [4, 4, 4, 4, 4])
    var refusals = 0
    for action in cluster.workerActions.values.flatMap({ $0 }) {
      switch action {
      case .send(.unmask), .send(.bundle), .upload: Issue.record("something leaves: \(action)")
      case .note(.ended(_, .refused(let found))):
        #expect(found.rawValue == refusal)
        refusals += 1
      default: break
      }
    }
    #expect(refusals == 20)
    #expect(Self.orders(cluster).isEmpty && cluster.commits.isEmpty)
  }

  @Test("A coordinator that keeps a lower minimum than its signed rules opens no smaller group")
  func coordinatorBelowItsRules() throws {
    let members = try RoundsMembers(count: 12)
    var policy = members.policy
    policy.allowGroups = true
    var plan = members.plan(rounds: 1, target: 12) {
      $0.strategy = "median, groups 4"
      $0.maximumWeight = 1
      $0.minimumCohort = 4
      $0.minimumHonestSum = 2
    }
    plan.groups = Strategy(parsing: "median, groups 4")?.groupRules
    plan.policy.minimumCohort = 3
    plan.attemptsPerRoundMax = 1
    policy.cohort.minimumHonestSum = 2
    let cluster = try RoundsCluster(members, plan: plan, policy: policy)
    cluster.start().finish()
    #expect(Self.rosters(cluster).map(\.count) == [3, 3, 3, 3])
    #expect(Self.orders(cluster).isEmpty && cluster.commits.isEmpty)
    for action in cluster.workerActions.values.flatMap({ $0 }) {
      if case .send(.unmask) = action { Issue.record("a share of a group of three leaves") }
    }
  }

  @Test("Whoever drops out, nobody releases a share of a group below its own threshold", arguments: UInt64(0)..<12)
  func shares(seed: UInt64) throws {
    var choices = SeededGenerator(seed: seed, stream: "dropouts")
    let count = Int.random(in: 20...30, using: &choices)
    let rate = Double.random(in: 0...0.25, using: &choices)
    let cluster = try Self.cluster(count: count)
    let silent = Set(cluster.members.workers.filter { _ in Double.random(in: 0..<1, using: &choices) < rate })
    let late = Set(cluster.members.workers.filter { _ in Double.random(in: 0..<1, using: &choices) < rate })
    cluster.onWayToCoordinator = { name, message in
      switch message {
      case .bundle where silent.contains(name), .agree where late.contains(name): []
      default: [message]
      }
    }
    cluster.start().finish()
    let sizes = Dictionary(
      uniqueKeysWithValues: Self.transcripts(cluster).map { ($0.value, $0.key.count) })
    for (name, actions) in cluster.workerActions {
      for case .send(.unmask(let shares)) in actions where sizes[shares.transcript] != nil {
        #expect(shares.selfMaskShares.count >= 4, "\(name) opens a sum of \(shares.selfMaskShares.count)")
      }
    }
    for order in Self.orders(cluster) {
      #expect(order.groups.count >= order.rules.groupsMin)
      #expect(order.groups.allSatisfy { $0.unmasking.survivors.count >= 4 })
    }
    if let reason = Self.abandonment(cluster) { #expect(reason.contains("groups are left")) }
    #expect(Self.abandonment(cluster) != nil || cluster.opened.first != nil)
  }

  @Test("A group whose sum no honest workers could have made spoils nobody else's version, nor its metrics")
  func lie() throws {
    let cluster = try Self.cluster()
    let liar = try #require(cluster.members.workers.last)
    cluster.lying = { name, order in
      guard name == liar, case .secure(let attempt, let masking, var configuration) = order else { return order }
      configuration.maximumWeight = 1024  // Says that its update weighs as many examples as it has.
      return .secure(attempt, masking, configuration)
    }
    cluster.start().finish()
    let opened = try #require(cluster.opened.first)
    #expect(opened.summary.leftOut.count == 1)
    #expect(opened.summary.leftOut[0].reason.contains("its summed weight is 32"))
    #expect(opened.summary.workers == 16 && opened.summary.weight == 16)
    #expect(Self.reports(cluster).first?.reported == 16)
    #expect(cluster.run.outcome == .completed(1))
  }

  @Test("A law of one attempt on a model is kept though groups fail, unless all promise that nothing is released")
  func retry() throws {
    let cluster = try Self.cluster { $0.maximumAttemptsPerModel = 1 }
    var plan = cluster.run.plan
    plan.attemptsPerRoundMax = 5
    let patient = try RoundsCluster(cluster.members, plan: plan, policy: Self.law { $0.maximumAttemptsPerModel = 1 })
    patient.uploads = { name, attempt in
      attempt.round > 1 || attempt.attempt > 0 || (patient.members.workers.firstIndex(of: name) ?? 0) % 2 == 0
    }
    patient.start().finish()
    // So many are missing in the first attempt that groups are left out until it ends; then all promise.
    #expect(Self.abandonment(patient)?.contains("2 of 5 groups are left") == true)
    #expect(patient.run.outcome == .completed(1))
    #expect(Self.orders(patient).count == 1)
  }

  private static func law(_ change: (inout WorkerPolicy) -> Void) -> WorkerPolicy {
    var policy = WorkerPolicy()
    policy.allowGroups = true
    change(&policy)
    return policy
  }
}
