import Federation
import Observability

/// How long a run's machine has been in its phase.
struct PhaseClock {
  private var phase: CoordinatorMetrics.Phase?
  private var since = MonotonicTime.now

  /// Takes a look at the machine.
  ///
  /// - Parameter name: of the phase, as operators read it; one that is none of a round's is not timed.
  /// - Returns: the phase that has ended, and how long it was; nil while it goes on.
  mutating func note(
    _ name: String, at time: MonotonicTime
  ) -> (phase: CoordinatorMetrics.Phase, duration: Duration)? {
    let next = CoordinatorMetrics.Phase(rawValue: name)
    guard next != phase else { return nil }
    defer {
      phase = next
      since = time
    }
    return phase.map { ($0, time.since(since)) }
  }
}
