import ArgumentParser
import ClusterRuntime
import Foundation
import GradientKernel
import Logging

/// One coordinator process under the load of many workers, which share this process.
struct FleetBenchmark: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fleet",
    abstract: "Rounds of one coordinator and a thousand workers: its memory above idle, its work, its bytes.",
    discussion: """
      Every worker has its own key, connections and session. They train nothing, and share one update and one copy of the \
      model. The graph of masks is sparse above 256 workers (--secure).
      """)

  @Option(help: ArgumentHelp("How many workers.", valueName: "n"))
  var workers = 1000

  @Option(help: ArgumentHelp("Parameters of the model, roughly.", valueName: "n"))
  var parameters = 1_000_000

  @Option(help: ArgumentHelp("Rounds, beside the evaluation at the end.", valueName: "n"))
  var rounds = 2

  @Flag(help: "Secure aggregation; plain without it.")
  var secure = false

  @Option(
    help: ArgumentHelp(
      "Where the federation's folders are made. Without it, memory (/dev/shm).", valueName: "folder"))
  var directory: String?

  @Option(help: ArgumentHelp("Seconds after which it gives up.", valueName: "n"))
  var limit = 1800

  @Flag(help: "Print the figures as JSON.")
  var json = false

  /// Bytes above its idle memory that a coordinator may take (DESIGN §8).
  private static let memoryBudget = 200e6

  func validate() throws {
    guard (3...5000).contains(workers) else { throw ValidationError("--workers: found \(workers), expected 3 to 5000") }
  }

  func run() async throws {
    var report = Report(isJSON: json)
    let workload = Workload(
      parameters: parameters, isSecure: secure, rounds: rounds, workers: workers,
      heartbeat: "{interval: 10s, missed: 12}")
    let federation = try BenchFederation(workload, in: directory ?? "/dev/shm")
    let idle = federation.coordinator.ownBytes
    let fleet = try WorkerFleet(
      .init(
        directory: federation.path, endpointsFile: federation.endpointsPath, workers: workers,
        threads: ThreadPool.coreCount),
      logger: Logger(label: "fleet") { StreamLogHandler.standardError(label: $0) }.atLeast(.warning))
    try await fleet.start()
    let rounds = try measure(federation)
    fleet.stop()
    try self.report(rounds, idle: idle, workload: workload, to: &report)
    try report.finish()
  }

  /// What the coordinator had used when a round ended.
  private struct Sample {
    let round: LogLine
    let processorSeconds: Double
    let loopbackBytes: Double
    /// The most memory since the sample before.
    let ownBytes: Int
  }

  private func measure(_ federation: BenchFederation) throws -> [Sample] {
    let coordinator = federation.coordinator
    var samples: [Sample] = [], most = 0
    let deadline = ContinuousClock.now + .seconds(limit)
    while ContinuousClock.now < deadline {
      most = max(most, coordinator.ownBytes)
      for line in coordinator.newLines() {
        if ["attempt offered", "round"].contains(line.message) {
          samples.append(
            Sample(
              round: line, processorSeconds: coordinator.processorSeconds, loopbackBytes: Self.loopbackBytes(),
              ownBytes: most))
          most = 0
        }
        if line.message == "run ended" { return samples }
      }
      usleep(20_000)
    }
    throw BenchmarkFailure.silence(.seconds(limit), log: federation.path, last: samples.last?.round.text ?? "nothing")
  }

  /// Received on the loopback device since the machine started, by whomever.
  private static func loopbackBytes() -> Double {
    let text = (try? String(contentsOfFile: "/proc/net/dev", encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.contains("lo:") }
    return line?.split(separator: ":").last?.split(separator: " ").first.flatMap { Double($0) } ?? 0
  }

  private func report(_ samples: [Sample], idle: Int, workload: Workload, to report: inout Report) throws {
    let pairs = zip(samples, samples.dropFirst()).filter {
      $0.round.message == "attempt offered" && $1.round.message == "round"
    }
    guard !pairs.isEmpty else { throw BenchmarkFailure.refused("no round") }
    let mode = secure ? "secure" : "plain"
    for (offered, closed) in pairs {
      let section =
        "\(workers) workers, \(workload.parameterCount) parameters, \(mode): \(closed.round.values["attempt"] ?? "?")"
      func add(_ name: String, _ value: Double, _ unit: String, limit: Double? = nil, budget: Budget? = nil) {
        report.add(Figure(section: section, name: name, value: value, unit: unit, limit: limit, budget: budget))
      }
      let processor = closed.processorSeconds - offered.processorSeconds
      let model = Double(workload.parameterCount * 4 * workers)
      let isEvaluation = closed.round.values["attempt"]?.contains("/\(rounds + 1).") ?? false
      add("workers that reported", closed.round.values["reported"].flatMap(Double.init) ?? 0, "")
      add("time", closed.round.time - offered.round.time, "s")
      add("coordinator's processor time", processor, "s")
      add("coordinator's processor time, a worker", processor / Double(workers) * 1e3, "ms")
      add(
        isEvaluation ? "bytes over loopback; model down" : "bytes over loopback; model down, update up",
        (closed.loopbackBytes - offered.loopbackBytes) / 1e9, "GB", limit: (isEvaluation ? 1 : 2) * model / 1e9)
      add(
        "coordinator's memory above idle, most", Double(closed.ownBytes - idle) / 1e6, "MB",
        budget: .atMost(Self.memoryBudget / 1e6))
    }
    report.add(
      Figure(section: "coordinator without workers", name: "idle memory", value: Double(idle) / 1e6, unit: "MB"))
  }
}

extension Logger {
  fileprivate func atLeast(_ level: Logger.Level) -> Logger {
    var logger = self
    logger.logLevel = level
    return logger
  }
}
