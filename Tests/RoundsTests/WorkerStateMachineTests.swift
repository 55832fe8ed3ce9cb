import Cryptography
import Federation
import Rounds
import SecureAggregation
import Testing

/// A worker by events and actions alone: what it refuses, what it remembers, what it says when.
struct WorkerStateMachineTests {
  static let attempt = AttemptID(run: "run", round: 1, attempt: 0)

  private static func worker(
    _ members: RoundsMembers, policy: WorkerPolicy? = nil, ledger: WorkerLedger = WorkerLedger()
  )
    throws -> WorkerStateMachine
  {
    try members.worker(members.workers[0], policy: policy ?? members.policy, ledger: ledger)
  }

  private static func take(_ offer: RoundOffer, by worker: inout WorkerStateMachine) -> [WorkerStateMachine.Action] {
    defer { worker.checkInvariants() }
    return worker.handle(.received(.offer(offer), now: RoundsCluster.now))
  }

  // MARK: Offers

  enum Bad: String, CaseIterable, Sendable {
    case signedByAnother, taskOfAnotherDigest, otherMembership, evaluatesWithUpdate, trainsWithoutUpdate
    case plainNotAllowed, suiteNotAllowed, modeNotAllowed, clipTooLarge, plainClipTooLarge

    var reason: DeclineReason {
      switch self {
      case .signedByAnother, .taskOfAnotherDigest, .evaluatesWithUpdate, .trainsWithoutUpdate: .badOffer
      case .otherMembership, .plainNotAllowed, .suiteNotAllowed, .modeNotAllowed, .clipTooLarge, .plainClipTooLarge:
        .policy
      }
    }
  }

  @Test("A bad offer is declined by name, recorded nowhere and trained on never", arguments: Bad.allCases)
  func declines(_ bad: Bad) throws {
    let isPlain = bad == .plainNotAllowed || bad == .plainClipTooLarge
    var members = try RoundsMembers(count: 5, aggregation: isPlain ? .plain : .secure)
    var policy = members.policy
    let others = try RoundsMembers(count: 6)
    let offer: RoundOffer
    switch bad {
    case .signedByAnother: offer = members.offer(signedBy: members.authority)
    case .taskOfAnotherDigest:
      var task = members.task(.train)
      task.seed += 1
      offer = members.offer(task: task)
    case .otherMembership: offer = others.offer()
    case .evaluatesWithUpdate: offer = members.offer(kind: .evaluate) { $0.vectorLength = 9 }
    case .trainsWithoutUpdate: offer = members.offer { $0.vectorLength = 0 }
    case .plainNotAllowed:
      policy.allowPlain = false
      offer = members.offer()
    case .suiteNotAllowed:
      policy.suites = [.aes256]
      offer = members.offer()
    case .modeNotAllowed: offer = members.offer { $0.mode = .semiHonest }
    case .clipTooLarge, .plainClipTooLarge:
      policy.clipMaximum = 0.5
      offer = members.offer()
    }
    members.policy = policy
    var worker = try Self.worker(members)
    let actions = Self.take(offer, by: &worker)
    #expect(actions.declines == [bad.reason])
    #expect(actions.story == ["decline", "note"])
    #expect(worker.attempt == nil)
    #expect(worker.ledger == WorkerLedger())
  }

  @Test("An acceptable offer is recorded before the model is fetched, and answered when the model is held")
  func accepts() throws {
    let members = try RoundsMembers(count: 5)
    var worker = try Self.worker(members)
    let offer = members.offer()
    #expect(Self.take(offer, by: &worker).story == ["record attemptBegun", "fetchModel", "startDeadline"])
    #expect(worker.phase == .fetchingModel)
    let held = WorkerStateMachine.Event.modelHeld(Self.attempt, modelDigest: offer.modelDigest)
    #expect(worker.handle(held).story == ["advert", "train", "startDeadline"])
    #expect(worker.phase == .training)
    #expect(worker.handle(held).isEmpty)
    #expect(worker.handle(.trained(Self.attempt)).isEmpty)
    #expect(worker.phase == .waiting)
  }

  @Test("The same offer again is answered by the same advert, once there is one; another one of its name is not")
  func repeatsItsAdvert() throws {
    let members = try RoundsMembers(count: 5)
    var worker = try Self.worker(members)
    let offer = members.offer()
    _ = Self.take(offer, by: &worker)
    #expect(Self.take(offer, by: &worker).story == ["note"])
    func advert(_ actions: [WorkerStateMachine.Action]) -> KeyAdvert? {
      for case .send(.advert(_, let advert)) in actions { return advert }
      return nil
    }
    let first = advert(worker.handle(.modelHeld(Self.attempt, modelDigest: offer.modelDigest)))
    #expect(first != nil)
    #expect(advert(Self.take(offer, by: &worker)) == first)
    #expect(Self.take(members.offer(model: "another"), by: &worker).story == ["note"])
  }

