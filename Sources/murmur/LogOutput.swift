import ArgumentParser
import Glibc
import Logging

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
    var logger = Logger(label: label) { LogOutput(label: $0, format: logFormat) }
    logger.logLevel = logLevel
    return logger
  }
}

extension Logger.Level: @retroactive ExpressibleByArgument {}

/// Log lines on standard error, one write each.
///
///     2026-11-22T14:05:09.123Z info coordinator: round committed round=3 reported=8
struct LogOutput: LogHandler {
  let label: String
  let format: LogOptions.Format
  var metadata: Logger.Metadata = [:]
  var logLevel: Logger.Level = .info

  init(label: String, format: LogOptions.Format) {
    self.label = label
    self.format = format
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    var all = metadata
    if let own = event.metadata { all.merge(own) { _, new in new } }
    if let error = event.error { all["error"] = "\(error)" }
    let members = all.sorted { $0.key < $1.key }.map { (key: $0.key, value: "\($0.value)") }
    let line: String
    switch format {
    case .text:
      let values = members.map { " \($0.key)=\(Self.isPlain($0.value) ? $0.value : Self.quoted($0.value))" }.joined()
      line = "\(Self.timestamp()) \(event.level) \(label): \(event.message)\(values)\n"
    case .json:
      let values = members.map { ",\(Self.quoted($0.key)):\(Self.quoted($0.value))" }.joined()
      line =
        "{\"time\":\"\(Self.timestamp())\",\"level\":\"\(event.level)\",\"process\":\(Self.quoted(label)),"
        + "\"message\":\(Self.quoted("\(event.message)"))\(values)}\n"
    }
    Terminal.write(line, to: STDERR_FILENO)
  }

  private static func isPlain(_ value: String) -> Bool {
    !value.isEmpty && value.unicodeScalars.allSatisfy { $0.value > 0x20 && $0 != "\"" && $0 != "=" }
  }

  /// A JSON string: what a peer sent stays on one line.
  private static func quoted(_ text: String) -> String {
    var out = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case _ where scalar.value < 0x20 || scalar.value == 0x7F:
        let digits = String(scalar.value, radix: 16)
        out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out + "\""
  }

  /// UTC, milliseconds.
  private static func timestamp() -> String {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    var parts = tm()
    gmtime_r(&now.tv_sec, &parts)
    func digits(_ value: some BinaryInteger, _ count: Int) -> String {
      let text = String(value)
      return String(repeating: "0", count: max(0, count - text.count)) + text
    }
    let day = "\(digits(parts.tm_year + 1900, 4))-\(digits(parts.tm_mon + 1, 2))-\(digits(parts.tm_mday, 2))"
    let clock = "\(digits(parts.tm_hour, 2)):\(digits(parts.tm_min, 2)):\(digits(parts.tm_sec, 2))"
    return "\(day)T\(clock).\(digits(now.tv_nsec / 1_000_000, 3))Z"
  }
}
