import ClusterConfiguration
import Cryptography
import Federation
import Foundation
import ModelRegistry
import Testing
import Training
import Wire
import ZeroMQ

@testable import ClusterRuntime

/// A federation of real processes on loopback, in a folder of its own: ended and removed with the last reference.
final class ProcessFederation {
  let path: String
  let file: FederationFile
  let rounds: UInt64
  /// The text of the run file.
  let run: String
  private var restarts = 0
  private(set) var processes: [PartyProcess] = []

  /// - Parameters:
  ///   - minimum: workers without which no round begins.
  ///   - setup: time for adverts, and for shares.
  ///   - extra: further lines of the run file.
  init(
    workers: Int, rounds: UInt64 = 6, minimum: Int = 4, setup: String = "2s", epochs: Int = 1,
    architecture: String = "mlp 64-16-10", extra: String = ""
  ) throws {
    path = NSTemporaryDirectory() + "murmur-test-\(UUID().uuidString)"
    self.rounds = rounds
    let secrets = SystemSecretSource()
    let plan = FederationPlan(
      federation: "north",
      workers: (1...workers).map {
        (WorkerID(unchecked: "worker-\($0)"), OrganisationID(unchecked: "organisation-\($0)"))
      },
      now: UInt64(Date.now.timeIntervalSince1970), dataFile: "data.csv", label: "digit", threads: 1)
    file = try FederationHome.initialise(directory: path, plan: plan, secrets: secrets) {
      FederationHome.linkKeyPair(from: secrets)
    }
    try Self.dealData(to: workers, in: path)
    run = Self.runFile(
      rounds: rounds, minimum: minimum, setup: setup, epochs: epochs, architecture: architecture, extra: extra)
    try run.write(toFile: path + "/run.yaml", atomically: true, encoding: .utf8)
  }

  /// A run on the digits.
  ///
  /// - Parameters:
  ///   - name: of the run and of its model.
  ///   - cohort: further keys of the cohort, each behind a comma.
  static func runFile(
    _ name: String = "digits", model: String? = nil, rounds: UInt64, minimum: Int = 4, setup: String = "2s",
    epochs: Int = 1, architecture: String = "mlp 64-16-10", cohort: String = "", extra: String = ""
  ) -> String {
    """
    name: \(name)
    model: {name: \(model ?? name), architecture: \(architecture)}
    data: {features: 64, classes: 10, scale: 16}
    rounds: \(rounds)
    training: {learning-rate: 0.1, batch-size: 16, local-epochs: \(epochs)}
    clip: 4
    cohort: {minimum: \(minimum)\(cohort)}
    deadlines: {advert: \(setup), share: \(setup), input: 10s, agree: 2s, unmask: 2s}
    maximum-attempts: 10
    \(extra)

    """
  }

  /// What an operator beside the coordinator uses.
  func operatorClient() throws -> OperatorClient { try OperatorClient(home: path + "/coordinator") }

  /// The coordinator's memory, beside a coordinator or behind one.
  func repository() throws -> SQLiteRepository {
    try SQLiteRepository(path: path + "/coordinator/state/coordinator.sqlite")
  }

  deinit {
    for process in processes { process.end() }
    try? FileManager.default.removeItem(atPath: path)
  }

