import Foundation
import FoundationXML
import Reports
import Testing

@testable import murmur

/// Reports of simulations, through the program.
@Suite struct ReportTests {
  static let scenario: String = Program.root + "/Simulations/digits.yaml"
  /// A scenario that takes a moment.
  static let short: [String] = [
    "simulate", scenario, "--set", "rounds=3", "--set", "expectations.rounds=3", "--set", "expectations.accuracy=0.1",
  ]

  private static func files(in folder: String) throws -> [String: Data] {
    let names = try FileManager.default.contentsOfDirectory(atPath: folder).filter { !$0.hasSuffix(".png") }
    return Dictionary(
      uniqueKeysWithValues: names.compactMap { name in
        FileManager.default.contents(atPath: "\(folder)/\(name)").map { (name, $0) }
      })
  }

  private static func isWellFormed(_ data: Data?) -> Bool { data.map { XMLParser(data: $0).parse() } ?? false }

  @Test("A report is the same bytes again, and can be drawn again from its history")
  func isReplayed() async throws {
    let workspace = try Workspace()
    for name in ["a", "b"] {
      let result = try await Program.run(Self.short + ["--report", "\(workspace.path)/\(name)"])
      #expect(result.code == 0, "\(result)")
      #expect(result.output.contains("report    \(workspace.path)/\(name)/index.html"))
    }
    let first = try Self.files(in: workspace.path + "/a")
    #expect(try first == Self.files(in: workspace.path + "/b"))
    #expect(first.count == 14)
    let shown = try await Program.run("report", "show", workspace.path + "/a", "--output", workspace.path + "/c")
    #expect(shown.code == 0, "\(shown)")
    #expect(try first == Self.files(in: workspace.path + "/c"))
    for (name, data) in first where name.hasSuffix(".svg") || name.hasSuffix(".html") {
      #expect(Self.isWellFormed(data), "\(name) is not XML")
    }
    let page = String(decoding: first["index.html"] ?? Data(), as: UTF8.self)
    #expect(page.contains("murmur simulate \(Self.scenario) --set run.rounds=3"))
    #expect(page.contains("worker-8"))
  }

