import ClusterRuntime
import Federation
import Foundation
import Testing

extension HostileTests {
  /// A member of the roster that breaks the protocol from within.
  @Suite struct Insiders {
    @Test("A worker that breaks the protocol at any stage harms nobody's round, and is convicted of what is proven")
    func deviations() async throws {
      let federation = try ProcessFederation(workers: 6, rounds: 1)
      let coordinator = try await federation.startCoordinator(submitting: false)
      let workers = try federation.startWorkers(1...5)
      #expect(await eventually { coordinator.count("worker joined") == 5 })
      let insider = try Insider(in: federation, as: "worker-6")
      let client = try OperatorClient(home: federation.path + "/coordinator")
      for (number, deviation) in Insider.Deviation.allCases.enumerated() {
        try await insider.join(session: UInt64(number) + 1)
        let run = try await client.submit(runFile: federation.run.replacing("digits", with: deviation.rawValue))
        try await insider.takePart(deviating: deviation) { coordinator.count("run ended", "run=\(run) ") == 1 }
        #expect(coordinator.count("run ended", "run=\(run) ", "state=completed") == 1, "\(deviation)")
        let round = coordinator.committedRounds.first { $0.run == run.text && $0.round == 1 }
        #expect(round?.attempt == 0, "\(deviation)")
        #expect(round?.reported == (deviation.isCounted ? 6 : 5), "\(deviation)")
        let convictions = coordinator.lines.filter { $0.contains("worker convicted") }
        #expect(convictions.allSatisfy { $0.contains("worker=worker-6") })
        if let fault = deviation.fault { #expect(convictions.last?.contains(fault) == true, "\(deviation)") }
        if let answer = deviation.answer { #expect(insider.answers.first == answer, "\(deviation)") }
        #expect(await eventually { coordinator.count("worker lost", "worker=worker-6") == number + 1 })
      }
      #expect(workers.allSatisfy { $0.isRunning })
      #expect(coordinator.isRunning)
      try federation.checkLogs()
    }
  }
}
