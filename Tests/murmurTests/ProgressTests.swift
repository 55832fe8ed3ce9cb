import Foundation
import Testing

@testable import murmur

/// What `murmur simulate` says while it runs, and of a part of a run.
@Suite struct ProgressTests {
  @Test(
    "The bar says how much is done, and how long the rest may take",
    arguments: [
      (0, 4, 0, 80, "[------------------------] 0 of 4 rounds, 1.0 s"),
      (1, 4, 10, 80, "[######------------------] 1 of 4 rounds, 1.0 s, about 30 s left"),
      (2, 4, 600, 80, "[############------------] 2 of 4 rounds, 1.0 s, about 10 min left"),
      (4, 4, 10, 80, "[########################] 4 of 4 rounds, 1.0 s"),
      (1, 4, 10, 41, "[######------------------] 1 of 4 rounds"),
    ] as [(UInt64, UInt64, Int, Int, String)])
  func text(done: UInt64, total: UInt64, elapsed: Int, columns: Int, expected: String) {
    let text = ProgressBar.text(
      done, of: total, "rounds", "1.0 s", elapsed: .seconds(elapsed), columns: columns)
    #expect(text == expected)
  }

  @Test("Where standard output is no terminal, there is no bar")
  func noTerminal() async throws {
    let result = try await Program.run(ReportTests.short)
    #expect(result.code == 0, "\(result)")
    #expect(!result.output.contains("\u{1B}") && !result.output.contains("\r") && !result.output.contains("[#"))
  }

  @Test(
    "On a terminal there is a bar, which is gone at the end, and none with --json",
    .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/script")))
  func terminal() throws {
    let command = ([Program.path] + ReportTests.short).map { "'\($0)'" }.joined(separator: " ")
    let shown = try Self.onTerminal(command)
    #expect(shown.contains(" of 3 rounds") && shown.contains("of virtual time"))
    let last = try #require(shown.components(separatedBy: "\u{1B}[K").last)
    #expect(last.contains("version   3") && !last.contains(" of 3 rounds"))
    #expect(try !Self.onTerminal(command + " --json").contains("\u{1B}"))
  }

  /// What a command prints on a pseudo-terminal (script(1)).
  private static func onTerminal(_ command: String) throws -> String {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/script")
    process.arguments = ["--quiet", "--return", "--command", command, "/dev/null"]
    process.standardInput = FileHandle.nullDevice
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    return String(decoding: output, as: UTF8.self)
  }

  @Test("A simulation that is cut short says what it reached and what it could not judge, and has not failed")
  func until() async throws {
    let result = try await Program.run("simulate", ReportTests.scenario, "--until", "5s")
    #expect(result.code == 0, "\(result)")
    #expect(result.output.contains("cut short at 5s of virtual time"))
    #expect(result.output.contains("not judged: rounds: found "))
    #expect(result.output.contains("time      5.00 virtual seconds"))
    let json = try await Program.run("simulate", ReportTests.scenario, "--until", "5s", "--json")
    #expect(json.code == 0 && json.output.contains("\"unjudged\""))
  }

  @Test("The messages of a round are a table with one line for equal messages to many")
  func trace() async throws {
    let result = try await Program.run(ReportTests.short + ["--trace", "3"])
    #expect(result.code == 0, "\(result)")
    let lines = result.output.split(separator: "\n").map(String.init)
    let start = try #require(lines.firstIndex { $0.hasPrefix("round 3, messages in virtual time") })
    let trace = lines[(start + 1)...].prefix { !$0.hasPrefix("version ") }
    #expect(trace.first?.split(separator: " ").last == "lost")
    #expect(trace.contains { $0.contains("coordinator") && $0.contains("->  all 8 workers") && $0.contains("offer") })
    #expect(trace.contains { $0.contains("worker-8 dies") })
    // Arrows stand below one another.
    let arrows = Set(
      trace.compactMap { line in
        line.firstRange(of: "->").map { line.distance(from: line.startIndex, to: $0.lowerBound) }
      })
    #expect(arrows.count == 1)
    #expect(trace.count < 100)
    #expect(try await Program.run(ReportTests.short + ["--trace"]).output.contains("round 1, messages"))
  }

  @Test("A round that never was has no trace")
  func noTrace() async throws {
    let result = try await Program.run(ReportTests.short + ["--trace", "99"])
    #expect(result.code == 3, "\(result)")
    #expect(result.error.contains("--trace: found no round 99"))
  }
}
