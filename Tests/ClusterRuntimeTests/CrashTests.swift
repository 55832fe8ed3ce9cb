import Federation
import Foundation
import Rounds
import Testing
import Wire

@testable import ClusterRuntime

extension HostileTests {
  /// Signal 9 at every message and every durable record, on both sides, with real processes (issue: chaos).
  ///
  /// One federation lives through many deaths. Serving nodes die in `ServingDeaths`. `charged` is left to
  /// `ChargeDeathTests`: this version adds no noise, so its processes accept no offer that would be charged.
  @Suite struct Crashes {
    /// What goes by in a secure round in which nothing goes wrong.
    private static let toCoordinator = [
      "progress", "advert", "bundle", "shareCheck", "agree", "unmask", "blobRequest", "uploadOpen", "uploadChunk",
      "uploadClose",
    ]
    private static let toWorker = [
      "offer", "roster", "peerShares", "dealers", "survivors", "quorum", "result", "blobChunk", "uploadGrant",
      "uploadAnswer",
    ]
    private static let worker =
      toCoordinator.flatMap { ["worker:before-send:\($0)", "worker:after-send:\($0)"] }
      + toWorker.map { "worker:after-receive:\($0)" }
      + ["begun", "contributed", "survivors", "released"].map { "worker:after-record:\($0)" }
    private static let coordinator =
      toWorker.flatMap { ["coordinator:before-send:\($0)", "coordinator:after-send:\($0)"] }
      + toCoordinator.map { "coordinator:after-receive:\($0)" }
      + ["attempt", "version", "round"].map { "coordinator:after-record:\($0)" }
    /// How often a point goes by in a round of five workers, if it does so more or less often than they are.
    private static let perRound = [
      "progress": 25, "blobRequest": 20, "blobChunk": 20, "uploadChunk": 10, "uploadGrant": 20, "uploadAnswer": 10,
      "attempt": 1, "version": 1, "round": 1,
    ]
    /// In the second round of a life, or later, so that few attempts are at one model.
    private static let inRounds = coordinator.map { point in
      "\(point):\((perRound[String(point.split(separator: ":")[2])] ?? 5) + 1)"
    }
    /// What goes by only in plain rounds, in retries, and when a worker refuses.
    private static let plainWorker = ["before-send:accept", "after-send:accept", "after-receive:ended"].map {
      "worker:\($0)"
    }
    private static let plainCoordinator = ["before-send:ended", "after-send:ended", "after-receive:accept"].map {
      "coordinator:\($0)"
    }
    private static let refusal = [
      "worker:after-record:promised", "worker:before-send:abort", "worker:after-send:abort",
      "worker:before-send:decline", "worker:after-send:decline", "coordinator:after-receive:abort",
      "coordinator:after-receive:decline",
    ]
    /// What goes by only when an attempt in which inputs existed is over and sealed, and another is made.
    private static let hearing = ["worker:after-receive:aborts", "worker:after-record:excused"]
    private static let relaying = ["coordinator:before-send:aborts", "coordinator:after-send:aborts"]
    /// What goes by only when a blob has left the coordinator's disk.
    private static let missing = ["coordinator:before-send:blobUnavailable", "coordinator:after-send:blobUnavailable"]
    /// What goes by only when the server optimizer remembers something.
    private static let remembered = "coordinator:after-record:strategy"
    private static let told = "worker:after-receive:blobUnavailable"

    @Test("Every point of a worker or the coordinator is a point of one of these tests, but for charges")
    func coversAll() {
      let covered =
        Self.worker + Self.coordinator + Self.plainWorker + Self.plainCoordinator + Self.refusal + Self.hearing
        + Self.relaying + Self.missing + [Self.told, Self.remembered]
        + ["coordinator:after-record:run", "coordinator:after-record:alias"]
      #expect(Set(covered).count == covered.count)
      #expect(Set(covered) == Set(KillPoint.all.filter { $0 != ChargeDeathTests.point && !$0.hasPrefix("serving:") }))
    }

