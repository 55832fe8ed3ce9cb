import Federation
import GradientKernel
import Tensors
import Testing
import Training

/// Models of every kind learn what can be learned from a few examples.
@Suite("Learning")
struct LearningTests {
  private static func unit(_ choices: inout SeededGenerator) -> Float { Float(choices.unit()) }

  /// Digits of 6 × 6 pixels: a bar that stands, lies, or goes across, somewhere.
  private static func bars(_ count: Int) throws -> Dataset {
    var choices = SeededGenerator(seed: 5, stream: "bars")
    var features: [Float] = []
    var labels: [Int32] = []
    for i in 0..<count {
      let kind = i % 3, at = Int(unit(&choices) * 5)
      var image = (0..<36).map { _ in unit(&choices) * 0.3 }
      for j in 0..<6 {
        let place = kind == 0 ? j * 6 + at : kind == 1 ? at * 6 + j : j * 6 + (j + at) % 6
        image[place] = 1
      }
      features += image
      labels.append(Int32(kind))
    }
    return try Dataset(features: features, labels: labels, featureCount: 36, classCount: 3)
  }

  private static func train(
    _ architecture: ModelArchitecture, _ training: Dataset, _ heldOut: Dataset, rate: Double, epochs: Int,
    _ optimizer: LocalOptimizer = LocalOptimizer(), threads: Int = 1
  ) throws -> (losses: [Double], metrics: RoundMetrics, parameters: [Float]) {
    let trainer = try LocalTrainer(architecture, training: training, holdOut: heldOut, threads: threads)
    var losses: [Double] = []
    var last = RoundMetrics(lossSum: 0, correct: 0, evaluated: 0)
    let trained = try trainer.trainAlone(
      base: architecture.initialParameters(seed: 1),
      configuration: TrainingConfiguration(learningRate: rate, localEpochs: 1, batchSize: 10, optimizer: optimizer),
      epochs: epochs, seed: 3
    ) { _, loss, metrics in
      losses.append(loss)
      last = metrics
    }
    return (losses, last, trained.values)
  }

  @Test("A convolution tells bars apart, and its curve is the same bits on one and on two threads")
  func convolution() throws {
    let architecture = try ModelArchitecture(
      parsing: "image 1x6x6 > conv2d 8 3x3 pad 1 > relu > max-pool 2x2 > flatten > dropout 0.2 > dense 3")
    let data = try Self.bars(120), fresh = try Self.bars(150)
    let held = fresh.subset(Array(120..<150))
    let one = try Self.train(architecture, data, held, rate: 0.1, epochs: 12)
    #expect(try #require(one.metrics.accuracy) >= 0.9)
    #expect(one.losses.last ?? 1 < 0.5 * (one.losses.first ?? 0))
    let two = try Self.train(architecture, data, held, rate: 0.1, epochs: 12, threads: 2)
    #expect(two.losses == one.losses)
    #expect(two.parameters == one.parameters)
  }

  @Test("A linear model finds the line that made its data, with Adam and a schedule")
  func regression() throws {
    var choices = SeededGenerator(seed: 5, stream: "line")
    let features = (0..<200).map { _ in Self.unit(&choices) }
    let targets = stride(from: 0, to: 200, by: 2).map { 2 * features[$0] - 3 * features[$0 + 1] + 0.5 }
    let data = try Dataset(features: features, targets: .values(targets, width: 1), featureCount: 2)
    let architecture = try ModelArchitecture(parsing: "linear 2")
    let result = try Self.train(
      architecture, data, data, rate: 0.1, epochs: 60,
      LocalOptimizer(.adam(.init()), schedule: .cosine(rounds: 60, final: 0)))
    #expect(result.losses.last ?? 1 < 1e-4)
    let parameters = try ParameterSet(layout: architecture.layout, values: result.parameters)
    let evaluation = try ModelEvaluation(of: parameters, architecture, on: data)
    guard case .regression(let metrics) = evaluation.metrics else {
      Issue.record("a regression has the metrics of one")
      return
    }
    #expect(try #require(metrics.rootMeanSquaredError) < 0.01)
    // Tensors are in the order of their names: the bias first.
    #expect(zip(result.parameters, [0.5, 2, -3]).allSatisfy { abs($0 - $1) < 0.02 })
  }

