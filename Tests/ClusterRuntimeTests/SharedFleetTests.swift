import Federation
import Foundation
import ModelRegistry
import Testing
import Wire

@testable import ClusterRuntime

extension HostileTests {
  /// Several runs on one fleet of real processes.
  @Suite struct SharedFleet {
    private static let completed = ["run ended", "state=completed"]

    /// Waits until a run is in a state, as operators see it.
    static func isIn(
      _ state: RunState, _ run: RunID, _ client: OperatorClient, within limit: Duration = .seconds(30)
    ) async throws -> RunRow? {
      var found: RunRow?
      _ = try await eventually(within: limit) {
        found = try await client.runs().first { $0.run == run && $0.state == state }
        return found != nil
      }
      return found
    }

    @Test("Two runs take turns on the same workers, and both are completed")
    func takeTurns() async throws {
      let federation = try ProcessFederation(workers: 5, rounds: 8)
      let coordinator = try await federation.startCoordinator()
      let client = try federation.operatorClient()
      _ = try await client.submit(runFile: ProcessFederation.runFile("letters", rounds: 8))
      let workers = try federation.startWorkers(1...5)
      for run in ["digits", "letters"] {
        #expect(await coordinator.logs("run ended", "run=\(run)", "state=completed", within: .seconds(60)))
      }
      #expect(workers.allSatisfy { $0.isRunning })
      for name in ["digits", "letters"] {
        try federation.checkVersions(of: ModelName(unchecked: name))
        try federation.checkHistory(of: RunID(unchecked: name))
      }
      // Neither is ever more than one round ahead of the other.
      var committed: [String: Int] = ["digits": 0, "letters": 0]
      for round in coordinator.committedRounds {
        committed[round.run, default: 0] += 1
        #expect(abs((committed["digits"] ?? 0) - (committed["letters"] ?? 0)) <= 1)
      }
      let rows = try await client.runs()
      #expect(rows.map(\.run) == ["digits", "letters"])
      #expect(rows.allSatisfy { $0.roundsCommitted == 8 && ($0.evaluation?.accuracy ?? 0) > 0.1 })
      let rounds = try await client.rounds(of: "letters")
      #expect(rounds.count == 9 && rounds.allSatisfy { $0.evaluation != nil && $0.bytesUpPerWorker > 0 })
    }

    @Test("A run takes only workers with its labels and threads; another on the others' workers does not wait for it")
    func choosesByLabels() async throws {
      let federation = try ProcessFederation(workers: 8, rounds: 3)
      for number in 1...8 {
        let path = "\(federation.path)/worker-\(number)/worker.yaml"
        let text = try String(contentsOfFile: path, encoding: .utf8)
        try (text + "labels: {site: \(number <= 4 ? "north" : "south"), gpu: \"yes\"}\n").write(
          toFile: path, atomically: true, encoding: .utf8)
      }
      let coordinator = try await federation.startCoordinator(submitting: false)
      let client = try federation.operatorClient()
      for site in ["north", "south"] {
        let cohort = ", labels: {site: \(site), gpu: \"yes\"}, minimum-threads: 1"
        _ = try await client.submit(runFile: ProcessFederation.runFile(site, rounds: 3, cohort: cohort))
      }
      _ = try await client.submit(
        runFile: ProcessFederation.runFile("nowhere", rounds: 3, cohort: ", labels: {site: moon}"))
      _ = try await client.submit(
        runFile: ProcessFederation.runFile("strong", rounds: 3, cohort: ", minimum-threads: 1024"))
      let workers = try federation.startWorkers(1...8)
      for site in ["north", "south"] {
        #expect(await coordinator.logs("run ended", "run=\(site)", "state=completed", within: .seconds(60)))
      }
      #expect(workers.allSatisfy { $0.isRunning })
      let repository = try federation.repository()
      for (site, numbers) in [("north", 1...4), ("south", 5...8)] as [(RunID, ClosedRange<Int>)] {
        let cohorts = try repository.attempts(of: site).map(\.cohort)
        #expect(cohorts.count >= 4)
        #expect(cohorts.allSatisfy { $0 == numbers.map { WorkerID(unchecked: "worker-\($0)") } })
      }
      // Nobody suits these: they wait, and say what for.
      for run in ["nowhere", "strong"] as [RunID] {
        #expect(try repository.attempts(of: run).isEmpty)
        #expect(try await client.show(run: run).suitedWorkers == 0)
        try await client.stop(run: run)
      }
      let status = try await client.status()
      #expect(
        status.workers.map { $0.labels.description } == (1...8).map { "gpu=yes, site=\($0 <= 4 ? "north" : "south")" })
    }

