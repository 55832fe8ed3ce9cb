import ArgumentParser
import ClusterRuntime
import Federation
import Wire

/// The name of a run on the command line.
struct RunNameArgument: ParsableArguments {
  @Argument(help: ArgumentHelp("The run's name, as 'murmur run list' lists it.", valueName: "name"))
  var name: String
}

extension RunCommand {
  /// `murmur run pause NAME`.
  struct Pause: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "pause", abstract: "Offer no further round of a run until it is resumed.",
      discussion: """
        The attempt in hand goes on to its end. A paused run takes no workers, stays paused when the coordinator starts \
        again, and loses nothing.

        Example:

            murmur run pause digits --home demo/coordinator
        """)

    @OptionGroup var argument: RunNameArgument
    @OptionGroup var options: OperatorOptions
    @OptionGroup var output: OutputOption

    func run() async throws {
      let row = try await options.client().pause(run: runID(argument.name))
      try output.print(row, "run \(row.run) is \(row.state)")
    }
  }

  /// `murmur run resume NAME`.
  struct Resume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "resume", abstract: "Let a paused run go on.",
      discussion: """
        It goes on from its last committed version. A run that the coordinator paused because of its disk goes on \
        likewise, when the disk has been seen to; 'murmur run show' says why a run is paused.

        Example:

            murmur run resume digits --home demo/coordinator
        """)

    @OptionGroup var argument: RunNameArgument
    @OptionGroup var options: OperatorOptions
    @OptionGroup var output: OutputOption

    func run() async throws {
      let row = try await options.client().resume(run: runID(argument.name))
      // What had it paused may still be there.
      guard row.state != .paused else {
        throw CommandFailure(.failed, "run '\(row.run)' is paused again: \(row.reason)")
      }
      try output.print(row, "run \(row.run) is \(row.state)")
    }
  }

  /// `murmur run stop NAME`.
  struct Stop: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "stop", abstract: "End a run for good.",
      discussion: """
        Its attempt in hand is abandoned; a version that is being committed is committed first. Versions that were \
        published stay.

        Example:

            murmur run stop digits --home demo/coordinator
        """)

    @OptionGroup var argument: RunNameArgument
    @OptionGroup var options: OperatorOptions
    @OptionGroup var output: OutputOption

    private struct Result: Encodable {
      let run: String
      let state = "stopping"
    }

    func run() async throws {
      let name = try runID(argument.name)
      try await options.client().stop(run: name)
      Terminal.print(output.json ? try JSONOutput.line(Result(run: name.text)) : "run \(name) is stopping")
    }
  }

  /// `murmur run delete NAME`.
  struct Delete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "delete", abstract: "Forget a run that has ended, with its history.",
      discussion: """
        The versions that it made stay, and its name can be used again.

        Example:

            murmur run delete digits --home demo/coordinator
        """)

    @OptionGroup var argument: RunNameArgument
    @OptionGroup var options: OperatorOptions
    @OptionGroup var output: OutputOption

    private struct Result: Encodable {
      let run: String
      let deleted = true
      let versionsKept: UInt64
    }

    func run() async throws {
      let name = try runID(argument.name)
      let versions = try await options.client().delete(run: name)
      guard !output.json else {
        return Terminal.print(try JSONOutput.line(Result(run: name.text, versionsKept: versions)))
      }
      Terminal.print(
        "run \(name) is deleted; \(versions == 1 ? "the version that it made stays" : "the \(versions) versions that it made stay")"
      )
    }
  }
}

extension OutputOption {
  /// A run for programs, or a line for people.
  fileprivate func print(_ row: RunRow, _ line: String) throws {
    Terminal.print(json ? try JSONOutput.line(RunResult(row)) : line)
  }
}
