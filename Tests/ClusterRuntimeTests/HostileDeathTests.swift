import Federation
import Foundation
import Testing

extension HostileTests {
  /// Processes that die, freeze and come back in the middle of a run.
  @Suite struct Deaths {
    @Test("Two of eight workers are killed, one after its offer and one after its report, and every round is committed")
    func workersKilled() async throws {
      let federation = try ProcessFederation(workers: 8, rounds: 8, minimum: 6)
      let coordinator = try await federation.startCoordinator()
      let workers = try federation.startWorkers(1...8)
      #expect(await workers[0].logs("worker: offer attempt=digits/2.0"))
      workers[0].end()
      #expect(await workers[1].logs("worker: attempt ended attempt=digits/4"))
      workers[1].end()
      #expect(await coordinator.completesRun())
      #expect(coordinator.count("worker lost", "worker=worker-1") == 1)
      #expect(coordinator.count("worker lost", "worker=worker-2") == 1)
      #expect(coordinator.committedRounds.map(\.round) == Array(1...9))
      #expect(coordinator.committedRounds.allSatisfy { $0.reported >= 6 })
      try federation.checkVersions()
      try federation.checkLogs()
    }

    @Test("A coordinator that is killed goes on from the last committed version with a new attempt")
    func coordinatorKilled() async throws {
      let federation = try ProcessFederation(workers: 5, rounds: 8)
      let first = try await federation.startCoordinator()
      let workers = try federation.startWorkers(1...5)
      #expect(await first.logs("attempt offered", "attempt=digits/4.0"))
      first.end()
      let committed = first.committedRounds.map(\.round)
      let second = try await federation.restartCoordinator()
      #expect(await second.completesRun())
      let offered = first.lines.filter { $0.contains("attempt offered") }.count
      #expect(offered == committed.count + 1)
      let next = try #require(second.rounds.first)
      #expect(next.round == UInt64(committed.count + 1))
      #expect(next.attempt == 1)
      #expect(second.committedRounds.map(\.round) == Array(next.round...9))
      #expect(workers.allSatisfy { $0.isRunning })
      try federation.checkVersions()
      try federation.checkLogs()
    }

    @Test("A worker that is frozen for longer than the coordinator waits is lost, comes back, and counts again")
    func workerFrozen() async throws {
      let federation = try ProcessFederation(workers: 5, rounds: 40)
      let coordinator = try await federation.startCoordinator()
      let workers = try federation.startWorkers(1...5)
      #expect(await coordinator.logs("attempt offered", "attempt=digits/3.0"))
      workers[4].send(SIGSTOP)
      #expect(await coordinator.logs("worker lost", "worker=worker-5", "reason=silence"))
      workers[4].send(SIGCONT)
      #expect(await eventually { coordinator.count("worker joined", "worker=worker-5") == 2 })
      #expect(await coordinator.completesRun())
      let counts = coordinator.committedRounds.map(\.reported)
      #expect(counts.contains(4))
      #expect(counts.last == 5)
      #expect(workers.allSatisfy { $0.isRunning })
      try federation.checkVersions()
    }
  }
}
