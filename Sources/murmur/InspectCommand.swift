import ArgumentParser
import ClusterConfiguration
import ClusterRuntime
import GradientKernel
import ModelRegistry
import Pulling
import Tensors

/// `murmur inspect`.
struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Print a model's layers with their shapes, parameters and work.",
    discussion: """
      The model is a model file (YAML), a folder that 'murmur pull' wrote or its manifest.json, an architecture such as \
      'mlp 64-128-10' or 'image 1x28x28 > conv2d 8 3x3 > relu > flatten > dense 10', or a preset: \
      'softmax 784-10', mcmahan-2nn, mcmahan-cnn, 'char-lstm VOCABULARY [LENGTH]', 'logistic FEATURES', \
      'linear FEATURES[-TARGETS]'. MFLOP are of the products with weights, forward, for one example, two a multiply-add.

      Examples:

          murmur inspect mcmahan-cnn
          murmur inspect model.yaml
          murmur inspect "char-lstm 65 80" --json
      """)

  @Argument(
    help: ArgumentHelp("A model file, a pulled folder, a manifest, an architecture or a preset.", valueName: "model"))
  var model: String

  @OptionGroup var output: OutputOption
  @OptionGroup var supervision: SupervisionOption

  func run() throws {
    supervision.begin()
    let architecture = try Self.architecture(model)
    if output.json {
      Terminal.print(try JSONOutput.document(InspectionResult(architecture)))
    } else {
      for line in Self.lines(of: architecture) { Terminal.print(line) }
    }
  }

  private static func architecture(_ model: String) throws -> ModelArchitecture {
    let manifest = "\(model)/\(PulledModel.manifestName)"
    if DurableFile.exists(manifest) { return try architecture(ofManifest: manifest) }
    let isFile = DurableFile.exists(model)
    if isFile, model.hasSuffix(".json") { return try architecture(ofManifest: model) }
    // What looks like a file's name is one, also when it is not there.
    if isFile || model.contains("/") || model.hasSuffix(".yaml") || model.hasSuffix(".yml") {
      return try ModelFile.load(path: model)
    }
    do {
      return try ModelArchitecture(parsing: model)
    } catch {
      throw CommandFailure(.usage, "the model '\(model)': \(error)")
    }
  }

  private static func architecture(ofManifest path: String) throws -> ModelArchitecture {
    let bytes = try DurableFile.read(path, byteCountMax: Manifest.byteCountMax)
    let manifest: Manifest
    do {
      manifest = try Manifest(bytes: bytes)
    } catch {
      throw CommandFailure(.verificationFailed, "\(path): \(error)")
    }
    do {
      return try ModelArchitecture(parsing: manifest.architecture)
    } catch {
      throw CommandFailure(.usage, "\(path): architecture '\(manifest.architecture)': \(error)")
    }
  }

  private static func lines(of architecture: ModelArchitecture) -> [String] {
    var table = TextTable([
      ("layer", .left), ("settings", .left), ("output", .right), ("parameters", .right), ("MFLOP", .right),
    ])
    table.append(["input", architecture.input.text, "\(architecture.inputShape)", "", ""])
    for stage in architecture.stages {
      table.append([
        stage.name, String(stage.layer.text.dropFirst(stage.layer.kind.count + 1)), "\(stage.output)",
        stage.parameterCount == 0 ? "" : "\(stage.parameterCount)",
        stage.flops == 0 ? "" : megaflops(stage.flops),
      ])
    }
    let parameters = architecture.layout.count
    return [
      "model  \(architecture)", "",
    ] + table.lines + [
      "",
      "loss        \(architecture.loss.text)",
      "parameters  \(parameters) in \(architecture.layout.entries.count) tensors, "
        + "\(Readable.bytes(UInt64(parameters) * 4)) as F32",
      "forward     \(megaflops(architecture.flops)) MFLOP an example",
    ]
  }

  private static func megaflops(_ flops: Int) -> String { Readable.decimal(Double(flops) / 1e6, 3) }
}

/// What `inspect` says.
struct InspectionResult: Codable {
  struct Layer: Codable {
    let name: String
    let layer: String
    let output: [Int]
    let parameters: Int
    let flops: Int
    let tensors: [Tensor]
  }

  struct Tensor: Codable {
    let name: String
    let shape: [Int]
  }

  let architecture: String
  let input: [Int]
  let layers: [Layer]
  let loss: String
  /// Labels are 0 ..< classes; 0 for a regression.
  let classes: Int
  let outputs: Int
  let parameters: Int
  let bytes: Int
  let flops: Int

  init(_ architecture: ModelArchitecture) {
    self.architecture = architecture.description
    input = architecture.inputShape.sides
    layers = architecture.stages.map { stage in
      Layer(
        name: stage.name, layer: stage.layer.text, output: stage.output.sides, parameters: stage.parameterCount,
        flops: stage.flops, tensors: stage.entries.map { Tensor(name: $0.name, shape: $0.shape) })
    }
    loss = architecture.loss.text
    classes = architecture.classCount
    outputs = architecture.outputCount
    parameters = architecture.layout.count
    bytes = 4 * architecture.layout.count
    flops = architecture.flops
  }
}

extension ModelArchitecture {
  /// Of tokens, a vector of their numbers.
  fileprivate var inputShape: Shape {
    guard case .tokens(let length, _) = input else { return stages[0].input }
    return .vector(length)
  }
}
