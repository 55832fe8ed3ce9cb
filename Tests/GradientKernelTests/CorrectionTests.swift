import GradientKernel
import Tensors
import Testing

@Suite("Corrected steps")
struct CorrectionTests {
  private static let rules = [
    OptimizerRule(), OptimizerRule(weightDecay: 0.02), OptimizerRule(clipNorm: 0.4),
    OptimizerRule(weightDecay: 0.01, clipNorm: 0.4, exampleClipNorm: 0.3),
  ]

  /// Parameters after `steps` steps.
  private func train(
    _ architecture: ModelArchitecture, _ rule: OptimizerRule, correction: [Float]?, threads: Int = 1, steps: Int = 3
  ) throws -> [Float] {
    let examples = architecture.examples(50, seed: 11)
    let network = try Network(architecture, batchCapacity: 8, pool: ThreadPool(threads: threads))
    network.workMin = 0
    try network.load(architecture.parameters(seed: 5, scale: 0.3), dropoutSeed: 8, correction: correction)
    for step in 0..<steps {
      let rows = (8 * step..<8 * step + 8).map { Int32($0) }
      _ = network.step(examples, rows: rows[...], rule: rule, learningRate: 0.05)
    }
    return network.parameterValues
  }

  private func correction(_ architecture: ModelArchitecture) -> [Float] {
    (0..<architecture.layout.count).map { Float($0 % 13) / 13 - 0.4 }
  }

  @Test("A corrected step goes further by η times the correction, and no bound sees it", arguments: TestModels.all)
  func oneStep(model: TestModels) throws {
    let architecture = try model.architecture(), correction = correction(architecture)
    for rule in Self.rules {
      let plain = try train(architecture, rule, correction: nil, steps: 1)
      let corrected = try train(architecture, rule, correction: correction, steps: 1)
      for e in plain.indices { #expect(abs(corrected[e] - (plain[e] - 0.05 * correction[e])) < 1e-6) }
    }
  }

  @Test("Corrected training gives the same bits on 1, 2 and 3 threads", arguments: TestModels.all)
  func threadCounts(model: TestModels) throws {
    let architecture = try model.architecture(), correction = correction(architecture)
    for rule in Self.rules {
      let one = try train(architecture, rule, correction: correction)
      for threads in [2, 3] {
        #expect(try train(architecture, rule, correction: correction, threads: threads) == one)
      }
    }
  }

  @Test("The next parameters that are loaded come without the correction of the last")
  func forgets() throws {
    let architecture = try TestModels.plain.architecture(), examples = architecture.examples(8, seed: 11)
    let network = try Network(architecture, batchCapacity: 8, pool: ThreadPool(threads: 1))
    let rows = (0..<8).map { Int32($0) }
    func step(_ correction: [Float]?) throws -> [Float] {
      try network.load(architecture.parameters(seed: 5, scale: 0.3), correction: correction)
      _ = network.step(examples, rows: rows[...], rule: OptimizerRule(), learningRate: 0.05)
      return network.parameterValues
    }
    let plain = try step(nil)
    #expect(try step(correction(architecture)) != plain)
    #expect(try step(nil) == plain)
  }
}
