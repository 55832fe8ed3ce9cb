import ArgumentParser
import Glibc

/// Times of repeated work. The least of them is taken: other work on the machine only ever adds.
struct Stopwatch {
  /// What time is.
  enum Clock: String, ExpressibleByArgument, CaseIterable {
    /// What passes for whoever waits.
    case wall
    /// What the processors spent, divided by the number of threads: for a machine that has other work to do. Says nothing
    /// of threads that wait for each other.
    case cpu
  }

  let clock: Clock
  let repetitions: Int

  /// Seconds of the fastest run of `body`, after one that is not counted.
  ///
  /// - Parameter threads: how many work in `body`.
  func least(threads: Int = 1, _ body: () throws -> Void) rethrows -> Double {
    try body()
    var least = Double.infinity
    for _ in 0..<repetitions {
      let start = now()
      try body()
      least = min(least, now() - start)
    }
    return clock == .cpu ? least / Double(threads) : least
  }

  private func now() -> Double {
    var time = timespec()
    clock_gettime(clock == .cpu ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
