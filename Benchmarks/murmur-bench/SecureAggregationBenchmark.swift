import ArgumentParser
import GradientKernel

/// Masks, shares, encodings: what secure averaging costs beside plain averaging.
struct SecureAggregationBenchmark: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "secure-aggregation",
    abstract: "Masks, unmasking, shares, signatures, encodings and their errors.")

  @Flag(help: "Print the figures as JSON.")
  var json = false

  @Flag(help: "Fewer repetitions and no vectors of 10,000,000 elements.")
  var quick = false

  @Option(help: ArgumentHelp("Measure with 1 to N threads (default: the cores, at most 4).", valueName: "N"))
  var threads: Int?

  @Option(help: "wall: what passes; cpu: what the processors spend, for a machine with other work.")
  var clock = Stopwatch.Clock.wall

  func validate() throws {
    if let threads, !(1...64).contains(threads) {
      throw ValidationError("--threads: found \(threads), expected 1 to 64")
    }
  }

  func run() throws {
    var report = Report(isJSON: json)
    let limits = Limits(
      maximumThreads: threads ?? min(4, ThreadPool.coreCount),
      stopwatch: Stopwatch(clock: clock, repetitions: quick ? 3 : 9))
    limits.report(to: &report)
    let setting = Setting(
      limits: limits, stopwatch: Stopwatch(clock: clock, repetitions: quick ? 2 : 7), isQuick: quick)
    try MaskFigures(setting).report(to: &report)
    try UnmaskFigures(setting).report(to: &report)
    try WorkerFigures(setting).report(to: &report)
    try EncodingFigures(setting).report(to: &report)
    try report.finish()
  }
}

/// What all parts of the benchmark share.
struct Setting {
  let limits: Limits
  let stopwatch: Stopwatch
  let isQuick: Bool

  /// Pools of 1, 2 … threads.
  func forEachPool(_ body: (ThreadPool) throws -> Void) rethrows {
    for threads in 1...limits.maximumThreads { try body(ThreadPool(threads: threads, flushesSubnormals: false)) }
  }
}
