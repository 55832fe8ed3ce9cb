import ClusterConfiguration
import ClusterRuntime
import Federation
import Glibc
import ModelRegistry
import Wire

/// Runs a federation of processes on this machine and the one run that it is for. It has no protocol of its own: every
/// party is the same command that one would type by hand.
///
///     starting ─▶ submitted ─▶ run ended ─▶ pulled, verified, evaluated ─▶ stopped
///         └──────────────┴───────────┴── Ctrl-C, or a party's end ───────────▲
struct LocalSupervisor: Sendable {
  /// How long parties may take to be there.
  static let startDeadline = Duration.seconds(30)
  /// How long the serving node may take to offer the last version.
  static let publicationDeadline = Duration.seconds(30)
  static let pollInterval = Duration.milliseconds(50)

  let federation: LocalFederation
  let coordinator: String
  let serving: String
  let consumer: String
  let heldOut: ExampleFile
  let workers: [(name: String, home: String)]
  let threads: Int
  let json: Bool
  /// Handed on to every party.
  let allowCoreDumps: Bool
  let processes: ProcessGroup

  init(_ home: LocalHome, heldOut: ExampleFile, threads: Int, json: Bool, allowCoreDumps: Bool, processes: ProcessGroup)
  {
    federation = home.federation
    coordinator = home.coordinator
    serving = home.serving
    consumer = home.consumer
    self.heldOut = heldOut
    workers = home.federation.population.workerNames.map { ($0.name.text, home.worker($0.name)) }
    self.threads = threads
    self.json = json
    self.allowCoreDumps = allowCoreDumps
    self.processes = processes
  }

  /// From the first process to the checked model. The caller stops the processes, whatever happens.
  ///
  /// - Parameter whenSubmitted: called when all parties are there, before the run is submitted.
  func run(whenSubmitted: () -> Void) async throws {
    try start("coordinator", ["coordinator", "--home", coordinator, "--local", "--any-port"])
    let endpoints = EndpointsFile.path(home: coordinator)
    try await wait(for: "the coordinator's addresses in \(endpoints)") { DurableFile.exists(endpoints) }
    for worker in workers {
      try start(
        worker.name, ["worker", "--home", worker.home, "--endpoints", endpoints, "--threads", "\(threads)"])
    }
    let servingEndpoints = EndpointsFile.path(home: serving)
    if federation.population.servingNodes > 0 {
      try start("serving", ["serve", "--home", serving, "--endpoints", endpoints, "--any-port"])
      try await wait(for: "the serving node's address in \(servingEndpoints)") { DurableFile.exists(servingEndpoints) }
    }
    let client = try OperatorClient(home: coordinator)
    try await waitForWorkers(client)
    whenSubmitted()
    let run = try await client.submit(runFile: federation.run.text)
    var last: ModelVersion = 0
    try await RunFollower(client: client, run: run, json: json).follow { row in
      if let published = row.published { last = published.version }
    }
    guard federation.population.servingNodes > 0 else { return }
    try await check(version: last, from: servingEndpoints)
  }

  /// Starts a party that runs until it is stopped.
  private func start(_ name: String, _ arguments: [String]) throws {
    try processes.start(name, arguments + (allowCoreDumps ? ["--\(SecrecyOption.name)"] : []))
  }

  /// Pulls what the run made as a consumer would, verifies it, and judges it by data that no worker had: three
  /// processes that know nothing of this one.
  private func check(version: ModelVersion, from servingEndpoints: String) async throws {
    let model = federation.run.model.name
    let address = try EndpointsFile.load(path: servingEndpoints).pull
    guard let address else { throw CommandFailure(.failed, "\(servingEndpoints): found no key 'pull', expected one") }
    let consumerClient = try PullClient(home: consumer, from: [address])
    try await wait(for: "\(model)@\(version) at the serving node", within: Self.publicationDeadline) {
      try await consumerClient.models().contains { $0.name == model && $0.version == version }
    }
    let folder = "\(consumer)/pulled/\(model)"
    let pulled = try JSONOutput.decode(
      VersionResult.self,
      from: await processes.run(
        "pull",
        ["pull", "\(model)@latest", "--output", folder, "--no-cache", "--from", address, "--home", consumer, "--json"]))
    guard pulled.version == version.value else {
      throw CommandFailure(
        .verificationFailed, "\(folder): found \(pulled.model), expected \(model)@\(version), the last of the run")
    }
    _ = try await processes.run("verify", ["verify", folder, "--home", consumer, "--json"])
    let evaluation = try JSONOutput.decode(
      EvaluationResult.self,
      from: await processes.run(
        "evaluate",
        ["evaluate", folder, "\(consumer)/\(heldOut.path)"] + Self.arguments(heldOut, in: consumer) + ["--json"]))
    if json {
      Terminal.print(try JSONOutput.line(LocalResult(model: pulled, evaluation: evaluation)))
    } else {
      Terminal.print("")
      Terminal.print("model     \(pulled.model), pulled from the serving node")
      Terminal.print("path      \(pulled.path)")
      Terminal.print("digest    \(pulled.digest)")
      Terminal.print("signer    \(pulled.signer), signature verified")
      Terminal.print(evaluation.summary)
    }
  }

  private static func arguments(_ heldOut: ExampleFile, in folder: String) -> [String] {
    LabelOptions.arguments(heldOut) + (heldOut.vocabularyFile.map { ["--vocabulary", "\(folder)/\($0)"] } ?? [])
  }

  private struct LocalResult: Encodable {
    let model: VersionResult
    let evaluation: EvaluationResult
  }

  private func waitForWorkers(_ client: OperatorClient) async throws {
    let expected = Set(workers.map(\.name))
    try await wait(for: "all \(expected.count) workers at the coordinator") {
      let live = try await client.status().workers.filter { $0.state == .live }.map(\.name.text)
      return expected.isSubset(of: live)
    }
  }

  /// Asks again and again until something is so. A party that is not reached yet is no error before the deadline.
  private func wait(
    for what: String, within limit: Duration = startDeadline, until isSo: () async throws -> Bool
  ) async throws {
    let clock = ContinuousClock()
    let deadline = clock.now.advanced(by: limit)
    while true {
      try Task.checkCancellation()
      var problem: RuntimeError?
      do {
        if try await isSo() { return }
      } catch let error as RuntimeError where error.category == .network || error.category == .notFound {
        problem = error
      }
      guard clock.now < deadline else {
        let reason = problem.map { ": \($0.message)" } ?? ""
        throw CommandFailure(.failed, "found nothing after \(limit), expected \(what)\(reason)")
      }
      try await Task.sleep(for: Self.pollInterval)
    }
  }
}
