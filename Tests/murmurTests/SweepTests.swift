import Foundation
import Testing

@testable import murmur

/// `murmur simulate --sweep`.
@Suite struct SweepTests {
  private static func arguments(_ workspace: Workspace, _ more: String...) -> [String] {
    ReportTests.short + [
      "--set", "fidelity=fast", "--sweep", "lr=0.01,0.1", "--output", workspace.path + "/sweep",
    ] + more
  }

  private static func cells(_ workspace: Workspace) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: workspace.path + "/sweep/cells").sorted()
  }

  @Test("Every combination is simulated once, and a second start only sums up what is there")
  func isResumable() async throws {
    let workspace = try Workspace()
    let arguments = Self.arguments(workspace, "--sweep", "epochs=1,2", "--seeds", "1..2", "--jobs", "2")
    let first = try await Program.run(arguments)
    #expect(first.code == 0, "\(first)")
    let cells = try Self.cells(workspace)
    #expect(cells.count == 8)
    #expect(cells.allSatisfy { $0.hasSuffix(".json") })
    #expect(first.output.contains("cells     8, 0 of them done already"))
    let rows = first.output.split(separator: "\n").filter { $0.contains(" of 2") }
    #expect(rows.count == 4)
    #expect(rows[0].split(separator: " ").first == "0.1")  // The best comes first.

    // One cell is lost: only that one is simulated, and everything is as it was.
    try FileManager.default.removeItem(atPath: workspace.path + "/sweep/cells/" + cells[3])
    let table = try String(contentsOfFile: workspace.path + "/sweep/sweep.csv", encoding: .utf8)
    let second = try await Program.run(arguments)
    #expect(second.output.contains("cells     8, 7 of them done already"))
    #expect(try Self.cells(workspace) == cells)
    #expect(try String(contentsOfFile: workspace.path + "/sweep/sweep.csv", encoding: .utf8) == table)
    #expect(workspace.exists("sweep/sweep.svg") && workspace.exists("sweep/index.html"))

    // Another seed, or another scenario, is another cell.
    let other = try await Program.run(Self.arguments(workspace, "--sweep", "epochs=1", "--seeds", "2..3", "--json"))
    #expect(other.code == 0, "\(other)")
    #expect(try Self.cells(workspace).count == 10)
    let summary = try JSONSerialization.jsonObject(with: Data(other.output.utf8)) as? [String: Any]
    #expect((summary?["rows"] as? [[String: Any]])?.count == 2)
    #expect(summary?["keys"] as? [String] == ["run.training.learning-rate", "run.training.local-epochs"])
  }

  @Test("A file that is no result of its cell is named and not used")
  func spoiledCell() async throws {
    let workspace = try Workspace()
    _ = try await Program.run(Self.arguments(workspace))
    let cell = try Self.cells(workspace)[0]
    _ = try workspace.file("sweep/cells/\(cell)", "{}")
    let result = try await Program.run(Self.arguments(workspace))
    #expect(result.code == 2, "\(result)")
    #expect(result.error.contains(cell) && result.error.contains("murmuration-sweep-cell"))
  }

  @Test("Interrupted, a sweep ends its processes and keeps what is done")
  func interruption() async throws {
    let workspace = try Workspace()
    let rates = (1...60).map { "0.0\($0)" }.joined(separator: ",")
    let program = try RunningProgram(
      [
        "simulate", ReportTests.scenario, "--sweep", "lr=\(rates)", "--jobs", "2", "--output",
        workspace.path + "/sweep",
      ])
    let hasOne = try await eventually(within: .seconds(60)) {
      (try? Self.cells(workspace).contains { $0.hasSuffix(".json") }) ?? false
    }
    #expect(hasOne)
    program.send(SIGINT)
    #expect(await program.code == 128 + SIGINT)
    #expect(program.error.contains("interrupted: "))
    #expect(program.error.contains("the same command goes on"))
    #expect(try Self.cells(workspace).contains { $0.hasSuffix(".json") })
    let isOver = try await eventually(within: .seconds(10)) { Self.simulations(of: program.process).isEmpty }
    #expect(isOver)
  }

  /// Processes that a process has started and that live.
  private static func simulations(of parent: Int32) -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return names.filter { name in
      guard Int32(name) != nil, let stat = try? String(contentsOfFile: "/proc/\(name)/stat", encoding: .utf8) else {
        return false
      }
      return stat.split(separator: ")").last?.split(separator: " ").dropFirst().first == "\(parent)"[...]
    }
  }

  @Test(
    "A key or value that does not fit is named before anything is simulated",
    arguments: [
      (["--sweep", "training.learning-rat=0.1"], "run.training.learning-rat"),
      (["--sweep", "lr=0.1,fast"], "\"fast\""),
      (["--sweep", "network.loss=2"], "network.loss"), (["--sweep", "lr"], "--sweep"), (["--sweep", "lr="], "--sweep"),
      (["--sweep", "lr=0.1,0.1"], "--sweep"), (["--sweep", "lr=0.1,"], "--sweep"),
      (["--sweep", "lr=0.1", "--sweep", "training.learning-rate=0.2"], "found it twice"),
      (["--sweep", "lr=0.1", "--set", "lr=0.2"], "--set"), (["--sweep", "lr=0.1", "--log", "x"], "--log"),
      (["--sweep", "lr=0.1", "--report", "x"], "--report"), (["--sweep", "lr=0.1", "--trace"], "--trace"),
      (["--sweep", "lr=0.1", "--central"], "--central"), (["--sweep", "lr=0.1", "--seeds", "1..99999"], "10000"),
      (["--sweep", "lr=0.1", "--seeds", "0..18446744073709551615"], "10000"), (["--output", "x"], "--output"),
      (["--set", "lr"], "--set"), (["--set", "rounds=0"], "run.rounds"), (["--until", "soon"], "--until"),
      (["--until", "0s"], "--until"), (["--trace", "0"], "--trace"), (["--trace", "--json"], "--json"),
      (["--seeds", "1..2", "--report", "x"], "--report"), (["--seeds", "1..2", "--until", "9s"], "--until"),
      (["--central", "--report", "x"], "--report"),
    ])
  func wrongUse(options: [String], piece: String) async throws {
    let workspace = try Workspace()
    let place = options.contains("--sweep") ? ["--output", workspace.path + "/sweep"] : []
    let result = try await Program.run(["simulate", ReportTests.scenario] + options + place)
    #expect(result.code == 2, "\(result)")
    #expect(result.complaints.count == 1 && result.output.isEmpty)
    #expect(result.error.contains(piece), "\(result)")
    #expect(!workspace.exists("sweep"))
  }

  @Test(
    "Values are split at commas outside brackets and quotes",
    arguments: [
      ("lr=1,2", ["1", "2"]),
      ("run.strategy=fedavg,{trimmed-mean: {a: 1, b: 2}}", ["fedavg", "{trimmed-mean: {a: 1, b: 2}}"]),
      ("name='a,b',c", ["'a,b'", "c"]), ("x=[1, 2], [3]", ["[1, 2]", "[3]"]),
    ])
  func values(argument: String, values: [String]) { #expect(SweepAxis(argument: argument)?.values == values) }
}
