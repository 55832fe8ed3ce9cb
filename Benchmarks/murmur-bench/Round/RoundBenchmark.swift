import ArgumentParser
import Foundation
import GradientKernel

/// What a round costs beside training: real processes on loopback.
struct RoundBenchmark: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "round",
    abstract: "Rounds of one coordinator and eight workers, all processes on this machine: overhead, failures, memory.",
    discussion: """
      Runs the program 'murmur' beside this one (variable MURMUR_PROGRAM for another). Every worker trains one step on \
      one example; what that takes is taken out.
      """)

  enum Part: String, CaseIterable, ExpressibleByArgument {
    case small, large, failures, memory
  }

  @OptionGroup var measuring: MeasuringOptions

  @Option(
    help: ArgumentHelp(
      "Where the federation's folders are made. Without it, memory (/dev/shm), which leaves the disk out.",
      valueName: "folder"))
  var directory: String?

  @Option(
    help: ArgumentHelp(
      "Only these: small (10,000 parameters), large (10⁶ and 10⁷), failures, memory (100 rounds).", valueName: "part"))
  var part: [Part] = []

  private static let workers = 8

  func run() throws {
    var report = Report(isJSON: measuring.json)
    let folder = directory ?? (FileManager.default.fileExists(atPath: "/dev/shm") ? "/dev/shm" : NSTemporaryDirectory())
    let cores = min(measuring.threads ?? ThreadPool.coreCount, ThreadPool.coreCount)
    let limits = Limits(
      maximumThreads: min(4, cores), stopwatch: measuring.stopwatch(repetitions: measuring.quick ? 3 : 9))
    let links = try LinkLimits(directory: folder, isQuick: measuring.quick)
    limits.report(to: &report)
    links.report(to: &report, directory: folder)
    let setting = RoundSetting(
      directory: folder, workers: Self.workers, cores: cores, limits: limits, links: links, isQuick: measuring.quick)
    let parts = part.isEmpty ? Part.allCases : part
    for part in parts {
      switch part {
      case .small: try OverheadFigures(setting).report(to: &report)
      case .large: try TransferFigures(setting).report(to: &report)
      case .failures: try FailureFigures(setting).report(to: &report)
      case .memory: try MemoryFigures(setting).report(to: &report)
      }
    }
    try report.finish()
  }
}

/// What all parts of the benchmark share.
struct RoundSetting {
  let directory: String
  let workers: Int
  let cores: Int
  let limits: Limits
  let links: LinkLimits
  let isQuick: Bool

  /// Starts a federation and waits until its run has ended.
  func finishedRounds(parameters: Int, isSecure: Bool, rounds: Int) throws -> MeasuredRounds {
    let federation = try BenchFederation(
      Workload(parameters: parameters, isSecure: isSecure, rounds: rounds, workers: workers), in: directory)
    try federation.startWorkers()
    let lines = try federation.coordinator.lines(within: .seconds(900)) { $0.message == "run ended" }
    return try MeasuredRounds(lines, training: federation.trainingSeconds(), cores: cores, rounds: rounds)
  }
}

/// The training rounds of a run, without its first two (connections, the first model, certificates) and its evaluation.
struct MeasuredRounds {
  /// From the record of the attempt to the published version, training included.
  let seconds: [Double]
  /// Processor seconds of training in each, divided by the cores: what it delays the round by at least.
  let training: [Double]
  /// Of each without training.
  let overhead: [Double]

  static let leftOut = 2

  init(_ lines: [LogLine], training: [String: Double], cores: Int, rounds: Int) throws {
    var seconds: [Double] = [], own: [Double] = []
    for line in lines where line.message == "round" {
      guard line.values["outcome"] == "committed", let attempt = line.values["attempt"],
        let number = attempt.split(separator: "/").last?.split(separator: ".").first.flatMap({ Int($0) }),
        number > Self.leftOut, number <= rounds, let time = line.values["seconds"].flatMap(Double.init)
      else { continue }
      seconds.append(time)
      own.append((training[attempt] ?? 0) / Double(cores))
    }
    guard !seconds.isEmpty else {
      throw BenchmarkFailure.refused("no rounds; last: \(lines.last?.text ?? "nothing")")
    }
    self.seconds = seconds
    self.training = own
    overhead = zip(seconds, own).map { max(0, $0 - $1) }
  }
}

extension [Double] {
  /// The element that this part of the others does not exceed; 0 if there is none.
  func quantile(_ part: Double) -> Double {
    isEmpty ? 0 : sorted()[Swift.min(count - 1, Int(Double(count) * part))]
  }

  var median: Double { quantile(0.5) }
}
