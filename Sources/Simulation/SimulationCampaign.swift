import Federation

/// One scenario under many seeds, on several threads: what must never happen, looked for again and again.
package struct SimulationCampaign: Sendable {
  /// A seed under which a claim was broken or an expectation not met.
  package struct Failure: Hashable, Sendable {
    package let seed: UInt64
    /// In words; never empty.
    package let problems: [String]
    /// Where it was filed; nil if nobody asked for that.
    package var file: String?
  }

  /// What `run` tells of, in the order in which it happens; from one task.
  package enum Progress: Sendable {
    case began(SimulationRun)
    case failed(Failure)
    case ended(SimulationRun)
  }

  /// What came out of all seeds; the same for the same seeds, whatever the number of threads.
  package struct Summary: Hashable, Sendable {
    package fileprivate(set) var passed: UInt64 = 0
    /// In the order of the seeds.
    package fileprivate(set) var failures: [Failure] = []
    /// How many failed beyond those that are listed.
    package fileprivate(set) var failuresUnlisted: UInt64 = 0
    package fileprivate(set) var roundsCommitted: UInt64 = 0
    package fileprivate(set) var attempts: UInt64 = 0
    package fileprivate(set) var outages: UInt64 = 0
    package fileprivate(set) var messages: UInt64 = 0

    package var failed: UInt64 { UInt64(failures.count) + failuresUnlisted }
  }

  /// Failures that a summary lists; the lowest seeds of those seen first.
  package static let failuresMax = 100

  private let simulation: SimulationRun
  package let seeds: ClosedRange<UInt64>
  package let jobs: Int

  /// - Parameter jobs: simulations at once, at least 1.
  package init(_ simulation: SimulationRun, seeds: ClosedRange<UInt64>, jobs: Int) {
    precondition(jobs >= 1, "a campaign without a thread")
    self.simulation = simulation
    self.seeds = seeds
    self.jobs = jobs
  }

  /// Runs all seeds, the failing ones too.
  ///
  /// - Parameters:
  ///   - file: writes a failing simulation down and says where, on the thread that found it.
  ///   - report: hears of each seed, and of each failure when it is found.
  package func run(
    filing file: (@Sendable (SimulationRun) -> String?)? = nil, report: @Sendable (Progress) -> Void = { _ in }
  ) async -> Summary {
    var summary = Summary()
    await withTaskGroup(of: Ended.self) { group in
      var next: UInt64? = seeds.lowerBound
      func begin() {
        guard let seed = next else { return }
        next = seed < seeds.upperBound ? seed + 1 : nil
        let simulation = simulation.seeded(seed)
        report(.began(simulation))
        group.addTask { Ended(simulation, filing: file) }
      }
      for _ in 0..<jobs { begin() }
      while let ended = await group.next() {
        if let failure = summary.add(ended) { report(.failed(failure)) }
        report(.ended(ended.simulation))
        begin()
      }
    }
    summary.failures.sort { $0.seed < $1.seed }
    return summary
  }

  /// The one command that does a seed again.
  package func replayCommand(scenario path: String, seed: UInt64) -> String {
    "murmur simulate \(path) --seed \(seed)"
  }
}

/// One seed, done.
private struct Ended: Sendable {
  let simulation: SimulationRun
  let result: Result<SimulationResult, SimulationError>
  /// Nil if it passed.
  private(set) var failure: SimulationCampaign.Failure?

  init(_ simulation: SimulationRun, filing file: (@Sendable (SimulationRun) -> String?)?) {
    self.simulation = simulation
    do throws(SimulationError) {
      result = .success(try simulation.run())
    } catch {
      result = .failure(error)
    }
    let problems =
      switch result {
      case .success(let result): result.violations + result.failedExpectations
      case .failure(let error): [error.description]
      }
    guard !problems.isEmpty else { return }
    failure = SimulationCampaign.Failure(seed: simulation.seed, problems: problems, file: file?(simulation))
  }
}

extension SimulationCampaign.Summary {
  fileprivate mutating func add(_ ended: Ended) -> SimulationCampaign.Failure? {
    if case .success(let result) = ended.result {
      roundsCommitted += result.roundsCommitted
      attempts += UInt64(result.rounds.count)
      outages += result.outages
      messages += result.messages
    }
    guard let failure = ended.failure else {
      passed += 1
      return nil
    }
    if failures.count < SimulationCampaign.failuresMax {
      failures.append(failure)
    } else {
      failuresUnlisted += 1
    }
    return failure
  }
}
