import Federation
import Rounds
import Testing

@Suite("A run that shares its fleet, or that people set aside")
struct SharedRunTests {
  @Test("A held run offers in its turn alone, and to nobody who is busy")
  func waitsForItsTurn() throws {
    let members = try RoundsMembers(count: 8)
    let cluster = try RoundsCluster(members)
    cluster.run.isHeld = true
    cluster.start()
    #expect(cluster.attempts.isEmpty)
    #expect(cluster.run.isWaitingForWorkers && cluster.run.isReady)
    // Three are too few for a safe survivor set.
    cluster.feed(.turn(.init(busy: Set(members.workers.dropFirst(3)))))
    #expect(cluster.attempts.isEmpty)
    cluster.feed(.turn(.init(busy: Set(members.workers.prefix(2)))))
    #expect(cluster.cohorts == [Array(members.workers.dropFirst(2))])
    #expect(cluster.run.cohort == Array(members.workers.dropFirst(2)))
    #expect(!cluster.run.isWaitingForWorkers)
  }

  @Test("The first attempt waits for workers that never came, not for those known not to suit the run")
  func countsTheUnsuited() throws {
    let members = try RoundsMembers(count: 8)
    let cluster = try RoundsCluster(members)
    cluster.run.isHeld = true
    cluster.start(joining: Array(members.workers.prefix(5)))
    cluster.feed(.turn(.init(unsuitedCount: 2)))
    #expect(cluster.attempts.isEmpty)
    cluster.feed(.turn(.init(unsuitedCount: 3)))
    #expect(cluster.cohorts == [Array(members.workers.prefix(5))])
  }

  @Test("Nobody is blamed for contributions while those who could help are busy elsewhere")
  func isNotBlockedByOthers() throws {
    let members = try RoundsMembers(count: 5)
    let cluster = try RoundsCluster(members)
    cluster.run.isHeld = true
    cluster.start()
    cluster.feed(.turn(.init(busy: Set(members.workers.dropFirst()))))
    #expect(cluster.run.phase == "selecting")
  }

  @Test("A paused run ends the attempt in hand, offers no other, and goes on when it is resumed")
  func pauses() throws {
    let members = try RoundsMembers(count: 5)
    let cluster = try RoundsCluster(members, plan: members.plan(rounds: 2)).start()
    cluster.feed(.pauseRequested)
    #expect(!cluster.run.isPaused)
    cluster.finish()
    #expect(cluster.reports.map(\.attempt.round) == [1])
    #expect(cluster.run.isPaused && cluster.outcomes.isEmpty)
    cluster.feed(.resumeRequested)
    cluster.finish()
    #expect(cluster.outcomes == [.completed(2)])
    #expect(cluster.reports.map(\.attempt.round) == [1, 2, 3])
  }

  @Test("A run that is paused while it waits to retry does not retry, and can be stopped")
  func pausesRetries() throws {
    let members = try RoundsMembers(count: 5)
    let cluster = try RoundsCluster(members)
    cluster.training = { _, _ in [] }
    cluster.start().drain()
    for worker in members.workers { cluster.feed(.workerLost(worker)) }
    cluster.feed(.pauseRequested)
    for worker in members.workers { cluster.feed(.workerJoined(worker)) }
    cluster.finish(timersMax: 20)
    #expect(cluster.attempts.count == 1)
    #expect(cluster.run.isPaused)
    cluster.feed(.stopRequested)
    #expect(cluster.outcomes == [.stopped])
  }
}
