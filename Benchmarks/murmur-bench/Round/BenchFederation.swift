import ClusterConfiguration
import Cryptography
import Federation
import Foundation

/// What a federation of a benchmark trains: as little as possible, on a model of the wanted size.
///
/// Every worker has one example and holds none out, so that training is one step on one row. What remains of it, passes
/// over the parameters, workers log, and figures take it out.
struct Workload: Sendable {
  /// Roughly; see `architecture`.
  let parameters: Int
  let isSecure: Bool
  let rounds: Int
  let workers: Int
  /// As `coordinator.yaml` has it; nil for the usual one.
  var heartbeat: String?
  /// Another model than the square one, of ten classes.
  var shape: (features: Int, architecture: String)?

  var features: Int { shape?.features ?? 8 }
  /// A model with one square matrix that holds nearly all parameters: h² + 20·h + 10 of them.
  var architecture: String { shape?.architecture ?? "mlp \(features)-\(width)-\(width)-10" }
  private var width: Int { Int((Double(parameters) + 90).squareRoot()) - 10 }
  var parameterCount: Int { width * width + 20 * width + 10 }

  var run: String {
    """
    name: bench
    model: {name: bench, architecture: "\(architecture)"}
    data: {features: \(features), classes: 10}
    rounds: \(rounds)
    aggregation: \(isSecure ? "secure" : "plain")
    training: {learning-rate: 0.001}
    clip: 1
    hold-out: 0
    cohort: {minimum: \(max(3, workers - 2)), maximum: \(max(256, workers))\(workers > 256 ? Self.sparse : "")}
    deadlines: {advert: 600s, share: 600s, input: 3600s, agree: 600s, unmask: 600s}
    maximum-attempts: 10

    """
  }

  /// What the sparse graph asks of a cohort.
  private static let sparse = ", minimum-organisations: 10, organisation-cap: 1/10"

  /// One example: nothing of it matters.
  var data: String {
    (0..<features).map { "x\($0)," }.joined() + "label\n" + String(repeating: "0.5,", count: features) + "1\n"
  }
}

/// A federation of real processes on loopback, in a folder of its own: ended and removed with the last reference.
final class BenchFederation {
  let path: String
  let workload: Workload
  private(set) var coordinator: ChildProcess
  private(set) var workers: [ChildProcess] = []
  private var logCount = 0

  var home: String { path + "/coordinator" }
  var endpointsPath: String { path + "/endpoints.yaml" }

  /// Starts a coordinator that waits for workers, with the run in hand.
  ///
  /// - Parameter directory: where the folder is made; its disk bears every durable write.
  init(_ workload: Workload, in directory: String) throws {
    self.workload = workload
    path = "\(directory)/murmur-bench-\(UUID().uuidString)"
    try Self.initialise(workload, at: path)
    coordinator = try ChildProcess(
      ["coordinator", "--home", path + "/coordinator", "--local", "--any-port", "--run", path + "/run.yaml"],
      logPath: path + "/coordinator.log")
    _ = try coordinator.lines(within: .seconds(60)) { $0.message == "run started" }
    try FileManager.default.copyItem(atPath: home + "/state/endpoints.yaml", toPath: endpointsPath)
  }

  deinit {
    stopWorkers()
    coordinator.end()
    try? FileManager.default.removeItem(atPath: path)
  }

  private static func initialise(_ workload: Workload, at path: String) throws {
    let run = try RunConfiguration.read(ConfigurationFile(path: "run", text: workload.run))
    let plan = FederationPlan(
      federation: "bench",
      workers: (1...workload.workers).map {
        (WorkerID(unchecked: "worker-\($0)"), OrganisationID(unchecked: "organisation-\($0)"))
      },
      now: UInt64(Date.now.timeIntervalSince1970), policy: .allowing(run), threads: 1)
    let secrets = SystemSecretSource()
    try FederationHome.initialise(directory: path, plan: plan, secrets: secrets) {
      FederationHome.linkKeyPair(from: secrets)
    }
    if let heartbeat = workload.heartbeat {
      try "heartbeat: \(heartbeat)\n".write(
        toFile: path + "/coordinator/coordinator.yaml", atomically: true, encoding: .utf8)
    }
    try workload.run.write(toFile: path + "/run.yaml", atomically: true, encoding: .utf8)
    for number in 1...workload.workers {
      try workload.data.write(toFile: "\(path)/worker-\(number)/data.csv", atomically: true, encoding: .utf8)
    }
  }

  func startWorkers() throws {
    for number in 1...workload.workers { workers.append(try startWorker(number)) }
  }

  func stopWorkers() {
    for worker in workers { worker.end() }
    workers = []
  }

  private func startWorker(_ number: Int) throws(BenchmarkFailure) -> ChildProcess {
    logCount += 1
    return try ChildProcess(
      ["worker", "--home", "\(path)/worker-\(number)", "--endpoints", endpointsPath],
      logPath: "\(path)/worker-\(number)-\(logCount).log")
  }

  /// Ends the coordinator with SIGKILL and starts it again where it was.
  func restartCoordinator() throws {
    coordinator.end()
    logCount += 1
    coordinator = try ChildProcess(
      ["coordinator", "--home", home, "--local", "--endpoints", endpointsPath],
      logPath: "\(path)/coordinator-\(logCount).log")
  }

  /// Seconds of processors that training took, by attempt, all workers together.
  func trainingSeconds() -> [String: Double] {
    var seconds: [String: Double] = [:]
    for line in workers.flatMap({ $0.newLines() }) where line.message == "trained" {
      guard let attempt = line.values["attempt"], let own = line.values["processor-seconds"].flatMap(Double.init) else {
        continue
      }
      seconds[attempt, default: 0] += own
    }
    return seconds
  }
}