  @Test("A model of another digest is refused before anything is trained")
  func refusesOtherModel() throws {
    let members = try RoundsMembers(count: 5)
    var worker = try Self.worker(members)
    _ = Self.take(members.offer(), by: &worker)
    let actions = worker.handle(.modelHeld(Self.attempt, modelDigest: .sha256(of: [1])))
    #expect(actions.declines == [.badOffer])
    #expect(actions.endings == [.refused(.wrongDigest)])
    #expect(worker.attempt == nil)
  }

  @Test("A model that does not come is declined, and so is training that fails")
  func declinesOnFailure() throws {
    let members = try RoundsMembers(count: 5)
    var worker = try Self.worker(members)
    _ = Self.take(members.offer(), by: &worker)
    #expect(worker.handle(.modelUnavailable(Self.attempt, reason: "gone")).declines == [.modelUnavailable])
    let next = members.offer(attempt: 1)
    _ = Self.take(next, by: &worker)
    _ = worker.handle(.modelHeld(next.attempt, modelDigest: next.modelDigest))
    let actions = worker.handle(.trainingFailed(next.attempt, reason: "not a number"))
    #expect(actions.declines == [.trainingFailed])
    #expect(actions.endings == [.aborted(reason: "not a number")])
  }

  // MARK: The ledger

  @Test("Attempts that are not newer than what was seen are stale, after a restart too")
  func refusesStaleOffers() throws {
    let members = try RoundsMembers(count: 5)
    var worker = try Self.worker(members)
    _ = Self.take(members.offer(round: 2, attempt: 3), by: &worker)
    var reborn = try Self.worker(members, ledger: worker.ledger)
    for (round, attempt) in [(1, 9), (2, 2), (2, 3)] as [(UInt64, UInt32)] {
      let old = members.offer(round: RoundNumber(round), attempt: AttemptNumber(attempt))
      #expect(Self.take(old, by: &reborn).declines == [.stale])
    }
    #expect(Self.take(members.offer(round: 2, attempt: 4), by: &reborn).story.first == "record attemptBegun")
    // The living one holds that attempt: the same offer is a repetition there, an older one is stale and disturbs nothing.
    #expect(Self.take(members.offer(round: 2, attempt: 2), by: &worker).declines == [.stale])
    #expect(worker.attempt == AttemptID(run: "run", round: 2, attempt: 3))
  }

  @Test("A model is contributed to as often as the policy says, in whatever attempts, and then not again")
  func limitsContributions() throws {
    let members = try RoundsMembers(count: 5)
    var ledger = WorkerLedger()
    for attempt in 0..<3 {
      let id = AttemptID(run: "run", round: 1, attempt: AttemptNumber(UInt32(attempt)))
      ledger.apply(.attemptBegun(id))
      ledger.apply(.contributed(id, modelDigest: .sha256(of: Array("model 0".utf8))))
    }
    var worker = try Self.worker(members, ledger: ledger)
    #expect(Self.take(members.offer(attempt: 3), by: &worker).declines == [.contributionsExhausted])
    #expect(Self.take(members.offer(attempt: 4, model: "model 1"), by: &worker).declines.isEmpty)
    var strict = members.policy
    strict.maximumAttemptsPerModel = 1
    var fresh = try Self.worker(members, policy: strict)
    #expect(Self.take(members.offer(attempt: 4), by: &fresh).declines.isEmpty)
  }

  @Test("The contribution is recorded before the upload, and only uploads count")
  func recordsContributions() throws {
    let members = try RoundsMembers(count: 5)
    let cluster = try RoundsCluster(members, plan: members.plan(rounds: 1))
    cluster.uploads = { name, attempt in attempt.attempt > 0 || attempt.round > 1 || name > members.workers[1] }
    cluster.start().finish()
    for name in members.workers {
      let story = try #require(cluster.workerActions[name]).story
      var contributed = 0
      for step in story {
        if step == "record contributed" { contributed += 1 }
        if step == "upload" {
          #expect(contributed == 1)
          contributed = 0
        }
      }
      let ledger = try #require(cluster.workers[name]).ledger
      // The first of the two on version 0 was given up before anybody released: everyone's promise excuses it.
      #expect(story.filter { $0 == "record excused" }.count == 1)
      #expect(ledger.contributionCount(run: "run", modelDigest: members.model(0).modelDigest) == 1)
      #expect(ledger.contributionCount(run: "run", modelDigest: members.model(1).modelDigest) == 1)
    }
  }

