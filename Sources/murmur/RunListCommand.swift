import ArgumentParser
import ClusterRuntime
import Federation
import Wire

extension RunCommand {
  /// `murmur run list`.
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "List all runs that the coordinator knows.",
      discussion: """
        In the order of their submission. The accuracy is that of the last round with metrics, over the hold-outs of the \
        workers in it.

        Example:

            murmur run list --home demo/coordinator
        """)

    @OptionGroup var options: OperatorOptions
    @OptionGroup var output: OutputOption

    func run() async throws {
      let runs = try await options.client().runs()
      if output.json {
        Terminal.print(try JSONOutput.document(runs.map(RunResult.init)))
      } else if runs.isEmpty {
        Terminal.print("no runs")
      } else {
        for line in runs.table.lines { Terminal.print(line) }
      }
    }
  }
}

extension [RunRow] {
  /// One line a run.
  var table: TextTable {
    var table = TextTable([
      ("RUN", .left), ("STATE", .left), ("MODEL", .left), ("ROUND", .right), ("OF", .right), ("ACCURACY", .right),
      ("REASON", .left),
    ])
    for run in self {
      table.append([
        run.run.text, "\(run.state)", run.model.text, "\(run.roundsCommitted)", "\(run.roundsPlanned)",
        run.evaluation.map { Readable.decimal($0.accuracy, 4) } ?? "-", run.reason,
      ])
    }
    return table
  }
}
