import Federation
import Rounds
import SecureAggregation
import Testing

/// What an abandoned attempt leaves behind: contributions that count or not, disputes, a run that waits for consent
/// (rulings A3, A8).
struct RetryTests {
  /// A run of one round in which M7 of the first `lost` attempts never arrives: everyone has sent a masked input, nobody
  /// has released anything.
  private static func cluster(
    losing lost: UInt32, count: Int = 8, limit: UInt32 = 1, attempts: UInt32 = 5
  ) throws -> RoundsCluster {
    var members = try RoundsMembers(count: count)
    members.policy.maximumAttemptsPerModel = limit
    var plan = members.plan(rounds: 1)
    plan.attemptsPerRoundMax = attempts
    let cluster = try RoundsCluster(members, plan: plan, policy: members.policy)
    cluster.onWayToCoordinator = { _, message in
      guard case .agree = message else { return [message] }
      return cluster.run.round.value == 1 && cluster.run.attempt.value < lost ? [] : [message]
    }
    return cluster
  }

  private static func entries(_ cluster: RoundsCluster, _ name: WorkerID) -> [WorkerLedger.Entry] {
    (cluster.workerActions[name] ?? []).compactMap { if case .record(let entry) = $0 { entry } else { nil } }
  }

  @Test("An attempt of which everyone promises to release nothing does not count against the one contribution allowed")
  func sealedAttemptsDoNotCount() throws {
    let cluster = try Self.cluster(losing: 2).start().finish()
    #expect(cluster.run.outcome == .completed(1))
    for name in cluster.members.workers {
      let entries = Self.entries(cluster, name)
      #expect(entries.count { if case .contributed(let id, _) = $0 { id.round == 1 } else { false } } == 3)
      #expect(entries.count { if case .excused = $0 { true } else { false } } == 2)
      #expect(entries.count { if case .promised = $0 { true } else { false } } >= 2)
    }
  }

  @Test("Promises are durable before they are sent, and nothing is released after one")
  func promisesComeFirst() throws {
    let cluster = try Self.cluster(losing: 1).start().finish()
    for name in cluster.members.workers {
      var promised: Set<Digest> = []
      for action in cluster.workerActions[name] ?? [] {
        switch action {
        case .record(.promised(let transcript)): promised.insert(transcript)
        case .send(.abort(let abort)): #expect(promised.contains(abort.transcript) && !abort.hasReleased)
        case .send(.unmask(let shares)): #expect(!promised.contains(shares.transcript))
        default: break
        }
      }
      #expect(!promised.isEmpty)
    }
  }

  @Test("Where too few promises come back the contribution counts, and the run is blocked until its owners consent")
  func blocksUntilConsent() throws {
    let cluster = try Self.cluster(losing: 1)
    let agree = cluster.onWayToCoordinator
    // Too few aborts reach the coordinator: nobody can know that the attempt is sealed.
    let silent = Set(cluster.members.workers.prefix(5))
    cluster.onWayToCoordinator = { name, message in
      if case .abort = message, silent.contains(name) { return [] }
      return agree(name, message)
    }
    cluster.start().finish()
    #expect(cluster.run.outcome == nil)
    #expect(cluster.run.phase == "blocked: contributions exhausted")
    let reasons = cluster.actions.compactMap { if case .blocked(let reason) = $0 { reason } else { nil } }
    #expect(reasons.count == 1 && reasons[0].contains("maximum-attempts-per-model"))
    // An owner's consent is a new law, which a worker reads when it starts.
    var law = cluster.members.policy
    law.maximumAttemptsPerModel = 2
    for name in cluster.members.workers {
      try cluster.restart(name, policy: law)
      cluster.feed(.workerRestarted(name))
    }
    cluster.finish()
    #expect(cluster.run.outcome == .completed(1))
  }

  @Test("Promises that were lost with the link are said in the next session, and the attempt does not count")
  func lostPromisesAreSaidAgain() throws {
    let cluster = try Self.cluster(losing: 1)
    let agree = cluster.onWayToCoordinator
    // As many as leave too few: alone they would block the run.
    let silent = Set(cluster.members.workers.prefix(5))
    var isDown = true
    cluster.onWayToCoordinator = { name, message in
      if case .abort = message, isDown, silent.contains(name) { return [] }
      return agree(name, message)
    }
    cluster.misfortune = { cluster in
      guard isDown, cluster.run.round == 1, cluster.run.attempt == 1,
        cluster.members.workers.allSatisfy({ cluster.workers[$0]?.attempt == nil })
      else { return }
      isDown = false
      for name in silent.sorted() {
        cluster.feed(.workerJoined(name))
        cluster.feed(WorkerStateMachine.Event.connected, to: name)
      }
    }
    cluster.start().finish()
    #expect(!isDown)
    #expect(cluster.run.outcome == .completed(1))
    for name in cluster.members.workers {
      #expect(Self.entries(cluster, name).count { if case .excused = $0 { true } else { false } } == 1)
    }
  }

