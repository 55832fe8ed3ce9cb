import ClusterConfiguration
import Federation
import Rounds

/// What the scenario expects, beside what came out.
extension SimulationRun {
  /// What was to come, and has not: of a simulation that was cut short it may still come.
  func failures(
    _ outcome: RunStateMachine.Outcome?, committed: UInt64, faultsLeft: [SimulationScenario.Fault],
    coordinatorFaultsLeft: [SimulationScenario.CoordinatorFault] = [], _ metrics: RoundMetrics?
  ) -> [String] {
    var failures: [String] = []
    let expected = scenario.expectations
    if committed < expected.rounds {
      failures.append("rounds: found \(committed) committed, expected \(expected.rounds)")
      if case .failed(let reason)? = outcome { failures.append("the run failed: \(reason)") }
    }
    if let least = expected.accuracy, (metrics?.accuracy ?? 0) < least {
      failures.append(
        "accuracy: found \(metrics?.accuracy.map { "\($0)" } ?? "no held-out data"), expected at least \(least)")
    }
    for fault in faultsLeft {
      failures.append(
        "faults: \(fault.worker) never came to '\(fault.at.rawValue)' of round \(fault.round), "
          + "expected a \(fault.kind.rawValue) there"
      )
    }
    for fault in coordinatorFaultsLeft {
      failures.append(
        "faults: the coordinator never came to '\(fault.at.rawValue)' of "
          + (fault.round.map { "round \($0)" } ?? "any round") + ", expected a \(fault.kind.rawValue) there")
    }
    return failures
  }

  /// What is more than the scenario allows, whether or not the run has ended.
  func excesses(bytes: UInt64, up: UInt64, seconds: Double) -> [String] {
    let expected = scenario.expectations
    var excesses: [String] = []
    if let most = expected.bytesMax, bytes > most {
      excesses.append("bytes-max: found \(bytes) bytes of all messages, expected at most \(most)")
    }
    if let most = expected.bytesUpMax, up > most {
      excesses.append("bytes-up-max: found \(up) bytes of messages from workers, expected at most \(most)")
    }
    if let most = expected.virtualTimeMax, seconds > most.asSeconds {
      excesses.append("virtual-time-max: found \(seconds) s of virtual time, expected at most \(most.asSeconds) s")
    }
    return excesses
  }
}