    @Test("A worker that is killed at any message or record comes back, and no round is lost")
    func workersDie() async throws {
      let federation = try ProcessFederation(workers: 8, rounds: 150, minimum: 5)
      let coordinator = try await federation.startCoordinator()
      let others = try federation.startWorkers(1...6)
      let half = Self.worker.count / 2
      let (_, doomed) = try await federation.kill(
        coordinator, workers: [7: Array(Self.worker[..<half]), 8: Array(Self.worker[half...])], within: .seconds(300))
      #expect(await coordinator.completesRun(within: .seconds(120)))
      #expect((others + doomed).allSatisfy { $0.isRunning })
      #expect(coordinator.committedRounds.map(\.round) == Array(1...151))
      try federation.checkVersions()
      try federation.checkLedgers(workers: 8)
    }

    @Test("A coordinator that is killed at any message or record goes on, and completes the run")
    func coordinatorDies() async throws {
      // The run is accepted, and then taken up, by processes that die of it; the last dies when the run has ended.
      // The first version that is measured is the best so far.
      let run = "coordinator:after-record:run"
      let points = [run, run, "coordinator:after-record:alias"] + Self.inRounds + ["\(run):2"]
      let federation = try ProcessFederation(workers: 5, rounds: UInt64(Self.inRounds.count + 12))
      for number in 1...5 {
        try "maximum-attempts-per-model: 10\n".write(
          toFile: "\(federation.path)/worker-\(number)/policy.yaml", atomically: true, encoding: .utf8)
      }
      let first = try await federation.startCoordinator(killAt: run)
      let workers = try federation.startWorkers(1...5)
      let (coordinator, _) = try await federation.kill(first, at: points, within: .seconds(150))
      let client = try OperatorClient(home: federation.path + "/coordinator")
      let status = try await client.status()
      #expect(status.runs.map(\.state) == [.completed])
      #expect(coordinator.count("attempt offered") == 0)
      #expect(workers.allSatisfy { $0.isRunning })
      try federation.checkVersions()
      try federation.checkLedgers(workers: 5, contributionsMax: 10)
      try federation.checkHistory()
    }

    /// Every point is one of `coordinatorDies`; two runs differ in whose round it is.
    @Test("With two runs in hand too: both go on by themselves, and no round of either counts twice")
    func coordinatorOfTwoDies() async throws {
      let points = Self.inRounds.enumerated().filter { $0.offset % 4 == 0 || $0.element.contains("record") }
        .map(\.element)
      let federation = try ProcessFederation(workers: 5, rounds: UInt64(points.count + 8))
      for number in 1...5 {
        try "maximum-attempts-per-model: 10\n".write(
          toFile: "\(federation.path)/worker-\(number)/policy.yaml", atomically: true, encoding: .utf8)
      }
      let first = try await federation.startCoordinator(submitting: false)
      let client = try federation.operatorClient()
      for name in ["digits", "letters"] {
        _ = try await client.submit(runFile: ProcessFederation.runFile(name, rounds: federation.rounds))
      }
      first.end()
      let workers = try federation.startWorkers(1...5)
      let second = try await federation.restartCoordinator(killAt: points[0])
      let (last, _) = try await federation.kill(second, at: points, within: .seconds(150))
      for name in ["digits", "letters"] {
        #expect(await last.logs("run ended", "run=\(name)", "state=completed", within: .seconds(60)), "\(last.log)")
      }
      #expect(workers.allSatisfy { $0.isRunning })
      for name in ["digits", "letters"] {
        try federation.checkVersions(of: ModelName(unchecked: name))
        try federation.checkHistory(of: RunID(unchecked: name))
      }
      try federation.checkLedgers(workers: 5, contributionsMax: 10)
    }

