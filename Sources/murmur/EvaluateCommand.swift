import ArgumentParser
import ClusterRuntime
import Federation
import GradientKernel
import ModelRegistry
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

  @Argument(help: ArgumentHelp("Labelled examples: CSV, IDX, NPY, NPZ or safetensors.", valueName: "data"))
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
    help: ArgumentHelp("Statistics by which the examples are normalised, from 'murmur data'.", valueName: "file"))
  var normalisation: String?

  @Option(name: .long, help: ArgumentHelp("Threads to compute with.", valueName: "n"))
  var threads = 1

  @OptionGroup var output: OutputOption
  @OptionGroup var supervision: SupervisionOption

  func validate() throws {
    guard (1...1024).contains(threads) else {
      throw ValidationError("--threads: found \(threads), expected 1 to 1024")
    }
    if let scale, !(scale > 0 && scale.isFinite) {
      throw ValidationError("--scale: found \(scale), expected a number above 0")
    }
  }

  func run() throws {
    supervision.begin()
    let isFolder = DurableFile.exists("\(model)/\(PulledModel.modelName)")
    let folder = isFolder ? model : DurableFile.parent(of: model)
    let path = isFolder ? "\(model)/\(PulledModel.modelName)" : model
    let subject = try subject(manifestPath: "\(folder)/\(PulledModel.manifestName)")
    let parameters = try Self.parameters(at: path, of: subject.architecture)
    let examples = try examples(scale: Float(subject.scale))
    let metrics = try Self.metrics(of: parameters, subject.architecture, on: examples, from: data, threads: threads)
    let result = EvaluationResult(
      model: path, data: data, examples: metrics.evaluated, correct: metrics.correct,
      accuracy: metrics.accuracy ?? 0, loss: metrics.loss ?? 0)
    if output.json {
      Terminal.print(try JSONOutput.document(result))
    } else {
      Terminal.print("accuracy  \(Readable.decimal(result.accuracy, 4)) (\(result.correct) of \(result.examples))")
      Terminal.print("loss      \(Readable.decimal(result.loss, 4))")
    }
  }

  /// The data as the model was trained on it: normalised, then divided by the scale.
  private func examples(scale: Float) throws -> Dataset {
    let raw = try DatasetFile.load(path: data, labels.reading)
    let normal = try normalisation.map { try Normalisation.load(path: $0).applied(to: raw, file: data) }
    return (normal ?? raw).scaled(by: scale)
  }

  /// What the model computes: given, or from the manifest.
  private func subject(manifestPath: String) throws -> (architecture: ModelArchitecture, scale: Double) {
    if let architecture {
      guard let parsed = try? ModelArchitecture(parsing: architecture) else {
        throw CommandFailure(.usage, "--architecture: found '\(architecture)', expected layers such as 'mlp 64-128-10'")
      }
      return (parsed, scale ?? 1)
    }
    guard DurableFile.exists(manifestPath) else {
      throw CommandFailure(
        .notFound, "\(manifestPath): found no such file, expected the model's manifest; or give --architecture")
    }
    let bytes = try DurableFile.read(manifestPath, byteCountMax: Manifest.byteCountMax)
    let manifest: Manifest
    do {
      manifest = try Manifest(bytes: bytes)
    } catch {
      throw CommandFailure(.verificationFailed, "\(manifestPath): \(error)")
    }
    guard let parsed = try? ModelArchitecture(parsing: manifest.architecture) else {
      throw CommandFailure(
        .usage,
        "\(manifestPath): found architecture '\(manifest.architecture)', expected layers such as 'mlp 64-128-10'"
      )
    }
    return (parsed, scale ?? manifest.dataScale)
  }

  private static func parameters(at path: String, of architecture: ModelArchitecture) throws -> ParameterSet {
    let bytes = try DurableFile.read(path, byteCountMax: DirectoryModelStore.blobByteCountMax)
    do {
      return try ParameterSet(Safetensors.decode(bytes).tensors, expecting: architecture.layout)
    } catch TensorError.layoutMismatch(let expected, let found) {
      throw CommandFailure(
        .usage,
        "\(path): found \(found.map { "tensor \($0)" } ?? "no further tensor"), expected "
          + "\(expected.map { "\($0)" } ?? "no further tensor") of '\(architecture)'")
    } catch {
      throw CommandFailure(.verificationFailed, "\(path): not the F32 tensors of a model: \(error)")
    }
  }

  private static func metrics(
    of parameters: ParameterSet, _ architecture: ModelArchitecture, on examples: Dataset, from data: String,
    threads: Int
  ) throws -> RoundMetrics {
    do {
      let trainer = try LocalTrainer(architecture, training: examples, holdOut: examples, threads: threads)
      return try trainer.evaluate(parameters)
    } catch TrainingError.wrongDataset(let features, let expectedFeatures, let classes, let expectedClasses) {
      let found = features == expectedFeatures ? "labels up to \(classes - 1)" : "\(features) features"
      let expected =
        features == expectedFeatures ? "labels from 0 to \(expectedClasses - 1)" : "\(expectedFeatures) features"
      throw CommandFailure(.usage, "\(data): found \(found), expected \(expected) for '\(architecture)'")
    } catch TrainingError.wrongTargets {
      throw CommandFailure(.usage, "\(data): found other targets, expected one class an example for '\(architecture)'")
    } catch TrainingError.notFinite {
      throw CommandFailure(.failed, "\(data): found a loss that is not a finite number, expected one")
    }
  }
}

/// What `evaluate` says.
struct EvaluationResult: Codable {
  let model: String
  let data: String
  let examples: UInt64
  let correct: UInt64
  let accuracy: Double
  let loss: Double
}
