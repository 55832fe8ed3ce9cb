import Federation
import Foundation
import Testing
import Wire

@testable import ClusterRuntime

extension HostileTests {
  /// Runs with a buffer, of real processes.
  @Suite struct Asynchronous {
    private static func federation(workers: Int, rounds: UInt64, buffer: Int, epochs: Int = 1) throws
      -> ProcessFederation
    {
      let federation = try ProcessFederation(
        workers: workers, rounds: rounds, minimum: 3, epochs: epochs,
        extra: "aggregation: plain\nstrategy: {name: fedbuff, buffer: \(buffer)}")
      for worker in 1...workers {
        try "allow-plain: true\n".write(
          toFile: "\(federation.path)/worker-\(worker)/policy.yaml", atomically: true, encoding: .utf8)
      }
      return federation
    }

    @Test("A run with a buffer is completed while a worker dies and comes back, and beside a run with cohorts")
    func completes() async throws {
      let federation = try Self.federation(workers: 5, rounds: 12, buffer: 3)
      let coordinator = try await federation.startCoordinator()
      let client = try federation.operatorClient()
      _ = try await client.submit(runFile: ProcessFederation.runFile("letters", rounds: 4))
      var workers = try federation.startWorkers(1...5)
      #expect(await coordinator.logs("round", "digits/3.0", "committed"))
      workers[4].end()
      workers[4] = try federation.startWorker(5)
      for run in ["digits", "letters"] {
        #expect(await coordinator.logs("run ended", "run=\(run)", "state=completed", within: .seconds(60)))
      }
      #expect(workers.allSatisfy { $0.isRunning })
      try federation.checkVersions()
      try federation.checkHistory()
      let rounds = coordinator.committedRounds.filter { $0.run == "digits" }
      #expect(rounds.count == 13 && rounds.prefix(12).allSatisfy { $0.reported == 3 })
      #expect(coordinator.count("staleness-mean", "digits/") == 12)
      #expect(try await client.runs().allSatisfy { ($0.evaluation?.accuracy ?? 0) > 0.1 })
    }

    @Test(
      "A coordinator that is killed with updates in its buffer goes on from the last version, and counts nothing twice")
    func dies() async throws {
      let federation = try Self.federation(workers: 4, rounds: 12, buffer: 3)
      let points = [
        "coordinator:after-record:attempt:4", "coordinator:before-send:ended:5", "coordinator:after-send:ended:4",
        "coordinator:after-record:version:2", "coordinator:after-receive:accept:6", "coordinator:after-record:round:2",
      ]
      let first = try await federation.startCoordinator(killAt: points[0])
      _ = try federation.startWorkers(1...4)
      let (last, _) = try await federation.kill(first, at: points, within: .seconds(90))
      #expect(await last.completesRun(within: .seconds(60)))
      try federation.checkVersions()
      try federation.checkHistory()
    }
  }
}
