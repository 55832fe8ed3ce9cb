import Cryptography
import Federation
import Rounds
import SecureAggregation
import Testing

/// Runs at the coordinator, with real workers behind it.
struct RunStateMachineTests {
  @Test("A run commits every round, evaluates the last version, and ends", arguments: AggregationMode.allCases)
  func completes(_ aggregation: AggregationMode) throws {
    let members = try RoundsMembers(count: 5, aggregation: aggregation)
    let cluster = try RoundsCluster(members, plan: members.plan(rounds: 3)).start().finish()
    #expect(cluster.outcomes == [.completed(3)])
    #expect(cluster.reports.map(\.attempt.round) == [1, 2, 3, 4])
    #expect(cluster.reports.map(\.baseVersion) == [0, 1, 2, 3])
    #expect(cluster.attempts.allSatisfy { $0.attempt == 0 })
    #expect(cluster.commits.map(\.version) == [1, 2, 3])
    #expect(cluster.commits.allSatisfy { ($0.transcript == nil) == (aggregation == .plain) })
    for report in cluster.reports {
      let summary = try #require(report.summary)
      #expect(summary.weight == 10 + 11 + 12 + 13 + 14)
      #expect(summary.workers == 5)
      #expect(summary.metrics == RoundMetrics(lossSum: 5, correct: 15, evaluated: 20))
      #expect((report.cohort, report.reported, report.dropped) == (5, 5, 0))
    }
    #expect(cluster.reports.last?.outcome == .evaluated)
    #expect(cluster.run.round == 4)
    for name in members.workers {
      #expect(cluster.endings(of: name).count == 4)
      #expect(cluster.endings(of: name).allSatisfy { if case .committed(_, true) = $0 { true } else { false } })
      #expect(cluster.workers[name]?.attempt == nil)
    }
  }

  @Test("The evaluation-only attempt at the end has no update vector and trains nothing")
  func evaluatesLast() throws {
    let members = try RoundsMembers(count: 5)
    let cluster = try RoundsCluster(members, plan: members.plan(rounds: 1)).start().finish()
    let plans = cluster.actions.compactMap { if case .openUploads(let plan) = $0 { plan } else { nil } }
    #expect(plans.map { $0.vectors.map(\.id) } == [[0, 1], [1]])
    let offers = cluster.actions.compactMap { (action) -> TrainingTask.Kind? in
      if case .send(.offer(let offer), members.workers[0]) = action { offer.task.kind } else { nil }
    }
    #expect(offers == [.train, .evaluate])
    #expect(cluster.commits.count == 1)
  }

  @Test("An attempt is recorded before its first offer leaves, and never twice")
  func recordsBeforeOffers() throws {
    let members = try RoundsMembers(count: 5)
    let cluster = try RoundsCluster(members).start().finish()
    var recorded: Set<AttemptID> = []
    for action in cluster.actions {
      switch action {
      case .recordAttempt(let attempt, _): #expect(recorded.insert(attempt).inserted)
      case .send(.offer(let offer), _): #expect(recorded.contains(offer.attempt))
      default: break
      }
    }
    #expect(recorded.count == 3)
  }

  // MARK: Selecting

  @Test("The first round waits for the expected workers, or for the minimum once the gathering has lasted")
  func gathers() throws {
    let members = try RoundsMembers(count: 6)
    let cluster = try RoundsCluster(members)
    cluster.start(joining: Array(members.workers.prefix(5)))
    #expect(cluster.attempts.isEmpty)
    cluster.feed(.workerJoined(members.workers[5]))
    #expect(cluster.cohorts == [members.workers])

    let patient = try RoundsCluster(members)
    patient.start(joining: Array(members.workers.prefix(5))).finish(timersMax: 1)
    #expect(patient.cohorts.first == Array(members.workers.prefix(5)))
    #expect(patient.time == .seconds(10))

    let few = try RoundsCluster(members)
    // Three reach the minimum of a cohort, but no safe survivor set: no attempt is spent on them.
    few.start(joining: Array(members.workers.prefix(3))).finish(timersMax: 1)
    #expect(few.attempts.isEmpty)
    few.feed(.workerJoined(members.workers[3]))
    #expect(few.attempts.count == 1)
  }

