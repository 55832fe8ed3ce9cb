import Foundation
import GradientKernel
import Tensors
import Testing

/// What PyTorch computes in double precision for fixed weights and inputs: Vectors/make_vectors.py.
struct NetworkVectors: Decodable {
  struct Case: Decodable, Sendable, CustomTestStringConvertible {
    let name: String
    let architecture: String
    let batch: Int
    let features: [Float]
    let labels: [Int32]?
    let targets: [Float]?
    let tensors: [String: Values]
    let outputs: [Float]
    let loss: Double
    let gradients: [String: [Float]]
    let steps: [Steps]
    var testDescription: String { name }
  }

  struct Values: Decodable, Sendable {
    let shape: [Int]
    let values: [Float]
  }

  struct Steps: Decodable, Sendable {
    let rule: Rule
    let parameters: [String: [Float]]
  }

  struct Rule: Decodable, Sendable {
    let method: String
    let learningRate: Float
    let momentum: Float?
    let nesterov: Bool?
    let beta1: Float?
    let beta2: Float?
    let epsilon: Float?
    let weightDecay: Float?
    let proximal: Float?
    let clipNorm: Float?
    let exampleClipNorm: Float?

    var rule: OptimizerRule {
      let method: OptimizerRule.Method =
        self.method == "sgd"
        ? .sgd(momentum: momentum ?? 0, nesterov: nesterov ?? false)
        : .adam(beta1: beta1 ?? 0, beta2: beta2 ?? 0, epsilon: epsilon ?? 0, decoupled: self.method == "adamw")
      return OptimizerRule(
        method, weightDecay: weightDecay ?? 0, proximal: proximal ?? 0, clipNorm: clipNorm,
        exampleClipNorm: exampleClipNorm)
    }
  }

  let cases: [Case]

  static let all: [Case] = {
    let path = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Vectors/networks.json")
    do {
      return try JSONDecoder().decode(NetworkVectors.self, from: Data(contentsOf: path)).cases
    } catch {
      fatalError("\(path.path): \(error)")
    }
  }()
}

@Suite("Networks beside PyTorch")
struct NetworkVectorTests {
  /// PyTorch's own single precision is within 5e-7 of these numbers.
  private static let tolerance: Float = 5e-6

  @Test(
    "Outputs, loss and gradients are PyTorch's, and so is every optimizer's third step", arguments: NetworkVectors.all)
  func agrees(_ vector: NetworkVectors.Case) throws {
    let architecture = try ModelArchitecture(parsing: vector.architecture)
    #expect(architecture.description == vector.architecture)
    let start = try ParameterSet(
      layout: architecture.layout, values: flat(vector.tensors.mapValues(\.values), architecture))
    for entry in architecture.layout.entries { #expect(vector.tensors[entry.name]?.shape == entry.shape) }
    let examples = Examples(
      features: vector.features, targets: vector.targets.map { .values($0) } ?? .classes(vector.labels ?? []))
    let rows = (0..<Int32(vector.batch)).map { $0 }
    for kernelClass in KernelClass.present {
      let network = try Network(
        architecture, batchCapacity: vector.batch, pool: ThreadPool(threads: 1), kernelClass: kernelClass)
      try network.load(start)
      var outputs: [Float] = []
      _ = network.evaluate(examples) { _, found in
        for row in 0..<found.rowCount { outputs += found.row(row) }
      }
      #expect(relative(outputs, vector.outputs) < Self.tolerance)
      let result = network.gradient(examples, rows: rows[...])
      #expect(abs(result.lossSum / Double(result.count) - vector.loss) < 2e-6 * max(1, vector.loss))
      for entry in architecture.layout.entries {
        let expected = try #require(vector.gradients[entry.name])
        #expect(relative(Array(network.gradientValues[entry.range]), expected) < Self.tolerance, "\(entry.name)")
      }
      for steps in vector.steps {
        try network.load(start)
        for _ in 0..<3 {
          _ = network.step(examples, rows: rows[...], rule: steps.rule.rule, learningRate: steps.rule.learningRate)
        }
        let found = network.parameterValues
        for entry in architecture.layout.entries {
          let expected = try #require(steps.parameters[entry.name])
          #expect(distance(Array(found[entry.range]), expected) < Self.tolerance, "\(entry.name) by \(steps.rule)")
        }
      }
    }
  }

  private func flat(_ tensors: [String: [Float]], _ architecture: ModelArchitecture) -> [Float] {
    architecture.layout.entries.flatMap { tensors[$0.name] ?? [] }
  }

  /// Largest difference relative to the largest expected magnitude.
  private func relative(_ a: [Float], _ b: [Float]) -> Float {
    guard a.count == b.count, let scale = b.map({ abs($0) }).max() else { return .infinity }
    return (zip(a, b).map { abs($0 - $1) }.max() ?? 0) / max(scale, .leastNormalMagnitude)
  }
}
