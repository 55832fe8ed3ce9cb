import ArgumentParser
import ClusterRuntime
import Glibc

/// The program: one subcommand per thing that a user does.
@main
struct Murmur: AsyncParsableCommand {
  static let version = Product.version

  static let configuration = CommandConfiguration(
    commandName: "murmur",
    abstract: "Federated learning: workers train where their data lives, the coordinator sees only sums.",
    discussion: """
      Start with a whole federation on this machine:

          murmur up Cluster/local.yaml

      Exit codes: 0 ok, 1 failed, 2 wrong usage or input, 3 not found, 4 not authorised, 5 verification failed, \
      6 network.
      """,
    version: version,
    groupedSubcommands: [
      CommandGroup(name: "A federation on this machine:", subcommands: [UpCommand.self]),
      CommandGroup(
        name: "The parties of a federation:",
        subcommands: [
          InitCommand.self, CoordinatorCommand.self, WorkerCommand.self, ServeCommand.self, KeysCommand.self,
        ]),
      CommandGroup(name: "The operator:", subcommands: [StatusCommand.self, RunCommand.self]),
      CommandGroup(
        name: "The consumer:",
        subcommands: [
          ModelsCommand.self, PullCommand.self, VerifyCommand.self, PredictCommand.self, EvaluateCommand.self,
        ]),
      CommandGroup(
        name: "Workbench:",
        subcommands: [
          ExplainCommand.self, InspectCommand.self, SimulateCommand.self, ReportCommand.self, DataCommand.self,
          ConformanceCommand.self,
        ]),
    ])

  /// Parses, runs, and ends the process with the exit code of what happened.
  static func main() async {
    do {
      let command = try parseAsRoot()
      if var command = command as? any AsyncParsableCommand {
        try await command.run()
      } else {
        var command = command
        try command.run()
      }
    } catch {
      Glibc.exit(report(error))
    }
  }

  /// Says on standard error what went wrong; help and version go to standard output.
  private static func report(_ error: any Error) -> Int32 {
    if let code = error as? ExitCode { return code.rawValue }
    let failure: CommandFailure
    if let known = CommandFailure(error) {
      failure = known
    } else {
      switch exitCode(for: error) {
      case .success:
        Terminal.print(fullMessage(for: error))
        return ExitCategory.ok.rawValue
      case .validationFailure:
        failure = CommandFailure(.usage, usageMessage(error))
      default:
        failure = CommandFailure(.failed, message(for: error))
      }
    }
    for line in failure.lines { Terminal.complain(line) }
    return failure.category.rawValue
  }

  /// What the argument parser says in one line, with the command whose help explains it.
  private static func usageMessage(_ error: any Error) -> String {
    let text = message(for: error).split(separator: "\n").joined(separator: " ")
    let hint = fullMessage(for: error).split(separator: "\n").last { $0.contains("--help") }
    guard let start = hint?.firstRange(of: "'"), let end = hint?.lastIndex(of: "'") else { return text }
    return "\(text); see: \(hint?[start.upperBound..<end] ?? "murmur --help")"
  }
}
