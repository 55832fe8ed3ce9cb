import Federation
import Glibc

extension MonotonicTime {
  /// The machine's monotonic clock (clock_gettime(2), CLOCK_MONOTONIC).
  package static var now: MonotonicTime {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return MonotonicTime(nanoseconds: UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec))
  }
}

/// Seconds since 1970-01-01 UTC: for certificates and for people, never for deadlines.
package func unixTime() -> UInt64 {
  var time = timespec()
  clock_gettime(CLOCK_REALTIME, &time)
  return UInt64(max(0, time.tv_sec))
}

extension Duration {
  /// Seconds as a binary fraction, for people.
  var seconds: Double {
    let (whole, attoseconds) = components
    return Double(whole) + Double(attoseconds) * 1e-18
  }
}
