import Federation
import ModelRegistry
import Rounds

/// What the coordinator's owner decides: `coordinator.yaml` in its folder.
package struct CoordinatorConfiguration: Hashable, Sendable {
  /// Addresses to bind where they differ from those that others connect to (`tcp://0.0.0.0:7700`); nil for the same.
  package var bindControl: String?
  package var bindBulk: String?
  package var bindState: String?
  package var bindSnapshot: String?
  /// Folder of the database, the spool and the operator's socket.
  package var stateDirectory: String
  /// Folder of published models.
  package var modelDirectory: String
  /// Bytes of uploads that may be on their way at once, over all workers.
  package var bulkCredit: UInt64
  /// Bytes of models that may be on their way at once, over all workers.
  package var downloadCredit: UInt64
  /// Uploads that may be on their way at once.
  package var uploadsAtOnce: Int
  /// When idle workers are sent away, and for how long.
  package var pace: PaceSteering.Rules
  /// The coordinator's own data, for runs that measure their versions on it; nil for none.
  package var evaluationData: ExampleFile?
  package var heartbeat = Heartbeat()
  /// Where metrics and health are; nil for nowhere.
  package var http: HTTPConfiguration?

  /// How often coordinator and workers speak, and how long a silence is borne: told to every worker in its welcome.
  package struct Heartbeat: Hashable, Sendable {
    package var interval = Duration.milliseconds(500)
    /// So many intervals of silence mean that the other side is lost.
    package var missed: UInt32 = 3
  }

  /// Reads `coordinator.yaml`.
  package static func load(path: String) throws(ConfigurationError) -> CoordinatorConfiguration {
    try read(ConfigurationFile(path: path, expected: "a coordinator's configuration"))
  }

  /// Reads a coordinator's configuration that is in memory.
  package static func read(_ file: ConfigurationFile) throws(ConfigurationError) -> CoordinatorConfiguration {
    let top = try file.top(keys: [
      "bind", "state-directory", "model-directory", "bulk-credit", "download-credit", "uploads-at-once",
      "evaluation-data", "pace", "heartbeat", "http",
    ])
    let bind = top.has("bind") ? try top.section("bind", keys: ["control", "bulk", "state", "snapshot"]) : nil
    func address(_ key: String) throws(ConfigurationError) -> String? {
      guard let bind, bind.has(key) else { return nil }
      return try bind.endpoint(key)
    }
    return try CoordinatorConfiguration(
      bindControl: address("control"), bindBulk: address("bulk"), bindState: address("state"),
      bindSnapshot: address("snapshot"), stateDirectory: top.folder("state-directory", default: "state"),
      modelDirectory: top.folder("model-directory", default: "models"),
      bulkCredit: credit("bulk-credit", default: 64 << 20, in: top),
      downloadCredit: credit("download-credit", default: 32 << 20, in: top),
      uploadsAtOnce: top.integer("uploads-at-once", default: 16, in: 1...1024),
      pace: paceRules(in: top),
      evaluationData: top.has("evaluation-data") ? exampleFile(in: top, at: "evaluation-data") : nil,
      heartbeat: heartbeat(in: top),
      http: top.has("http") ? HTTPConfiguration(top.section("http", keys: HTTPConfiguration.keys), port: 8090) : nil)
  }

  /// Bytes on their way at once.
  private static func credit(
    _ key: String, default standard: UInt64, in top: ConfigurationSection
  ) throws(ConfigurationError) -> UInt64 {
    try top.text(key, default: standard, expected: "a size from 1 MiB to 64 GiB, such as \"64 MiB\"") {
      Quantity.bytes($0).flatMap { (1 << 20...64 << 30).contains($0) ? $0 : nil }
    }
  }

  /// Within what workers agree to (`Protocols/wire.md`, section 4).
  private static func heartbeat(in top: ConfigurationSection) throws(ConfigurationError) -> Heartbeat {
    var heartbeat = Heartbeat()
    guard top.has("heartbeat") else { return heartbeat }
    let section = try top.section("heartbeat", keys: ["interval", "missed"])
    heartbeat.interval = try section.duration(
      "interval", default: heartbeat.interval, in: .milliseconds(10)...Duration.seconds(60))
    heartbeat.missed = try section.integer("missed", default: heartbeat.missed, in: 2...100)
    return heartbeat
  }
}

private func paceRules(in top: ConfigurationSection) throws(ConfigurationError) -> PaceSteering.Rules {
  let standard = PaceSteering.Rules()
  guard top.has("pace") else { return standard }
  let section = try top.section("pace", keys: ["surplus", "floor", "shortest", "longest"])
  let range = Duration.seconds(1)...Duration.seconds(3600)
  let shortest = try section.duration("shortest", default: standard.shortest, in: range)
  return try PaceSteering.Rules(
    surplus: section.number("surplus", default: standard.surplus, expected: "a number of at least 1") { $0 >= 1 },
    floor: section.integer("floor", default: standard.floor, in: 0...1_000_000),
    shortest: shortest,
    longest: section.duration("longest", default: max(standard.longest, shortest), in: shortest...range.upperBound))
}

