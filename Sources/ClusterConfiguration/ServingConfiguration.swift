import ModelRegistry

/// What a serving node's owner decides: `serving.yaml` in its folder.
package struct ServingConfiguration: Hashable, Sendable {
  /// Address to bind where it differs from the one that consumers connect to; nil for the same.
  package var bindPull: String?
  /// Address of the socket for batches of events; nil for none.
  package var bindEvents: String?
  /// Folder of verified models.
  package var modelDirectory: String
  /// Nil for no HTTP.
  package var http: HTTPConfiguration?
  /// With the keys of `http` but its threads, which answer both; nil for no gRPC.
  package var grpc: HTTPConfiguration?
  package var inference: InferenceConfiguration

  static let keys = ["bind", "model-directory", "http", "grpc", "inference"]

  /// Reads `serving.yaml`.
  package static func load(path: String) throws(ConfigurationError) -> ServingConfiguration {
    try read(ConfigurationFile(path: path, expected: "a serving node's configuration"))
  }

  /// Reads a serving node's configuration that is in memory.
  package static func read(_ file: ConfigurationFile) throws(ConfigurationError) -> ServingConfiguration {
    let top = try file.top(keys: keys)
    let bind = top.has("bind") ? try top.section("bind", keys: ["pull", "events"]) : nil
    func address(_ key: String) throws(ConfigurationError) -> String? {
      guard let bind, bind.has(key) else { return nil }
      return try bind.endpoint(key)
    }
    guard top.has("http") || !top.has("grpc") else {
      throw top.error(
        at: "grpc", found: "it without 'http'", expected: "both: predictions are computed on HTTP's threads")
    }
    return try ServingConfiguration(
      bindPull: address("pull"), bindEvents: address("events"),
      modelDirectory: top.folder("model-directory", default: "models"),
      http: top.has("http") ? HTTPConfiguration(top.section("http", keys: HTTPConfiguration.keys), port: 8080) : nil,
      grpc: top.has("grpc") ? HTTPConfiguration(top.section("grpc", keys: HTTPConfiguration.rpcKeys), port: 8001) : nil,
      inference: top.has("inference")
        ? InferenceConfiguration(top.section("inference", keys: InferenceConfiguration.keys)) : InferenceConfiguration()
    )
  }
}

/// How a serving node computes predictions.
package struct InferenceConfiguration: Hashable, Sendable {
  static let keys = ["batch-rows", "batch-delay", "queue-rows", "deadline", "memory", "default-aliases"]

  /// Rows that are computed together.
  package var batchRows = 64
  /// How long a request waits for company.
  package var batchDelay = Duration.zero
  /// Rows that wait on one thread for one version.
  package var queueRows = 4_096
  /// Of a request that names none.
  package var deadline = Duration.seconds(1)
  /// Of all loaded versions, in bytes.
  package var memoryBytes = 2 << 30
  /// What a request without a version means: the first of these that the model has.
  package var defaultAliases: [Alias]

  package init() {
    guard let champion = Alias("champion") else { preconditionFailure("a word is an alias") }
    defaultAliases = [champion, .latest]
  }

  init(_ section: ConfigurationSection) throws(ConfigurationError) {
    self.init()
    batchRows = try section.integer("batch-rows", default: batchRows, in: 1...256)
    batchDelay = try section.duration("batch-delay", default: batchDelay, in: .zero...Duration.seconds(1))
    queueRows = try section.integer("queue-rows", default: max(queueRows, batchRows), in: batchRows...1_000_000)
    deadline = try section.duration("deadline", default: deadline, in: .milliseconds(1)...Duration.seconds(600))
    memoryBytes = try Int(
      section.text("memory", default: 2 << 30, expected: "a size from 1 MiB to 1 TiB, such as \"2 GiB\"") {
        Quantity.bytes($0).flatMap { (1 << 20...1 << 40).contains($0) ? $0 : nil }
      })
    guard section.has("default-aliases") else { return }
    let expected = "a list of aliases such as [champion, latest]"
    let texts = try section.texts("default-aliases", expected: expected)
    let aliases = texts.compactMap { Alias($0) }
    guard aliases.count == texts.count, (1...16).contains(aliases.count) else {
      throw section.error(at: "default-aliases", found: "\(texts)", expected: expected)
    }
    defaultAliases = aliases
  }
}
