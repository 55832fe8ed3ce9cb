import Federation
import Testing

@testable import Rounds

/// Versions that are taken back, sums that must not become one, and runs that end early.
struct TakeBackTests {
  /// A run whose sums say what `loss` is of the version that an attempt trains on.
  private func cluster(
    rounds: UInt64, _ aggregation: AggregationMode = .plain, watch: WatchRules = WatchRules(),
    loss: @escaping (ModelVersion) -> Double
  ) throws -> RoundsCluster {
    let members = try RoundsMembers(count: 5, aggregation: aggregation)
    var plan = members.plan(rounds: rounds)
    plan.watch = watch
    var policy = members.policy
    policy.maximumAttemptsPerModel = 10
    let cluster = try RoundsCluster(members, plan: plan, policy: policy)
    cluster.opening = { [unowned cluster] summary, _ in
      var summary = summary
      summary.metrics = RoundMetrics(lossSum: loss(cluster.run.base.version) * 10, correct: 1, evaluated: 10)
      return summary
    }
    return cluster
  }

  private func takenBack(_ cluster: RoundsCluster) -> [[ModelVersion]] {
    cluster.actions.compactMap {
      if case .takeBack(let version, let base, _) = $0 { [version, base.version] } else { nil }
    }
  }

  @Test(
    "A version that is much worse than its parent is taken back, and the round is run again on the parent",
    arguments: AggregationMode.allCases)
  func goesBack(_ aggregation: AggregationMode) throws {
    let cluster = try cluster(rounds: 3, aggregation) { $0 == 2 ? 9 : 1 }.start().finish()
    #expect(takenBack(cluster) == [[2, 1]])
    #expect(cluster.outcomes == [.completed(3)])
    // Version 2 is of round 2; round 3 trained on it in vain, then on version 1, and made version 3.
    #expect(cluster.commits.map(\.version) == [1, 2, 3])
    #expect(cluster.commits.map(\.base.version) == [0, 1, 1])
    #expect(
      cluster.attempts.map { [$0.round.value, UInt64($0.attempt.value)] } == [
        [1, 0], [2, 0], [3, 0], [3, 1], [4, 0],
      ])
  }

  @Test("Who takes back goes back further if the parent, too, turns out to be bad, but never before the first version")
  func goesBackFurther() throws {
    var losses: [ModelVersion: Double] = [0: 1, 1: 1, 2: 1, 3: 9]
    let cluster = try cluster(rounds: 4) { losses[$0] ?? 1 }
    cluster.misfortune = { cluster in
      // Once version 3 is gone, version 2 shows what it is.
      if !self.takenBack(cluster).isEmpty { losses[2] = 9 }
    }
    cluster.start().finish()
    #expect(takenBack(cluster) == [[3, 2], [2, 1]])
    #expect(cluster.outcomes == [.completed(4)])
    #expect(cluster.commits.map(\.base.version) == [0, 1, 2, 1])
  }

  @Test("The evaluation at the end takes the last version back, too")
  func judgesLast() throws {
    let cluster = try cluster(rounds: 2) { $0 == 2 ? 9 : 1 }.start().finish()
    #expect(takenBack(cluster) == [[2, 1]])
    #expect(cluster.outcomes == [.completed(1)])
    #expect(cluster.reports.last?.baseVersion == 2)
  }

  @Test("A model on which a third of the cohort cannot train, and that nobody has measured, is taken back")
  func noticesFailures() throws {
    let members = try RoundsMembers(count: 5)
    var policy = members.policy
    policy.maximumAttemptsPerModel = 10
    let cluster = try RoundsCluster(members, plan: members.plan(rounds: 2), policy: policy)
    cluster.training = { name, offer in
      offer.baseVersion == 1 && name != members.workers[0]
        ? [.trainingFailed(offer.attempt, reason: "the loss is not a finite number")] : [.trained(offer.attempt)]
    }
    cluster.start().finish()
    #expect(takenBack(cluster) == [[1, 0]])
    #expect(cluster.outcomes == [.completed(2)])
    #expect(cluster.commits.map(\.version) == [1, 2])
  }

  @Test("A mean update above the clip, or one that is no number, becomes no version")
  func refusesSums() throws {
    let cluster = try cluster(rounds: 1, .secure) { _ in 1 }
    var norms: [Double] = [.nan, 1.06, 1.04]
    let measure = cluster.opening
    cluster.opening = { summary, attempt in
      var summary = measure(summary, attempt)
      if attempt.round == 1 { summary.norm = norms.removeFirst() }
      return summary
    }
    cluster.start().finish()
    let reasons = cluster.reports.compactMap { if case .abandoned(let reason) = $0.outcome { reason } else { nil } }
    #expect(
      reasons == [
        "the mean update is not finite",
        "the mean update has norm 1.06, and no honest cohort's is above the clip of 1.0",
      ])
    #expect(cluster.outcomes == [.completed(1)])
    #expect(cluster.commits.count == 1)
  }

  @Test("A step that gives no model abandons the attempt, not the run")
  func survivesRejection() throws {
    let cluster = try cluster(rounds: 1) { _ in 1 }
    cluster.committing = { $0.attempt.attempt == 0 ? .sumRefused(reason: "element 3 is not finite") : nil }
    cluster.start().finish()
    #expect(cluster.reports.first?.outcome == .abandoned(reason: "element 3 is not finite"))
    #expect(cluster.outcomes == [.completed(1)])
    #expect(cluster.commits.map(\.attempt.attempt) == [0, 1])
  }

  @Test("A run that has reached its target commits the round in hand, evaluates, and ends")
  func endsAtTarget() throws {
    var rules = WatchRules()
    rules.targetLoss = 0.5
    let cluster = try cluster(rounds: 100, watch: rules) { $0 >= 3 ? 0.4 : 1 }.start().finish()
    #expect(cluster.outcomes == [.completed(4)])
    #expect(cluster.run.endReason == "version 3 has loss 0.4, the target is 0.5")
    #expect(cluster.reports.last?.outcome == .evaluated)
  }

  @Test("A run whose time is over commits the round in hand, evaluates, and ends")
  func endsInTime() throws {
    var rules = WatchRules()
    rules.duration = .seconds(3600)
    let cluster = try cluster(rounds: 100, watch: rules) { _ in 1 }
    var plan = cluster.members.plan(rounds: 100)
    plan.watch = rules
    plan.elapsed = .seconds(3600)
    cluster.run = cluster.members.run(plan)
    cluster.start().finish()
    #expect(cluster.outcomes == [.completed(1)])
    #expect(cluster.run.endReason == "the run has lasted 3600.0 seconds")
  }

  @Test("A run that has used its client updates commits the round in hand, evaluates, and ends", arguments: [10, 11])
  func endsWithUpdates(budget: UInt64) throws {
    var rules = WatchRules()
    rules.budget.updates = budget
    let cluster = try cluster(rounds: 100, watch: rules) { _ in 1 }.start().finish()
    #expect(cluster.outcomes == [.completed(budget == 10 ? 2 : 3)])
    #expect(
      cluster.run.endReason == "the run has used \(budget == 10 ? 10 : 15) client updates, its budget is \(budget)")
    #expect(cluster.reports.last?.outcome == .evaluated)
  }

  @Test("A budget that is used up when the run is taken up again leaves the evaluation at the end")
  func usedUp() throws {
    var rules = WatchRules()
    rules.budget.bytes = 1000
    let cluster = try cluster(rounds: 100, watch: rules) { _ in 1 }
    var plan = cluster.members.plan(rounds: 100)
    plan.watch = rules
    plan.bytesMoved = 1000
    cluster.run = cluster.members.run(plan)
    cluster.start().finish()
    #expect(cluster.outcomes == [.completed(0)] && cluster.reports.map(\.outcome) == [.evaluated])
    #expect(cluster.run.endReason == "the run has moved 1000 bytes, its budget is 1000")
  }

  @Test("Bytes of attempts that were abandoned count, and end the run before it tries again")
  func endsWithBytes() throws {
    var rules = WatchRules()
    rules.budget.bytes = 1000
    let cluster = try cluster(rounds: 100, watch: rules) { _ in 1 }
    cluster.committing = { [unowned cluster] order in
      cluster.run.bytesMoved += 600
      return order.attempt.round == 2 && order.attempt.attempt == 0 ? .sumRefused(reason: "no model") : nil
    }
    cluster.start().finish()
    #expect(cluster.outcomes == [.completed(1)])
    #expect(cluster.run.endReason == "the run has moved 1200 bytes, its budget is 1000")
    #expect(cluster.reports.map(\.outcome).last == .evaluated && cluster.reports.count == 3)
  }

  @Test("Each version that is better than all before is told, once")
  func tellsBest() throws {
    let losses: [ModelVersion: Double] = [0: 3, 1: 2, 2: 2.5, 3: 1]
    let cluster = try cluster(rounds: 3) { losses[$0] ?? 9 }.start().finish()
    let best = cluster.actions.compactMap { if case .foundBest(let version) = $0 { version } else { nil } }
    #expect(best == [0, 1, 3])
  }

  @Test("A run does not wait for workers for ever: it says who is missing, and ends")
  func losesPatience() throws {
    let members = try RoundsMembers(count: 5)
    var plan = members.plan(rounds: 1)
    plan.patience = .seconds(7200)
    let cluster = try RoundsCluster(members, plan: plan)
    cluster.start(joining: Array(members.workers.prefix(2))).finish()
    #expect(
      cluster.outcomes == [
        .failed(reason: "waited 7200.0 seconds for workers: 2 of 5 are here, 3 are needed")
      ])
    #expect(cluster.time == .seconds(7200))
  }

  @Test("With observations the deadline for inputs follows them, and is signed with the offer")
  func derivesDeadline() throws {
    let members = try RoundsMembers(count: 5)
    var plan = members.plan(rounds: 4) { $0.inputDeadline = 600_000 }
    plan.reportDeadline = ReportDeadline(shortest: .seconds(9))
    let cluster = try RoundsCluster(members, plan: plan).start().finish()
    #expect(cluster.commits.map(\.configuration.inputDeadline) == [600_000, 600_000, 9_000, 9_000])
  }

  @Test("On the coordinator's own data a bad candidate is found before anybody sees it")
  func judgesCandidates() throws {
    let members = try RoundsMembers(count: 5, aggregation: .plain)
    var plan = members.plan(rounds: 3)
    plan.isMeasuredCentrally = true
    var policy = members.policy
    policy.maximumAttemptsPerModel = 10
    let cluster = try RoundsCluster(members, plan: plan, policy: policy)
    var asked: [ModelVersion] = []
    cluster.measuring = { [unowned cluster] version in
      asked.append(version)
      let isBad = version == 2 && cluster.attempts.last?.attempt == 0
      return RoundMetrics(lossSum: isBad ? 99 : 10 / Double(version.value + 1), correct: 1, evaluated: 1)
    }
    cluster.start().finish()
    #expect(takenBack(cluster).isEmpty)
    #expect(cluster.outcomes == [.completed(3)])
    #expect(cluster.commits.map(\.version) == [1, 2, 3])
    // The base is measured once, at first.
    #expect(asked == [1, 0, 2, 2, 3])
    let reasons = cluster.reports.compactMap { if case .abandoned(let reason) = $0.outcome { reason } else { nil } }
    #expect(
      reasons == [
        "not published: on the coordinator's data the loss of version 2 is 99.0, more than 3.0 times the 5.0 of version 1"
      ])
    let best = cluster.actions.compactMap { if case .foundBest(let version) = $0 { version } else { nil } }
    #expect(best == [1, 2, 3])
    #expect(cluster.reports.compactMap(\.central).map(\.lossSum) == [5, 10.0 / 3, 2.5])
  }

  @Test("A measurement on the coordinator's own data that never ends costs an attempt, not the run")
  func measurementHangs() throws {
    let members = try RoundsMembers(count: 5, aggregation: .plain)
    var plan = members.plan(rounds: 2)
    plan.isMeasuredCentrally = true
    plan.measurementDeadline = .seconds(90)
    let cluster = try RoundsCluster(members, plan: plan)
    var silence = 1
    cluster.measuring = { version in
      if version == 2, silence > 0 {
        silence -= 1
        return nil
      }
      return RoundMetrics(lossSum: 1, correct: 1, evaluated: 1)
    }
    cluster.start().finish()
    #expect(cluster.outcomes == [.completed(2)])
    #expect(cluster.commits.map(\.version) == [1, 2])
    let reasons = cluster.reports.compactMap { if case .abandoned(let reason) = $0.outcome { reason } else { nil } }
    #expect(reasons == ["not published: on the coordinator's data it was not measured within 90.0 seconds"])
    #expect(cluster.time >= .seconds(90))
  }

  @Test("What the coordinator's own data said before a restart still counts towards the end of patience")
  func remembersCentralMeasurements() throws {
    let members = try RoundsMembers(count: 5)
    var plan = members.plan(rounds: 9)
    plan.isMeasuredCentrally = true
    plan.watch.patience = 2
    func reason(_ losses: [Double]) -> String? {
      var start = RunStart(base: members.model(3), round: 4)
      start.centralHistory = losses.enumerated().map {
        MeasuredVersion(version: ModelVersion(UInt64($0.offset) + 1), loss: $0.element, accuracy: nil)
      }
      return RunStateMachine(
        plan: plan, membership: members.membership, certificate: members.coordinator,
        signingKey: members.coordinatorKey, start: start, attempt: 0
      ).endReason
    }
    #expect(reason([1, 2]) == nil)
    #expect(reason([1, 2, 3]) == "on the coordinator's data no better version than 1 in 2 rounds")
  }
}