  /// The digits, row by row in turn: every worker has all classes.
  private static func dealData(to workers: Int, in path: String) throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().path
    let text = try String(contentsOfFile: root + "/Simulations/Data/optdigits.csv", encoding: .utf8)
    let rows = text.split(separator: "\n")
    let header = try #require(rows.first)
    for worker in 0..<workers {
      let own = rows.dropFirst().enumerated().filter { $0.offset % workers == worker }.map(\.element).prefix(120)
      try ([header] + own).joined(separator: "\n").appending("\n")
        .write(toFile: "\(path)/worker-\(worker + 1)/data.csv", atomically: true, encoding: .utf8)
    }
  }

  // MARK: Parties

  /// Starts the coordinator on ports that the system chooses, with the run in hand, and waits until it listens.
  ///
  /// - Parameter point: of `KillPoint`, where the process ends itself.
  func startCoordinator(submitting: Bool = true, logLevel: String = "info", killAt point: String? = nil) async throws
    -> PartyProcess
  {
    var arguments = ["coordinator", "--home", path + "/coordinator", "--local", "--any-port", "--log-level", logLevel]
    if submitting { arguments += ["--run", path + "/run.yaml"] }
    let process = try start(arguments, log: "coordinator.log", killAt: point)
    try #require(await process.logs("coordinator ready"), "\(process.log)")
    try? FileManager.default.removeItem(atPath: endpointsPath)
    try FileManager.default.copyItem(atPath: path + "/coordinator/state/endpoints.yaml", toPath: endpointsPath)
    return process
  }

  /// Starts one where another listened before; without a run to submit it goes on with those in its folder.
  ///
  /// - Parameter point: of `KillPoint`, where the process ends itself; nobody waits until it listens.
  func restartCoordinator(submitting: Bool = false, killAt point: String? = nil) async throws -> PartyProcess {
    restarts += 1
    var arguments = ["coordinator", "--home", path + "/coordinator", "--local", "--endpoints", endpointsPath]
    if submitting { arguments += ["--run", path + "/run.yaml"] }
    let process = try start(arguments, log: "coordinator-\(restarts).log", killAt: point)
    if point == nil { try #require(await process.logs("coordinator ready"), "\(process.log)") }
    return process
  }

  /// - Parameter own: the addresses of this worker, where they are not those of all parties.
  func startWorker(
    _ number: Int, logLevel: String = "info", endpointsPath own: String? = nil, killAt point: String? = nil
  ) throws -> PartyProcess {
    try start(
      ["worker", "--home", "\(path)/worker-\(number)", "--endpoints", own ?? endpointsPath, "--log-level", logLevel],
      log: "worker-\(number).log", killAt: point)
  }

  func startWorkers(_ numbers: ClosedRange<Int>) throws -> [PartyProcess] { try numbers.map { try startWorker($0) } }

  func start(_ arguments: [String], log: String, killAt point: String? = nil) throws -> PartyProcess {
    let environment = point.map { [KillPoint.variable: $0] } ?? [:]
    let process = try PartyProcess(arguments, environment: environment, logPath: "\(path)/\(log)")
    processes.append(process)
    return process
  }

  /// Where all parties find the coordinator, also when it starts again.
  var endpointsPath: String { path + "/endpoints.yaml" }

  var endpoints: Endpoints {
    get throws { try EndpointsFile.load(path: endpointsPath).overriding(file.endpoints) }
  }

  func home(_ name: String, _ role: Role) throws -> PartyHome {
    try PartyHome.load(directory: "\(path)/\(name)", expecting: role, now: UInt64(Date.now.timeIntervalSince1970))
  }

  // MARK: Claims

  var latestVersion: UInt64 {
    get throws {
      let store = try DirectoryModelStore(root: path + "/coordinator/models")
      return try store.find(ModelReference(model: "digits", selector: .alias(.latest))).manifest.version.value
    }
  }

  /// Every version from 0 to the last is there once, signed by the coordinator, made by its own round from its parent,
  /// and `latest` is the last.
  func checkVersions(of model: ModelName = "digits", sourceLocation: SourceLocation = #_sourceLocation) throws {
    let store = try DirectoryModelStore(root: path + "/coordinator/models")
    let versions = try store.versions(of: model)
    #expect(versions.map(\.manifest.version.value) == Array(0...rounds), sourceLocation: sourceLocation)
    var parent: Digest?
    for version in versions {
      let manifest = try version.signed.verify(membership: file.membership)
      #expect(manifest.parent == parent, sourceLocation: sourceLocation)
      #expect(manifest.round.value == manifest.version.value, sourceLocation: sourceLocation)
      parent = version.digest
    }
    #expect(Set(versions.map(\.digest)).count == versions.count, sourceLocation: sourceLocation)
    let latest = try store.find(ModelReference(model: model, selector: .alias(.latest)))
    #expect(latest.manifest.version.value == rounds, sourceLocation: sourceLocation)
  }

  /// The history of a run that is completed: every round made its version once, each version is the one in the registry,
  /// no attempt is open, and events are numbered without gaps.
  func checkHistory(of run: RunID = "digits", sourceLocation: SourceLocation = #_sourceLocation) throws {
    let repository = try repository()
    let attempts = try repository.attempts(of: run)
    #expect(attempts.allSatisfy { $0.result != nil }, "an attempt is open", sourceLocation: sourceLocation)
    let made = attempts.filter { $0.result?.published != nil }
    #expect(made.map(\.attempt.round.value) == Array(1...rounds), sourceLocation: sourceLocation)
    let store = try DirectoryModelStore(root: path + "/coordinator/models")
    let stored = try #require(try repository.runs().first { $0.name == run }, sourceLocation: sourceLocation)
    #expect(stored.state == .completed && stored.roundsCommitted == rounds, sourceLocation: sourceLocation)
    let recorded = try repository.versions(of: run)
    #expect(
      recorded.map(\.digest) == (try store.versions(of: stored.model).map(\.digest)), sourceLocation: sourceLocation)
    var events: [RunEvent] = []
    while true {
      let more = try repository.events(of: run, after: events.last?.sequence ?? 0, limit: 100)
      if more.isEmpty { break }
      events += more
    }
    #expect(events.map(\.sequence) == Array(1...UInt64(events.count)), sourceLocation: sourceLocation)
    let told = events.compactMap { if case .round(let row) = $0.kind { row } else { nil } }
    #expect(
      told.filter { $0.published != nil }.map(\.attempt.round.value) == Array(1...rounds),
      sourceLocation: sourceLocation)
    #expect(told.count == attempts.count, sourceLocation: sourceLocation)
  }

  /// No log holds a secret of any party, or any of these texts.
  func checkLogs(without texts: [String] = [], sourceLocation: SourceLocation = #_sourceLocation) throws {
    var forbidden = texts
    for party in try FileManager.default.contentsOfDirectory(atPath: path) {
      if let key = try? String(contentsOfFile: "\(path)/\(party)/signing.key", encoding: .utf8) {
        forbidden.append(key.trimmingCharacters(in: .whitespacesAndNewlines))
      }
      if let link = try? String(contentsOfFile: "\(path)/\(party)/curve.key_secret", encoding: .utf8) {
        forbidden += link.split(separator: "\"").map(String.init).filter { $0.count == 40 && !isPublic($0) }
      }
    }
    for process in processes {
      let log = process.log
      for text in forbidden where log.contains(text) {
        Issue.record("\(process.logPath) holds what it must not", sourceLocation: sourceLocation)
      }
    }
  }

  private func isPublic(_ text: String) -> Bool {
    CurvePublicKey(z85: text).map { key in
      file.membership.members.contains { $0.certificate.linkKey.bytes == key.bytes }
    } ?? false
  }
}

