import Federation
import GradientKernel
import Tensors
import Testing
import Training

@Suite("Local training")
struct LocalTrainerTests {
  private static func blobs() throws -> Dataset {
    var choices = SeededGenerator(seed: 1)
    let labels = (0..<60).map { Int32($0 % 3) }
    let features = labels.flatMap { label in
      [Float(label) - 1 + Float(choices.normal()) * 0.1, Float(label == 1 ? 1 : -1) + Float(choices.normal()) * 0.1]
    }
    return try Dataset(features: features, labels: labels, featureCount: 2, classCount: 3)
  }

  @Test("Initial weights fill ±√(6 / inputs), biases are zero, and a seed fixes the bits for ever")
  func initialParameters() throws {
    let architecture = try ModelArchitecture(parsing: "mlp 64-128-10")
    let start = architecture.initialParameters(seed: 7)
    let weights = try #require(start["layer0.weight"])
    let bound = Float(0.306_186_2)
    #expect(weights.allSatisfy { abs($0) <= bound })
    #expect((weights.max() ?? 0) > 0.99 * bound)
    #expect(abs(weights.reduce(0, +) / Float(weights.count)) < 0.01)
    #expect(start["layer1.bias"]?.allSatisfy { $0 == 0 } == true)
    #expect(start == architecture.initialParameters(seed: 7))
    #expect(start != architecture.initialParameters(seed: 8))
    #expect(weights.prefix(3).map(\.bitPattern) == Self.firstBits)
  }

  /// Computed apart, by the definitions of FNV-1a and SplitMix64.
  static let firstBits: [UInt32] = [3_190_440_259, 1_012_831_022, 3_196_282_954]

  @Test("Central training on 80 % of the digits classifies at least 95 % of the rest")
  func digitsAreLearned() throws {
    let (training, holdOut) = try digits().split(holdOut: 0.2, seed: 1)
    let architecture = try ModelArchitecture(parsing: "mlp 64-128-10")
    let trainer = try LocalTrainer(architecture, training: training, holdOut: holdOut)
    let start = architecture.initialParameters(seed: 1)
    let before = try trainer.evaluate(start)
    let result = try trainer.train(
      base: start, configuration: TrainingConfiguration(learningRate: 0.1, localEpochs: 12, batchSize: 16), seed: 1)
    let trained = try ParameterSet(
      layout: start.layout, values: zip(start.values, result.difference).map { $0 + $1 })
    let after = try trainer.evaluate(trained)
    #expect(before.evaluated == 359 && after.evaluated == 359)
    #expect((before.accuracy ?? 1) < 0.3)
    #expect((after.accuracy ?? 0) >= 0.95)
    #expect(result.exampleCount == 1_438)
    #expect(result.epochLosses.count == 12)
    #expect((result.epochLosses.last ?? 1) < 0.1 * (result.epochLosses.first ?? 0))
  }

  @Test("Training gives the same bits again, on any number of threads, and others for another seed")
  func deterministic() throws {
    let data = try digits()
    let architecture = try ModelArchitecture(parsing: "mlp 64-128-10")
    let start = architecture.initialParameters(seed: 2)
    let configuration = try TrainingConfiguration(
      learningRate: 0.05, localEpochs: 1, batchSize: 50, momentum: 0.9, weightDecay: 1e-4, proximal: 0.01)
    func difference(threads: Int, seed: UInt64) throws -> [Float] {
      let trainer = try LocalTrainer(
        architecture, training: data.subset(Array(0..<333)), holdOut: data.subset([]), threads: threads)
      return try trainer.train(base: start, configuration: configuration, seed: seed).difference
    }
    let first = try difference(threads: 1, seed: 3)
    #expect(try difference(threads: 2, seed: 3) == first)
    #expect(try difference(threads: 3, seed: 3) == first)
    #expect(try difference(threads: 1, seed: 4) != first)
  }

  @Test("A trainer used again starts afresh: neither velocity nor anchor survives a round")
  func rounds() throws {
    let data = try Self.blobs()
    let architecture = try ModelArchitecture(parsing: "mlp 2-8-3")
    let configuration = try TrainingConfiguration(
      learningRate: 0.1, localEpochs: 2, batchSize: 7, momentum: 0.9, proximal: 1)
    let trainer = try LocalTrainer(architecture, training: data, holdOut: data)
    let other = architecture.initialParameters(seed: 9)
    let start = architecture.initialParameters(seed: 2)
    let fresh = try trainer.train(base: start, configuration: configuration, seed: 1)
    _ = try trainer.train(base: other, configuration: configuration, seed: 5)
    #expect(try trainer.train(base: start, configuration: configuration, seed: 1) == fresh)
  }