  @Test("Where no converter is installed, that there are no PNG files is said, and where one is, there are")
  func pictures() async throws {
    let workspace = try Workspace()
    let folder = workspace.path + "/a"
    #expect(
      try await Program.run(Self.short + ["--report", folder], environment: ["PATH": "/nowhere"]).error
        .contains("no PNG files: rsvg-convert was not found"))
    #expect(!workspace.exists("a/bytes.png"))
    guard FileManager.default.isExecutableFile(atPath: "/usr/bin/rsvg-convert") else { return }
    let result = try await Program.run("report", "show", folder)
    #expect(result.code == 0 && result.error.isEmpty, "\(result)")
    let picture = try #require(FileManager.default.contents(atPath: folder + "/bytes.png"))
    #expect(picture.starts(with: [0x89, 0x50, 0x4E, 0x47]))
  }

  @Test("Runs are compared in one page, and the table says what an accuracy cost")
  func compares() async throws {
    let workspace = try Workspace()
    for (name, rate) in [("fast", "0.1"), ("slow", "0.01")] {
      let result = try await Program.run(Self.short + ["--set", "lr=\(rate)", "--report", "\(workspace.path)/\(name)"])
      #expect(result.code == 0 || rate == "0.01", "\(result)")
    }
    let result = try await Program.run(
      "report", "compare", workspace.path + "/fast", workspace.path + "/slow", "--output", workspace.path + "/both",
      "--target", "0.5")
    #expect(result.code == 0, "\(result)")
    let lines = result.output.split(separator: "\n").map { $0.split(separator: " ") }
    #expect(lines.first { $0.first == "fast" }?.last != "never")
    #expect(lines.first { $0.first == "slow" }?.last == "never")
    let files = try Self.files(in: workspace.path + "/both")
    #expect(Set(files.keys).isSuperset(of: ["index.html", "comparison.csv", "accuracy-by-bytes.svg"]))
    #expect(Self.isWellFormed(files["index.html"]))
    #expect(String(decoding: files["accuracy-by-round.svg"] ?? Data(), as: UTF8.self).contains(">slow</text>"))
  }

  @Test("A version whose coordinator died before it could say so is counted, and every byte is some attempt's")
  func silentVersion() async throws {
    let workspace = try Workspace()
    let result = try await Program.run(
      "simulate", Program.root + "/Simulations/hostile-network.yaml", "--seed", "4", "--report", workspace.path + "/r")
    #expect(result.code == 0, "\(result)")
    let history = try HistoryFile.read(workspace.path + "/r")
    #expect(history.attempts.compactMap(\.version) == [1, 2, 3])
    #expect(
      history.attempts.contains { $0.reason == "the coordinator died before it could say so" && $0.version != nil })
    #expect(history.attempts.reduce(0) { $0 + $1.bytesUp + ($1.bytesDown ?? 0) } == history.bytes)
    #expect(history.outages.contains { $0.party == "coordinator" })
  }

  @Test("What a cluster says of a run is a history too")
  func readsClusterRun() async throws {
    let workspace = try Workspace()
    let file = try workspace.file("run.json", Self.clusterRun)
    let result = try await Program.run("report", "show", file, "--output", workspace.path + "/r")
    #expect(result.code == 0, "\(result)")
    let page = try String(contentsOfFile: workspace.path + "/r/index.html", encoding: .utf8)
    #expect(page.contains("0.8715") && page.contains("How long each phase took was not recorded."))
  }

  private static let clusterRun: String = """
    {"run": {"run": "digits", "state": "completed", "model": "digits", "roundsCommitted": 1, "roundsPlanned": 1},
     "configuration": "", "cohort": [], "suitedWorkers": 8, "seconds": 0.5, "bytesReceived": 1000, "rounds": [
      {"run": "digits", "round": 1, "attempt": 0, "outcome": "committed", "cohort": 8, "reported": 8, "dropped": 0,
       "loss": 2.4, "accuracy": 0.2, "seconds": 0.3, "bytesUpPerWorker": 41000, "saturated": 0, "version": 1},
      {"run": "digits", "round": 2, "attempt": 0, "outcome": "evaluated", "cohort": 8, "reported": 8, "dropped": 0,
       "loss": 0.75, "accuracy": 0.8715, "seconds": 0.2, "bytesUpPerWorker": 2900, "saturated": 0}]}
    """

  @Test(
    "A history that cannot be read is named, with what was expected",
    arguments: [
      (
        "{\"format\": \"murmuration-history\", \"version\": 2}", ["'murmuration-history' 2", "'murmuration-history' 1"]
      ),
      ("{\"format\": \"murmuration-history\", \"version\": 1}", ["key", "found none"]),
      ("{\"rounds\": []}", ["history.json", "murmur run show --json"]), ("not JSON", ["history.json"]),
      (Self.clusterRun.replacing("\"evaluated\"", with: "\"lost\""), ["rounds[1].outcome"]),
    ])
  func badHistory(text: String, pieces: [String]) async throws {
    let workspace = try Workspace()
    let file = try workspace.file("history.json", text)
    for arguments in [
      ["report", "show", workspace.path],
      ["report", "compare", file, file, "--output", workspace.path + "/x"],
    ] {
      let result = try await Program.run(arguments)
      #expect(result.code == 2, "\(result)")
      #expect(result.complaints.count == 1)
      #expect(result.error.contains(workspace.path + "/history.json") && pieces.allSatisfy(result.error.contains))
    }
    #expect(!workspace.exists("index.html") && !workspace.exists("x"))
  }

  @Test(
    "Reports of nothing, and comparisons of one, are refused",
    arguments: [
      (["report", "show", "nowhere"], 3, "nowhere"), (["report", "show", "Sources"], 3, "Sources/history.json"),
      (["report", "show", "Package.swift"], 2, "Package.swift"),
      (["report", "compare", "a", "--output", "b"], 2, "found 1"),
      (["report", "compare", "a", "b"], 2, "--output"),
      (["report", "compare", "a", "b", "--output", "c", "--target", "2"], 2, "--target: found 2"),
      (["report"], 0, ""),
    ] as [([String], Int32, String)])
  func wrongUse(arguments: [String], code: Int32, piece: String) async throws {
    let result = try await Program.run(arguments)
    #expect(result.code == code, "\(result)")
    #expect(piece.isEmpty || result.error.contains(piece), "\(result)")
  }

  @Test(
    "A browser shows the page as it is meant",
    .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/chromium")))
  func browser() async throws {
    let workspace = try Workspace()
    let result = try await Program.run(Self.short + ["--report", workspace.path + "/r"])
    #expect(result.code == 0, "\(result)")
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/chromium")
    process.arguments = [
      "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir=\(workspace.path)/profile",
      "--window-size=1200,4000", "--screenshot=\(workspace.path)/page.png", "file://\(workspace.path)/r/index.html",
    ]
    process.standardError = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    // An empty page of this size makes some 20 kB.
    #expect(try #require(FileManager.default.contents(atPath: workspace.path + "/page.png")).count > 100_000)
  }
}
