import Federation

/// One scenario under many seeds, on several threads: what must never happen, looked for again and again.
package struct SimulationCampaign: Sendable {
  /// A seed under which a claim was broken or an expectation not met.
  package struct Failure: Hashable, Sendable {
    package let seed: UInt64
    /// In words; never empty.
    package let problems: [String]
  }

  /// What `run` tells of, in the order in which it happens; from one task.
  package enum Progress: Sendable {
    case began(seed: UInt64)
    case failed(Failure)
    case ended(seed: UInt64)
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
  /// - Parameter report: hears of each seed, and of each failure when it is found.
  package func run(report: @Sendable (Progress) -> Void = { _ in }) async -> Summary {
    var summary = Summary()
    await withTaskGroup(of: (UInt64, Result<SimulationResult, SimulationError>).self) { group in
      var next: UInt64? = seeds.lowerBound
      func begin() {
        guard let seed = next else { return }
        next = seed < seeds.upperBound ? seed + 1 : nil
        let simulation = simulation.seeded(seed)
        report(.began(seed: seed))
        group.addTask {
          do throws(SimulationError) {
            return (seed, .success(try simulation.run()))
          } catch {
            return (seed, .failure(error))
          }
        }
      }
      for _ in 0..<jobs { begin() }
      while let (seed, result) = await group.next() {
        if let failure = summary.add(result, seed: seed) { report(.failed(failure)) }
        report(.ended(seed: seed))
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

extension SimulationCampaign.Summary {
  fileprivate mutating func add(_ result: Result<SimulationResult, SimulationError>, seed: UInt64)
    -> SimulationCampaign.Failure?
  {
    let problems: [String]
    switch result {
    case .success(let result):
      roundsCommitted += result.roundsCommitted
      attempts += UInt64(result.rounds.count)
      outages += result.outages
      messages += result.messages
      problems = result.violations + result.failedExpectations
    case .failure(let error): problems = [error.description]
    }
    guard !problems.isEmpty else {
      passed += 1
      return nil
    }
    let failure = SimulationCampaign.Failure(seed: seed, problems: problems)
    if failures.count < SimulationCampaign.failuresMax {
      failures.append(failure)
    } else {
      failuresUnlisted += 1
    }
    return failure
  }
}
