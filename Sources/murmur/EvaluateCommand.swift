import ArgumentParser
import ClusterRuntime
import Federation
import GradientKernel
import Tensors
import Training

/// `murmur evaluate`.
struct EvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate",
    abstract: "Compute the accuracy and the loss of a model file on labelled data.",
    discussion: """
      Needs no federation and no keys. The architecture and the scale of the data are read from manifest.json beside \
      the model; give --architecture and --scale for a file without one.

      Example:

          murmur evaluate digits/model.safetensors held-out.csv --label digit
      """)

  @Argument(
    help: ArgumentHelp("A safetensors file, or a folder that 'murmur pull' wrote.", valueName: "model"))
  var model: String

  @Argument(
    help: ArgumentHelp(
      "Labelled examples: CSV, IDX, NPY, NPZ or safetensors; a text for a model of characters.", valueName: "data"))
  var data: String

  @Option(
    name: .long,
    help: ArgumentHelp("The model's layers, such as 'mlp 64-128-10'.", valueName: "layers"))
  var architecture: String?

  @Option(name: .long, help: ArgumentHelp("Every feature is divided by it.", valueName: "number"))
  var scale: Double?

  @OptionGroup var labels: LabelOptions

  @Option(
    name: .long,
    help: ArgumentHelp("How the characters of a text are numbered, from 'murmur data'.", valueName: "file"))
  var vocabulary: String?

  @Option(
    name: .long,
    help: ArgumentHelp("Statistics by which the examples are normalised, from 'murmur data'.", valueName: "file"))
  var normalisation: String?

  @Option(
    name: .long,
    help: ArgumentHelp("Also count an example as found if its class is among the k best; repeatable.", valueName: "k"))
  var topK: [Int] = []

  @Flag(name: .long, help: "Also count which class is taken for which, with precision and recall.")
  var confusion = false

  @Option(name: .long, help: ArgumentHelp("Threads to compute with.", valueName: "n"))
  var threads = 1

  @OptionGroup var output: OutputOption
  @OptionGroup var supervision: SupervisionOption

  func validate() throws {
    guard (1...1024).contains(threads) else {
      throw ValidationError("--threads: found \(threads), expected 1 to 1024")
    }
    for rank in topK where rank < 1 { throw ValidationError("--top-k: found \(rank), expected at least 1") }
    if let scale, !(scale > 0 && scale.isFinite) {
      throw ValidationError("--scale: found \(scale), expected a number above 0")
    }
  }

  func run() throws {
    supervision.begin()
    let subject = try StoredModel(model, architecture: architecture, scale: scale)
    let parameters = try subject.parameters()
    let examples = try examples(of: subject.architecture, scale: Float(subject.scale))
    let ranks = try ranks(of: subject.architecture)
    let evaluation = try evaluation(of: parameters, subject.architecture, on: examples, ranks: ranks)
    let result = EvaluationResult(model: subject.path, data: data, evaluation, withConfusion: confusion)
    Terminal.print(output.json ? try JSONOutput.document(result) : result.text)
  }

  /// The k of each top-k accuracy.
  private func ranks(of architecture: ModelArchitecture) throws -> [Int] {
    for rank in topK where rank > architecture.classCount {
      throw CommandFailure(
        .usage,
        architecture.classCount == 0
          ? "--top-k: found a regression, expected a model of classes"
          : "--top-k: found \(rank), expected at most \(architecture.classCount), the classes of '\(architecture)'")
    }
    return topK
  }

  /// The data as the model was trained on it: normalised, then divided by the scale.
  private func examples(of architecture: ModelArchitecture, scale: Float) throws -> Dataset {
    var reading = labels.reading
    if case .tokens(let length, _) = architecture.input {
      guard let vocabulary else {
        throw CommandFailure(
          .usage, "--vocabulary: found none, expected the file that numbers the characters for '\(architecture)'")
      }
      reading.sequenceLength = length
      reading.vocabulary = try CharacterVocabulary.load(path: vocabulary)
    }
    let raw = try DatasetFile.load(path: data, reading)
    let normal = try normalisation.map { try Normalisation.load(path: $0).applied(to: raw, file: data) }
    return (normal ?? raw).scaled(by: scale)
  }

  private func evaluation(
    of parameters: ParameterSet, _ architecture: ModelArchitecture, on examples: Dataset, ranks: [Int]
  ) throws -> ModelEvaluation {
    do {
      return try ModelEvaluation(
        of: parameters, architecture, on: examples, threads: threads, topK: ranks, confusion: confusion)
    } catch TrainingError.wrongDataset(let features, let expectedFeatures, let classes, let expectedClasses) {
      let found = features == expectedFeatures ? "labels up to \(classes - 1)" : "\(features) features"
      let expected =
        features == expectedFeatures ? "labels from 0 to \(expectedClasses - 1)" : "\(expectedFeatures) features"
      throw CommandFailure(.usage, "\(data): found \(found), expected \(expected) for '\(architecture)'")
    } catch TrainingError.wrongTargets(let found, let expected) {
      throw CommandFailure(.usage, "\(data): found \(found), expected \(expected) for '\(architecture)'")
    } catch TrainingError.wrongToken(let token, let vocabulary) {
      throw CommandFailure(
        .usage, "\(data): found the token \(token), expected whole numbers below \(vocabulary) for '\(architecture)'")
    } catch TrainingError.notFinite {
      throw CommandFailure(.failed, "\(data): found a loss that is not a finite number, expected one")
    }
  }
}
