import ArgumentParser
import ClusterRuntime
import Foundation
import Reports

/// `murmur report`.
struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Draw runs: pictures, tables and a page from recorded histories.",
    discussion: """
      A history is what 'murmur simulate --report' writes beside its pictures, or what 'murmur run show --json' prints \
      of a run in a cluster.

      Examples:

          murmur report show reports/digits
          murmur report compare reports/fedavg reports/fedprox --output reports/both
      """,
    subcommands: [Show.self, Compare.self])
}

extension ReportCommand {
  /// `murmur report show DIR`.
  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "show",
      abstract: "Draw the report of a history again.",
      discussion: """
        The same history gives the same files, byte for byte.

        Examples:

            murmur report show reports/digits
            murmur report show digits.json --output reports/digits
        """)

    @Argument(
      help: ArgumentHelp(
        "A report's folder, a history.json, or the output of 'murmur run show --json'.", valueName: "folder"))
    var folder: String

    @Option(
      name: .long,
      help: ArgumentHelp("Where the report goes; without it, into the folder itself.", valueName: "folder"))
    var output: String?

    func run() throws {
      let history = try HistoryFile.read(folder)
      var isFolder: ObjCBool = false
      _ = FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder)
      guard let place = output ?? (isFolder.boolValue ? folder : nil) else {
        throw CommandFailure(.usage, "--output: found none for the file \(folder), expected a folder")
      }
      try ReportFolder(path: place).write(history)
      Terminal.print("report  \(place)/index.html")
    }
  }

  /// `murmur report compare A B`.
  struct Compare: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "compare",
      abstract: "Draw several runs in the same pictures, and what an accuracy cost each of them.",
      discussion: """
        The table says for each run the accuracy and loss of its last version, rounds, seconds and bytes, and after how \
        many rounds, seconds and bytes it first was as accurate as --target.

        Example:

            murmur report compare reports/fedavg reports/fedprox --output reports/both --target 0.95
        """)

    private static let runsMax = 20

    @Argument(
      help: ArgumentHelp(
        "Two to 20 reports' folders, history.json files, or outputs of 'murmur run show --json'.", valueName: "folder"))
    var folders: [String]

    @Option(name: .long, help: ArgumentHelp("Where the comparison goes.", valueName: "folder"))
    var output: String

    @Option(
      name: .long,
      help: ArgumentHelp(
        "The accuracy whose price is compared, above 0 and at most 1; without it, the best that all reach.",
        valueName: "accuracy"))
    var target: Double?

    @OptionGroup var format: OutputOption

    func validate() throws {
      guard (2...Self.runsMax).contains(folders.count) else {
        throw ValidationError("found \(folders.count) run(s), expected 2 to \(Self.runsMax)")
      }
      if let target, !(target > 0 && target <= 1) {
        throw ValidationError("--target: found \(target), expected a number above 0 and at most 1")
      }
    }

    func run() throws {
      let histories = try folders.map(HistoryFile.read)
      let report = ComparisonReport(Array(zip(Self.labels(of: folders), histories)), target: target)
      try ReportFolder(path: output).write(report.files)
      if format.json {
        Terminal.print(try JSONOutput.document(report.table.records))
      } else {
        for line in TextTable.lines(report.table) { Terminal.print(line) }
        Terminal.print("")
        Terminal.print("report  \(output)/index.html")
      }
    }

    /// The last parts of the paths, as many as it takes to tell them apart.
    static func labels(of paths: [String]) -> [String] {
      let parts = paths.map { $0.split(separator: "/") }
      let most = parts.map(\.count).max() ?? 1
      for count in 1...max(1, most) {
        let labels = parts.map { $0.suffix(count).joined(separator: "/") }
        if Set(labels).count == labels.count { return labels }
      }
      return paths.enumerated().map { "\($0.offset + 1): \($0.element)" }
    }
  }
}

extension TextTable {
  /// A report's table for a terminal.
  static func lines(_ table: DataTable) -> [String] {
    var text = TextTable(table.columns.map { ($0.title, $0.isNumber ? .right : .left) })
    for row in table.rows { text.append(row) }
    return text.lines
  }
}
