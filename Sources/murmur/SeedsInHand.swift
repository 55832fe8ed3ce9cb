import Glibc

/// Names the seeds in hand when a broken invariant of a core ends the process: a trap (signal(7)) says nothing by itself.
///
/// Written by one task, read by the signal handler, which calls nothing but write(2) and signal(2).
enum SeedsInHand {
  /// As many as `--jobs` allows.
  private static let slotsMax = 1024
  /// Seed and 1; 0 in a free slot.
  private nonisolated(unsafe) static let slots: UnsafeMutablePointer<UInt64> = {
    let slots = UnsafeMutablePointer<UInt64>.allocate(capacity: slotsMax)
    slots.initialize(repeating: 0, count: slotsMax)
    return slots
  }()
  private nonisolated(unsafe) static var command: UnsafeMutablePointer<CChar>?

  /// From now on a trap writes `command` and a seed on standard error, for each seed in hand.
  static func report(command text: String) {
    _ = slots
    command = strdup(text)
    for number in [SIGILL, SIGTRAP, SIGABRT, SIGSEGV] {
      signal(number) { number in
        SeedsInHand.write()
        signal(number, SIG_DFL)
        raise(number)
      }
    }
  }

  static func began(_ seed: UInt64) {
    guard let slot = (0..<slotsMax).first(where: { slots[$0] == 0 }) else { return }
    slots[slot] = seed &+ 1
  }

  static func ended(_ seed: UInt64) {
    guard let slot = (0..<slotsMax).first(where: { slots[$0] == seed &+ 1 }) else { return }
    slots[slot] = 0
  }

  private static func write() {
    guard let command else { return }
    for slot in 0..<slotsMax where slots[slot] != 0 {
      Glibc.write(STDERR_FILENO, command, strlen(command))
      var rest = slots[slot] - 1, scale: UInt64 = 1
      while rest / scale >= 10 { scale *= 10 }
      while scale > 0 {
        var digit = UInt8(48 + rest / scale)
        Glibc.write(STDERR_FILENO, &digit, 1)
        rest %= scale
        scale /= 10
      }
      var end: UInt8 = 10
      Glibc.write(STDERR_FILENO, &end, 1)
    }
  }
}
