import ClusterConfiguration
import ClusterRuntime
import Glibc
import ModelRegistry
import Simulation

/// `--seeds`: one scenario under many seeds.
extension SimulateCommand {
  func runAll(_ campaign: SimulationCampaign, _ scenario: SimulationScenario) async throws {
    if !output.json { Terminal.print(scenario.purpose) }
    SeedsInHand.report(command: "murmur: a core broke its own invariant; again: \(replay(seed: nil)) --seed ")
    let folder = try failureFolder.map { try FailureFolder(path: $0, source: sourceFile()) }
    if let folder, !output.json { Terminal.print("failures are filed in \(folder.path)") }
    if let folder {
      try Interruption.handle { signal in
        folder.interrupted()
        exit(128 + signal)
      }
    }
    let bar = ProgressBar(isWanted: !output.json)
    let ended = Guarded<UInt64>(0)
    let total = (campaign.seeds.upperBound - campaign.seeds.lowerBound) &+ 1
    let summary = await campaign.run(filing: folder.map { folder in { @Sendable in file($0, in: folder) } }) {
      progress in
      switch progress {
      case .began(let simulation):
        SeedsInHand.began(simulation.seed)
        complainOfErrors { try folder?.began(simulation) }
      case .failed(let failure):
        for problem in failure.problems { Terminal.complain("seed \(failure.seed): \(problem)") }
        if let file = failure.file { Terminal.note("seed \(failure.seed): filed as \(file)") }
      case .ended(let simulation):
        SeedsInHand.ended(simulation.seed)
        complainOfErrors { try folder?.ended(simulation) }
        let count = ended.with { count in
          count += 1
          return count
        }
        bar.update(count, of: total, "seeds")
      }
    }
    bar.end()
    let first = summary.failures.first
    let again = first.map { replay(seed: $0.seed) }
    if output.json {
      Terminal.print(try JSONOutput.document(CampaignSummary(summary, seeds: campaign.seeds, replay: again)))
    } else {
      Terminal.print("")
      Terminal.print(
        "seeds     \(campaign.seeds.lowerBound)..\(campaign.seeds.upperBound): \(summary.passed) passed, "
          + "\(summary.failed) failed")
      Terminal.print(
        "in them   \(summary.roundsCommitted) rounds committed, \(summary.attempts) attempts, "
          + "\(summary.outages) deaths and partitions, \(summary.messages) messages")
      if let first { Terminal.print("first     seed \(first.seed): \(first.problems.first ?? "")") }
    }
    guard let again else { return }
    Terminal.note("again: \(again)")
    throw CommandFailure(silent: .failed)
  }

  private func file(_ simulation: SimulationRun, in folder: FailureFolder) -> String? {
    complainOfErrors { try folder.file(simulation) }
  }

  /// The other seeds go on.
  private func complainOfErrors<Value>(_ body: () throws -> Value?) -> Value? {
    do {
      return try body()
    } catch {
      for line in CommandFailure(error)?.lines ?? ["\(error)"] { Terminal.complain(line) }
      return nil
    }
  }
}

/// The JSON form of a campaign's result.
private struct CampaignSummary: Encodable {
  struct Failed: Encodable {
    let seed: UInt64
    let problems: [String]
    /// Nil if it was not filed.
    let file: String?
  }

  let firstSeed: UInt64
  let lastSeed: UInt64
  let passed: UInt64
  let failed: UInt64
  let roundsCommitted: UInt64
  let attempts: UInt64
  let outages: UInt64
  let messages: UInt64
  let failures: [Failed]
  let replay: String?

  init(_ summary: SimulationCampaign.Summary, seeds: ClosedRange<UInt64>, replay: String?) {
    firstSeed = seeds.lowerBound
    lastSeed = seeds.upperBound
    passed = summary.passed
    failed = summary.failed
    roundsCommitted = summary.roundsCommitted
    attempts = summary.attempts
    outages = summary.outages
    messages = summary.messages
    failures = summary.failures.map { Failed(seed: $0.seed, problems: $0.problems, file: $0.file) }
    self.replay = replay
  }
}
