import ArgumentParser
import ClusterRuntime
import Conformance

/// `murmur conformance …`.
struct ConformanceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "conformance", abstract: "Check this program against published test vectors.",
    discussion: """
      Example:

          murmur conformance sa1 Protocols/vectors/sa1-vectors.json
      """,
    subcommands: [SA1.self])

  /// `murmur conformance sa1 FILE …`.
  struct SA1: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "sa1",
      abstract: "Check secure aggregation, protocol SA1: keys, masks, shares, messages, refusals.",
      discussion: """
        Computes every value of the files and names each one that differs. Ends with 0 if none does, else with 1.

        Files made with a salt name their inputs by it: give it, or what follows from the inputs is counted as
        not checked.

        Examples:

            murmur conformance sa1 Protocols/vectors/sa1-vectors.json
            murmur conformance sa1 Protocols/vectors/*.json
            murmur conformance sa1 --salt mine/ mine.json
        """)

    @Argument(help: ArgumentHelp("Files of SA1 vectors (JSON); - is standard input.", valueName: "file"))
    var files: [String]

    @Option(help: ArgumentHelp("The salt that the files were made with.", valueName: "text"))
    var salt = ""

    @OptionGroup var output: OutputOption

    private struct Result: Encodable {
      struct Difference: Encodable {
        let file: String
        let `case`: String
        let field: String
        let expected: String
        let found: String
      }

      var cases = 0
      var passed = 0
      var failed = 0
      var unchecked = 0
      var differences: [Difference] = []
    }

    func run() throws {
      var result = Result()
      for file in files {
        let report: ConformanceReport
        do throws(ConformanceError) {
          report = try ConformanceReport.check(file: file, salt: salt)
        } catch {
          if case .unreadable = error { throw CommandFailure(.notFound, "\(error)") }
          throw CommandFailure(.usage, "\(error)")
        }
        result.cases += report.caseCount
        result.passed += report.passed
        result.failed += report.failed
        result.unchecked += report.unchecked
        result.differences += report.failures.map {
          .init(file: file, case: $0.caseName, field: $0.field, expected: $0.expected, found: $0.found)
        }
        if !output.json {
          for failure in report.failures { Terminal.print("\(file): \(failure)") }
        }
      }
      let unchecked = result.unchecked > 0 ? ", \(result.unchecked) inputs of another salt not checked" : ""
      Terminal.print(
        output.json
          ? try JSONOutput.document(result) : "\(result.passed) passed, \(result.failed) failed\(unchecked)")
      guard result.failed == 0 else { throw CommandFailure(silent: .failed) }
    }
  }
}