  @Test("An LSTM learns a text by heart, and logistic regression which side of a line a point is on")
  func textAndSides() throws {
    let text = Array(repeating: [0, 1, 2, 3, 2, 1] as [Int32], count: 60).flatMap { $0 }
    let length = 8
    let count = (text.count - 1) / length
    let data = try Dataset(
      features: text[..<(count * length)].map { Float($0) },
      targets: .classes(Array(text[1...(count * length)]), classCount: 4, perExample: length), featureCount: length)
    let architecture = try ModelArchitecture(parsing: "tokens 8 of 4 > embedding 4 > lstm 12 > dense 4")
    let result = try Self.train(
      architecture, data, data, rate: 0.02, epochs: 40, LocalOptimizer(.adam(.init()), clipNorm: 1))
    let parameters = try ParameterSet(layout: architecture.layout, values: result.parameters)
    let evaluation = try ModelEvaluation(of: parameters, architecture, on: data, topK: [2], confusion: true)
    guard case .classification(let metrics) = evaluation.metrics else {
      Issue.record("a text has the metrics of classes")
      return
    }
    // The first of eight characters may be followed by either neighbour where it is 1 or 2.
    #expect(try #require(metrics.accuracy) > 0.9)
    #expect(try #require(metrics.topKAccuracies?.first) > 0.99)
    #expect(evaluation.isSequence && metrics.count == count * length)

    var choices = SeededGenerator(seed: 6, stream: "sides")
    let points = (0..<200).map { _ in Self.unit(&choices) - 0.5 }
    let sides = stride(from: 0, to: 200, by: 2).map { Int32(points[$0] > points[$0 + 1] ? 1 : 0) }
    let plane = try Dataset(features: points, labels: sides, featureCount: 2, classCount: 2)
    let logistic = try ModelArchitecture(parsing: "logistic 2")
    let line = try Self.train(logistic, plane, plane, rate: 1, epochs: 40)
    let judged = try ModelEvaluation(
      of: ParameterSet(layout: logistic.layout, values: line.parameters), logistic, on: plane)
    guard case .classification(let side) = judged.metrics else { return }
    #expect(try #require(side.accuracy) > 0.95)
    #expect(try #require(side.rocArea) > 0.98)
  }

  @Test("So many steps are so many steps, also in the middle of an epoch")
  func steps() throws {
    let data = try Self.bars(25)
    let architecture = try ModelArchitecture(parsing: "mlp 36-3")
    let trainer = try LocalTrainer(architecture, training: data, holdOut: data)
    var fractions: [Double] = []
    let result = try trainer.train(
      base: architecture.initialParameters(seed: 1),
      configuration: TrainingConfiguration(
        learningRate: 0.1, localEpochs: 1, batchSize: 10, optimizer: LocalOptimizer(steps: 7)), seed: 1,
      progress: { fractions.append($0) })
    #expect(fractions == (1...7).map { Double($0) / 7 })
    #expect(result.epochLosses.count == 3)  // two whole epochs of three steps, and one step
  }

  @Test("What is not a number stops the training by name, wherever it comes from")
  func notFinite() throws {
    let data = try Self.bars(30)
    let architecture = try ModelArchitecture(parsing: "mlp 36-8-3")
    let trainer = try LocalTrainer(architecture, training: data, holdOut: data)
    let start = architecture.initialParameters(seed: 1)
    for optimizer in [LocalOptimizer(), LocalOptimizer(clipNorm: 1), LocalOptimizer(.adam(.init()))] {
      let configuration = try TrainingConfiguration(
        learningRate: 1e38, localEpochs: 20, batchSize: 10, optimizer: optimizer)
      let refusal = #expect(throws: TrainingError.self) {
        try trainer.train(base: start, configuration: configuration, seed: 1)
      }
      guard case .notFinite(let epoch, let step)? = refusal else {
        Issue.record("found \(String(describing: refusal)), expected a step that is named")
        continue
      }
      #expect((1...20).contains(epoch) && (1...3).contains(step))
    }
    var broken = start
    var values = broken.values
    values[5] = .nan
    broken.values = values
    let configuration = try TrainingConfiguration(learningRate: 0.1, localEpochs: 1, batchSize: 10)
    #expect(throws: TrainingError.notFinite(epoch: 1, step: 1)) {
      try trainer.train(base: broken, configuration: configuration, seed: 1)
    }
    #expect(throws: TrainingError.notFinite(epoch: 0, step: 0)) { try trainer.evaluate(broken) }
  }
}