  @Test("Workers that have given what they may block the round, and the run says so")
  func blocksExhaustedRuns() throws {
    let members = try RoundsMembers(count: 5)
    var policy = members.policy
    policy.maximumAttemptsPerModel = 1
    let cluster = try RoundsCluster(members, plan: members.plan(rounds: 1), policy: policy)
    cluster.uploads = { name, _ in name > members.workers[1] }
    cluster.onWayToCoordinator = { _, message in if case .abort = message { [] } else { [message] } }
    cluster.start().finish()
    for name in members.workers { #expect(cluster.declines(of: name) == [.contributionsExhausted]) }
    #expect(cluster.outcomes.isEmpty)
    #expect(cluster.run.phase == "blocked: contributions exhausted")
  }

  @Test("A promise is recorded before the abort, a survivor set before the agreement, a release before the shares")
  func recordsFirst() throws {
    let members = try RoundsMembers(count: 5)
    let cluster = try RoundsCluster(members, plan: members.plan(rounds: 1))
    let silent = members.workers[2]
    cluster.training = { name, offer in name == silent ? [] : [.trained(offer.attempt)] }
    cluster.start().drain()
    let name = members.workers[0]
    cluster.feed(.stopRequested, to: silent)
    cluster.finish()
    let stopped = try #require(cluster.workerActions[silent]).story
    let promise = try #require(stopped.firstIndex(of: "record promised"))
    #expect(stopped[(promise + 1)...].first == "abort")
    let story = try #require(cluster.workerActions[name]).story
    let agreed = try #require(story.firstIndex(of: "agree"))
    #expect(story[agreed - 1] == "record survivorsSigned")
    let unmasked = try #require(story.firstIndex(of: "unmask"))
    #expect(story[unmasked - 1] == "record released")
    let ledger = try #require(cluster.workers[name]).ledger
    #expect(ledger.releases.count == 2)
    #expect(ledger.promises.isEmpty)
    #expect(Set(ledger.survivorSets.keys) == ledger.releases)
  }

  @Test("A worker that died after its agreement refuses the same attempt for ever")
  func refusesAfterRestart() throws {
    let members = try RoundsMembers(count: 5)
    let cluster = try RoundsCluster(members, plan: members.plan(rounds: 1))
    let name = members.workers[0]
    var offers: [RoundOffer] = []
    var toVictim: [CoordinatorMessage] = []
    cluster.onWayToWorker = { worker, message in
      guard worker == name else { return [message] }
      toVictim.append(message)
      if case .offer(let offer) = message { offers.append(offer) }
      if case .quorum = message { return [] }
      return [message]
    }
    cluster.start().drain()
    #expect(cluster.records(of: name).contains { if case .survivorsSigned = $0 { true } else { false } })
    try cluster.restart(name)
    let before = try #require(cluster.workerActions[name]).count
    for message in toVictim { cluster.send(message, to: name) }
    let after = Array(try #require(cluster.workerActions[name])[before...])
    #expect(after.declines == offers.map { _ in .stale })
    #expect(offers.count == 2)
    #expect(!after.story.contains("unmask"))
    #expect(!after.story.contains("agree"))
    #expect(!after.story.contains("upload"))
  }

  // MARK: Attempts in hand

  @Test("A newer attempt ends the one in hand with a promise; an unsigned one does not")
  func movesOn() throws {
    let members = try RoundsMembers(count: 5)
    let cluster = try RoundsCluster(members)
    cluster.startTraining()
    let name = members.workers[0]
    #expect(cluster.workers[name]?.attempt == Self.attempt)
    cluster.send(.offer(members.offer(round: 1, attempt: 5, signedBy: members.authority)), to: name)
    #expect(cluster.workers[name]?.attempt == Self.attempt)
    #expect(cluster.endings(of: name).isEmpty)
    cluster.send(.offer(members.offer(round: 1, attempt: 5)), to: name)
    #expect(cluster.workers[name]?.attempt?.attempt == 5)
    #expect(cluster.endings(of: name) == [.abandoned(reason: "a newer attempt")])
    #expect(cluster.records(of: name).contains { if case .promised = $0 { true } else { false } })
  }

  @Test("Deadlines of earlier steps and of other attempts are ignored; the one of this step ends the attempt")
  func hearsItsOwnDeadline() throws {
    let members = try RoundsMembers(count: 5)
    var worker = try Self.worker(members)
    let offer = members.offer()
    func deadlines(_ actions: [WorkerStateMachine.Action]) -> [(WorkerStateMachine.DeadlineID, Duration)] {
      actions.compactMap { if case .startDeadline(let id, let after) = $0 { (id, after) } else { nil } }
    }
    let first = deadlines(Self.take(offer, by: &worker))
    let second = deadlines(worker.handle(.modelHeld(Self.attempt, modelDigest: offer.modelDigest)))
    #expect(first.count == 1 && second.count == 1)
    // Longer than anything the coordinator may spend on setup and inputs, or a slow peer would cost this one its place.
    #expect(second[0].1 > .seconds(10 + 2 * 10 + 60))
    #expect(worker.handle(.deadlinePassed(first[0].0)).isEmpty)
    let other = AttemptID(run: "run", round: 9, attempt: 0)
    #expect(worker.handle(.deadlinePassed(.init(attempt: other, step: second[0].0.step))).isEmpty)
    #expect(worker.handle(.deadlinePassed(second[0].0)).endings == [.aborted(reason: "deadline")])
    #expect(worker.attempt == nil)
  }

  @Test("Events of an attempt that is over say nothing")
  func ignoresThePast() throws {
    let members = try RoundsMembers(count: 5)
    var worker = try Self.worker(members)
    let offer = members.offer(attempt: 2)
    _ = Self.take(offer, by: &worker)
    let events: [WorkerStateMachine.Event] = [
      .modelHeld(Self.attempt, modelDigest: offer.modelDigest), .modelUnavailable(Self.attempt, reason: ""),
      .trained(Self.attempt), .trainingFailed(Self.attempt, reason: ""), .uploaded(Self.attempt),
      .uploadRefused(Self.attempt, reason: ""),
      .received(.ended(Self.attempt, .abandoned, reason: ""), now: RoundsCluster.now),
    ]
    for event in events { #expect(worker.handle(event).isEmpty) }
    #expect(worker.attempt == offer.attempt)
  }

  @Test("What a worker signed when it left is said again in every session, until another model is offered")
  func repeatsItsStatements() throws {
    let members = try RoundsMembers(count: 5)
    let cluster = try RoundsCluster(members)
    cluster.startTraining()
    var worker = try #require(cluster.workers[members.workers[0]])
    #expect(worker.handle(.connected).isEmpty)
    func aborts(_ actions: [WorkerStateMachine.Action]) -> [WorkerAbort] {
      actions.compactMap { if case .send(.abort(let abort)) = $0 { abort } else { nil } }
    }
    let said = aborts(worker.handle(.uploadRefused(Self.attempt, reason: "no attempt is open")))
    #expect(said.count == 1 && said.allSatisfy { worker.ledger.promises.contains($0.transcript) })
    for _ in 1...2 {
      let again = worker.handle(.connected)
      #expect(aborts(again) == said && again.count == 1)
    }
    // The next attempt on the model changes nothing: it is then that the promise has a use.
    _ = Self.take(members.offer(attempt: 1), by: &worker)
    #expect(aborts(worker.handle(.connected)) == said)
    // Whoever only claims to be the coordinator does not make it forget.
    _ = Self.take(members.offer(round: 2, model: "another", signedBy: members.authority), by: &worker)
    #expect(aborts(worker.handle(.connected)) == said)
    _ = Self.take(members.offer(round: 2, model: "another"), by: &worker)
    #expect(worker.handle(.connected).isEmpty)
  }

  @Test("In secure mode only the signed result commits; the unsigned word of it does not")
  func believesOnlySignatures() throws {
    let members = try RoundsMembers(count: 5)
    let cluster = try RoundsCluster(members)
    cluster.startTraining()
    let name = members.workers[0]
    cluster.send(.ended(Self.attempt, .committed, reason: ""), to: name)
    #expect(cluster.workers[name]?.attempt == Self.attempt)
    cluster.send(.ended(Self.attempt, .notCounted, reason: ""), to: name)
    #expect(cluster.endings(of: name) == [.notCounted])
  }

  @Test("A refused roster is declined: there is no transcript yet to abort")
  func declinesBadRoster() throws {
    let members = try RoundsMembers(count: 5)
    let cluster = try RoundsCluster(members, plan: members.plan(rounds: 1))
    let name = members.workers[0]
    var isTampered = false
    cluster.onWayToWorker = { worker, message in
      guard worker == name, !isTampered, case .roster(let attempt, let roster) = message else { return [message] }
      isTampered = true
      return [.roster(attempt, RosterMessage(adverts: roster.adverts.reversed(), signature: roster.signature))]
    }
    cluster.start().finish()
    #expect(cluster.declines(of: name) == [.badOffer])
    #expect(cluster.endings(of: name).first == .refused(.rosterOrder))
    // The coordinator did not have to wait for its deadline.
    #expect(cluster.time == .zero)
    #expect(cluster.reports.first?.reported == 4)
  }
}
