import Federation
import Foundation
import Rounds
import Testing
import Wire

@testable import ClusterRuntime

extension HostileTests {
  /// Signal 9 at every message and every durable record, on both sides, with real processes (issue: chaos).
  ///
  /// One federation lives through many deaths. `blobUnavailable` alone is left out: a worker asks for nothing but the
  /// blobs of its offer, and these are never removed.
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
      + toCoordinator.map { "coordinator:after-receive:\($0)" } + ["coordinator:after-record:attempt"]
      + ["coordinator:after-record:version"]
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

    @Test("Every point is a point of one of these tests, but for blobs that are not there")
    func coversAll() {
      let covered =
        Self.worker + Self.coordinator + Self.plainWorker + Self.plainCoordinator + Self.refusal
        + ["coordinator:after-record:run"]
      #expect(Set(covered).count == covered.count)
      #expect(Set(covered) == Set(KillPoint.all.filter { !$0.hasSuffix(":blobUnavailable") }))
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
      // Deaths are in the second round of a life, or later, so that few attempts are at one model.
      let perRound = [
        "progress": 25, "blobRequest": 20, "blobChunk": 20, "uploadChunk": 10, "uploadGrant": 20, "uploadAnswer": 10,
        "attempt": 1, "version": 1,
      ]
      let inRounds = Self.coordinator.map { point in
        "\(point):\((perRound[String(point.split(separator: ":")[2])] ?? 5) + 1)"
      }
      // The run is accepted, and then taken up, by processes that die of it; the last dies when the run has ended.
      let run = "coordinator:after-record:run"
      let points = [run, run] + inRounds + ["\(run):2"]
      let federation = try ProcessFederation(workers: 5, rounds: UInt64(inRounds.count + 12))
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
  }
}