/// One line of the coordinator's log about a round.
struct RoundLine: Equatable {
  let run: String
  let round: UInt64
  let attempt: UInt32
  let outcome: String
  let cohort: Int
  let reported: Int
}

extension PartyProcess {
  /// What the coordinator has logged of its rounds, the evaluation at the end too.
  var rounds: [RoundLine] {
    lines.filter { $0.contains(" coordinator: round ") }.compactMap { line in
      var values: [Substring: Substring] = [:]
      for word in line.split(separator: " ") {
        let parts = word.split(separator: "=", maxSplits: 1)
        if parts.count == 2 { values[parts[0]] = parts[1] }
      }
      let name = values["attempt"]?.split(separator: "/") ?? []
      let numbers = name.last?.split(separator: ".") ?? []
      guard name.count == 2, numbers.count == 2, let round = UInt64(numbers[0]), let attempt = UInt32(numbers[1]),
        let outcome = values["outcome"], let cohort = values["cohort"].flatMap({ Int($0) }),
        let reported = values["reported"].flatMap({ Int($0) })
      else { return nil }
      return RoundLine(
        run: String(name[0]), round: round, attempt: attempt, outcome: String(outcome), cohort: cohort,
        reported: reported)
    }
  }

  var committedRounds: [RoundLine] { rounds.filter { $0.outcome == "committed" } }

  /// Whether the run has been completed within the limit.
  func completesRun(within limit: Duration = .seconds(40)) async -> Bool {
    await logs("run ended", "state=completed", within: limit)
  }
}
