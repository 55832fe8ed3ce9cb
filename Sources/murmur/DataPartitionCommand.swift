import ArgumentParser
import ClusterRuntime
import Federation
import ModelRegistry
import Training

extension NormalisationMethod: ExpressibleByArgument {}
extension NormalisationScope: ExpressibleByArgument {}

/// Which partitioner: at most one of its options.
struct PartitionOptions: ParsableArguments {
  @Flag(name: .long, help: "Equal parts at random, all alike.")
  var iid = false

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Parts skewed over labels: the shares of each label come from a Dirichlet distribution of this parameter, above 0. "
        + "The default, with 0.5.", valueName: "number"))
  var alpha: Double?

  @Option(
    name: .long,
    help: ArgumentHelp("Examples sorted by label and cut into shards: so many a part, at random.", valueName: "n"))
  var shards: Int?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Parts of unequal sizes, which come from a Dirichlet distribution of this parameter, above 0.",
      valueName: "number"))
  var quantity: Double?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Examples with the same name in this column stay together; of a text, 'role'. It is no feature then.",
      valueName: "name"))
  var column: String?

  var partition: DataPartition {
    if iid { return .iid }
    if let alpha { return .dirichlet(alpha: alpha) }
    if let shards { return .shards(perPart: shards) }
    if let quantity { return .quantity(alpha: quantity) }
    if let column { return .column(column) }
    return .standard
  }

  func validate() throws {
    let given = [iid, alpha != nil, shards != nil, quantity != nil, column != nil].count { $0 }
    guard given <= 1 else {
      throw ValidationError("expected at most one of --iid, --alpha, --shards, --quantity and --column")
    }
    for (name, value) in [("--alpha", alpha), ("--quantity", quantity)] {
      if let value, !(value > 0 && value.isFinite) {
        throw ValidationError("\(name): found \(value), expected above 0")
      }
    }
    if let shards, !(1...DataPartition.shardsMax).contains(shards) {
      throw ValidationError("--shards: found \(shards), expected 1 to \(DataPartition.shardsMax)")
    }
  }
}

/// `murmur data partition FILE`.
struct DataPartitionCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "partition",
    abstract: "Hold a part of a table or text out and deal the rest to workers.",
    discussion: """
      Workers' data differ in the field, and so do the parts: over labels unless an option says otherwise. A small \
      --alpha gives workers of few labels, a large one nearly equal workers. Every example is in one part or held out, \
      and the same seed gives the same files. The skew of a part is half the sum of the differences between its labels' \
      shares and those of all parts: 0 is none, 1 is no label in common.

      Examples:

          murmur data partition Simulations/Data/optdigits.csv --parts 5 --federation demo
          murmur data partition Simulations/Data/optdigits.csv --parts 8 --output parts --shards 2 --seed 7
          murmur data partition tinyshakespeare.txt --parts 20 --output parts --column role
      """)

  @Argument(help: ArgumentHelp("Labelled examples: CSV, IDX, NPY, NPZ or safetensors; or a text.", valueName: "file"))
  var file: String

  @Option(name: .long, help: ArgumentHelp("How many workers to deal to.", valueName: "n"))
  var parts: Int

  @OptionGroup var how: PartitionOptions

  @Option(
    name: .long,
    help: ArgumentHelp(
      "The fraction of the examples that no worker gets: at random, or the last passages of a text, with --column role "
        + "of each role.", valueName: "fraction"))
  var holdOut = 0.2

  @Option(name: .long, help: ArgumentHelp("Of the hold-out and of the deal.", valueName: "number"))
  var seed: UInt64 = 1

  @OptionGroup var labels: LabelOptions

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Normalise all features by statistics of those that are dealt: 'standard' to mean 0 and deviation 1, 'min-max' to "
        + "0 to 1. The statistics are written beside what is held out, as normalisation.json.", valueName: "method"))
  var normalise: Normalisation.Method?

  @Option(
    name: .long,
    help: ArgumentHelp("Statistics of each 'feature', or one for all of them: 'global'.", valueName: "scope"))
  var normaliseBy = Normalisation.Scope.feature

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Write DIR/worker-1/data.csv and so on, and DIR/held-out.csv; of a text, .txt files and everywhere "
        + "vocabulary.json.", valueName: "dir"))
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
    guard holdOut >= 0, holdOut < 1 else {
      throw ValidationError("--hold-out: found \(holdOut), expected a fraction from 0 to below 1")
    }
  }

  func run() throws {
    let source = try DatasetFile(path: file)
    if source.format == .text { return try dealText(source) }
    var reading = labels.reading
    reading.groupColumn = how.partition.groupColumn
    var division = try DataDivision(
      source.dataset(reading), parts: parts, partition: how.partition, heldOut: .fraction(holdOut), seed: seed)
    let statistics = try normalise.map { try division.normalise($0, normaliseBy, file: file) }
    let (folders, shared) = try targets()
    let heldOutPath = "\(shared)/held-out.csv"
    try division.write(to: folders, heldOut: heldOutPath)
    try statistics?.write(to: "\(shared)/\(DealtData.normalisationName)")
    try DivisionResult(division, paths: folders.map { "\($0)/data.csv" }, heldOut: heldOutPath).print(format)
  }

  private func dealText(_ source: DatasetFile) throws {
    guard normalise == nil else {
      throw CommandFailure(.usage, "--normalise: found a text, expected a table with features")
    }
    let text = try source.text()
    let division = try TextDivision(
      text, parts: parts, partition: how.partition, heldOut: holdOut, seed: seed, file: file)
    let (folders, shared) = try targets()
    let heldOutPath = "\(shared)/held-out.txt"
    try division.write(to: folders, heldOut: heldOutPath)
    for folder in folders + [shared] { try text.vocabulary.write(to: "\(folder)/\(DealtData.vocabularyName)") }
    try TextDivisionResult(division, paths: folders.map { "\($0)/data.txt" }, heldOut: heldOutPath).print(format)
  }

  /// Each worker's folder, and the one for what is everybody's.
  private func targets() throws -> (folders: [String], shared: String) {
    if let federation {
      let folders = (1...parts).map { "\(federation)/worker-\($0)" }
      for folder in folders where !DurableFile.exists(folder) {
        throw CommandFailure(.notFound, "\(folder): found no such folder, expected a worker's that 'murmur init' made")
      }
      return (folders, "\(federation)/consumer")
    }
    let output = output ?? "."
    let folders = (1...parts).map { "\(output)/worker-\($0)" }
    for folder in folders { try DurableFile.createDirectory(folder) }
    return (folders, output)
  }
}

