import ClusterRuntime
import Federation
import Foundation
import Rounds
import Testing
import Wire

extension HostileTests {
  /// Processes that die, freeze and come back in the middle of a run.
  @Suite struct Deaths {
    @Test("Three of eight workers die, after an offer, in training and while they report, and no round is lost")
    func workersKilled() async throws {
      let federation = try ProcessFederation(workers: 8, rounds: 8, minimum: 5, epochs: 20)
      let coordinator = try await federation.startCoordinator()
      let workers = try federation.startWorkers(1...8)
      let client = try OperatorClient(home: federation.path + "/coordinator")
      func isReached(_ phase: WorkPhase, by worker: WorkerID) async throws -> Bool {
        try await eventually { try await client.status().workers.contains { $0.name == worker && $0.phase == phase } }
      }
      #expect(await workers[0].logs("worker: offer attempt=digits/2."))
      workers[0].end()
      #expect(await coordinator.logs("attempt offered", "attempt=digits/4."))
      #expect(try await isReached(.training, by: "worker-2"))
      workers[1].end()
      #expect(await coordinator.logs("attempt offered", "attempt=digits/6."))
      #expect(try await isReached(.reporting, by: "worker-3"))
      workers[2].end()
      #expect(await coordinator.completesRun())
      for worker in 1...3 { #expect(coordinator.count("worker lost", "worker=worker-\(worker)") == 1) }
      #expect(coordinator.committedRounds.map(\.round) == Array(1...9))
      #expect(coordinator.committedRounds.allSatisfy { $0.attempt == 0 && $0.reported >= 5 })
      try federation.checkVersions()
      try federation.checkLogs()
    }

    @Test("A coordinator that is killed again and again goes on from its last committed version with a new attempt")
    func coordinatorKilled() async throws {
      let federation = try ProcessFederation(workers: 5, rounds: 8)
      var coordinator = try await federation.startCoordinator()
      let workers = try federation.startWorkers(1...5)
      for round in [2, 4, 6] {
        #expect(await coordinator.logs("attempt offered", "attempt=digits/\(round)."))
        coordinator.end()
        let committed = try federation.latestVersion
        let wasOffered = coordinator.count("attempt offered", "attempt=digits/\(committed + 1).0") == 1
        coordinator = try await federation.restartCoordinator()
        #expect(await coordinator.logs("attempt offered", "attempt=digits/\(committed + 1).\(wasOffered ? 1 : 0)"))
      }
      #expect(await coordinator.completesRun())
      #expect(workers.allSatisfy { $0.isRunning })
      try federation.checkVersions()
      try federation.checkLogs()
    }

    @Test("A worker that is frozen for longer than the coordinator waits is lost, comes back, and counts again")
    func workerFrozen() async throws {
      let federation = try ProcessFederation(workers: 5, rounds: 5, minimum: 5)
      let coordinator = try await federation.startCoordinator()
      let workers = try federation.startWorkers(1...5)
      #expect(await coordinator.logs("attempt offered", "attempt=digits/3.0"))
      workers[4].send(SIGSTOP)
      #expect(await coordinator.logs("worker lost", "worker=worker-5", "reason=silence"))
      // Without it no round is allowed: nothing is published until it is back.
      #expect(try federation.latestVersion < 5)
      workers[4].send(SIGCONT)
      #expect(await coordinator.completesRun())
      #expect(coordinator.count("worker joined", "worker=worker-5") == 2)
      #expect(coordinator.committedRounds.map(\.round) == Array(1...6))
      #expect(coordinator.committedRounds.allSatisfy { $0.reported == 5 })
      #expect(workers.allSatisfy { $0.isRunning })
      try federation.checkVersions()
    }
  }
}
