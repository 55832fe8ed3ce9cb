import Cryptography
import Federation
import Rounds
import SecureAggregation
import Testing

/// The combinations that would open one worker's update, across attempts, retries and restarts. Within one attempt:
/// `Tests/SecureAggregationTests/CatastrophicCombinationTests.swift`, which lists all ten.
///
/// | combination | test here |
/// | --- | --- |
/// | 1. both secrets of one worker, by a restart between the two | `remembersItsRelease`, `refusesRolledBackAttempts` |
/// | 2. two masked inputs under one transcript, by a restart between the two | `masksNothingAgain` |
/// | 3. one key in two transcripts | `advertisesNewKeys` |
/// | 4. one model, many sums | `countsContributionsAcrossRestarts` |
/// | 7. secrets that exist before the attempt, in a copied process | `drawsNothingWhileIdle` |
/// | 9. a second run of a transcript | `refusesRolledBackAttempts`, `offersNewNumbers` |
@Suite("Catastrophic combinations across attempts and restarts")
struct CatastrophicCombinationTests {
  /// A run of one round that has ended, and everything that the first worker was sent.
  private static func finished(_ members: RoundsMembers) throws -> (RoundsCluster, [CoordinatorMessage]) {
    let cluster = try RoundsCluster(members, plan: members.plan(rounds: 1))
    var heard: [CoordinatorMessage] = []
    cluster.onWayToWorker = { worker, message in
      if worker == members.workers[0] { heard.append(message) }
      return [message]
    }
    cluster.start().finish()
    try #require(cluster.outcomes.count == 1)
    return (cluster, heard)
  }

  // MARK: 1