  @Test("A strong proximal term keeps the update short")
  func proximal() throws {
    let data = try Self.blobs()
    let architecture = try ModelArchitecture(parsing: "mlp 2-8-3")
    let start = architecture.initialParameters(seed: 2)
    let norms = try [0, 1, 5].map { (proximal: Double) in
      let trainer = try LocalTrainer(architecture, training: data, holdOut: data)
      let configuration = try TrainingConfiguration(
        learningRate: 0.1, localEpochs: 5, batchSize: 10, proximal: proximal)
      return try trainer.train(base: start, configuration: configuration, seed: 1).difference
        .reduce(0) { $0 + $1 * $1 }
    }
    #expect(norms[0] > norms[1] && norms[1] > norms[2])
  }

  @Test("Training that diverges stops with the epoch and step")
  func diverging() throws {
    let data = try Self.blobs()
    let architecture = try ModelArchitecture(parsing: "mlp 2-8-3")
    let trainer = try LocalTrainer(architecture, training: data, holdOut: data)
    let configuration = try TrainingConfiguration(learningRate: 1e30, localEpochs: 5, batchSize: 60)
    #expect(throws: TrainingError.notFinite(epoch: 2, step: 1)) {
      try trainer.train(base: architecture.initialParameters(seed: 1), configuration: configuration, seed: 1)
    }
    let bad = try ParameterSet(
      layout: architecture.layout, values: Array(repeating: .nan, count: architecture.layout.count))
    #expect(throws: TrainingError.notFinite(epoch: 0, step: 0)) { try trainer.evaluate(bad) }
  }

  @Test("Progress is told after every step, and cancelling stops before the next")
  func progress() throws {
    let data = try Self.blobs()
    let architecture = try ModelArchitecture(parsing: "mlp 2-3")
    let trainer = try LocalTrainer(architecture, training: data, holdOut: data)
    let configuration = try TrainingConfiguration(learningRate: 0.1, localEpochs: 2, batchSize: 25)
    let start = architecture.initialParameters(seed: 1)
    var fractions: [Double] = []
    _ = try trainer.train(
      base: start, configuration: configuration, seed: 1, progress: { fractions.append($0) })
    #expect(fractions == (1...6).map { Double($0) / 6 })
    fractions = []
    #expect(throws: TrainingError.cancelled) {
      try trainer.train(
        base: start, configuration: configuration, seed: 1, progress: { fractions.append($0) },
        isCancelled: { fractions.count == 2 })
    }
    #expect(fractions.count == 2)
  }

  @Test("Data, models and settings that do not fit are refused")
  func refused() throws {
    let data = try Self.blobs()
    let architecture = try ModelArchitecture(parsing: "mlp 2-2")
    #expect(
      throws: TrainingError.wrongDataset(features: 2, expectedFeatures: 2, classes: 3, expectedClasses: 2)
    ) { try LocalTrainer(architecture, training: data, holdOut: data) }
    let good = try ModelArchitecture(parsing: "mlp 2-3")
    let values = try Dataset(features: [1, 2], targets: .values([1], width: 1), featureCount: 2)
    let numbers = TrainingError.wrongTargets(found: "1 numbers an example", expected: "one class an example")
    #expect(throws: numbers) { try LocalTrainer(good, training: values, holdOut: data) }
    #expect(throws: numbers) { try LocalTrainer(good, training: data, holdOut: values) }
    let regression = try ModelArchitecture(parsing: "linear 2")
    #expect(
      throws: TrainingError.wrongTargets(found: "one class an example", expected: "1 numbers an example")
    ) { try LocalTrainer(regression, training: data, holdOut: data) }
    let text = try ModelArchitecture(parsing: "tokens 2 of 3 > embedding 2 > lstm 2 > last-step > dense 3")
    #expect(throws: TrainingError.wrongToken(data.features.first { $0 != $0.rounded() || $0 < 0 } ?? 0, vocabulary: 3))
    {
      try LocalTrainer(text, training: data, holdOut: data)
    }
    #expect(throws: TrainingError.noExamples) {
      try LocalTrainer(good, training: data.subset([]), holdOut: data)
    }
    let trainer = try LocalTrainer(good, training: data, holdOut: data)
    #expect(throws: TrainingError.self) { try trainer.evaluate(architecture.initialParameters(seed: 1)) }
    for (rate, epochs, batch, momentum) in [
      (0, 1, 1, 0), (.nan, 1, 1, 0), (.infinity, 1, 1, 0), (1, 0, 1, 0), (1, 10_001, 1, 0), (1, 1, 0, 0),
      (1, 1, 65_537, 0), (1, 1, 1, 1), (1, 1, 1, -0.1),
    ] as [(Double, Int, Int, Double)] {
      #expect(throws: TrainingError.self) {
        try TrainingConfiguration(learningRate: rate, localEpochs: epochs, batchSize: batch, momentum: momentum)
      }
    }
    var round = RoundConfiguration(
      vectorLength: 1, issuanceLog: Digest(unchecked: Array(repeating: 0, count: 32)),
      revocationList: Digest(unchecked: Array(repeating: 0, count: 32)))
    #expect(try TrainingConfiguration(round).batchSize == 32)
    round.localEpochs = .max
    #expect(throws: TrainingError.self) { try TrainingConfiguration(round) }
  }
}
