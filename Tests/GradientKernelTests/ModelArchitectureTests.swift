import GradientKernel
import Tensors
import Testing

@Suite("Model architectures")
struct ModelArchitectureTests {
  @Test(
    "A preset is its stack",
    arguments: [
      ("softmax 784-10", "mlp 784-10", 7_850), ("mcmahan-2nn", "mlp 784-200-200-10", 199_210),
      (
        "mcmahan-cnn",
        "image 1x28x28 > conv2d 32 5x5 pad 2 > relu > max-pool 2x2 > conv2d 64 5x5 pad 2 > relu > max-pool 2x2 "
          + "> flatten > dense 512 > relu > dense 10", 1_663_370
      ),
      ("char-lstm 65", "tokens 64 of 65 > embedding 32 > lstm 256 > dense 65", 314_721),
      ("char-lstm 80 20", "tokens 20 of 80 > embedding 32 > lstm 256 > dense 80", 319_056),
      ("logistic 30", "features 30 > dense 1 zeros : binary-cross-entropy", 31),
      ("linear 8", "features 8 > dense 1 zeros : mean-squared-error", 9),
      ("linear 8-3", "features 8 > dense 3 zeros : mean-squared-error", 27),
      ("image 1x2x2 > average-pool 2 > flatten > dense 2 he", "image 1x2x2 > average-pool 2x2 > flatten > dense 2", 4),
      ("features  4 >dense 3>relu> dense 2:softmax-cross-entropy 0", "mlp 4-3-2", 23),
    ])
  func preset(text: String, stack: String, parameters: Int) throws {
    let architecture = try ModelArchitecture(parsing: text)
    #expect(architecture.description == stack)
    #expect(architecture.layout.count == parameters)
    #expect(try ModelArchitecture(parsing: stack) == architecture)
  }