  @Test("A worker keeps the last statements only, however many attempts fail")
  func statementsAreBounded() throws {
    let attempts = UInt32(WorkerStateMachine.statementsMax) + 2
    let cluster = try Self.cluster(losing: attempts, count: 5, attempts: attempts).start().finish(timersMax: 1_000)
    #expect(cluster.run.outcome.map { if case .failed = $0 { true } else { false } } == true)
    for name in cluster.members.workers {
      func aborts(_ actions: [WorkerStateMachine.Action]) -> [WorkerAbort] {
        actions.compactMap { if case .send(.abort(let abort)) = $0 { abort } else { nil } }
      }
      let said = aborts(cluster.workerActions[name] ?? [])
      #expect(Set(said.map(\.transcript)).count == Int(attempts))
      #expect(
        aborts(cluster.workers[name]?.handle(.connected) ?? []) == said.suffix(WorkerStateMachine.statementsMax))
    }
  }

  @Test("A restart with the same law lifts nothing")
  func consentNeedsAnotherLaw() throws {
    let cluster = try Self.cluster(losing: 1)
    let agree = cluster.onWayToCoordinator
    cluster.onWayToCoordinator = { name, message in
      if case .abort = message { return [] }
      return agree(name, message)
    }
    cluster.start().finish()
    for name in cluster.members.workers {
      try cluster.restart(name)
      cluster.feed(.workerRestarted(name))
    }
    cluster.finish()
    #expect(cluster.run.phase == "blocked: contributions exhausted")
    #expect(cluster.commits.isEmpty)
  }

  @Test("Forged promises lift nothing: a coordinator cannot buy a second contribution")
  func forgedPromisesLiftNothing() throws {
    let cluster = try Self.cluster(losing: 1)
    let victim = cluster.members.workers[0]
    cluster.onWayToWorker = { name, message in
      guard name == victim, case .aborts(let message) = message else { return [message] }
      // The coordinator holds only its own signature: everyone's promise in one worker's hand.
      let forged = message.statements.map {
        WorkerAbort(
          transcript: $0.transcript, worker: $0.worker, hasReleased: false, code: $0.code,
          signature: message.statements[0].signature)
      }
      return [.aborts(AbortStatements(attempt: message.attempt, transcript: message.transcript, statements: forged))]
    }
    cluster.start().finish()
    let declined = (cluster.workerActions[victim] ?? []).compactMap {
      if case .note(.declined(_, let reason, _)) = $0 { reason } else { nil }
    }
    #expect(declined == [.contributionsExhausted])
    #expect(cluster.run.outcome == .completed(1))
  }

  @Test("A liar that spoils an attempt with one false complaint is left out of the next ones with its second victim")
  func separatesDisputants() throws {
    // Five workers tolerate one dropout: a dispute, which costs two, ends the attempt.
    let members = try RoundsMembers(count: 7)
    var plan = members.plan(rounds: 2)
    plan.attemptsPerRoundMax = 5
    let cluster = try RoundsCluster(members, plan: plan)
    let liar = members.workers[2]
    cluster.onWayToCoordinator = { name, message in
      guard name == liar, case .shareCheck(let check) = message, let key = members.keys[liar] else { return [message] }
      let victim = (0..<check.complaints.count).first { $0 != check.helper } ?? 0
      let complaints = Bitmap(members: [victim], count: check.complaints.count)
      let signed = SignedString.shareCheck(
        transcript: check.transcript, helper: check.helper, complaints: complaints)
      return [
        .shareCheck(
          SignedShareCheck(
            transcript: check.transcript, helper: check.helper, complaints: complaints,
            signature: key.signature(over: signed)))
      ]
    }
    cluster.start().finish()
    #expect(cluster.run.outcome == .completed(2))
    // Whom it has accused it never meets again, and nobody is convicted on its word.
    let cohorts = cluster.actions.compactMap { if case .recordAttempt(_, let cohort) = $0 { cohort } else { nil } }
    let disputes = cluster.actions.compactMap { action -> WorkerID? in
      if case .blame(let worker, _) = action, worker != liar { worker } else { nil }
    }
    #expect(!disputes.isEmpty)
    for (place, cohort) in cohorts.enumerated() where place > 0 && cohort.contains(liar) {
      #expect(disputes.prefix(place).allSatisfy { !cohort.contains($0) })
    }
  }
}