    @Test("A paused run stays paused across a crash, takes no worker from others, and goes on where it was")
    func staysPaused() async throws {
      let federation = try ProcessFederation(workers: 5, rounds: 20)
      let first = try await federation.startCoordinator()
      let client = try federation.operatorClient()
      _ = try federation.startWorkers(1...5)
      #expect(await first.logs("round", "digits/2.0", "committed"))
      #expect([.pausing, .paused].contains(try await client.pause(run: "digits").state))
      let paused = try #require(try await Self.isIn(.paused, "digits", client))
      #expect(paused.reason == "paused by an operator" && paused.roundsCommitted >= 2)
      await #expect(throws: RuntimeError.self) { try await client.pause(run: "digits") }
      first.end()
      let second = try await federation.restartCoordinator()
      #expect(try await client.runs() == [paused])
      _ = try await client.submit(runFile: ProcessFederation.runFile("letters", rounds: 3))
      #expect(await second.logs("run ended", "run=letters", "state=completed", within: .seconds(40)))
      #expect(second.count("attempt offered", "digits/") == 0)
      #expect(try await client.resume(run: "digits").state == .running)
      #expect(await second.logs("run ended", "run=digits", "state=completed", within: .seconds(60)))
      try federation.checkVersions()
      try federation.checkHistory()
      await #expect(throws: RuntimeError.self) { try await client.resume(run: "digits") }
    }

    @Test("A run that ended keeps its name until it is deleted; its versions stay, and a namesake builds on them")
    func freesNames() async throws {
      let federation = try ProcessFederation(workers: 4, rounds: 2)
      let coordinator = try await federation.startCoordinator()
      let client = try federation.operatorClient()
      await #expect(throws: RuntimeError.self) { try await client.delete(run: "digits") }
      _ = try federation.startWorkers(1...4)
      #expect(await coordinator.completesRun())
      await #expect(throws: RuntimeError.self) { try await client.submit(runFile: federation.run) }
      #expect(try await client.delete(run: "digits") == 3)
      #expect(try await client.runs().isEmpty)
      #expect(try federation.latestVersion == 2)
      _ = try await client.submit(runFile: federation.run)
      #expect(try await Self.isIn(.completed, "digits", client)?.roundsCommitted == 2)
      #expect(try federation.latestVersion == 4)
      let store = try DirectoryModelStore(root: federation.path + "/coordinator/models")
      #expect(
        try store.versions(of: "digits").map(\.manifest.run) == ["digits", "digits", "digits", "digits.2", "digits.2"])
    }

    @Test("A run that cannot work ends with its reason, and the others go on; two runs on one model do not mix")
    func keepsFailuresApart() async throws {
      let federation = try ProcessFederation(workers: 4, rounds: 3)
      let coordinator = try await federation.startCoordinator()
      let client = try federation.operatorClient()
      // The same model with another shape: known only when its turn comes.
      _ = try await client.submit(
        runFile: ProcessFederation.runFile("misfit", model: "digits", rounds: 2, architecture: "mlp 64-8-10"))
      _ = try await client.submit(runFile: ProcessFederation.runFile("letters", rounds: 2))
      #expect(try await client.runs().map(\.state) == [.running, .queued, .running])
      _ = try federation.startWorkers(1...4)
      for run in ["digits", "letters"] {
        #expect(await coordinator.logs("run ended", "run=\(run)", "state=completed", within: .seconds(40)))
      }
      let misfit = try #require(try await Self.isIn(.failed, "misfit", client))
      #expect(!misfit.reason.isEmpty)
      #expect(coordinator.isRunning)
      try federation.checkVersions()
    }
  }
}