  @Test("Shapes, tensors and work of the CNN of McMahan et al. are inferred")
  func convolutionStages() throws {
    let stages = try ModelArchitecture.mcMahanCNN().stages
    #expect(
      stages.map { "\($0.name) \($0.output)" } == [
        "conv2d 1 32x28x28", "relu 2 32x28x28", "max-pool 3 32x14x14", "conv2d 4 64x14x14", "relu 5 64x14x14",
        "max-pool 6 64x7x7", "flatten 7 3136", "dense 8 512", "relu 9 512", "dense 10 10",
      ])
    #expect(stages[3].entries.map(\.name) == ["layer1.weight", "layer1.bias"])
    #expect(stages[3].entries.map(\.shape) == [[64, 32, 5, 5], [64]])
    #expect(stages[3].tensors == stages[3].entries.map(\.range))
    #expect(stages[3].flops == 2 * 64 * 32 * 25 * 14 * 14)
    #expect(stages[7].parameterCount == 3136 * 512 + 512)
  }

  @Test("A dense layer on a sequence acts on every time step, and has a label for each")
  func sequenceStages() throws {
    let architecture = try ModelArchitecture(parsing: "char-lstm 65")
    #expect(architecture.stages.map { "\($0.output)" } == ["64x32", "64x256", "64x65"])
    #expect(architecture.stages[1].entries.map(\.name) == ["layer1.weight_ih", "layer1.weight_hh", "layer1.bias"])
    #expect(architecture.stages[1].entries.map(\.shape) == [[1024, 32], [1024, 256], [1024]])
    #expect((architecture.featureCount, architecture.classCount, architecture.labelsPerExample) == (64, 65, 64))
    #expect(architecture.stages[1].flops == 2 * 64 * 1024 * 288)
    let last = try ModelArchitecture(parsing: "tokens 9 of 5 > embedding 3 > lstm 4 > lstm 6 > last-step > dense 2")
    #expect(last.outputShape == .vector(2))
    #expect((last.featureCount, last.classCount, last.labelsPerExample) == (9, 2, 1))
  }

  @Test(
    "A loss says what an example's labels are",
    arguments: [("logistic 3", 1, 2, 1), ("linear 3-4", 4, 0, 4), ("mlp 3-4", 4, 4, 1)])
  func labels(text: String, outputs: Int, classes: Int, labels: Int) throws {
    let architecture = try ModelArchitecture(parsing: text)
    #expect(architecture.outputCount == outputs)
    #expect(architecture.classCount == classes)
    #expect(architecture.labelsPerExample == labels)
  }

  @Test(
    "Windows that do not fit whole are left out",
    arguments: [
      ("image 1x7x9 > max-pool 2x3 > flatten > dense 2", "1x3x3"),
      ("image 1x7x9 > max-pool 3x2 stride 2x1 > flatten > dense 2", "1x3x8"),
      ("image 1x7x9 > conv2d 4 3x3 stride 2 pad 1 > flatten > dense 2", "4x4x5"),
      ("image 1x7x9 > conv2d 4 7x9 > flatten > dense 2", "4x1x1"),
      ("image 1x1x1 > conv2d 1 3x3 pad 1 > flatten > dense 2", "1x1x1"),
    ])
  func windows(text: String, output: String) throws {
    #expect("\(try ModelArchitecture(parsing: text).stages[0].output)" == output)
  }

  @Test(
    "What does not fit is refused with the layer's name",
    arguments: [
      (
        "image 1x28x28 > conv2d 32 5x5 pad 2 > max-pool 4 > dense 10",
        "dense 3: found an image 32x7x7, expected a vector; put flatten before it"
      ),
      (
        "tokens 5 of 9 > dense 2",
        "dense 1: found 5 tokens of 9, expected a vector or a sequence; put embedding before it"
      ),
      ("tokens 5 of 9 > relu > dense 2", "relu 1: found 5 tokens of 9, expected numbers; put embedding before it"),
      ("features 9 > conv2d 3 3x3 > dense 2", "conv2d 1: found a vector of 9, expected an image"),
      ("features 9 > flatten > dense 2", "flatten 1: found a vector of 9, expected an image"),
      (
        "features 9 > embedding 3 > dense 2",
        "embedding 1: found a vector of 9, expected tokens, straight from the input"
      ),
      ("features 9 > lstm 3 > dense 2", "lstm 1: found a vector of 9, expected a sequence"),
      ("features 9 > last-step > dense 2", "last-step 1: found a vector of 9, expected a sequence"),
      (
        "image 1x5x5 > conv2d 3 8x3 pad 1 > flatten > dense 2",
        "conv2d 1: found a window 8x3, expected at most 7x7, the image with its padding"
      ),
      (
        "image 1x5x5 > relu > average-pool 6 > flatten > dense 2",
        "average-pool 2: found a window 6x6, expected at most 5x5, the image"
      ),
      ("image 1x5x5 > max-pool 0 > flatten > dense 2", "max-pool 1: found a window 0x0, expected sides from 1 to 1024"),
      (
        "image 1x5x5 > max-pool 2 stride 0x1 > flatten > dense 2",
        "max-pool 1: found a stride 0x1, expected sides from 1 to 1024"
      ),
      (
        "image 1x5x5 > conv2d 2 3x3 pad 3 > flatten > dense 2",
        "conv2d 1: found a padding 3x3, expected less than the window 3x3"
      ),
      ("features 9 > dense 0", "dense 1: found 0 outputs, expected a whole number from 1 to 65536"),
      ("features 9 > dense 1", "dense 1: found 1 output, expected at least 2 classes for softmax-cross-entropy"),
      (
        "features 9 > dense 2 : binary-cross-entropy",
        "dense 1: found 2 outputs, expected 1 output for binary-cross-entropy"
      ),
      (
        "tokens 5 of 9 > embedding 3 > dense 2 : mean-squared-error",
        "dense 2: found a sequence 5x2, expected a vector for mean-squared-error; put last-step before it"
      ),
      (
        "features 9 > dense 3 > relu",
        "relu 2: found relu in the last place, expected dense: the loss takes its outputs as they are"
      ),
      (
        "features 9 > dense 3 : hinge",
        "loss: found 'hinge', expected one of " + ModelArchitecture.Loss.kinds.joined(separator: ", ")
      ),
      ("features 9 > dense 3 : softmax-cross-entropy 1", "loss: found '1', expected a number from 0 to below 1"),
      ("features 9 > dropout 0x1p-1 > dense 3", "dropout 1: found '0x1p-1', expected a number from 0 to below 1"),
      (
        "features 9 > relu > dens 3",
        "layer 2: found 'dens', expected one of " + ModelArchitecture.Layer.kinds.joined(separator: ", ")
      ),
      (
        "features 9 >",
        "layer 1: found nothing, expected one of " + ModelArchitecture.Layer.kinds.joined(separator: ", ")
      ),
      ("features 9 > dense", "dense 1: found nothing, expected a number of outputs"),
      ("features 9 > dense 3 xavier", "dense 1: found 'xavier', expected one of he, glorot, orthogonal, zeros"),
      ("features 9 > dense 3 he he", "dense 1: found 'he', expected the end of the layer"),
      ("features 9 : mean-squared-error", "found 0 layers, expected 1 to 128"),
      (
        "features 9 > dense 2 : a : b",
        "found 'features 9 > dense 2 : a : b', expected a layer stack such as 'mlp 64-128-10'"
      ),
      ("image 1x28 > flatten > dense 2", "input: found '1x28', expected channels, height and width such as 1x28x28"),
      ("tokens 5 9 > embedding 2 > dense 2", "input: found '9', expected 'of'"),
      ("features 65537 > dense 2", "input: found a number of features of 65537, expected 1 to 65536"),
      ("tokens 4097 of 2 > embedding 2 > dense 2", "input: found a length of 4097, expected 1 to 4096"),
      ("softmax 3-4-5", "found 'softmax 3-4-5', expected a layer stack such as 'mlp 64-128-10'"),
      ("linear 3-4-5", "found 'linear 3-4-5', expected a layer stack such as 'mlp 64-128-10'"),
      ("mcmahan-cnn 3", "found 'mcmahan-cnn 3', expected a layer stack such as 'mlp 64-128-10'"),
      ("char-lstm 0", "found the width '0', expected a whole number from 1 to 65536"),
    ])
  func refused(text: String, message: String) throws {
    let error = try #require(throws: ArchitectureError.self) { try ModelArchitecture(parsing: text) }
    #expect("\(error)" == message)
  }

  @Test(
    "A few bytes do not make a worker allocate, compute or overflow without limit",
    arguments: [
      "image 65536x65536x65536 > flatten > dense 2", "image 1x2048x2049 > flatten > dense 2",
      "image 64x2048x32 > conv2d 65536 3x3 pad 1 > flatten > dense 2",
      "image 1x2048x1024 > conv2d 1 1023x1023 pad 511 > flatten > dense 2",
      "image 65536x8x8 > conv2d 65536 8x8 > flatten > dense 2",
      "image 64x256x256 > flatten > dense 65536", "tokens 4096 of 2 > embedding 65536 > dense 2",
      "tokens 4096 of 2 > embedding 2 > lstm 1024 > dense 2", "tokens 1 of 2 > embedding 65536 > lstm 65536 > dense 2",
      "tokens 9 of 65536 > embedding 65536 > dense 2",
      "features 65536 > relu" + String(repeating: " > relu", count: 70) + " > dense 2",
      "features 2" + String(repeating: " > relu", count: 128) + " > dense 2",
      "features 2" + String(repeating: " > dense 2", count: 65),
      "features 2" + String(repeating: " > dropout 0.125", count: 100) + " > dense 2",
      "mlp 2" + String(repeating: "-2", count: 600),
      "image 9223372036854775807x9223372036854775807x2 > flatten > dense 2",
      "features 99999999999999999999 > dense 2",
    ])
  func bounded(text: String) {
    #expect(throws: ArchitectureError.self) { try ModelArchitecture(parsing: text) }
  }

  @Test("The text of every stack reads back as the stack", arguments: 0..<200)
  func roundTrip(seed: Int) throws {
    let architecture = try RandomStack.architecture(seed: seed)
    #expect(try ModelArchitecture(parsing: architecture.description) == architecture)
    #expect(architecture.stages.reduce(0) { $0 + $1.parameterCount } == architecture.layout.count)
  }

  @Test("Distinct stacks have distinct texts")
  func distinct() throws {
    let stacks = try (0..<200).map { try RandomStack.architecture(seed: $0) }
    #expect(Set(stacks).count == Set(stacks.map(\.description)).count)
  }
}

