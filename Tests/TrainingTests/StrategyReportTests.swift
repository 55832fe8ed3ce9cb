import Federation
import GradientKernel
import Tensors
import Testing

@testable import Training

@Suite("What a worker reports for its strategy")
struct StrategyReportTests {
  private static func configuration(
    momentum: Double? = nil, proximal: Double? = nil, _ method: LocalOptimizer.Method = .sgd
  )
    throws -> TrainingConfiguration
  {
    try TrainingConfiguration(
      learningRate: 0.1, localEpochs: 1, batchSize: 8, momentum: momentum, proximal: proximal,
      optimizer: LocalOptimizer(method))
  }

  @Test(
    "FedNova's normaliser is what the steps make of a gradient that stays 1",
    arguments: [(nil, nil), (0.9, nil), (0.5, nil), (nil, 0.3), (nil, 5)] as [(Double?, Double?)], [1, 2, 7, 200])
  func normalizer(_ terms: (momentum: Double?, proximal: Double?), steps: Int) throws {
    var velocity = 0.0, moved = 0.0  // In units of the learning rate.
    for _ in 0..<steps {
      velocity = (terms.momentum ?? 0) * velocity + 1 - 0.1 * (terms.proximal ?? 0) * moved
      moved += velocity
    }
    let configuration = try Self.configuration(momentum: terms.momentum, proximal: terms.proximal)
    #expect(abs(try configuration.normalizer(steps: steps, round: 1) - moved) < 1e-9 * moved)
  }

  @Test("Optimizers without a normaliser are refused")
  func refusals() throws {
    let bad: [TrainingConfiguration] = [
      try Self.configuration(.adam(.init())), try Self.configuration(momentum: 0.9, .nesterov),
      try Self.configuration(momentum: 0.9, proximal: 0.1), try Self.configuration(proximal: 10),
    ]
    for configuration in bad {
      #expect(throws: TrainingError.self) { try configuration.normalizer(steps: 3, round: 1) }
    }
  }

  private static func work(_ strategy: String, clip: Double = 100) throws -> ClientUpdate {
    var choices = SeededGenerator(seed: 1)
    let labels = (0..<60).map { Int32($0 % 3) }
    let features = labels.flatMap { label in
      [Float(label) - 1 + Float(choices.normal()) * 0.1, Float(label == 1 ? 1 : -1) + Float(choices.normal()) * 0.1]
    }
    let data = try Dataset(features: features, labels: labels, featureCount: 2, classCount: 3)
    let architecture = try ModelArchitecture(parsing: "mlp 2-3")
    var rules = RoundConfiguration(
      vectorLength: 9, issuanceLog: Digest(unchecked: Array(repeating: 0, count: 32)),
      revocationList: Digest(unchecked: Array(repeating: 0, count: 32)))
    rules.strategy = strategy
    rules.clip = clip
    rules.batchSize = 16
    return try LocalWork(worker: "w", dataset: data, threads: 1).perform(
      TrainingTask(
        kind: .train, aggregation: .plain, architecture: "mlp 2-3", dataScale: 1, holdOutFraction: 0.2, seed: 1),
      configuration: rules, attempt: AttemptID(run: "r", round: 1, attempt: 0),
      parameters: architecture.initialParameters(seed: 1).tensors
    ).update
  }

  private static func norm(_ values: [Float]) -> Double {
    values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
  }

  @Test("FedNova's report is the difference per step, with the number of steps beside it")
  func normalized() throws {
    let plain = try Self.work("fedavg"), nova = try Self.work("fednova")
    #expect(plain.terms == StrategyTerms())
    #expect(nova.terms == StrategyTerms(steps: 3))  // 48 examples in batches of 16.
    #expect(zip(nova.difference, plain.difference).allSatisfy { abs(3 * $0 - $1) < 1e-6 })
  }

  @Test("q-FedAvg's report is the difference times the loss, and h is the paper's, also where the clip shortens it")
  func fair() throws {
    let plain = try Self.work("fedavg"), base = try Self.work("q-fedavg, q 0"), fair = try Self.work("q-fedavg, q 1")
    #expect(base.difference == plain.difference && base.terms.fairness == 1)
    let loss = Self.norm(fair.difference) / Self.norm(plain.difference)
    #expect(loss > 0.1 && loss < 10)
    let norm = Self.norm(plain.difference)
    #expect(abs(fair.terms.fairness - (norm * norm / 0.1 + loss)) < 1e-5)
    let clip = Self.norm(fair.difference) / 2
    let clipped = try Self.work("q-fedavg, q 1", clip: clip)
    #expect(abs(clipped.terms.fairness - (norm * norm / 4 / 0.1 + loss)) < 1e-5)
  }

  @Test("A strategy that this version does not have is declined")
  func unknown() {
    #expect(throws: LocalWorkError.strategy("fedsgd")) { try Self.work("fedsgd") }
  }
}
