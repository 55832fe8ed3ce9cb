import ClusterConfiguration
import GradientKernel
import ModelRegistry
import Testing

@Suite("Model files")
struct ModelFileTests {
  private static let convolutional = """
    input: {image: [1, 28, 28]}
    layers:
      - conv2d: {filters: 32, kernel: 5, padding: 2}
      - relu
      - max-pool: 2
      - conv2d: {filters: 64, kernel: [5, 3], stride: [2, 1], padding: [2, 1], initialiser: glorot}
      - average-pool: {size: 2, stride: [1, 2]}
      - flatten
      - dense: 512
      - relu
      - dropout: 0.5
      - dense: {outputs: 10, initialiser: glorot}
    loss: {softmax-cross-entropy: {smoothing: 0.1}}
    """

  @Test(
    "A file of layers is the stack of its text",
    arguments: [
      (
        convolutional,
        "image 1x28x28 > conv2d 32 5x5 pad 2 > relu > max-pool 2x2 > conv2d 64 5x3 stride 2x1 pad 2x1 glorot "
          + "> average-pool 2x2 stride 1x2 > flatten > dense 512 > relu > dropout 0.5 > dense 10 glorot "
          + ": softmax-cross-entropy 0.1"
      ),
      ("input: {features: 784}\nlayers: [dense: 200, relu, dense: 10]", "mlp 784-200-10"),
      (
        """
        input:
          tokens: {length: 64, vocabulary: 65}
        layers:
          - embedding: 32
          - lstm: 256
          - last-step
          - tanh
          - sigmoid
          - dense: 1
        loss: binary-cross-entropy
        """,
        "tokens 64 of 65 > embedding 32 > lstm 256 > last-step > tanh > sigmoid > dense 1 : binary-cross-entropy"
      ),
      (
        "input: {features: 8}\nlayers: [dense: {outputs: 3, initialiser: zeros}]\nloss: mean-squared-error",
        "features 8 > dense 3 zeros : mean-squared-error"
      ),
      ("preset: mcmahan-2nn", "mlp 784-200-200-10"),
      ("preset: \"features 8 > dense 1 : binary-cross-entropy\"", "features 8 > dense 1 : binary-cross-entropy"),
    ])
  func read(text: String, architecture: String) throws {
    #expect("\(try ModelFile.read(ConfigurationFile(path: "model.yaml", text: text)))" == architecture)
  }

