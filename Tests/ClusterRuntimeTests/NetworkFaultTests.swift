import ClusterConfiguration
import ClusterRuntime
import Foundation
import Glibc
import Membership
import NetworkFaults
import Testing
import ZeroMQ

/// A worker of real processes behind links that a test breaks.
private final class FaultyLinks {
  let control: FaultProxy
  let bulk: FaultProxy
  /// The endpoints of the worker behind them.
  let endpointsPath: String

  init(of federation: ProcessFederation, seed: UInt64 = 1) throws {
    let endpoints = try federation.endpoints
    control = try FaultProxy(to: Self.port(endpoints.control), seed: seed)
    bulk = try FaultProxy(to: Self.port(endpoints.bulk), seed: seed + 1)
    endpointsPath = federation.path + "/endpoints-faulty.yaml"
    try EndpointsFile(
      control: "tcp://127.0.0.1:\(control.port)", bulk: "tcp://127.0.0.1:\(bulk.port)", state: endpoints.state,
      snapshot: endpoints.snapshot
    ).write(path: endpointsPath)
  }

  var all: [FaultProxy] { [control, bulk] }

  private static func port(_ address: String) throws -> UInt16 { try #require(Endpoint(rawValue: address).port) }
}

extension PartyProcess {
  /// The first line behind `after` lines that holds all of these texts.
  fileprivate func line(_ pieces: String..., after: Int = 0) -> Substring? {
    lines.dropFirst(after).first { line in pieces.allSatisfy(line.contains) }
  }
}

extension HostileTests {
  @Suite struct NetworkFaultTests {
    /// The fourth worker is behind faulty links; a round needs three.
    private func federation() async throws -> (
      ProcessFederation, PartyProcess, [PartyProcess], PartyProcess, FaultyLinks
    ) {
      let federation = try ProcessFederation(workers: 4, rounds: 100_000, minimum: 3)
      let coordinator = try await federation.startCoordinator()
      let links = try FaultyLinks(of: federation)
      let others = try federation.startWorkers(1...3)
      let worker = try federation.startWorker(4, endpointsPath: links.endpointsPath)
      return (federation, coordinator, others, worker, links)
    }

    @Test(
      "A worker that the network swallowed is lost by its silence, and when the network heals it is the same worker",
      .timeLimit(.minutes(2)), arguments: [[Lane.up], [.down], [.up, .down]])
    func silence(of lanes: [Lane]) async throws {
      let (federation, coordinator, _, worker, links) = try await federation()
      defer { withExtendedLifetime(federation) {} }
      #expect(await coordinator.logs("worker joined", "worker=worker-4"))
      #expect(await eventually { coordinator.committedRounds.contains { $0.reported == 4 } })
      for link in links.all { link.set(.blackHole, on: lanes) }
      let cut = coordinator.lines.count, cutAt = ContinuousClock.now
      // Who hears nothing any more notices; the connection itself tells nobody.
      if lanes.contains(.up) {
        #expect(await coordinator.logs("worker lost", "worker=worker-4", "reason=\(LossReason.silence)"))
      }
      if lanes.contains(.down) { #expect(await worker.logs("coordinator lost", "reason=\(LossReason.silence)")) }
      #expect(ContinuousClock.now - cutAt < .seconds(6), "expected about 1.5 s of silence")
      #expect(coordinator.line("worker lost", "reason=\(LossReason.linkClosed)", after: cut) == nil)
      for link in links.all { link.heal() }
      let healed = coordinator.committedRounds.count
      #expect(
        await eventually(within: .seconds(60)) {
          coordinator.committedRounds.dropFirst(healed).contains { $0.cohort == 4 && $0.reported == 4 }
        }, "\(coordinator.log.suffix(3000))")
      // By its key and its session: nobody took it for another process.
      let sessions = coordinator.lines.filter { $0.contains("worker joined") && $0.contains("worker=worker-4") }
        .compactMap { line in line.split(separator: " ").first { $0.hasPrefix("session=") } }
      #expect(Set(sessions).count == 1)
      #expect(worker.isRunning)
    }

    @Test("A worker whose connections are reset comes back by itself", .timeLimit(.minutes(2)))
    func resets() async throws {
      let (federation, coordinator, _, worker, links) = try await federation()
      defer { withExtendedLifetime(federation) {} }
      #expect(await eventually { coordinator.committedRounds.contains { $0.reported == 4 } })
      for link in links.all { link.reset() }
      let before = coordinator.committedRounds.count
      #expect(
        await eventually(within: .seconds(60)) {
          coordinator.committedRounds.dropFirst(before + 1).contains { $0.reported == 4 }
        })
      #expect(links.control.connections >= 2)
      #expect(worker.isRunning)
    }

    @Test(
      "A slow or lossy link makes rounds slow, not wrong", .timeLimit(.minutes(2)),
      arguments: [
        LaneRules(delay: .milliseconds(30), bytesPerSecond: 100_000),
        LaneRules(loss: Loss(stallsPerHundred: 20, stall: .milliseconds(100))),
        LaneRules(loss: Loss(stallsPerHundred: 5, stall: .milliseconds(50), resetsPerTenThousand: 200)),
      ])
    func isSlow(_ rules: LaneRules) async throws {
      let federation = try ProcessFederation(workers: 4, rounds: 6, minimum: 3)
      let coordinator = try await federation.startCoordinator()
      let links = try FaultyLinks(of: federation, seed: 7)
      for link in links.all { link.set(rules) }
      _ = try federation.startWorkers(1...3)
      _ = try federation.startWorker(4, endpointsPath: links.endpointsPath)
      #expect(await coordinator.completesRun(within: .seconds(90)), "\(coordinator.log.suffix(3000))")
      #expect(coordinator.committedRounds.contains { $0.reported == 4 })
      try federation.checkVersions()
    }

    @Test("A download that a broken connection cut goes on at the chunk where it was", .timeLimit(.minutes(2)))
    func resumes() async throws {
      let federation = try ProcessFederation(
        workers: 4, rounds: 1, minimum: 4, setup: "20s", architecture: "mlp 64-1060-1060-10")
      let modelBytes: UInt64 = 4 * (64 * 1060 + 1060 + 1060 * 1060 + 1060 + 1060 * 10 + 10)
      let coordinator = try await federation.startCoordinator()
      let links = try FaultyLinks(of: federation)
      links.bulk.reset(afterBytes: modelBytes * 3 / 4, on: .down)
      _ = try federation.startWorkers(1...3)
      let worker = try federation.startWorker(4, endpointsPath: links.endpointsPath)
      // It holds the model then, in whichever attempt.
      #expect(await worker.logs("trained", within: .seconds(90)), "\(coordinator.log.suffix(3000)) \(worker.log)")
      #expect(links.bulk.connections == 2)
      // Once, and what was on its way when the connection broke: a window of 2 MiB at most.
      let passed = links.bulk.passed(.down)
      #expect(passed >= modelBytes)
      #expect(passed < modelBytes + 2_500_000, "\(passed) bytes for a model of \(modelBytes)")
    }
  }

  @Suite struct FaultProxyTests {
    @Test("The fate of a block follows from the seed and its place")
    func fates() {
      let loss = Loss(stallsPerHundred: 30, resetsPerTenThousand: 1000)
      func fates(_ seed: UInt64) -> [Loss.Fate] {
        (0..<200).map { loss.fate(of: $0, connection: 1, lane: .up, seed: seed) }
      }
      #expect(fates(1) == fates(1))
      #expect(fates(1) != fates(2))
      #expect(Set(fates(1)) == [.passes, .stalls, .resets])
    }
  }
}
