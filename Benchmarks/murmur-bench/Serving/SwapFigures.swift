import ClusterRuntime
import Federation
import Foundation
import ModelRegistry
import Synchronization
import Wire

/// What callers notice of new versions: the same rate of requests without and with a champion that moves all the time.
struct SwapFigures {
  let directory: String
  let seconds: Int
  let turns: Int

  private static let versions = 8
  /// Between one move and the next.
  private static let pause = Duration.milliseconds(200)

  func report(to report: inout Report) throws {
    let federation = try BenchFederation(
      Workload(
        parameters: 199_210, isSecure: false, rounds: Self.versions, workers: 3,
        shape: (784, "mlp 784-200-200-10")), in: directory)
    try federation.startWorkers()
    _ = try federation.coordinator.lines(within: .seconds(120)) { $0.message == "run ended" }
    federation.stopWorkers()
    let node = try ServingNodeProcess(
      home: "\(federation.path)/serving", arguments: ["--endpoints", federation.endpointsPath],
      logPath: "\(federation.path)/serving.log")
    guard let base = node.endpoints["http"] else { throw BenchmarkFailure.refused("the node has no HTTP") }
    _ = try node.process.lines(within: .seconds(30)) { $0.message == "serving" }
    let tool = try PredictionRequest.json.loadTool(for: "bench", at: base, writing: "\(federation.path)/body")
    let peak = try tool.peak(connections: 16, seconds: seconds, scratch: federation.path)
    try compare(tool, node, federation, rate: Int(peak.requestsPerSecond / 2), &report)
  }

  private func compare(
    _ tool: LoadTool, _ node: ServingNodeProcess, _ federation: BenchFederation, rate: Int, _ report: inout Report
  ) throws {
    var quiet: [Double] = [], moving: [Double] = [], swaps = 0
    for _ in 0..<turns {
      quiet.append(try measure(tool, rate, federation).p99)
      _ = node.process.newLines()
      let mover = Mover(home: federation.home, versions: Self.versions, pause: Self.pause)
      moving.append(try measure(tool, rate, federation).p99)
      try mover.stop()
      swaps += node.process.newLines().count { $0.message == "serving" && $0.values["alias"] == "champion" }
    }
    let section = "REST, JSON, at half of the peak (\(rate)/s), a champion moved every 200 ms"
    guard swaps >= turns * seconds else {
      throw BenchmarkFailure.refused(
        "\(section): the node changed versions \(swaps) times, expected \(5 * turns * seconds)")
    }
    report.add(Figure(section: section, name: "p99 without", value: quiet.median, unit: "ms"))
    report.add(
      Figure(
        section: section, name: "p99 during \(swaps) swaps", value: moving.median, unit: "ms", limit: quiet.median,
        budget: .ratioAtMost(2)))
  }

  private func measure(_ tool: LoadTool, _ rate: Int, _ federation: BenchFederation) throws -> LoadTool.Result {
    let result = try tool.steady(rate: rate, seconds: seconds, scratch: federation.path)
    guard result.errors == 0 else { throw BenchmarkFailure.refused("\(result.errors) requests failed") }
    return result
  }
}

/// Moves the champion from one version to the next until it is told to stop.
private final class Mover: Sendable {
  private let task: Task<Void, any Error>

  init(home: String, versions: Int, pause: Duration) {
    guard let champion = Alias("champion") else { preconditionFailure("a word is an alias") }
    task = Task.detached {
      let client = try OperatorClient(home: home)
      var number = 0
      while !Task.isCancelled {
        number = number % versions + 1
        _ = try await client.change(AliasOrder(model: "bench", alias: champion, change: .move(to: "bench@\(number)")))
        try? await Task.sleep(for: pause)
      }
    }
  }

  func stop() throws {
    task.cancel()
    let done = DispatchSemaphore(value: 0)
    let failure = Mutex<(any Error)?>(nil)
    Task.detached { [task] in
      if case .failure(let error) = await task.result { failure.withLock { $0 = error } }
      done.signal()
    }
    done.wait()
    if let error = failure.withLock({ $0 }) { throw error }
  }
}