/// What a data owner decides: `worker.yaml` in the worker's folder.
package struct WorkerConfiguration: Hashable, Sendable {
  /// Paths are seen from the working directory.
  package var examples: ExampleFile
  /// Path of the statistics by which the examples are normalised; nil to take them as they are.
  package var normalisationFile: String?
  package var policy: WorkerPolicy
  /// nil for one thread a core.
  package var threads: Int?
  /// Folder of the worker's ledger and of the models it has fetched.
  package var stateDirectory: String
  /// By which runs may choose among workers; says nothing of the data.
  package var labels: WorkerLabels
  /// Without a finished step for so long, training counts as hanging, and its attempt as failed.
  package var trainingPatience = TrainingWatch.patienceStandard

  /// Reads `worker.yaml` and the policy that it names or holds.
  package static func load(path: String) throws(ConfigurationError) -> WorkerConfiguration {
    try read(ConfigurationFile(path: path, expected: "a worker's configuration"))
  }

  /// Reads a worker's configuration that is in memory; a policy that it names is read from disk.
  package static func read(_ file: ConfigurationFile) throws(ConfigurationError) -> WorkerConfiguration {
    let top = try file.top(keys: ["data", "policy", "threads", "state-directory", "labels", "training-patience"])
    let data = try top.section("data", keys: exampleKeys + ["normalisation"])
    return try WorkerConfiguration(
      examples: exampleFile(in: data),
      normalisationFile: data.path("normalisation", expected: "the path of normalisation statistics"),
      policy: policy(in: top), threads: top.has("threads") ? top.integer("threads", in: 1...1024) : nil,
      stateDirectory: top.folder("state-directory", default: "state"), labels: top.labels("labels"),
      trainingPatience: top.duration(
        "training-patience", default: TrainingWatch.patienceStandard, in: .seconds(1)...TrainingWatch.patienceMax))
  }

  private static func policy(in top: ConfigurationSection) throws(ConfigurationError) -> WorkerPolicy {
    switch top.isText("policy") {
    case nil: .standard
    case true?: try WorkerPolicy.load(path: top.file.resolve(top.text("policy")))
    case false?: try WorkerPolicy(top.section("policy", keys: WorkerPolicy.keys))
    }
  }
}

/// The keys of a section that names a file of examples.
private let exampleKeys = ["file"] + ConfigurationSection.readingKeys + ["column"]

private func exampleFile(
  in top: ConfigurationSection, at key: String
) throws(ConfigurationError) -> ExampleFile {
  try exampleFile(in: top.section(key, keys: exampleKeys))
}

private func exampleFile(in section: ConfigurationSection) throws(ConfigurationError) -> ExampleFile {
  let path = section.file.resolve(try section.text("file", expected: "the path of a data file"))
  var examples = try section.exampleFile(path: path, needsLabel: true)
  if section.has("column") { examples.column = try section.text("column", expected: "the name of a column") }
  return examples
}

extension ConfigurationSection {
  /// A ZeroMQ address: `tcp://HOST:PORT` (port `*` for one that the system chooses) or `ipc://PATH`.
  package func endpoint(_ key: String) throws(ConfigurationError) -> String {
    try text(key, expected: "an address such as 'tcp://127.0.0.1:7700' or 'ipc:///run/murmur.sock'") { text in
      if text.hasPrefix("ipc://") { return text.utf8.count > 6 && text.utf8.count <= 107 ? text : nil }
      guard text.hasPrefix("tcp://"), text.utf8.count <= 255 else { return nil }
      let address = text.dropFirst("tcp://".count)
      guard let colon = address.lastIndex(of: ":") else { return nil }
      let host = address[..<colon]
      let port = address[address.index(after: colon)...]
      let isPort = port == "*" || port.allSatisfy(\.isNumber) && UInt16(port).map { $0 > 0 } == true
      return !host.isEmpty && !host.contains("/") && isPort ? text : nil
    }
  }

  /// The path of a file, seen from the folder of this one; nil if the key is missing.
  func path(_ key: String, expected: String) throws(ConfigurationError) -> String? {
    has(key) ? file.resolve(try text(key, expected: expected)) : nil
  }

  /// The path of a folder, seen from the folder of the file.
  func folder(_ key: String, default value: String) throws(ConfigurationError) -> String {
    file.resolve(try has(key) ? text(key, expected: "the path of a folder") : value)
  }
}
