import ArgumentParser
import ClusterRuntime
import Federation
import ModelRegistry
import Rounds
import Wire

/// Where a command finds the coordinator's operator socket.
struct OperatorOptions: ParsableArguments {
  @OptionGroup var home: HomeOption

  @Option(
    name: .long,
    help: ArgumentHelp(
      "The operator socket, such as ipc:///srv/demo/coordinator/state/operator.sock. Without it, the one in the state "
        + "directory of the coordinator's folder given by --home.",
      valueName: "address"))
  var endpoint: String?

  func client() throws -> OperatorClient {
    try OperatorClient(home: home.directory(of: "the coordinator"), endpoint: endpoint)
  }
}

/// `murmur status`.
struct StatusCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status",
    abstract: "Show a federation's runs, workers and models.",
    discussion: """
      Asks the coordinator over its operator socket; who may open that socket's file may ask.

      Example:

          murmur status --home demo/coordinator
      """)

  @OptionGroup var options: OperatorOptions
  @OptionGroup var output: OutputOption

  func run() async throws {
    let status = try await options.client().status()
    if output.json {
      Terminal.print(try JSONOutput.document(StatusResult(status)))
      return
    }
    Terminal.print("federation \(status.federation)")
    Terminal.print("")
    print(status.runs.table, isEmpty: status.runs.isEmpty, otherwise: "no runs")
    for round in status.rounds where round.saturated > 0 {
      Terminal.print("round \(round.attempt.round) of \(round.attempt.run): \(RoundTable.saturation(round))")
    }
    var workers = TextTable([
      ("WORKER", .left), ("ORGANISATION", .left), ("STATE", .left), ("RUN", .left), ("PHASE", .left),
      ("LAST HEARD", .right), ("THREADS", .right), ("LABELS", .left),
    ])
    for worker in status.workers {
      workers.append([
        worker.name.text, worker.organisation.text, worker.state.word, worker.run?.text ?? "-", worker.phaseText,
        worker.lastHeardMilliseconds.map { "\(Readable.decimal(Double($0) / 1000, 1)) s ago" } ?? "never",
        worker.threads > 0 ? "\(worker.threads)" : "-", worker.labels.description,
      ])
    }
    print(workers, isEmpty: status.workers.isEmpty, otherwise: "no workers")
    print(status.models.table, isEmpty: status.models.isEmpty, otherwise: "no models")
  }

  private func print(_ table: TextTable, isEmpty: Bool, otherwise: String) {
    for line in isEmpty ? [otherwise] : table.lines { Terminal.print(line) }
    Terminal.print("")
  }
}

extension [ModelRow] {
  /// One line a version.
  var table: TextTable {
    var table = TextTable([("MODEL", .left), ("VERSION", .right), ("DIGEST", .left), ("ALIASES", .left)])
    for model in self {
      table.append([
        model.name.text, "\(model.version)", "sha256:\(model.digest)",
        model.aliases.map(\.text).joined(separator: ", "),
      ])
    }
    return table
  }
}

extension WorkerRow.State {
  var word: String {
    switch self {
    case .neverSeen: "never seen"
    case .live: "live"
    case .lost: "lost"
    case .resting: "resting"
    }
  }
}

extension WorkerRow {
  /// `training, stalled 12 s`; `-` outside an attempt.
  var phaseText: String {
    guard let phase else { return "-" }
    return stalledSeconds > 0 ? "\(phase.word), stalled \(stalledSeconds) s" : phase.word
  }
}

extension WorkPhase {
  var word: String {
    switch self {
    case .fetchingModel: "fetching model"
    case .training: "training"
    case .reporting: "reporting"
    case .waiting: "waiting"
    }
  }
}

/// The JSON form of `murmur status`.
struct StatusResult: Encodable {
  struct Worker: Encodable {
    let name: String
    let organisation: String
    let state: String
    let phase: String?
    let lastHeardMilliseconds: UInt64?
    let labels: [String: String]
    let threads: UInt32
    let run: String?
    let stalledSeconds: UInt32
  }

  let federation: String
  let runs: [RunResult]
  let workers: [Worker]
  let models: [ModelResult]
  let rounds: [RoundResult]

  init(_ status: CoordinatorStatus) {
    federation = status.federation.text
    runs = status.runs.map(RunResult.init)
    workers = status.workers.map {
      Worker(
        name: $0.name.text, organisation: $0.organisation.text, state: $0.state.word, phase: $0.phase?.word,
        lastHeardMilliseconds: $0.lastHeardMilliseconds,
        labels: Dictionary(uniqueKeysWithValues: $0.labels.pairs.map { ($0.key, $0.value) }), threads: $0.threads,
        run: $0.run?.text, stalledSeconds: $0.stalledSeconds)
    }
    models = status.models.map(ModelResult.init)
    rounds = status.rounds.map(RoundResult.init)
  }
}

/// The JSON form of a run.
struct RunResult: Encodable {
  let run: String
  let state: String
  let model: String
  let roundsCommitted: UInt64
  let roundsPlanned: UInt64
  let reason: String?
  let loss: Double?
  let accuracy: Double?

  init(_ row: RunRow) {
    loss = row.evaluation?.loss
    accuracy = row.evaluation?.accuracy
    run = row.run.text
    state = "\(row.state)"
    model = row.model.text
    roundsCommitted = row.roundsCommitted
    roundsPlanned = row.roundsPlanned
    reason = row.reason.isEmpty ? nil : row.reason
  }
}

/// The JSON form of a published version.
struct ModelResult: Encodable {
  let name: String
  let version: UInt64
  let digest: String
  let aliases: [String]

  init(_ row: ModelRow) {
    name = row.name.text
    version = row.version.value
    digest = "sha256:\(row.digest)"
    aliases = row.aliases.map(\.text)
  }
}