private struct DivisionResult: Encodable {
  struct Part: Encodable {
    let path: String
    let examples: Int
    /// Examples of each class; nil where numbers are to be predicted.
    let labels: [Int]?
    let skew: Double?

    init(_ part: Dataset, path: String, all: [Int]) {
      self.path = path
      examples = part.count
      labels = part.hasOneClass ? part.classCounts : nil
      skew = part.hasOneClass ? part.labelSkew(against: all) : nil
    }
  }

  let parts: [Part]
  let heldOut: Part

  init(_ division: DataDivision, paths: [String], heldOut path: String) {
    let all = division.parts.map(\.classCounts).reduce([Int](repeating: 0, count: division.heldOut.classCount)) {
      zip($0, $1).map(+)
    }
    parts = zip(paths, division.parts).map { Part($1, path: $0, all: all) }
    heldOut = Part(division.heldOut, path: path, all: all)
  }

  func print(_ format: OutputOption) throws {
    guard !format.json else { return Terminal.print(try JSONOutput.document(self)) }
    let hasClasses = heldOut.labels != nil
    var table = TextTable(
      [("file", .left), ("examples", .right)] + (hasClasses ? [("labels", .right), ("skew", .right)] : []))
    for part in parts + [heldOut] {
      var cells = [part.path, "\(part.examples)"]
      if let labels = part.labels, let skew = part.skew {
        cells += ["\(labels.count { $0 > 0 })", Readable.decimal(skew, 2)]
      }
      table.append(cells)
    }
    for line in table.lines { Terminal.print(line) }
  }
}

private struct TextDivisionResult: Encodable {
  struct Part: Encodable {
    let path: String
    let passages: Int
    let roles: Int
    let bytes: Int

    init(_ part: TextDivision.Part, path: String) {
      self.path = path
      passages = part.passages
      roles = part.roles
      bytes = part.text.utf8.count
    }
  }

  let parts: [Part]
  let heldOut: Part

  init(_ division: TextDivision, paths: [String], heldOut path: String) {
    parts = zip(paths, division.parts).map { Part($1, path: $0) }
    heldOut = Part(division.heldOut, path: path)
  }

  func print(_ format: OutputOption) throws {
    guard !format.json else { return Terminal.print(try JSONOutput.document(self)) }
    var table = TextTable([("file", .left), ("passages", .right), ("roles", .right), ("bytes", .right)])
    for part in parts + [heldOut] {
      table.append([part.path, "\(part.passages)", "\(part.roles)", "\(part.bytes)"])
    }
    for line in table.lines { Terminal.print(line) }
  }
}
