import ArgumentParser
import ClusterRuntime
import Federation
import ModelRegistry
import Wire

extension ModelsCommand {
  /// `murmur models alias NAME ALIAS VERSION`.
  struct MoveAlias: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "alias",
      abstract: "Point an alias at a version, or take it away.",
      discussion: """
        Serving nodes follow as soon as they have the version ready. Every change is remembered with its author.

        Examples:

            murmur models alias digits stable 12 --expect 11 --home demo/coordinator
            murmur models alias digits stable --remove --home demo/coordinator
        """)

    @Argument(help: ArgumentHelp("The model.", valueName: "name"))
    var name: String

    @Argument(help: ArgumentHelp("The alias; not 'latest' or 'best', which are the coordinator's.", valueName: "alias"))
    var alias: String

    @Argument(help: ArgumentHelp("A version's number. Not with --remove.", valueName: "version"))
    var version: UInt64?

    @Flag(name: .long, help: "Take the alias away.")
    var remove = false

    @Option(
      name: .long,
      help: ArgumentHelp("Change the alias only if it points to this version now.", valueName: "version"))
    var expect: UInt64?

    @OptionGroup var options: OperatorOptions
    @OptionGroup var output: OutputOption

    func validate() throws {
      guard remove == (version == nil) else { throw ValidationError("expected either a version or --remove") }
    }

    func run() async throws {
      let change = version.map { AliasOrder.Change.move(to: "\(name)@\($0)") } ?? .remove
      try await order(
        AliasOrder(
          model: typedModel(name), alias: typedAlias(alias), change: change, expected: expect.map { ModelVersion($0) }),
        options, json: output.json)
    }
  }

  /// `murmur models promote NAME@REF`.
  struct Promote: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "promote",
      abstract: "Make a version the champion; 'rollback' goes back to the one before.",
      discussion: """
        Example:

            murmur models promote digits@best --home demo/coordinator
        """)

    @Argument(help: ArgumentHelp("NAME@3, NAME@best or NAME@sha256:….", valueName: "reference"))
    var reference: String

    @Option(name: .long, help: ArgumentHelp("The alias to move.", valueName: "alias"))
    var alias = "champion"

    @OptionGroup var options: OperatorOptions
    @OptionGroup var output: OutputOption

    func run() async throws {
      let parsed = try ModelReference(parsing: reference)
      try await order(
        AliasOrder(model: parsed.model, alias: typedAlias(alias), change: .move(to: reference)), options,
        json: output.json)
    }
  }

  /// `murmur models rollback NAME`.
  struct Rollback: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "rollback",
      abstract: "Move the champion back to the version that it was before.",
      discussion: """
        Again, and it goes further back. A version that was retired meanwhile is not gone back to.

        Example:

            murmur models rollback digits --home demo/coordinator
        """)

    @Argument(help: ArgumentHelp("The model.", valueName: "name"))
    var name: String

    @Option(name: .long, help: ArgumentHelp("The alias to move.", valueName: "alias"))
    var alias = "champion"

    @OptionGroup var options: OperatorOptions
    @OptionGroup var output: OutputOption

    func run() async throws {
      try await order(
        AliasOrder(model: typedModel(name), alias: typedAlias(alias), change: .rollBack), options, json: output.json)
    }
  }

  /// `murmur models retire NAME@VERSION`.
  struct Retire: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "retire",
      abstract: "Revoke a version, for good: no serving node offers it any more.",
      discussion: """
        Its aliases go to the newest version before it that stands. There is no way back. A run in hand that trains on the \
        version goes on: stop it first if what comes from the version is not wanted either.

        Example:

            murmur models retire digits@7 --reason "a worker's data was mislabelled" --home demo/coordinator
        """)

    @Argument(help: ArgumentHelp("NAME@VERSION, by number.", valueName: "reference"))
    var reference: String

    @Option(
      name: .long,
      help: ArgumentHelp("Why; whoever asks for the version is told. At most 256 bytes.", valueName: "text"))
    var reason: String

    @OptionGroup var options: OperatorOptions
    @OptionGroup var output: OutputOption

    private struct Result: Encodable {
      let version: String
      let digest: String
      let reason: String
      let moves: [AliasMoveResult]
    }

    func validate() throws {
      guard (1...RetiredVersion.reasonBytesMax).contains(reason.utf8.count) else {
        throw ValidationError(
          "--reason: found \(reason.utf8.count) bytes, expected 1 to \(RetiredVersion.reasonBytesMax)")
      }
    }

    func run() async throws {
      let parsed = try ModelReference(parsing: reference)
      // An alias may have moved since it was looked at: what cannot be undone is named by its number.
      guard case .version(let version) = parsed.selector else {
        throw CommandFailure(.usage, "'\(reference)': expected a version by its number, such as \(parsed.model)@3")
      }
      let (gone, moves) = try await options.client().retire(version, of: parsed.model, reason: reason)
      guard !output.json else {
        return Terminal.print(
          try JSONOutput.document(
            Result(
              version: "\(gone.model)@\(gone.version)", digest: "sha256:\(gone.digest)", reason: gone.reason,
              moves: moves.map(AliasMoveResult.init))))
      }
      Terminal.print("retired \(gone.model)@\(gone.version): \(gone.reason)")
      for move in moves { Terminal.print(move.line) }
    }
  }
}

/// Has an alias changed, and says where it went.
private func order(_ order: AliasOrder, _ options: OperatorOptions, json: Bool) async throws {
  let move = try await options.client().change(order)
  Terminal.print(try json ? JSONOutput.document(AliasMoveResult(move)) : move.line)
}

extension AliasMove {
  /// `digits@champion: 11 -> 12`.
  var line: String {
    "\(model)@\(alias): \(from.map { "\($0)" } ?? "nowhere") -> \(to.map { "\($0)" } ?? "nowhere")"
  }
}

/// The JSON form of a change of an alias.
struct AliasMoveResult: Encodable {
  let model: String
  let alias: String
  let from: UInt64?
  let to: UInt64?

  init(_ move: AliasMove) {
    model = move.model.text
    alias = move.alias.text
    from = move.from?.value
    to = move.to?.value
  }
}