    @Test("In plain mode too, whoever is killed at any message comes back, and the run is completed")
    func plainDies() async throws {
      let federation = try ProcessFederation(workers: 4, rounds: 12, minimum: 3, extra: "aggregation: plain")
      for number in 1...4 {
        try "allow-plain: true\n".write(
          toFile: "\(federation.path)/worker-\(number)/policy.yaml", atomically: true, encoding: .utf8)
      }
      let points = Self.plainCoordinator.map { "\($0):6" }
      let first = try await federation.startCoordinator(killAt: points[0])
      let others = try federation.startWorkers(1...3)
      let (last, doomed) = try await federation.kill(
        first, at: points, workers: [4: Self.plainWorker], within: .seconds(60))
      #expect(await last.completesRun())
      #expect((others + doomed).allSatisfy { $0.isRunning })
      try federation.checkVersions()
    }

    @Test("What the server optimizer remembers survives every death of the coordinator between two rounds")
    func optimizerRemembers() async throws {
      let federation = try ProcessFederation(workers: 4, rounds: 10, extra: "strategy: {name: fedadam}")
      let points = [Self.remembered, "coordinator:after-record:version", Self.remembered].map { "\($0):3" }
      let first = try await federation.startCoordinator(killAt: points[0])
      let workers = try federation.startWorkers(1...4)
      let (last, _) = try await federation.kill(first, at: points, within: .seconds(60))
      #expect(await last.completesRun())
      #expect(workers.allSatisfy { $0.isRunning })
      try federation.checkVersions()
      // Of the last four versions each has one state, and the last has seen every round.
      let folder = federation.path + "/coordinator/state/strategy/digits"
      let names = try FileManager.default.contentsOfDirectory(atPath: folder)
      #expect(names.compactMap { UInt64($0.prefix { $0 != "-" }) }.sorted() == [7, 8, 9, 10])
      let name = try #require(names.first { $0.hasPrefix("10-") })
      let text = String(decoding: try Data(contentsOf: URL(filePath: "\(folder)/\(name)")).prefix(400), as: UTF8.self)
      #expect(text.contains("\"steps\":\"10\""))
    }

    @Test("Promises, aborts and refusals survive the deaths of those who make and of those who hear them")
    func refusersDie() async throws {
      let federation = try ProcessFederation(workers: 6, rounds: 2)
      // Worker 6 gives one input to each model: it declines every second attempt on it.
      try "maximum-attempts-per-model: 1\n".write(
        toFile: federation.path + "/worker-6/policy.yaml", atomically: true, encoding: .utf8)
      // Inputs exist; then nothing but keys and shares does, and whoever has them is asked to begin anew.
      let points = [
        "before-send:survivors", "before-send:dealers", "after-receive:abort", "after-receive:decline",
      ].map { "coordinator:\($0)" }
      let first = try await federation.startCoordinator(killAt: points[0])
      let others = try federation.startWorkers(4...5)
      let (last, doomed) = try await federation.kill(
        first, at: points,
        workers: [
          1: ["worker:after-record:promised"], 2: ["worker:before-send:abort"], 3: ["worker:after-send:abort"],
          6: ["worker:before-send:decline", "worker:after-send:decline"],
        ], within: .seconds(60))
      #expect(await last.completesRun())
      #expect((others + doomed).allSatisfy { $0.isRunning })
      try federation.checkVersions()
      try federation.checkLedgers(workers: 6)
    }

