import ArgumentParser
import Glibc
import Logging
import Observability

/// How a long-running command logs.
struct LogOptions: ParsableArguments {
  enum Format: String, CaseIterable, ExpressibleByArgument {
    case text, json
  }

  @Option(
    name: .long,
    help: ArgumentHelp("How log lines on standard error look: text for people, json for programs.", valueName: "format")
  )
  var logFormat: Format = .text

  @Option(
    name: .long,
    help: ArgumentHelp(
      "The least severe log lines to write: trace, debug, info, notice, warning, error or critical.",
      valueName: "level"))
  var logLevel: Logger.Level = .info

  func logger(_ label: String) -> Logger {
    var logger = Logger(label: label) { handler($0) }
    logger.logLevel = logLevel
    return logger
  }

  private func handler(_ label: String) -> any LogHandler {
    let form: LineLogHandler.Form =
      switch logFormat {
      case .text: .text
      case .json: .json
      }
    return LineLogHandler(form, label: label, now: LogTimestamp.now, write: LogOutput.write)
  }
}

extension Logger.Level: @retroactive ExpressibleByArgument {}

/// Where log lines go: standard error, one write each.
enum LogOutput {
  static func write(_ line: String) { Terminal.write(line, to: STDERR_FILENO) }
}

extension LogTimestamp {
  /// The machine's clock.
  static func now() -> LogTimestamp {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    return LogTimestamp(milliseconds: Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000)
  }
}
