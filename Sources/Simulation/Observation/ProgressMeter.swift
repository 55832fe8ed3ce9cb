import Federation
import Rounds

/// Tells how far a simulation has come, as often as is worth a look at the clock.
package final class ProgressMeter: SimulationObserver {
  package struct Progress: Hashable, Sendable {
    package fileprivate(set) var roundsCommitted: UInt64 = 0
    /// Of virtual time.
    package fileprivate(set) var seconds = 0.0
  }

  /// Events between two reports.
  private static let interval: UInt64 = 512

  private var progress = Progress()
  private var eventCount: UInt64 = 0
  private let report: (Progress) -> Void

  package init(report: @escaping (Progress) -> Void) { self.report = report }

  func performed(_ action: RunStateMachine.Action, at time: MonotonicTime) {
    guard case .report(let round) = action, case .committed = round.outcome else { return }
    progress.roundsCommitted += 1
  }

  func advanced(to time: MonotonicTime) {
    eventCount += 1
    guard eventCount.isMultiple(of: Self.interval) else { return }
    progress.seconds = time.seconds
    report(progress)
  }
}
