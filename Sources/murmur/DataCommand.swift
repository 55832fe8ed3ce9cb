import ArgumentParser
import ClusterRuntime
import ModelRegistry
import Training

/// `murmur data …`.
struct DataCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "data", abstract: "Prepare labelled data.",
    discussion: """
      Example:

          murmur data partition Simulations/Data/optdigits.csv --parts 5 --federation demo
      """,
    subcommands: [Partition.self])

  /// `murmur data partition FILE`.
  struct Partition: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "partition",
      abstract: "Hold a part of a table out and deal the rest to workers, with a skew over labels.",
      discussion: """
        The shares of each label are drawn from a Dirichlet distribution, as workers' data differ in the field: a \
        small alpha gives workers of few labels, a large one nearly equal workers. The same seed gives the same files.

        Examples:

            murmur data partition Simulations/Data/optdigits.csv --parts 5 --federation demo
            murmur data partition Simulations/Data/optdigits.csv --parts 8 --output parts --seed 7
        """)

    @Argument(help: ArgumentHelp("A CSV file: a header line, then one example a row.", valueName: "file"))
    var file: String

    @Option(name: .long, help: ArgumentHelp("How many workers to deal to.", valueName: "n"))
    var parts: Int

    @Option(name: .long, help: ArgumentHelp("Of the Dirichlet distribution, above 0.", valueName: "number"))
    var alpha = 0.5

    @Option(
      name: .long, help: ArgumentHelp("The fraction of the examples that no worker gets.", valueName: "fraction"))
    var holdOut = 0.2

    @Option(name: .long, help: ArgumentHelp("Of the hold-out and of the deal.", valueName: "number"))
    var seed: UInt64 = 1

    @Option(
      name: .long,
      help: ArgumentHelp("The name of the label's column. Without it, the last column.", valueName: "column"))
    var label: String?

    @Option(
      name: .long,
      help: ArgumentHelp("Write DIR/worker-1/data.csv and so on, and DIR/held-out.csv.", valueName: "dir"))
    var output: String?

    @Option(
      name: .long,
      help: ArgumentHelp(
        "A folder that 'murmur init' made: write each worker's data.csv into its folder there, and "
          + "consumer/held-out.csv.",
        valueName: "dir"))
    var federation: String?

    @OptionGroup var format: OutputOption

    func validate() throws {
      guard (output == nil) != (federation == nil) else {
        throw ValidationError("expected one of --output and --federation")
      }
      guard (1...100_000).contains(parts) else {
        throw ValidationError("--parts: found \(parts), expected 1 to 100000")
      }
      guard alpha > 0, alpha.isFinite else { throw ValidationError("--alpha: found \(alpha), expected above 0") }
      guard holdOut >= 0, holdOut < 1 else {
        throw ValidationError("--hold-out: found \(holdOut), expected a fraction from 0 to below 1")
      }
    }

    func run() throws {
      let examples = try CSVDataset.load(path: file, labelColumn: label)
      let division = try DataDivision(examples, parts: parts, alpha: alpha, heldOut: holdOut, seed: seed)
      let folders: [String]
      let heldOutPath: String
      if let federation {
        folders = (1...parts).map { "\(federation)/worker-\($0)" }
        for folder in folders where !DurableFile.exists(folder) {
          throw CommandFailure(
            .notFound, "\(folder): found no such folder, expected a worker's that 'murmur init' made")
        }
        heldOutPath = "\(federation)/consumer/held-out.csv"
      } else {
        let output = output ?? "."
        folders = (1...parts).map { "\(output)/worker-\($0)" }
        for folder in folders { try DurableFile.createDirectory(folder) }
        heldOutPath = "\(output)/held-out.csv"
      }
      try division.write(to: folders, heldOut: heldOutPath)
      if format.json {
        Terminal.print(try JSONOutput.document(DivisionResult(division, folders: folders, heldOut: heldOutPath)))
      } else {
        for (folder, part) in zip(folders, division.parts) {
          Terminal.print("\(folder)/data.csv  \(part.count) examples")
        }
        Terminal.print("\(heldOutPath)  \(division.heldOut.count) examples")
      }
    }
  }
}

private struct DivisionResult: Encodable {
  struct Part: Encodable {
    let path: String
    let examples: Int
    let labels: [Int]
  }

  let parts: [Part]
  let heldOut: Part

  init(_ division: DataDivision, folders: [String], heldOut path: String) {
    parts = zip(folders, division.parts).map { folder, part in
      Part(path: "\(folder)/data.csv", examples: part.count, labels: part.classCounts)
    }
    heldOut = Part(path: path, examples: division.heldOut.count, labels: division.heldOut.classCounts)
  }
}