  @Test("A cohort of the target size is drawn by the seed: the same again, another for another attempt or seed")
  func drawsCohorts() throws {
    let members = try RoundsMembers(count: 12)
    func cohorts(_ seed: UInt64) throws -> [[WorkerID]] {
      try RoundsCluster(members, plan: members.plan(rounds: 3, target: 6, seed: seed)).start().finish().cohorts
    }
    let first = try cohorts(1)
    #expect(first.count == 4)
    #expect(first.allSatisfy { $0.count == 6 && $0 == $0.sorted() })
    #expect(Set(first).count > 1)
    #expect(try cohorts(1) == first)
    #expect(try cohorts(2) != first)
  }

  @Test("No organisation stands above its cap in a drawn cohort")
  func capsCohorts() throws {
    let organisations = Array(repeating: "big", count: 6) + ["a", "b", "c", "d", "e", "f"]
    let members = try RoundsMembers(organisations: organisations)
    let cluster = try RoundsCluster(members, plan: members.plan(rounds: 4, target: 9)).start().finish()
    #expect(cluster.outcomes == [.completed(4)])
    for cohort in cluster.cohorts {
      #expect(cohort.count == 9)
      #expect(cohort.filter { $0 < members.workers[6] }.count == 3)
    }
  }

  @Test("Strangers, other roles and dead certificates are never selected")
  func selectsMembers() throws {
    let members = try RoundsMembers(organisations: ["a", "b", "c", "d", "e", "f"], expired: [2])
    let cluster = try RoundsCluster(members, plan: members.plan(rounds: 1, expected: 5))
    cluster.start(joining: members.workers + ["coordinator", "stranger"]).finish()
    #expect(cluster.cohorts.allSatisfy { $0 == members.workers.filter { $0 != members.workers[2] } })
    #expect(cluster.outcomes == [.completed(1)])
  }

  // MARK: Retrying

