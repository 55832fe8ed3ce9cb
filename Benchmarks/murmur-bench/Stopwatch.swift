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
  /// Seconds that the repetitions of short work go on for at least: threads that have just been made are not yet where
  /// the system will leave them.
  private static let secondsMin = 0.2

  /// Seconds of the fastest run of `body`, after one that is not counted.
  ///
  /// - Parameter threads: how many work in `body`.
  func least(threads: Int = 1, _ body: () throws -> Void) rethrows -> Double {
    try body()
    var least = Double.infinity
    var runs = 0, total = 0.0
    while runs < repetitions || total < Self.secondsMin {
      let start = now()
      try body()
      let seconds = now() - start
      least = min(least, seconds)
      total += seconds
      runs += 1
    }
    return clock == .cpu ? least / Double(threads) : least
  }

  private func now() -> Double {
    var time = timespec()
    clock_gettime(clock == .cpu ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
