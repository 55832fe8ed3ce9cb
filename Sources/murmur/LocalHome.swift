import ClusterConfiguration
import ClusterRuntime
import Cryptography
import Federation
import Glibc
import ModelRegistry
import Rounds
import Training

/// The folder of a federation on this machine that `murmur up` makes: `.murmur/NAME`.
///
/// Keys and certificates are kept from one start to the next as long as the parties stay the same. Everything else
/// starts over: the run begins at version 0 again, so the state of the run before it, the workers' ledgers included,
/// would only contradict it. That is a liberty of a demonstration in which one person owns all parties.
///
/// Holds a lock while it lives: one supervisor at a time.
final class LocalHome {
  /// In a folder that `murmur up` made, and may therefore make again.
  static let markerName = ".made-by-murmur-up"

  /// The data as it was dealt out, and the run on it.
  struct Dealt {
    /// Examples of each worker.
    let parts: [Int]
    let heldOut: Int
    /// In the consumer's folder.
    let heldOutFile: ExampleFile
    /// Nil in plain mode.
    let forecast: RunForecast?
  }

  let directory: String
  let federation: LocalFederation
  private let lock: Int32

  var coordinator: String { directory + "/coordinator" }
  var serving: String { directory + "/serving" }
  var consumer: String { directory + "/consumer" }
  var logs: String { directory + "/logs" }
  func worker(_ name: WorkerID) -> String { "\(directory)/\(name)" }

  init(directory: String, federation: LocalFederation) throws {
    self.directory = directory
    self.federation = federation
    try DurableFile.createDirectory(DurableFile.parent(of: directory))
    let lockPath = directory + ".lock"
    let lock = open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard lock >= 0 else {
      throw CommandFailure(.failed, "\(lockPath): cannot open: \(String(cString: strerror(errno)))")
    }
    guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
      close(lock)
      throw CommandFailure(.failed, "\(directory): found another 'murmur up' using it, expected none")
    }
    self.lock = lock
  }

  deinit { close(lock) }

  /// Makes or reuses the parties' folders, clears what a former run left, and deals the data out.
  ///
  /// - Parameters:
  ///   - threads: of every worker.
  ///   - file: under which a run that cannot be carried out is reported.
  /// - Returns: how many examples each worker has, how many are held out, and what the run comes to.
  func prepare(threads: Int, file: String) throws -> Dealt {
    // The data first: a wrong row is found before anything is written.
    let population = federation.population
    let dealt = try DealtData(
      population.data, parts: population.workers, features: federation.run.data.features,
      classCount: federation.run.data.classes, model: "\(federation.run.model.architecture)")
    let parts = dealt.parts.map(\.count)
    let forecast = try federation.run.forecast(
      organisations: population.workerNames.map(\.organisation), examples: federation.run.meanExamples(of: parts),
      file: file)
    try makeParties(threads: threads)
    try clear()
    try DurableFile.createDirectory(logs)
    let names = population.workerNames.map(\.name)
    for name in names {
      let text = PartyTemplate.worker(dealt.partFile, threads: threads)
      try TextFile.write(text, to: worker(name) + "/worker.yaml")
      try TextFile.write(policy.text, to: worker(name) + "/policy.yaml")
    }
    try dealt.write(to: names.map(worker), shared: consumer)
    return Dealt(parts: parts, heldOut: dealt.heldOut.count, heldOutFile: dealt.heldOutFile, forecast: forecast)
  }

  /// Every worker's law here.
  private var policy: ClusterConfiguration.WorkerPolicy { .allowing(federation.run) }

  private func makeParties(threads: Int) throws {
    let population = federation.population
    if DurableFile.exists(directory), try !DurableFile.names(in: directory).isEmpty {
      guard DurableFile.exists("\(directory)/\(Self.markerName)") else {
        throw CommandFailure(
          .usage, "\(directory): found a folder that 'murmur up' did not make, expected none or one of its own")
      }
      if hasRightParties { return }
      try DurableFile.remove(directory)
    }
    let plan = FederationPlan(
      federation: population.name, workers: population.workerNames, servingNodes: population.servingNodes,
      now: secondsSince1970(), policy: policy, threads: threads)
    let secrets = SystemSecretSource()
    try FederationHome.initialise(directory: directory, plan: plan, secrets: secrets) {
      FederationHome.linkKeyPair(from: secrets)
    }
    try TextFile.write("", to: "\(directory)/\(Self.markerName)")
  }

  /// Whether the folders are those of the same parties, with certificates that hold for another day.
  private var hasRightParties: Bool {
    guard let file = try? FederationFile.load(path: "\(coordinator)/\(FederationFile.name)") else { return false }
    let now = secondsSince1970()
    let members = file.membership.members.map(\.certificate)
    let workers = members.filter { $0.role == .worker }
    let expected = federation.population.workerNames
    return file.membership.federation == federation.population.name
      && members.count(where: { $0.role == .servingNode }) == federation.population.servingNodes
      && workers.count == expected.count
      && expected.allSatisfy { name, organisation in
        workers.contains { $0.name == name && $0.organisation == organisation }
      }
      && members.allSatisfy { $0.notBefore <= now && now + 24 * 3600 < $0.notAfter }
      && members.allSatisfy { DurableFile.exists("\(directory)/\($0.name)/\(PartyHome.signingKeyName)") }
  }

  private func clear() throws {
    let owners = [coordinator, serving, consumer] + federation.population.workerNames.map { worker($0.name) }
    for owner in owners {
      for name in ["state", "models", "pulled"] { try DurableFile.remove("\(owner)/\(name)") }
    }
    try DurableFile.remove(logs)
  }
}
