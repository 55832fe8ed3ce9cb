import GradientKernel
import Tensors

/// A model of the benchmark and one client's images.
struct BenchmarkModel {
  let name: String
  let architecture: ModelArchitecture
  let examples: Examples
  private let parameters: ParameterSet

  static let exampleCount = 600
  static let learningRate: Float = 0.05

  static func all() throws -> [BenchmarkModel] {
    try [("softmax", "mlp 784-10"), ("2NN", "mcmahan-2nn"), ("CNN", "mcmahan-cnn")].map {
      try BenchmarkModel(name: $0, text: $1)
    }
  }

  /// Images of which four fifths are black, as of handwritten digits.
  init(name: String, text: String) throws {
    self.name = name
    let architecture = try ModelArchitecture(parsing: text)
    self.architecture = architecture
    var state: UInt32 = 1
    func next() -> Float {
      state = state &* 1_664_525 &+ 1_013_904_223
      return Float(state >> 8) / Float(1 << 24)
    }
    let features = (0..<Self.exampleCount * architecture.featureCount).map { _ in next() < 0.8 ? 0 : next() }
    examples = Examples(features: features, labels: (0..<Self.exampleCount).map { Int32($0 % 10) })
    parameters = try ParameterSet(
      layout: architecture.layout, values: (0..<architecture.layout.count).map { _ in (next() - 0.5) * 0.06 })
  }

  func network(batch: Int, pool: ThreadPool) throws -> Network {
    let network = try Network(architecture, batchCapacity: batch, pool: pool)
    try network.load(parameters)
    return network
  }

  func model() throws -> InferenceModel { try InferenceModel(parameters, of: architecture) }

  /// Floating-point operations of one example's step: forward, the gradient by the weights, and the gradient by the
  /// activations, which the first layer does without.
  var flopsPerStep: Double {
    let first = architecture.stages.first { $0.flops > 0 }?.flops ?? 0
    return Double(3 * architecture.flops - first)
  }
}

/// A client's epoch: batch after batch in a new order.
struct Epoch {
  private var order = (0..<Int32(BenchmarkModel.exampleCount)).map { $0 }
  private var state: UInt64 = 7
  let batch: Int
  let rule: OptimizerRule

  init(batch: Int, rule: OptimizerRule = OptimizerRule()) {
    self.batch = batch
    self.rule = rule
  }

  mutating func run(_ network: Network, _ examples: Examples) {
    for i in stride(from: order.count - 1, to: 0, by: -1) {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      order.swapAt(i, Int(UInt64(state >> 32) * UInt64(i + 1) >> 32))
    }
    for first in stride(from: 0, to: order.count, by: batch) {
      _ = network.step(
        examples, rows: order[first..<min(order.count, first + batch)], rule: rule,
        learningRate: BenchmarkModel.learningRate)
    }
  }
}

/// Examples a second of local training, for every model, batch and number of threads.
struct EpochFigures {
  let products: MatrixProducts
  let stopwatch: Stopwatch

  private static let batches = ["softmax": [10, 32], "2NN": [10, 32, 128], "CNN": [10, 32]]

  func report(to report: inout Report) throws {
    for threads in 1...products.maximumThreads {
      for model in try BenchmarkModel.all() {
        for batch in Self.batches[model.name] ?? [] {
          let rate = try examplesPerSecond(model, batch: batch, threads: threads)
          add(rate, model, "\(model.name), batch \(batch)", threads, "local epoch, \(threads) threads", to: &report)
        }
      }
    }
    guard products.maximumThreads >= 2 else { return }
    for model in try BenchmarkModel.all() where model.name != "softmax" {
      let rate = try sideBySide(model, batch: 10)
      add(rate, model, "\(model.name), batch 10", 2, "local epoch, 2 workers side by side", to: &report)
    }
  }

  private func add(
    _ rate: Double, _ model: BenchmarkModel, _ name: String, _ threads: Int, _ section: String,
    to report: inout Report
  ) {
    report.add(Figure(section: section, name: name, value: rate, unit: "ex/s"))
    report.add(
      Figure(
        section: section, name: name, value: rate * model.flopsPerStep / 1e9, unit: "GF/s",
        limit: products.rates[threads - 1]))
  }

  func examplesPerSecond(
    _ model: BenchmarkModel, batch: Int, threads: Int, rule: OptimizerRule = OptimizerRule()
  ) throws -> Double {
    let network = try model.network(batch: batch, pool: ThreadPool(threads: threads))
    var epoch = Epoch(batch: batch, rule: rule)
    // Enough epochs for the clock.
    let count = max(1, Int(2e9 / model.flopsPerStep / Double(BenchmarkModel.exampleCount)))
    let seconds = stopwatch.least(threads: threads) {
      for _ in 0..<count { epoch.run(network, model.examples) }
    }
    return Double(count * BenchmarkModel.exampleCount) / seconds
  }

  /// Two workers on one core each: examples a second of both.
  private func sideBySide(_ model: BenchmarkModel, batch: Int) throws -> Double {
    let count = max(1, Int(2e9 / model.flopsPerStep / Double(BenchmarkModel.exampleCount)))
    let work = try Workers(model, batch: batch, epochs: count)
    let pool = ThreadPool(threads: 2)
    let seconds = stopwatch.least(threads: 2) { pool.run(work) }
    return Double(2 * count * BenchmarkModel.exampleCount) / seconds
  }

  private final class Workers: ParallelWork {
    private let networks: [Network]
    private let examples: Examples
    private let batch: Int
    private let epochs: Int

    init(_ model: BenchmarkModel, batch: Int, epochs: Int) throws {
      networks = try (0..<2).map { _ in try model.network(batch: batch, pool: ThreadPool(threads: 1)) }
      examples = model.examples
      self.batch = batch
      self.epochs = epochs
    }

    func perform(thread: Int, of count: Int) {
      var epoch = Epoch(batch: batch)
      for _ in 0..<epochs { epoch.run(networks[thread], examples) }
    }
  }
}
