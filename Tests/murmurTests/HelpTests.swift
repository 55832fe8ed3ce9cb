import Foundation
import Testing

/// Help texts are recorded in `Help`; `MURMUR_RECORD=1 swift test --filter HelpTests` writes them again.
@Suite struct HelpTests {
  static let commands = [
    "", "up", "init", "coordinator", "worker", "serve", "status", "run", "run submit", "run list", "run show",
    "run watch", "run pause", "run resume", "run stop", "run delete", "models", "models list",
    "models show", "models promote", "models rollback", "models alias", "models retire", "models diff", "models verify",
    "models export", "pull", "verify", "predict", "keys", "keys create", "keys list", "keys revoke", "evaluate", "data",
    "data inspect", "data stats", "data partition", "data get", "conformance",
    "conformance sa1", "simulate", "report", "report show", "report compare",
    "explain", "explain privacy", "inspect",
  ]

  @Test("The help of every command is the recorded one", arguments: commands)
  func isRecorded(command: String) async throws {
    let result = try await Program.run(command.split(separator: " ").map(String.init) + ["--help"])
    #expect(result.code == 0)
    #expect(result.error.isEmpty)
    let name = command.isEmpty ? "murmur" : command.replacing(" ", with: "-")
    let path = Program.root + "/Tests/murmurTests/Help/\(name).txt"
    if ProcessInfo.processInfo.environment["MURMUR_RECORD"] != nil {
      try result.output.write(toFile: path, atomically: true, encoding: .utf8)
    }
    #expect(try result.output == String(contentsOfFile: path, encoding: .utf8))
  }

  @Test("Every command's help has an example and explains every option", arguments: commands)
  func explains(command: String) async throws {
    let path = command.split(separator: " ").map(String.init)
    let help = try await Program.run(path + ["--help"]).output
    let typed = (["murmur"] + path).joined(separator: " ") + " "
    #expect(help.split(separator: "\n").contains { $0.hasPrefix("    \(typed)") || $0.hasPrefix("    murmur up") })
    let lines = help.split(separator: "\n", omittingEmptySubsequences: false)
    for (line, next) in zip(lines, lines.dropFirst()) where line.hasPrefix("  -") || line.hasPrefix("  <") {
      let words = line.split(separator: " ").drop { $0.hasPrefix("-") || $0.hasPrefix("<") }
      let isExplained = !words.isEmpty || next.hasPrefix("                ")
      #expect(isExplained, "no explanation of \(line)")
    }
  }

  @Test("The version is one line")
  func version() async throws {
    let result = try await Program.run("--version")
    #expect(result.code == 0)
    #expect(result.output.split(separator: ".").count == 3)
  }
}