/// Stacks that fit, drawn from a seed.
private struct RandomStack {
  private var numbers: TestNumbers

  static func architecture(seed: Int) throws -> ModelArchitecture {
    var stack = RandomStack(numbers: TestNumbers(seed: UInt32(seed + 1)))
    return try stack.architecture()
  }

  private mutating func below(_ bound: Int) -> Int {
    let x = numbers.array(1)[0]
    return min(bound - 1, Int(abs(x) * 1_000_003) % bound)
  }

  private mutating func extent(_ most: Int) -> ModelArchitecture.Extent {
    .init(height: 1 + below(most), width: 1 + below(most))
  }

  private mutating func initialiser() -> ModelArchitecture.Initialiser {
    ModelArchitecture.Initialiser.allCases[below(2) == 0 ? 0 : below(4)]
  }

  private mutating func pointwise() -> [ModelArchitecture.Layer] {
    let all: [ModelArchitecture.Layer] = [.relu, .tanh, .sigmoid, .dropout(rate: Float(below(1_000)) / 1_001)]
    return below(3) == 0 ? [] : [all[below(4)]]
  }

  private mutating func architecture() throws -> ModelArchitecture {
    var layers: [ModelArchitecture.Layer] = []
    let input: InputShape
    var isSequence = false
    switch below(3) {
    case 0: input = .features(1 + below(50))
    case 1:
      input = .image(channels: 1 + below(4), height: 12 + below(9), width: 12 + below(9))
      let kernel = extent(4)
      layers = [
        .conv2d(
          filters: 1 + below(5), kernel: kernel, stride: extent(2),
          padding: .init(height: below(kernel.height), width: below(kernel.width)), initialiser: initialiser())
      ]
      layers += pointwise()
      let size = extent(3)
      let stride = below(2) == 0 ? size : extent(3)
      layers.append(below(2) == 0 ? .maxPool2d(size: size, stride: stride) : .averagePool2d(size: size, stride: stride))
      layers.append(.flatten)
    default:
      input = .tokens(length: 1 + below(30), vocabulary: 2 + below(60))
      layers = [.embedding(dimension: 1 + below(9))]
      for _ in 0..<below(3) { layers.append(.lstm(units: 1 + below(9))) }
      isSequence = below(2) == 0
      if !isSequence { layers.append(.lastStep) }
    }
    layers += pointwise()
    for _ in 0..<below(3) {
      layers.append(.dense(outputs: 1 + below(20), initialiser: initialiser()))
      layers += pointwise()
    }
    let loss: ModelArchitecture.Loss
    let outputs: Int
    switch isSequence ? 0 : below(3) {
    case 0: (loss, outputs) = (.softmaxCrossEntropy(smoothing: below(2) == 0 ? 0 : 0.1), 2 + below(9))
    case 1: (loss, outputs) = (.meanSquaredError, 1 + below(9))
    default: (loss, outputs) = (.binaryCrossEntropy, 1)
    }
    layers.append(.dense(outputs: outputs, initialiser: initialiser()))
    return try ModelArchitecture(input: input, layers: layers, loss: loss)
  }
}
