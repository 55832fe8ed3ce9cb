import ArgumentParser

/// How every benchmark measures and prints.
struct MeasuringOptions: ParsableArguments {
  @Flag(help: "Print the figures as JSON.")
  var json = false

  @Flag(help: "Fewer repetitions, and no vectors of 10,000,000 elements.")
  var quick = false

  @Option(
    help: ArgumentHelp(
      "Measure with 1 to N threads (default: the cores, at most 4, or 2 for the kernel).", valueName: "N"))
  var threads: Int?

  @Option(help: "wall: what passes; cpu: what the processors spend, for a machine with other work.")
  var clock = Stopwatch.Clock.wall

  func validate() throws {
    if let threads, !(1...64).contains(threads) {
      throw ValidationError("--threads: found \(threads), expected 1 to 64")
    }
  }

  func stopwatch(repetitions: Int) -> Stopwatch { Stopwatch(clock: clock, repetitions: repetitions) }
}