  @Test("A worker that starts again and hears a whole attempt once more declines it as stale and says nothing else")
  func remembersItsRelease() throws {
    let members = try RoundsMembers(count: 5)
    let (cluster, heard) = try Self.finished(members)
    let name = members.workers[0]
    #expect(try #require(cluster.workers[name]).ledger.releases.count == 2)
    try cluster.restart(name)
    let before = try #require(cluster.workerActions[name]).count
    for message in heard { cluster.send(message, to: name) }
    let after = Array(try #require(cluster.workerActions[name])[before...])
    #expect(after.declines == [.stale, .stale])
    #expect(Set(after.story).subtracting(["decline", "note"]).isEmpty)
  }

  // MARK: 1, 9

  @Test("A coordinator whose disk was rolled back offers what was offered before: every worker declines, no sum opens")
  func refusesRolledBackAttempts() throws {
    let members = try RoundsMembers(count: 5)
    let (cluster, _) = try Self.finished(members)
    let commits = cluster.commits.count
    let before = cluster.workerActions.mapValues(\.count)
    cluster.run = members.run(members.plan(rounds: 1))
    cluster.start().drain()
    for name in members.workers {
      let after = Array((cluster.workerActions[name] ?? [])[(before[name] ?? 0)...])
      #expect(after.declines == [.stale])
      #expect(!after.story.contains("advert"))
    }
    #expect(cluster.commits.count == commits)
    guard case .abandoned? = cluster.reports.last?.outcome else {
      Issue.record("the attempt was not abandoned")
      return
    }
  }

  // MARK: 2

  @Test("A worker that dies after its input was recorded never masks for that attempt again")
  func masksNothingAgain() throws {
    let members = try RoundsMembers(count: 5)
    let cluster = try RoundsCluster(members, plan: members.plan(rounds: 1))
    let name = members.workers[0]
    var heard: [CoordinatorMessage] = []
    cluster.onWayToWorker = { worker, message in
      if worker == name { heard.append(message) }
      return [message]
    }
    cluster.start()
    while cluster.step(), !cluster.records(of: name).contains(where: \.isContribution) {}
    try cluster.restart(name)
    let before = try #require(cluster.workerActions[name]).count
    for message in heard { cluster.send(message, to: name) }
    let after = Array(try #require(cluster.workerActions[name])[before...])
    #expect(after.declines == [.stale])
    #expect(!after.story.contains("upload") && !after.story.contains("train"))
  }

  // MARK: 3

  @Test("No key of an advert was ever in another one, over attempts, rounds and restarts")
  func advertisesNewKeys() throws {
    let members = try RoundsMembers(count: 5)
    let cluster = try RoundsCluster(members)
    var keys: [AgreementPublicKey] = []
    cluster.onWayToCoordinator = { _, message in
      if case .advert(_, let advert) = message { keys += [advert.entry.encryptionKey, advert.entry.maskKey] }
      return [message]
    }
    cluster.uploads = { _, attempt in attempt.attempt > 0 || attempt.round > 1 }
    cluster.start()
    var restarts = 0
    cluster.misfortune = { cluster in
      guard restarts < 2, cluster.attempts.count == restarts + 2 else { return }
      restarts += 1
      try cluster.restart(members.workers[restarts])
      cluster.feed(.workerRestarted(members.workers[restarts]))
    }
    cluster.finish()
    #expect(restarts == 2)
    #expect(keys.count > 5 * 2 * 3)
    #expect(Set(keys).count == keys.count)
  }

  // MARK: 4

  @Test("Retries count against the model in every process of a worker: at the limit it declines, whoever asks")
  func countsContributionsAcrossRestarts() throws {
    let members = try RoundsMembers(count: 5)
    var plan = members.plan(rounds: 1)
    plan.attemptsPerRoundMax = 6
    let cluster = try RoundsCluster(members, plan: plan)
    // Inputs are made, and never arrive at the coordinator.
    cluster.uploads = { _, _ in false }
    let name = members.workers[0]
    var attempts = 1
    cluster.misfortune = { cluster in
      guard cluster.attempts.count > attempts else { return }
      attempts = cluster.attempts.count
      try cluster.restart(name)
    }
    cluster.start().finish()
    #expect(cluster.attempts.count == 6)
    #expect(cluster.records(of: name).count(where: \.isContribution) == 3)
    #expect(cluster.declines(of: name).contains(.contributionsExhausted))
    #expect(cluster.commits.isEmpty)
  }

  // MARK: 7

  @Test("A worker that waits for an offer, or declines one, has drawn nothing that a copy of its process would share")
  func drawsNothingWhileIdle() throws {
    let members = try RoundsMembers(count: 5)
    let name = members.workers[0], secrets = CountingSecrets()
    var worker = WorkerStateMachine(
      certificate: try #require(members.membership[name]).certificate, membership: members.membership,
      coordinatorKey: members.coordinatorKey.signingPublicKey, policy: members.policy,
      signingKey: try #require(members.keys[name]), secrets: secrets, ledger: WorkerLedger())
    let bad = members.offer(signedBy: members.authority)
    #expect(worker.handle(.received(.offer(bad), now: RoundsCluster.now)).declines == [.badOffer])
    let offer = members.offer()
    _ = worker.handle(.received(.offer(offer), now: RoundsCluster.now))
    #expect(secrets.count == 0)
    _ = worker.handle(.modelHeld(offer.attempt, modelDigest: offer.modelDigest))
    #expect(secrets.count > 0)
  }

  // MARK: 9

  @Test("A coordinator that starts again offers the first number that was never recorded, and workers take it")
  func offersNewNumbers() throws {
    let members = try RoundsMembers(count: 5)
    let cluster = try RoundsCluster(members, plan: members.plan(rounds: 1))
    cluster.start()
    while cluster.step(), cluster.records(of: members.workers[0]).isEmpty {}
    cluster.run = members.run(members.plan(rounds: 1), attempt: 1)
    cluster.start().finish()
    let trained = cluster.attempts.filter { $0.round == 1 }
    #expect(trained.map(\.attempt) == [0, 1])
    #expect(cluster.outcomes == [.completed(1)])
  }
}

extension WorkerLedger.Entry {
  fileprivate var isContribution: Bool { if case .contributed = self { true } else { false } }
}

/// Counts the bytes that are drawn from it.
private final class CountingSecrets: SecretSource, @unchecked Sendable {
  private(set) var count = 0
  private let source = SeededSecretSource(seed: [3])

  func fill(_ buffer: UnsafeMutableRawBufferPointer) {
    count += buffer.count
    source.fill(buffer)
  }
}
