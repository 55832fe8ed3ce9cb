import Glibc

/// The time of the day, for what others read; nothing is measured with it.
package enum WallClock {
  /// Seconds since 1970-01-01 UTC.
  package static var unixSeconds: UInt64 { UInt64(max(0, time(nil))) }

  package static var unixMilliseconds: Int {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    return now.tv_sec * 1_000 + now.tv_nsec / 1_000_000
  }
}