    @Test("Whoever dies of hearing that an attempt is sealed, or of recording it, comes back; what is recorded counts")
    func hearersDie() async throws {
      // Five workers need four agreements. Two die before they give theirs: the promises of the other three are as many
      // as seal the attempt. Of the next attempt two die again, and it is smaller than the cohort must be.
      let federation = try ProcessFederation(workers: 5, rounds: 2, minimum: 4)
      // Worker 2 gives one input to each model, unless it knows that nothing of the one before can be opened.
      try "maximum-attempts-per-model: 1\n".write(
        toFile: federation.path + "/worker-2/policy.yaml", atomically: true, encoding: .utf8)
      let coordinator = try await federation.startCoordinator()
      let other = try federation.startWorker(3)
      let (_, doomed) = try await federation.kill(
        coordinator,
        workers: [
          1: [Self.hearing[0]], 2: [Self.hearing[1]], 4: ["worker:before-send:agree"],
          5: ["worker:before-send:agree"],
        ], within: .seconds(60))
      #expect(await coordinator.completesRun())
      #expect((doomed + [other]).allSatisfy { $0.isRunning })
      try federation.checkVersions()
      try federation.checkLedgers(workers: 5)
      // Worker 1 has no excuse, which it heard and did not record; worker 2 has it once, and the others have what they
      // were told.
      let excuses = try (1...5).map { try federation.firstModel(of: $0).excused }
      #expect(excuses == [0, 1, 1, 0, 0])
      // The law of worker 2 allows its second input because of the excuse alone.
      #expect(try federation.firstModel(of: 2).contributed == 2)
      #expect(doomed[1].count("declined", "contributionsExhausted") == 0)
    }

    @Test("A coordinator that dies of relaying promises comes back, and the run is completed")
    func relayerDies() async throws {
      let federation = try ProcessFederation(workers: 5, rounds: 2, minimum: 4)
      let first = try await federation.startCoordinator(killAt: Self.relaying[0])
      let others = try federation.startWorkers(1...3)
      // In each life of the coordinator these two die of one attempt, of which the others promise to open nothing.
      let dies = Self.relaying.map { _ in "worker:before-send:agree" }
      let (last, doomed) = try await federation.kill(
        first, at: Self.relaying, workers: [4: dies, 5: dies], within: .seconds(90))
      #expect(await last.completesRun())
      #expect((others + doomed).allSatisfy { $0.isRunning })
      try federation.checkVersions()
      try federation.checkLedgers(workers: 5)
      // What the first life died of saying nobody has heard; what the second died of having said, one worker may have.
      let excuses = try (1...5).map { try federation.firstModel(of: $0).excused }
      #expect(excuses[0] <= 1 && excuses.dropFirst().allSatisfy { $0 == 0 })
    }

    @Test("Whoever says or hears that a blob is not there may die of it; the run goes on when the blob is back")
    func blobsAreMissing() async throws {
      let federation = try ProcessFederation(workers: 4, rounds: 2)
      let blobs = federation.path + "/coordinator/models/blobs"
      for (life, point) in Self.missing.enumerated() {
        let coordinator =
          life == 0
          ? try await federation.startCoordinator(killAt: point)
          : try await federation.restartCoordinator(killAt: point)
        try #require(await coordinator.logs("run started"))
        try FileManager.default.moveItem(atPath: blobs, toPath: blobs + ".away")
        let workers = try federation.startWorkers(1...4)
        #expect(await eventually { coordinator.code == 128 + SIGKILL }, "never came to \(point): \(coordinator.log)")
        for worker in workers { worker.end() }
        try FileManager.default.moveItem(atPath: blobs + ".away", toPath: blobs)
      }
      let coordinator = try await federation.restartCoordinator()
      try #require(await coordinator.logs("run started"))
      try FileManager.default.moveItem(atPath: blobs, toPath: blobs + ".away")
      let doomed = try federation.startWorker(1, killAt: Self.told)
      var workers = try federation.startWorkers(2...4)
      #expect(await eventually { doomed.code == 128 + SIGKILL }, "never came to \(Self.told): \(doomed.log)")
      #expect(await workers[0].logs("declined", "modelUnavailable"))
      try FileManager.default.moveItem(atPath: blobs + ".away", toPath: blobs)
      workers.append(try federation.startWorker(1))
      #expect(await coordinator.completesRun())
      #expect(workers.allSatisfy { $0.isRunning })
      try federation.checkVersions()
      try federation.checkLedgers(workers: 4)
    }
  }
}
