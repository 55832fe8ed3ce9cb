import ClusterConfiguration
import Federation

/// What is wrong with the disk and the clock of one party.
struct Conditions {
  /// Whether what it has to keep cannot be kept.
  var isDiskFull = false
  /// What each write takes.
  var writeDelay = Duration.zero
  /// How far its calendar is ahead; below zero how far behind.
  var skew = Duration.zero

  /// Seconds since 1970, as the party has them.
  func calendar(at time: MonotonicTime) -> UInt64 {
    let (seconds, _) = skew.components
    return UInt64(clamping: Int64(clamping: VirtualTime.calendar(at: time)) + seconds)
  }

  mutating func begin(_ kind: SimulationScenario.Fault.Kind, _ amount: Duration) {
    switch kind {
    case .diskFull: isDiskFull = true
    case .slowDisk: writeDelay = amount
    case .clockSkew: skew = amount
    case .crash, .partition: break  // Of processes and links.
    }
  }

  mutating func end(_ kind: SimulationScenario.Fault.Kind) {
    switch kind {
    case .diskFull: isDiskFull = false
    case .slowDisk: writeDelay = .zero
    case .clockSkew: skew = .zero
    case .crash, .partition: break
    }
  }
}
