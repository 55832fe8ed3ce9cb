import ArgumentParser
import GradientKernel

/// Masks, shares, encodings: what secure averaging costs beside plain averaging.
struct SecureAggregationBenchmark: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "secure-aggregation",
    abstract: "Masks, unmasking, shares, signatures, encodings and their errors.")

  @OptionGroup var measuring: MeasuringOptions

  func run() throws {
    var report = Report(isJSON: measuring.json)
    let limits = Limits(
      maximumThreads: measuring.threads ?? min(4, ThreadPool.coreCount),
      stopwatch: measuring.stopwatch(repetitions: measuring.quick ? 3 : 9))
    limits.report(to: &report)
    let setting = Setting(
      limits: limits, stopwatch: measuring.stopwatch(repetitions: measuring.quick ? 2 : 7), isQuick: measuring.quick)
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
