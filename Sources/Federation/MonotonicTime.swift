/// A moment on a clock that only moves forward: a driver's monotonic clock, or the simulator's virtual time.
///
/// Cores receive moments, they never read a clock.
package struct MonotonicTime: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// Nanoseconds since the clock's own zero.
  package let nanoseconds: UInt64

  package init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

  package static func < (a: Self, b: Self) -> Bool { a.nanoseconds < b.nanoseconds }

  package static func + (time: Self, duration: Duration) -> Self {
    let (seconds, attoseconds) = duration.components
    let delta = max(0, seconds) &* 1_000_000_000 &+ attoseconds / 1_000_000_000
    return Self(nanoseconds: time.nanoseconds &+ UInt64(max(0, delta)))
  }

  /// The time between two moments; zero if `earlier` is not earlier.
  package func since(_ earlier: Self) -> Duration {
    .nanoseconds(Int64(clamping: nanoseconds > earlier.nanoseconds ? nanoseconds - earlier.nanoseconds : 0))
  }

  package var description: String { "\(nanoseconds / 1_000_000).\(nanoseconds / 1000 % 1000) ms" }
}
