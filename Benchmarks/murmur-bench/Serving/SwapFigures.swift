import ClusterRuntime
import Federation
import Foundation
import ModelRegistry
import Synchronization
import Wire

/// What callers notice of new versions: the same rate of requests without and with a champion that moves all the time.
struct SwapFigures {
  let directory: String
  /// Of the node that answer HTTP.
  let threads: Int
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
    try "bind: {pull: \"tcp://127.0.0.1:*\"}\nhttp: {bind: \"127.0.0.1:8080\", threads: \(threads)}\n".write(
      toFile: "\(federation.path)/serving/serving.yaml", atomically: true, encoding: .utf8)
    let node = try ServingNodeProcess(
      home: "\(federation.path)/serving", arguments: ["--endpoints", federation.endpointsPath],
      logPath: "\(federation.path)/serving.log")
    guard let base = node.endpoints["http"] else { throw BenchmarkFailure.refused("the node has no HTTP") }
    _ = try node.process.lines(within: .seconds(30)) { $0.message == "serving" }
    let tool = try PredictionRequest.json.loadTool(for: "bench", at: base, writing: "\(federation.path)/body")
    let peak = try tool.peak(connections: 16, seconds: seconds, scratch: federation.path)
    let half = try tool.atLeast(peak.requestsPerSecond / 2, seconds: seconds, scratch: federation.path)
    try compare(tool, node, federation, connections: half.connections, &report)
  }

  private func compare(
    _ tool: LoadTool, _ node: ServingNodeProcess, _ federation: BenchFederation, connections: Int,
    _ report: inout Report
  ) throws {
    var quiet: [Double] = [], moving: [Double] = [], swaps = 0
    for _ in 0..<turns {
      quiet.append(try measure(tool, connections, federation).p99)
      _ = node.process.newLines()
      let mover = Mover(home: federation.home, versions: Self.versions, pause: Self.pause)
      moving.append(try measure(tool, connections, federation).p99)
      try mover.stop()
      swaps += node.process.newLines().count { $0.message == "serving" && $0.values["alias"] == "champion" }
    }
    let section = "REST, JSON, at half of the peak (\(connections) connections), a champion moved every 200 ms"
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

  private func measure(_ tool: LoadTool, _ connections: Int, _ federation: BenchFederation) throws -> LoadTool.Result {
    let result = try tool.peak(connections: connections, seconds: seconds, scratch: federation.path)
    guard result.errors == 0 else { throw BenchmarkFailure.refused("\(result.errors) requests failed") }
    return result
  }
}

/// Moves the champion from one version to the next until it is told to stop.
private final class Mover: Sendable {
  private let isOver = Mutex(false)
  private let failure = Mutex<(any Error)?>(nil)
  private let done = DispatchSemaphore(value: 0)

  init(home: String, versions: Int, pause: Duration) {
    guard let champion = Alias("champion") else { preconditionFailure("a word is an alias") }
    Task.detached { [self] in
      do {
        let client = try OperatorClient(home: home)
        var number = 0
        while !isOver.withLock({ $0 }) {
          number = number % versions + 1
          _ = try await client.change(AliasOrder(model: "bench", alias: champion, change: .move(to: "bench@\(number)")))
          try await Task.sleep(for: pause)
        }
      } catch {
        failure.withLock { $0 = error }
      }
      done.signal()
    }
  }

  func stop() throws {
    isOver.withLock { $0 = true }
    done.wait()
    if let error = failure.withLock({ $0 }) { throw error }
  }
}
