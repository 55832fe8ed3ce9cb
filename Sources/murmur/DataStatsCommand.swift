import ArgumentParser
import Federation
import Training

/// `murmur data stats FILE`.
struct DataStatsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stats",
    abstract: "Compute range, mean and deviation of every feature, and write them down for normalisation.",
    discussion: """
      Statistics for normalisation belong to the training part: --hold-out and --seed leave out the same examples as \
      'murmur data partition' does. A worker takes the written file as 'normalisation' of 'data' in its worker.yaml, \
      'murmur evaluate' as --normalisation.

      Examples:

          murmur data stats Simulations/Data/optdigits.csv
          murmur data stats Simulations/Data/optdigits.csv --hold-out 0.2 --normalisation digits.json --method min-max
      """)

  @Argument(help: ArgumentHelp("Labelled examples: CSV, IDX, NPY, NPZ or safetensors.", valueName: "file"))
  var file: String

  @OptionGroup var labels: LabelOptions

  @Option(name: .long, help: ArgumentHelp("A column of names of groups: no feature.", valueName: "name"))
  var column: String?

  @Option(name: .long, help: ArgumentHelp("The fraction of the examples to leave out.", valueName: "fraction"))
  var holdOut = 0.0

  @Option(name: .long, help: ArgumentHelp("Of the hold-out.", valueName: "number"))
  var seed: UInt64 = 1

  @Option(name: .long, help: ArgumentHelp("Where to write statistics for normalisation, as JSON.", valueName: "file"))
  var normalisation: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Of normalisation: 'standard' to mean 0 and deviation 1, 'min-max' to 0 to 1.", valueName: "method"))
  var method = Normalisation.Method.standard

  @Option(
    name: .long,
    help: ArgumentHelp("Statistics of each 'feature', or one for all of them: 'global'.", valueName: "scope"))
  var scope = Normalisation.Scope.feature

  @OptionGroup var output: OutputOption

  func validate() throws {
    guard holdOut >= 0, holdOut < 1 else {
      throw ValidationError("--hold-out: found \(holdOut), expected a fraction from 0 to below 1")
    }
  }

  func run() throws {
    var reading = labels.reading
    reading.groupColumn = column
    let training = try DatasetFile.load(path: file, reading).split(holdOut: holdOut, seed: seed).training
    if let normalisation { try Normalisation(method, scope, of: training).write(to: normalisation) }
    try StatisticsResult(DatasetStatistics(training), examples: training.count).print(output)
  }
}

private struct StatisticsResult: Encodable {
  struct Feature: Encodable {
    let name: String
    let minimum: Double
    let maximum: Double
    let mean: Double
    let standardDeviation: Double

    init(_ feature: DatasetStatistics.Feature) {
      name = feature.name
      minimum = feature.minimum
      maximum = feature.maximum
      mean = feature.mean
      standardDeviation = feature.standardDeviation
    }
  }

  let examples: Int
  let features: [Feature]
  let all: Feature

  init(_ statistics: DatasetStatistics, examples: Int) {
    self.examples = examples
    features = statistics.features.map(Feature.init)
    all = Feature(statistics.overall)
  }

  func print(_ output: OutputOption) throws {
    guard !output.json else { return Terminal.print(try JSONOutput.document(self)) }
    var table = TextTable([
      ("feature", .left), ("minimum", .right), ("maximum", .right), ("mean", .right), ("deviation", .right),
    ])
    for feature in features + [all] {
      let numbers = [feature.minimum, feature.maximum, feature.mean, feature.standardDeviation]
      table.append([feature.name] + numbers.map(Readable.short))
    }
    for line in table.lines { Terminal.print(line) }
    Terminal.print("of \(examples) examples")
  }
}