  @Test(
    "What is wrong is one line with the layer's name and place",
    arguments: [
      (
        "input: {image: [1, 28, 28]}\nlayers:\n  - conv2d: {filters: 32, kernel: 5, padding: 2}\n  - max-pool: 4\n  - dense: 10",
        "model.yaml:5: key 'layers[2]': found an image 32x7x7 at dense 3, expected a vector; put flatten before it"
      ),
      (
        "input: {features: 8}\nlayers:\n  - dens: 10",
        "model.yaml:3: key 'layers[0].dens': found an unknown key, expected 'dense', the nearest known key"
      ),
      (
        "input: {features: 8}\nlayers:\n  - rel\n  - dense: 2",
        "model.yaml:3: key 'layers[0]': found \"rel\", expected 'relu', the nearest known word"
      ),
      (
        "input: {features: 8}\nlayers:\n  - dense",
        "model.yaml:3: key 'layers[0]': found 'dense' alone, expected 'dense: …' with outputs"
      ),
      (
        "input: {features: 8}\nlayers:\n  - relu: 3\n  - dense: 2",
        "model.yaml:3: key 'layers[0].relu': found 3, expected 'relu' alone"
      ),
      (
        "input: {features: 8}\nlayers:\n  - {dense: 2, relu: 3}",
        "model.yaml:3: key 'layers[0]': found 2 keys in one mapping, expected one of 'dense', 'conv2d', 'max-pool', "
          + "'average-pool', 'relu', 'tanh', 'sigmoid', 'dropout', 'flatten', 'embedding', 'lstm' or 'last-step'"
      ),
      (
        "input: {features: 8}\nlayers:\n  - dense: ten",
        "model.yaml:3: key 'layers[0].dense.outputs': found \"ten\", expected an integer from 0 to 2147483647"
      ),
      (
        "input: {features: 8}\nlayers:\n  - dense: {outputs: 2, initializer: he}",
        "model.yaml:3: key 'layers[0].dense.initializer': found an unknown key, expected 'initialiser', the nearest known key"
      ),
      (
        "input: {features: 8}\nlayers:\n  - dense: {outputs: 2, initialiser: xavier}",
        "model.yaml:3: key 'layers[0].dense.initialiser': found \"xavier\", "
          + "expected one of 'he', 'glorot', 'orthogonal' or 'zeros'"
      ),
      (
        "input: {image: [1, 9, 9]}\nlayers:\n  - conv2d: {filters: 2, kernel: [3, 3, 3]}\n  - flatten\n  - dense: 2",
        "model.yaml:3: key 'layers[0].conv2d.kernel': found a list, "
          + "expected a whole number, or height and width such as [5, 3]"
      ),
      (
        "input: {image: [9, 9]}\nlayers: [flatten, dense: 2]",
        "model.yaml:1: key 'input.image.sides': found a list, expected channels, height and width, such as [1, 28, 28]"
      ),
      (
        "input: {image: [0, 9, 9]}\nlayers: [flatten, dense: 2]",
        "model.yaml:1: key 'input': found a number of channels of 0, expected 1 to 65536"
      ),
      (
        "input: {features: 8}\nlayers:\n  - dropout: 1\n  - dense: 2",
        "model.yaml:3: key 'layers[0].dropout.rate': found 1, expected a number from 0 to below 1"
      ),
      ("input: {features: 8}\nlayers: []", "model.yaml:2: key 'layers': found 0 layers, expected 1 to 128"),
      (
        "input: {features: 8}\nlayers: [dense: 2]\nloss: hinge",
        "model.yaml:3: key 'loss': found \"hinge\", expected one of 'softmax-cross-entropy', 'mean-squared-error' or "
          + "'binary-cross-entropy'"
      ),
      (
        "input: {features: 8}\nlayers: [dense: 2]\nloss: binary-cross-entropy",
        "model.yaml:2: key 'layers[0]': found 2 outputs at dense 1, expected 1 output for binary-cross-entropy"
      ),
      (
        "layers: [dense: 2]",
        "model.yaml:1: key 'input': found no such key, expected one of 'features', 'image' or 'tokens'"
      ),
      ("preset: mcmahan-cnn\nloss: hinge", "model.yaml:2: key 'loss': found it beside 'preset', expected one of them"),
      (
        "preset: forest 3",
        "model.yaml:1: key 'preset': found \"forest 3\", expected a layer stack such as 'mlp 64-128-10'"
      ),
      (
        "preset: features 8 > dense 1",
        "model.yaml:1: key 'preset': found 1 output at dense 1, expected at least 2 classes for softmax-cross-entropy"
      ),
    ])
  func refused(text: String, line: String) throws {
    let error = try #require(throws: ConfigurationError.self) {
      try ModelFile.read(ConfigurationFile(path: "model.yaml", text: text))
    }
    #expect("\(error)" == line)
  }

  @Test("A run has its model as a text, a preset, a file beside it or in place")
  func inRun() throws {
    let folder = try TemporaryFolder()
    try DurableFile.createDirectory("\(folder.path)/models")
    try DurableFile.write(Array("preset: mcmahan-cnn".utf8), to: "\(folder.path)/models/cnn.yaml")
    for model in [
      "architecture: mcmahan-cnn", "preset: mcmahan-cnn", "file: models/cnn.yaml",
      "file: \(folder.path)/models/cnn.yaml",
      "architecture: \"\(try ModelArchitecture.mcMahanCNN())\"",
    ] {
      try DurableFile.write(
        Array(
          shortRun.replacing("architecture: mlp 64-128-10", with: model).replacing(
            "features: 64", with: "features: 784"
          ).utf8),
        to: "\(folder.path)/run.yaml")
      let run = try RunConfiguration.load(path: "\(folder.path)/run.yaml")
      #expect(run.model.architecture == (try .mcMahanCNN()))
      #expect(try RunConfiguration.read(ConfigurationFile(path: "again.yaml", text: run.text)) == run)
    }
    let inPlace = "input: {features: 64}\n  layers: [dense: 20, tanh, dense: 10]"
    let run = try RunConfiguration.read(file(shortRun.replacing("architecture: mlp 64-128-10", with: inPlace)))
    #expect("\(run.model.architecture)" == "features 64 > dense 20 > tanh > dense 10")
  }

  @Test(
    "A run in memory, as a coordinator gets it, names no file; nor does one name two models",
    arguments: [
      (
        "file: model.yaml",
        "run.yaml:4: key 'model.file': found the name of a file, expected the model itself, where the run is not in a file"
      ),
      (
        "architecture: mlp 64-10\n  preset: mcmahan-cnn",
        "run.yaml:5: key 'model.preset': found it beside 'architecture', expected one of them"
      ),
      (
        "file: a.yaml\n  layers: [relu]", "run.yaml:5: key 'model.layers': found it beside 'file', expected one of them"
      ),
      (
        "seed: 3",
        "run.yaml:3: key 'model.architecture': found no such key, expected a layer stack such as 'mlp 64-128-10'"
      ),
    ])
  func refusedInRun(model: String, line: String) throws {
    let text = shortRun.replacing("architecture: mlp 64-128-10", with: model)
    let error = try #require(throws: ConfigurationError.self) { try RunConfiguration.read(file(text)) }
    #expect("\(error)" == line)
  }

  @Test(
    "A regression's data have targets, other data classes; both have to fit the model",
    arguments: [
      ("linear 64-3", "targets: 3", nil), ("logistic 64", "classes: 2", nil),
      (
        "linear 64-3", "classes: 3",
        "run.yaml:7: key 'data.classes': found 'classes', expected 'targets' of 3, the outputs of "
          + "'features 64 > dense 3 zeros : mean-squared-error'"
      ),
      (
        "linear 64-3", "targets: 2",
        "run.yaml:7: key 'data.targets': found 2, expected 3, the outputs of "
          + "'features 64 > dense 3 zeros : mean-squared-error'"
      ),
      (
        "mlp 64-3", "targets: 3",
        "run.yaml:7: key 'data.targets': found 'targets', expected 'classes' of 3, the outputs of 'mlp 64-3'"
      ),
      (
        "mlp 64-3", "classes: 3\n  targets: 3",
        "run.yaml:8: key 'data.targets': found it beside 'classes', expected one of them"
      ),
    ] as [(String, String, String?)])
  func contract(model: String, data: String, line: String?) throws {
    let text = shortRun.replacing("mlp 64-128-10", with: model).replacing("classes: 10", with: data)
    do throws(ConfigurationError) {
      let run = try RunConfiguration.read(file(text))
      #expect(line == nil)
      #expect(try RunConfiguration.read(ConfigurationFile(path: "again.yaml", text: run.text)) == run)
    } catch {
      #expect("\(error)" == line)
    }
  }
}
