import ArgumentParser
import Training

/// `murmur data inspect FILE`.
struct DataInspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Say what a data file holds: its format, examples, features, labels and ranges.",
    discussion: """
      The whole file is read: what is wrong with it is said with its place, what was found and what was expected.

      Examples:

          murmur data inspect Simulations/Data/optdigits.csv --label digit
          murmur data inspect mnist/train-images-idx3-ubyte.gz --json
      """)

  @Argument(help: ArgumentHelp("CSV, IDX, NPY, NPZ, safetensors or text.", valueName: "file"))
  var file: String

  @OptionGroup var labels: LabelOptions

  @Option(
    name: .long,
    help: ArgumentHelp("A column of names of groups, such as hospitals; it is no feature then.", valueName: "name"))
  var column: String?

  @OptionGroup var output: OutputOption

  func run() throws {
    let source = try DatasetFile(path: file)
    if source.format == .text {
      try TextInspection(source).print(output)
    } else {
      var reading = labels.reading
      reading.groupColumn = column
      try DatasetInspection(source, reading).print(output)
    }
  }
}

private struct DatasetInspection: Encodable {
  /// Rows of the table of labels that people get to see.
  static let shownMax = 30

  struct Group: Encodable {
    let name: String
    let examples: Int
  }

  let file: String
  let format: String
  let compressed: Bool
  let mapped: Bool
  let bytes: Int
  let examples: Int
  let features: Int
  let firstFeature: String
  let lastFeature: String
  /// Nil where numbers are to be predicted.
  let label: String?
  let classes: Int?
  let labels: [Int]?
  /// Nil where there is a label.
  let targets: [String]?
  let minimum: Double
  let maximum: Double
  let mean: Double
  let groups: [Group]?

  init(_ source: DatasetFile, _ reading: DatasetFile.Reading) throws {
    let dataset = try source.dataset(reading)
    let overall = DatasetStatistics(dataset).overall
    file = source.path
    format = source.format.rawValue
    compressed = source.isCompressed
    mapped = source.isMapped
    bytes = source.byteCount
    examples = dataset.count
    features = dataset.featureCount
    firstFeature = dataset.featureNames.first ?? ""
    lastFeature = dataset.featureNames.last ?? ""
    switch dataset.targets {
    case .classes(_, let classCount, _):
      (label, classes, labels, targets) = (dataset.labelName, classCount, dataset.classCounts, nil)
    case .values: (label, classes, labels, targets) = (nil, nil, nil, dataset.targetNames)
    }
    (minimum, maximum, mean) = (overall.minimum, overall.maximum, overall.mean)
    groups = dataset.groups.map { groups in
      var counts = [Int](repeating: 0, count: groups.names.count)
      for index in groups.indices { counts[Int(index)] += 1 }
      return zip(groups.names, counts).map { Group(name: $0, examples: $1) }
    }
  }

  func print(_ output: OutputOption) throws {
    guard !output.json else { return Terminal.print(try JSONOutput.document(self)) }
    Terminal.print("file      \(file)")
    Terminal.print("format    \(format)\(compressed ? ", gzip" : "")\(mapped ? ", mapped" : ""), \(bytes) bytes")
    Terminal.print("examples  \(examples)")
    Terminal.print("features  \(features), \(firstFeature) to \(lastFeature)")
    Terminal.print(
      "values    \(Readable.short(minimum)) to \(Readable.short(maximum)), mean \(Readable.short(mean))")
    if let targets { Terminal.print("targets   \(targets.joined(separator: ", "))") }
    if let label, let classes, let labels {
      Terminal.print("label     \(label), \(classes) classes")
      Terminal.print("")
      Self.print(labels.enumerated().map { ("\($0)", $1) }, title: "class", of: examples)
    }
    if let groups {
      Terminal.print("")
      Self.print(groups.map { ($0.name, $0.examples) }, title: "group", of: examples)
    }
  }

  private static func print(_ counts: [(String, Int)], title: String, of total: Int) {
    var table = TextTable([(title, .left), ("examples", .right), ("share", .right)])
    for (name, count) in counts.prefix(shownMax) {
      table.append([name, "\(count)", Readable.decimal(Double(count) / Double(total), 4)])
    }
    for line in table.lines { Terminal.print(line) }
    if counts.count > shownMax { Terminal.print("… and \(counts.count - shownMax) more") }
  }
}

private struct TextInspection: Encodable {
  let file: String
  let format: String
  let compressed: Bool
  let bytes: Int
  let characters: Int
  let vocabulary: String
  let vocabularySize: Int
  let passages: Int
  let roles: Int

  init(_ source: DatasetFile) throws {
    let text = try source.text()
    file = source.path
    format = source.format.rawValue
    compressed = source.isCompressed
    bytes = source.byteCount
    characters = text.characters.count
    vocabulary = String(String.UnicodeScalarView(text.vocabulary.characters))
    vocabularySize = text.vocabulary.count
    passages = text.passages.count
    roles = Set(text.passages.compactMap(\.role)).count
  }

  func print(_ output: OutputOption) throws {
    guard !output.json else { return Terminal.print(try JSONOutput.document(self)) }
    Terminal.print("file        \(file)")
    Terminal.print("format      \(format)\(compressed ? ", gzip" : ""), \(bytes) bytes")
    Terminal.print("characters  \(characters)")
    Terminal.print("vocabulary  \(vocabularySize): \(vocabulary.debugDescription)")
    Terminal.print("passages    \(passages)")
    Terminal.print("roles       \(roles)")
  }
}

extension Readable {
  /// Up to four digits behind the point, without zeros at the end.
  static func short(_ value: Double) -> String {
    var text = decimal(value, 4)
    guard text.contains("."), !text.contains("e") else { return text }
    while text.last == "0" { text.removeLast() }
    if text.last == "." { text.removeLast() }
    return text
  }
}