  @Test("An abandoned attempt is tried again under the next number with fresh keys, and the round goes on from there")
  func retries() throws {
    let members = try RoundsMembers(count: 5)
    let cluster = try RoundsCluster(members, plan: members.plan(rounds: 1))
    cluster.uploads = { name, attempt in attempt.attempt > 0 || attempt.round > 1 || name > members.workers[1] }
    cluster.start().finish()
    #expect(cluster.outcomes == [.completed(1)])
    #expect(
      cluster.attempts.map { [UInt64($0.round.value), UInt64($0.attempt.value)] } == [[1, 0], [1, 1], [2, 0]])
    #expect(cluster.reports.first?.outcome == .abandoned(reason: "3 inputs arrived, 4 are needed"))
    #expect(cluster.reports.first?.summary == nil)
    let transcripts = cluster.actions.compactMap { if case .openUploads(let plan) = $0 { plan.upload } else { nil } }
    #expect(Set(transcripts).count == 3)
  }

  @Test("A round abandoned as often as allowed fails the run with the last reason, after growing pauses")
  func failsAfterTheMaximum() throws {
    let members = try RoundsMembers(count: 5)
    let cluster = try RoundsCluster(members, plan: members.plan(rounds: 1))
    cluster.uploads = { name, _ in name > members.workers[1] }
    cluster.start().finish()
    #expect(
      cluster.outcomes == [
        .failed(reason: "round 1 was abandoned 3 times; last: 3 inputs arrived, 4 are needed")
      ])
    #expect(cluster.attempts.map(\.attempt) == [0, 1, 2])
    #expect(cluster.reports.count == 3)
    #expect(cluster.commits.isEmpty)
    let pauses = cluster.actions.compactMap { (action) -> Duration? in
      guard case .startDeadline(let deadline, let duration) = action, deadline.kind == .retry else { return nil }
      return duration
    }
    #expect(pauses == [.milliseconds(500), .seconds(1)])
  }

  @Test("A run that resumes at a recorded attempt offers the next number")
  func resumes() throws {
    let members = try RoundsMembers(count: 5)
    let cluster = try RoundsCluster(members)
    cluster.run = members.run(members.plan(rounds: 3), round: 3, attempt: 4)
    cluster.start().finish()
    #expect(cluster.attempts.map(\.attempt) == [4, 0], "\(cluster.reports)")
    #expect(cluster.commits.map(\.version) == [3])
    #expect(cluster.outcomes == [.completed(3)])
  }

  @Test("Whoever is convicted is not selected again; of two in a dispute one at a time is")
  func excludesTheConvicted() throws {
    let members = try RoundsMembers(count: 8)
    let cluster = try RoundsCluster(members, plan: members.plan(rounds: 1))
    let liar = members.workers[3]
    cluster.onWayToCoordinator = { name, message in
      guard name == liar, case .bundle(let bundle) = message else { return [message] }
      let empty = ShareBundle(
        seedCommitment: bundle.bundle.seedCommitment, ownShareCommitment: bundle.bundle.ownShareCommitment, entries: [])
      return [
        .bundle(
          SignedBundle(
            transcript: bundle.transcript, dealer: bundle.dealer, bundle: empty, signature: bundle.signature))
      ]
    }
    cluster.start().finish()
    #expect(cluster.blamed == [liar])
    #expect(cluster.cohorts.map { $0.contains(liar) } == [true, false])
    #expect(cluster.outcomes == [.completed(1)])

    let disputed = try RoundsCluster(members, plan: members.plan(rounds: 1))
    var isSpoiled = false
    disputed.onWayToWorker = { name, message in
      guard name == members.workers[0], !isSpoiled, case .peerShares(let shares) = message else { return [message] }
      isSpoiled = true
      return [
        .peerShares(PeerShares(transcript: shares.transcript, entries: shares.entries.filter { $0.dealer != 5 }))
      ]
    }
    disputed.start().finish()
    #expect(disputed.blamed.sorted() == [members.workers[0], members.workers[5]])
    #expect(disputed.cohorts.map(\.count) == [8, 7])
    #expect(!Set([members.workers[0], members.workers[5]]).isSubset(of: disputed.cohorts[1]))
    #expect(disputed.outcomes == [.completed(1)])
  }

  // MARK: Deadlines and messages of the past

  @Test("Deadlines of an ended stage, attempt or round change nothing")
  func ignoresOldDeadlines() throws {
    let members = try RoundsMembers(count: 5)
    let cluster = try RoundsCluster(members)
    cluster.start()
    let first = AttemptID(run: "run", round: 1, attempt: 0)
    cluster.drain()
    let before = cluster.actions.count
    #expect(cluster.outcomes == [.completed(2)])
    for stage in SecureAggregationStage.allCases {
      cluster.feed(.deadlinePassed(.init(kind: .stage(stage), attempt: first), now: 9_000))
    }
    cluster.feed(.deadlinePassed(.init(kind: .gather, attempt: first), now: 9_000))
    cluster.feed(.deadlinePassed(.init(kind: .retry, attempt: first), now: 9_000))
    #expect(cluster.actions.count == before)

    let running = try RoundsCluster(members)
    running.start()
    running.feed(.deadlinePassed(.init(kind: .stage(.unmask), attempt: first), now: 9_000))
    let other = AttemptID(run: "run", round: 1, attempt: 1)
    running.feed(.deadlinePassed(.init(kind: .stage(.advertiseKeys), attempt: other), now: 9_000))
    running.feed(.deadlinePassed(.init(kind: .plainReport, attempt: first), now: 9_000))
    #expect(running.reports.isEmpty)
    running.finish()
    #expect(running.outcomes == [.completed(2)])
  }

  @Test("Messages of another attempt, of strangers and after the end are ignored; uploads then are refused")
  func ignoresTheRest() throws {
    let members = try RoundsMembers(count: 5)
    let cluster = try RoundsCluster(members)
    cluster.feed(.received(.accept(AttemptID(run: "run", round: 1, attempt: 0)), from: members.workers[0]))
    var late: [WorkerMessage] = []
    cluster.onWayToCoordinator = { _, message in
      late.append(message)
      return [message]
    }
    cluster.start().finish()
    let reports = cluster.reports.count
    for message in late { cluster.feed(.received(message, from: members.workers[0])) }
    #expect(cluster.reports.count == reports)

    let running = try RoundsCluster(members)
    running.start()
    for message in late { running.feed(.received(message, from: "stranger")) }
    #expect(running.blamed.isEmpty)
    running.finish()
    #expect(running.outcomes == [.completed(2)])
  }

  // MARK: Ending

  @Test("A stop ends the attempt in hand and tells its cohort")
  func stops() throws {
    let members = try RoundsMembers(count: 5)
    let cluster = try RoundsCluster(members)
    cluster.startTraining()
    cluster.feed(.stopRequested)
    cluster.drain()
    #expect(cluster.outcomes == [.stopped])
    for name in members.workers { #expect(cluster.endings(of: name) == [.abandoned(reason: "the run ends")]) }
    cluster.feed(.stopRequested)
    #expect(cluster.outcomes == [.stopped])
  }

  @Test("A stop while a version is being committed waits for it, and the workers hear of the commit")
  func stopsAfterTheCommit() throws {
    let members = try RoundsMembers(count: 5)
    let cluster = try RoundsCluster(members)
    cluster.start()
    while cluster.commits.isEmpty { try #require(cluster.step()) }
    cluster.feed(.stopRequested)
    #expect(cluster.outcomes.isEmpty)
    cluster.drain()
    #expect(cluster.outcomes == [.stopped])
    #expect(cluster.reports.map(\.outcome) == [.committed(1, modelDigest: members.model(1).modelDigest)])
    #expect(cluster.attempts.count == 1)
    for name in members.workers {
      #expect(cluster.endings(of: name) == [.committed(modelDigest: members.model(1).modelDigest, counted: true)])
    }
  }

  @Test("A driver that fails while committing fails the run, and the workers are told")
  func failsWhileCommitting() throws {
    let members = try RoundsMembers(count: 5)
    let cluster = try RoundsCluster(members)
    cluster.start()
    while cluster.commits.isEmpty { try #require(cluster.step()) }
    cluster.feed(.failed(reason: "the disk is full"))
    cluster.drain()
    #expect(cluster.outcomes == [.failed(reason: "the disk is full")])
    for name in members.workers { #expect(cluster.endings(of: name) == [.abandoned(reason: "the run ends")]) }
  }

  @Test("A sum that nobody ordered, or without weight, does not close a round")
  func checksTheSum() throws {
    let members = try RoundsMembers(count: 5)
    let cluster = try RoundsCluster(members)
    cluster.startTraining()
    let nothing = SumSummary(
      weight: 5, workers: 5, clipped: 0, saturated: 0, metrics: RoundMetrics(lossSum: 0, correct: 0, evaluated: 0))
    cluster.feed(.sumOpened(nothing))
    #expect(cluster.commits.isEmpty)
    #expect(cluster.reports.isEmpty)

    let weightless = try RoundsCluster(members)
    weightless.beforeOpening = {
      [
        .sumOpened(
          SumSummary(
            weight: 0, workers: 5, clipped: 0, saturated: 0,
            metrics: RoundMetrics(lossSum: 0, correct: 0, evaluated: 0)))
      ]
    }
    weightless.start().finish(timersMax: 1)
    #expect(weightless.reports.first?.outcome == .abandoned(reason: "the summed weight is zero"))
  }
}
