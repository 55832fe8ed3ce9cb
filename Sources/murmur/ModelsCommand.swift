import ArgumentParser
import ClusterConfiguration
import ClusterRuntime
import Federation
import ModelRegistry
import Wire

/// `murmur models`: versions, aliases and what is known of them.
struct ModelsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "models",
    abstract: "List, compare, promote and retire versions of models.",
    discussion: """
      A version never changes; aliases move. 'latest' and 'best' are moved by the coordinator, others by operators.

      Example:

          murmur models --home demo/consumer
      """,
    subcommands: [
      List.self, Show.self, Promote.self, Rollback.self, MoveAlias.self, Retire.self, Diff.self, Verify.self,
      Export.self,
    ],
    defaultSubcommand: List.self)

  /// `murmur models list`.
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list",
      abstract:
        "List versions: of the coordinator in its own or an operator's folder, else those that a serving node offers.",
      discussion: """
        The coordinator lists the newest version of every model, or with NAME all versions of one model.

        Example:

            murmur models list digits --home demo/coordinator
        """)

    @Argument(help: ArgumentHelp("A model. Without it, every model.", valueName: "name"))
    var name: String?

    @OptionGroup var options: PullOptions

    @Option(
      name: .long,
      help: ArgumentHelp(
        "With an operator's folder: the coordinator's operator socket, which is then asked.", valueName: "address"))
    var endpoint: String?

    @OptionGroup var output: OutputOption

    func run() async throws {
      let model = try name.map { try typedModel($0) }
      let directory = try options.home.directory(of: "a consumer, an operator or the coordinator")
      if ModelsCommand.asksCoordinator(directory, endpoint: endpoint) {
        let rows = try await OperatorClient(home: directory, endpoint: endpoint).versions(of: model)
        guard output.json else { return Self.print(rows.table.lines, isEmpty: rows.isEmpty) }
        Terminal.print(try JSONOutput.document(rows.map(VersionRowResult.init)))
      } else {
        let rows = try await options.client().models()
          .filter { row in model.map { $0 == row.name } ?? true }
        guard output.json else { return Self.print(rows.table.lines, isEmpty: rows.isEmpty) }
        Terminal.print(try JSONOutput.document(rows.map(ModelResult.init)))
      }
    }

    private static func print(_ lines: [String], isEmpty: Bool) {
      for line in isEmpty ? ["no models"] : lines { Terminal.print(line) }
    }
  }

  /// Whether a folder leads to the coordinator: its own does, and an operator's with the coordinator's address.
  static func asksCoordinator(_ directory: String, endpoint: String?) -> Bool {
    if DurableFile.exists(directory + "/coordinator.yaml") { return true }
    let isOperator = (try? PartyHome.load(directory: directory, expecting: .operator, now: secondsSince1970())) != nil
    return isOperator && endpoint != nil
  }
}

/// A model's name that was typed.
func typedModel(_ text: String) throws -> ModelName {
  guard let name = ModelName(text) else {
    throw CommandFailure(.usage, "'\(text)': expected the name of a model, of letters, digits, '.', '_' and '-'")
  }
  return name
}

/// An alias that was typed.
func typedAlias(_ text: String) throws -> Alias {
  guard let alias = Alias(text) else {
    throw CommandFailure(.usage, "'\(text)': expected an alias, a letter and then letters, digits, '-' and '_'")
  }
  return alias
}

extension [VersionRow] {
  /// One line a version.
  var table: TextTable {
    var table = TextTable([
      ("MODEL", .left), ("VERSION", .right), ("RUN", .left), ("ROUND", .right), ("LOSS", .right), ("ACCURACY", .right),
      ("ALIASES", .left), ("STATE", .left), ("DIGEST", .left),
    ])
    for row in self {
      table.append([
        row.model.name.text, "\(row.model.version)", row.run.text, "\(row.round)",
        row.evaluation.map { Readable.decimal($0.loss, 4) } ?? "-",
        row.evaluation.map { Readable.decimal($0.accuracy, 4) } ?? "-",
        row.model.aliases.map(\.text).joined(separator: ", "), row.state, "sha256:\(row.model.digest.short)",
      ])
    }
    return table
  }
}

extension VersionRow {
  /// `retired`, `taken back`, or `-` for one that stands.
  var state: String { retired != nil ? "retired" : takenBack != nil ? "taken back" : "-" }
}

/// The JSON form of a version as an operator sees it.
struct VersionRowResult: Encodable {
  let name: String
  let version: UInt64
  let digest: String
  let parent: String?
  let aliases: [String]
  let run: String
  let round: UInt64
  let createdAt: UInt64
  let loss: Double?
  let accuracy: Double?
  let retired: String?
  let takenBack: String?

  init(_ row: VersionRow) {
    name = row.model.name.text
    version = row.model.version.value
    digest = "sha256:\(row.model.digest)"
    parent = row.parent.map { "sha256:\($0)" }
    aliases = row.model.aliases.map(\.text)
    run = row.run.text
    round = row.round.value
    createdAt = row.createdAt
    loss = row.evaluation?.loss
    accuracy = row.evaluation?.accuracy
    retired = row.retired?.reason
    takenBack = row.takenBack
  }
}
