import Dispatch
import Federation
import Foundation
import Rounds
import SecureAggregation
import Tensors
import Testing
import Training
import Wire

@testable import ClusterRuntime

/// Training that stands still until it is let go.
private final class HangingWork: LocalWorking {
  private let gate: DispatchSemaphore

  init(_ gate: DispatchSemaphore) { self.gate = gate }

  func perform(
    _ task: TrainingTask, configuration: RoundConfiguration, attempt: AttemptID, parameters: [NamedTensor],
    controls: ControlVariates, progress: (Double) -> Void, isCancelled: () -> Bool
  ) throws(LocalWorkError) -> LocalResult {
    gate.wait()
    gate.signal()
    throw .training(.cancelled)
  }
}

/// Training whose steps take long, but come.
private final class SlowWork: LocalWorking {
  static let steps = 10

  func perform(
    _ task: TrainingTask, configuration: RoundConfiguration, attempt: AttemptID, parameters: [NamedTensor],
    controls: ControlVariates, progress: (Double) -> Void, isCancelled: () -> Bool
  ) throws(LocalWorkError) -> LocalResult {
    for step in 1...Self.steps where !isCancelled() {
      usleep(300_000)
      progress(Double(step) / Double(Self.steps))
    }
    return LocalResult(
      update: ClientUpdate(
        difference: Array(repeating: 0, count: Int(configuration.vectorLength)), exampleCount: 1,
        metrics: RoundMetrics(lossSum: 0, correct: 0, evaluated: 0)))
  }
}

extension HostileTests {
  /// A worker in this process, whose training a test decides, with a patience of a second.
  @Suite struct HangingTrainingTests {
    private let federation: ProcessFederation
    private let coordinator: FakeCoordinator
    private let maker: OfferMaker

    init() async throws {
      federation = try ProcessFederation(workers: 4)
      coordinator = try FakeCoordinator(
        with: federation.home("coordinator", .coordinator), writing: federation.endpointsPath)
      maker = try OfferMaker(of: federation)
      await coordinator.serve(maker.blobs)
      let path = federation.path + "/worker-1/worker.yaml"
      try String(contentsOfFile: path, encoding: .utf8).appending("\ntraining-patience: 1s\n")
        .write(toFile: path, atomically: true, encoding: .utf8)
    }

    private func start(_ work: @escaping @Sendable () -> any LocalWorking) -> Task<Void, any Error> {
      var options = WorkerProcess.Options(home: federation.path + "/worker-1")
      options.endpointsFile = federation.endpointsPath
      options.makeWork = { _, _, _ in work() }
      let chosen = options
      return Task { _ = try await WorkerProcess.run(chosen, logger: TestFederation.logger) }
    }

    private func offer(_ round: RoundNumber) async throws {
      try await coordinator.say(.round(.offer(maker.offer(round: round))))
    }

    @Test("A worker whose training hangs says so itself, takes no further offer, and is of use again when it ends")
    func hangs() async throws {
      let gate = DispatchSemaphore(value: 0)
      let worker = start { HangingWork(gate) }
      #expect(try await coordinator.isGreeted(after: 0))
      try await offer(1)
      // It lives: its part of the setup comes, and its heartbeats keep the session.
      #expect(try await coordinator.hears { if case .advert = $0 { true } else { false } })
      #expect(
        try await coordinator.hears {
          if case .decline(let attempt, .trainingFailed, let detail) = $0 {
            attempt.round == 1 && detail.hasPrefix("no progress for")
          } else {
            false
          }
        })
      try await offer(2)
      #expect(try await coordinator.hears { $0.declines(.busy) })
      gate.signal()
      var round: RoundNumber = 3
      var isBack = false
      for _ in 0..<50 where !isBack {
        try await offer(round)
        round = round.next
        isBack = try await coordinator.hears(within: .milliseconds(500)) { $0.declines(.trainingFailed) }
      }
      #expect(isBack, "expected the next training to be tried")
      worker.cancel()
      try await worker.value
    }

    @Test("Training that takes three times its owner's patience, step by step, is waited for")
    func isSlow() async throws {
      let worker = start { SlowWork() }
      #expect(try await coordinator.isGreeted(after: 0))
      try await offer(1)
      // The last quarter is done, and nothing was declined before.
      var declined = 0
      #expect(
        try await coordinator.hears { message in
          if case .decline = message { declined += 1 }
          if case .progress(_, .training, 4, _) = message { return true }
          return false
        })
      #expect(declined == 0)
      worker.cancel()
      try await worker.value
    }
  }
}
