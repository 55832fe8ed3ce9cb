import ClusterConfiguration
import Federation
import Foundation
import ModelRegistry
import Testing

@testable import ClusterRuntime

extension HostileTests {
  /// Signal 9 to a serving node at everything that it receives and records, with real processes, while a run publishes.
  @Suite struct ServingDeaths {
    private static let rounds: UInt64 = 120

    @Test("A serving node that is killed at any message or record serves the newest version after its next start")
    func nodesDie() async throws {
      let points = KillPoint.Moment.allCases.flatMap { moment in
        KillPoint.subjects(.serving, moment).map { "serving:\(moment.rawValue):\($0)" }
      }
      #expect(points.count == 6)
      // At the first, and in the middle of what a version is made of.
      let deaths = points.flatMap { [$0, "\($0):3"] }
      let federation = try ProcessFederation(workers: 4, rounds: Self.rounds)
      let coordinator = try await federation.startCoordinator()
      let workers = try federation.startWorkers(1...4)
      for point in deaths {
        let node = try federation.startServing(killAt: point)
        #expect(await eventually(within: .seconds(60)) { node.code == 128 + SIGKILL }, "\(point): \(node.log)")
        try federation.checkServed()
      }
      let node = try federation.startServing()
      #expect(await coordinator.completesRun(within: .seconds(120)))
      #expect(await node.logs("serving", "digits@\(Self.rounds)", "alias=latest"), "\(node.log)")
      #expect((workers + [node]).allSatisfy { $0.isRunning })
      for process in workers + [node, coordinator] { process.end() }
      try federation.checkVersions()
      try federation.checkServed(latest: ModelVersion(Self.rounds))
    }
  }
}

extension ProcessFederation {
  fileprivate func startServing(killAt point: String? = nil) throws -> PartyProcess {
    try start(
      ["serve", "--home", "\(path)/serving", "--endpoints", endpointsPath, "--any-port"], log: "serving.log",
      killAt: point)
  }

  /// What a serving node that is dead has on its disk are whole versions, each as the coordinator signed it; its aliases
  /// name them.
  ///
  /// - Parameter latest: the version that it serves last; the coordinator has ended by then, and has the same one.
  fileprivate func checkServed(latest: ModelVersion? = nil, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let served = try DirectoryModelStore(root: path + "/serving/models")
    for model in try served.models() {
      for version in try served.versions(of: model) {
        let manifest = try version.signed.verify(membership: file.membership)
        #expect(
          try served.artifact(of: version).modelDigest == manifest.modelDigest, "version \(manifest.version)",
          sourceLocation: sourceLocation)
      }
      for alias in try served.aliases(of: model) {
        #expect(throws: Never.self, "\(alias)", sourceLocation: sourceLocation) {
          try served.find(ModelReference(model: model, selector: .version(alias.version)))
        }
      }
    }
    guard let latest else { return }
    let last = ModelReference(model: "digits", selector: .alias(.latest))
    let published = try DirectoryModelStore(root: path + "/coordinator/models").find(last)
    #expect(try served.find(last).digest == published.digest, sourceLocation: sourceLocation)
    #expect(published.manifest.version == latest, sourceLocation: sourceLocation)
  }
}
