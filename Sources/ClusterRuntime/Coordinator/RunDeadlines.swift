import Federation
import Rounds

/// The deadlines of runs that have not passed, each with the timer behind it: those of an attempt that is over are taken
/// back, because a quick run would otherwise gather those of hours.
struct RunDeadlines<Timer> {
  private struct Entry {
    let number: UInt64
    let deadline: RunStateMachine.DeadlineID
    let timer: Timer
  }

  private var entries: [RunID: [Entry]] = [:]
  private var next: UInt64 = 0

  var count: Int { entries.values.reduce(0) { $0 + $1.count } }

  /// - Parameter timer: of a deadline with this number, to be given to `passed`.
  mutating func add(_ deadline: RunStateMachine.DeadlineID, of run: RunID, timer: (UInt64) -> Timer) {
    next += 1
    entries[run, default: []].append(Entry(number: next, deadline: deadline, timer: timer(next)))
  }

  mutating func passed(_ number: UInt64, of run: RunID) {
    entries[run]?.removeAll { $0.number == number }
    if entries[run]?.isEmpty == true { entries[run] = nil }
  }

  /// The timers that an attempt does not need any more. A worker of an asynchronous run may train on behind the end of the
  /// attempt that asked it.
  mutating func ended(_ attempt: AttemptID, of run: RunID) -> [Timer] {
    take(of: run) { deadline in
      switch deadline.kind {
      case .stage, .groupStage, .plainReport, .measurement: deadline.attempt == attempt
      case .gather, .patience, .retry, .update: false
      }
    }
  }

  /// All timers of a run that has ended.
  mutating func ended(_ run: RunID) -> [Timer] { take(of: run) { _ in true } }

  private mutating func take(of run: RunID, where isOver: (RunStateMachine.DeadlineID) -> Bool) -> [Timer] {
    guard let known = entries[run] else { return [] }
    let left = known.filter { !isOver($0.deadline) }
    entries[run] = left.isEmpty ? nil : left
    return known.filter { isOver($0.deadline) }.map(\.timer)
  }
}
