import ArgumentParser
import ClusterConfiguration
import ClusterRuntime
import Federation
import Wire

/// `murmur run …`.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Submit, list, watch, pause, stop and delete training runs.",
    discussion: """
      Several runs share the workers of one federation: each gets its turn, and none waits for ever.

      Example:

          murmur run submit demo/operator/run.yaml --home demo/coordinator --watch
          murmur run list --home demo/coordinator
      """,
    subcommands: [
      Submit.self, List.self, Show.self, Watch.self, Pause.self, Resume.self, Stop.self, Delete.self,
    ])

  /// `murmur run submit FILE`.
  struct Submit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "submit", abstract: "Hand a run file to the coordinator.",
      discussion: """
        The file is checked here first, so that mistakes in it are named by line and key. Prints the run's name, the \
        thresholds with the workers of the federation, and the predicted rounding error; a run that can never commit, \
        or whose error exceeds 1 % of clip, is refused.

        Example:

            murmur run submit demo/operator/run.yaml --home demo/coordinator --watch
        """)

    @Argument(help: ArgumentHelp("The run file (YAML): model, data, rounds, training, cohort.", valueName: "file"))
    var file: String

    @Flag(name: .long, help: "Stay, print one line per round, and end when the run ends: 0 if it completed, else 1.")
    var watch = false

    @OptionGroup var options: OperatorOptions
    @OptionGroup var output: OutputOption

    private struct Result: Encodable {
      let run: String
      let forecast: ForecastResult?
    }

    func run() async throws {
      let configuration = try RunConfiguration.load(path: file)
      let home = try options.home.directory(of: "the coordinator")
      let federation = try FederationFile.load(path: "\(home)/\(FederationFile.name)")
      let forecast = try configuration.forecast(
        organisations: federation.membership.members(role: .worker).map(\.certificate.organisation), file: file)
      let client = try options.client()
      let run = try await client.submit(runFile: configuration.text)
      if output.json {
        Terminal.print(try JSONOutput.line(Result(run: run.text, forecast: forecast.map(ForecastResult.init))))
      } else {
        Terminal.print("run \(run) submitted")
        let lines = ForecastText.lines(
          forecast, run: configuration, examplesAreKnown: configuration.expectedExamples != nil)
        for line in lines { Terminal.print(line) }
      }
      if watch { try await RunFollower(client: client, run: run, json: output.json).follow() }
    }
  }

  /// `murmur run watch NAME`.
  struct Watch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "watch", abstract: "Print a run's rounds, from the first on, until the run ends.",
      discussion: """
        Ends with 0 if the run completed, else with 1. Leaving it with Ctrl-C does not stop the run.

        Example:

            murmur run watch digits --home demo/coordinator
        """)

    @Argument(help: ArgumentHelp("The run's name, as its file says and 'murmur status' lists.", valueName: "name"))
    var name: String

    @OptionGroup var options: OperatorOptions
    @OptionGroup var output: OutputOption

    func run() async throws {
      try await RunFollower(client: options.client(), run: runID(name), json: output.json).follow()
    }
  }
}

/// A run's name as it was typed.
func runID(_ name: String) throws -> RunID {
  guard let run = RunID(name) else {
    throw CommandFailure(
      .usage, "run: found '\(name)', expected 1 to 128 letters, digits, '.', '_' or '-', a letter or digit first")
  }
  return run
}

/// Follows one run's events and prints them.
struct RunFollower {
  /// Between two questions for events.
  static let interval = Duration.milliseconds(150)

  let client: OperatorClient
  let run: RunID
  let json: Bool

  /// Prints until the run has ended.
  ///
  /// - Parameter observe: told every attempt after it was printed.
  /// - Returns: the run as it ended.
  /// - Throws: `CommandFailure` if it did not complete.
  @discardableResult
  func follow(observe: (RoundRow) -> Void = { _ in }) async throws -> RunRow {
    var last: UInt64 = 0
    var answer = try await client.events(run: run, after: last)
    if !json { Terminal.print(RoundTable.header) }
    while true {
      for event in answer.events {
        last = max(last, event.sequence)
        if case .run(let row) = event.kind, row.state == .paused, !json {
          Terminal.print("paused: \(row.reason)")
        }
        guard case .round(let row) = event.kind else { continue }
        Terminal.print(json ? try JSONOutput.line(RoundResult(row)) : RoundTable.line(row))
        observe(row)
      }
      if answer.events.isEmpty {
        if answer.run.state.isFinal {
          if json { Terminal.print(try JSONOutput.line(RunResult(answer.run))) }
          return try ended(answer.run)
        }
        try await Task.sleep(for: Self.interval)
      }
      answer = try await client.events(run: run, after: last)
    }
  }

  private func ended(_ row: RunRow) throws -> RunRow {
    guard row.state == .completed else {
      let reason = row.reason.isEmpty ? "" : ": \(row.reason)"
      throw CommandFailure(
        .failed,
        "run '\(row.run)' \(row.state) after \(row.roundsCommitted) of \(row.roundsPlanned) rounds\(reason)")
    }
    return row
  }
}
