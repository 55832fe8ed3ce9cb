import Federation
import Foundation
import Rounds
import Testing
import Wire

@testable import ClusterRuntime

extension HostileTests {
  /// Runs whose cohort is divided into groups, of real processes.
  @Suite struct GroupedRuns {
    private static let workers = 12

    private static func federation(rounds: UInt64, allowing: Bool = true) throws -> ProcessFederation {
      let federation = try ProcessFederation(
        workers: workers, rounds: rounds, minimum: 4,
        extra: "strategy: {name: median, groups: 3}\nmaximum-weight: 1")
      guard allowing else { return federation }
      for worker in 1...workers {
        try "allow-groups: true\n".write(
          toFile: "\(federation.path)/worker-\(worker)/policy.yaml", atomically: true, encoding: .utf8)
      }
      return federation
    }

    @Test("The sums of three groups make the versions, over the death of a worker that takes its group with it")
    func completes() async throws {
      let federation = try Self.federation(rounds: 4)
      let coordinator = try await federation.startCoordinator()
      var workers = try federation.startWorkers(1...11)
      workers.append(try federation.startWorker(12, killAt: "worker:after-send:shareCheck:2"))
      #expect(await coordinator.logs("group left out", "digits/", "reason=", within: .seconds(60)))
      workers[11] = try federation.startWorker(12)
      #expect(await coordinator.completesRun(within: .seconds(90)))
      try federation.checkVersions()
      try federation.checkHistory()
      let rounds = coordinator.committedRounds
      #expect(rounds.count == 5)
      #expect(rounds.contains { $0.reported == 8 } && rounds.allSatisfy { $0.reported >= 8 })
      let history = try await federation.operatorClient().rounds(of: "digits")
      let tallies = history.filter { $0.published != nil }.compactMap(\.groups)
      #expect(tallies.count == 4 && tallies.allSatisfy { $0.count == 3 && $0.summed >= 2 })
      #expect(tallies.contains { $0.summed == 2 && $0.leftOut.hasPrefix("group ") })
    }

    @Test("A coordinator that is killed between the sums of two groups goes on from the last version")
    func dies() async throws {
      let federation = try Self.federation(rounds: 4)
      let points = ["coordinator:after-receive:unmask:6", "coordinator:before-send:quorum:7"]
      let first = try await federation.startCoordinator(killAt: points[0])
      _ = try federation.startWorkers(1...Self.workers)
      let (last, _) = try await federation.kill(first, at: points, within: .seconds(120))
      #expect(await last.completesRun(within: .seconds(90)))
      try federation.checkVersions()
      try federation.checkHistory()
    }

    @Test("Workers of owners who allow no groups decline them, and nothing is published")
    func declined() async throws {
      let federation = try Self.federation(rounds: 1, allowing: false)
      let coordinator = try await federation.startCoordinator()
      let workers = try federation.startWorkers(1...Self.workers)
      #expect(await workers[0].logs("declined", "the policy allows no sums of groups", within: .seconds(40)))
      #expect(coordinator.committedRounds.isEmpty)
    }
  }
}
