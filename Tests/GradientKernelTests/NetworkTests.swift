import CAllocations
import GradientKernel
import Tensors
import Testing

@Suite("Networks")
struct NetworkTests {
  @Test("An architecture's text round trips and names its tensors")
  func architecture() throws {
    let architecture = try ModelArchitecture(parsing: "mlp 64-128-10")
    #expect(architecture.description == "mlp 64-128-10")
    #expect(architecture.layout.count == 64 * 128 + 128 + 128 * 10 + 10)
    #expect(architecture.layout["layer0.weight"]?.shape == [128, 64])
    #expect(architecture.layout["layer1.bias"]?.shape == [10])
    #expect(try ModelArchitecture(parsing: "mlp 4-2").layers.count == 1)
    let deep = try ModelArchitecture(widths: Array(repeating: 2, count: 12))
    #expect(deep.stages[20].tensors[1] == deep.layout["layer10.bias"]?.range)
  }

  @Test(
    "A text that is no architecture is refused",
    arguments: [
      ("", .malformed("")), ("cnn 1-2", .unknownFamily("cnn")), ("mlp", .malformed("mlp")),
      ("mlp 1-2 x", .malformed("mlp 1-2 x")), ("mlp 64", .wrongLayerCount(found: 0, max: 64)),
      ("mlp 64--10", .badWidth("")), ("mlp 64-0", .badWidth("0")), ("mlp 64-1e3", .badWidth("1e3")),
      ("mlp 65537-2", .badWidth("65537")), ("mlp 99999999999999999999-2", .badWidth("99999999999999999999")),
      (
        "mlp 65536-65536",
        .layer("dense 1", found: "4295032832 parameters so far", expected: "at most 268435456")
      ),
      ("mlp 1" + String(repeating: "-1", count: 65), .wrongLayerCount(found: 65, max: 64)),
    ] as [(String, ArchitectureError)])
  func refused(text: String, error: ArchitectureError) {
    #expect(throws: error) { try ModelArchitecture(parsing: text) }
  }

  @Test("Training gives the same bits on 1, 2 and 3 threads", arguments: TestModels.all.indices, [1, 24])
  func threadCounts(model: Int, batch: Int) throws {
    let architecture = try TestModels.all[model].architecture()
    let examples = architecture.examples(50, seed: 11)
    for rule in TestModels.rules {
      let results = try [1, 2, 3].map { threads in
        let network = try Network(architecture, batchCapacity: batch, pool: ThreadPool(threads: threads))
        network.workMin = 0
        try network.load(architecture.parameters(seed: 5, scale: 0.3), dropoutSeed: 8)
        var losses: [Double] = []
        for start in [0, 26, 10] {
          let rows = (start..<start + batch).map { Int32($0) }
          losses.append(network.step(examples, rows: rows[...], rule: rule, learningRate: 0.05).lossSum)
        }
        network.gradient(examples, rows: [3, 1, 2].prefix(batch))
        return (losses, network.parameterValues, network.gradientValues, network.evaluate(examples))
      }
      for result in results.dropFirst() {
        #expect(result.0 == results[0].0)
        #expect(result.1 == results[0].1)
        #expect(result.2 == results[0].2)
        #expect(result.3 == results[0].3)
      }
      #expect(results[0].0.allSatisfy { $0.isFinite })
    }
  }

  @Test("Few examples on wide layers divide the layers among threads, with the same bits")
  func dividedLayers() throws {
    let architecture = try ModelArchitecture(parsing: "mlp 300-257-130-10")
    let examples = architecture.examples(20, seed: 11)
    let results = try [1, 2, 4].map { threads in
      let network = try Network(architecture, batchCapacity: 5, pool: ThreadPool(threads: threads))
      network.workMin = 0
      try network.load(architecture.parameters(seed: 5, scale: 0.1))
      for start in [0, 5, 10] as [Int32] {
        _ = network.step(examples, rows: Array(start..<start + 5)[...], rule: OptimizerRule(), learningRate: 0.1)
      }
      return network.parameterValues
    }
    #expect(results[1] == results[0])
    #expect(results[2] == results[0])
  }

  @Test("The base class gives these bits on every machine; the fused classes agree with each other")
  func bitsAreFixed() throws {
    let architecture = try ModelArchitecture(parsing: "mlp 13-21-4")
    let examples = architecture.examples(40, seed: 21)
    let rule = OptimizerRule(.sgd(momentum: 0.9, nesterov: false), weightDecay: 0.01, proximal: 0.05)
    var digests: [KernelClass: UInt64] = [:]
    for kernelClass in KernelClass.present {
      let network = try Network(
        architecture, batchCapacity: 11, pool: ThreadPool(threads: 1), kernelClass: kernelClass)
      try network.load(architecture.parameters(seed: 6))
      for step in 0..<20 {
        let rows = (0..<11).map { Int32(($0 * 7 + step) % 40) }
        _ = network.step(examples, rows: rows[...], rule: rule, learningRate: 0.1)
      }
      // FNV-1a over the bit patterns.
      digests[kernelClass] = network.parameterValues.reduce(0xCBF2_9CE4_8422_2325) {
        ($0 ^ UInt64($1.bitPattern)) &* 0x100_0000_01B3
      }
    }
    #expect(digests[.base] == 16_163_641_735_620_565_452)
    let fused = digests.filter { $0.key != .base }.values
    #expect(Set(fused).count <= 1)
  }

  @Test("Predictions do not depend on the batch that an example is in, nor on who predicts", arguments: TestModels.all)
  func predictions(_ model: TestModels) throws {
    let architecture = try model.architecture()
    let parameters = try architecture.parameters(seed: 1, scale: 0.3)
    let examples = architecture.examples(7, seed: 2)
    let all = try [1, 3, 7, 50].map { capacity in
      let network = try Network(architecture, batchCapacity: capacity, pool: ThreadPool(threads: 1))
      try network.load(parameters)
      return network.predict(features: examples.features)
    }
    #expect(all.allSatisfy { $0 == all[0] })
    let session = try InferenceSession(InferenceModel(parameters, of: architecture), batchCapacity: 4)
    var served = [Float](repeating: -1, count: all[0].count)
    for first in [0, 4] {
      let count = min(4, 7 - first)
      examples.features.withUnsafeBufferPointer { features in
        served.withUnsafeMutableBufferPointer { predictions in
          session.predict(
            .init(rebasing: features[first * architecture.featureCount..<(first + count) * architecture.featureCount]),
            into: .init(rebasing: predictions[first * session.outputCount..<(first + count) * session.outputCount]))
        }
      }
    }
    #expect(served == all[0])
    if case .softmaxCrossEntropy = architecture.loss {
      let width = architecture.outputCount
      for row in 0..<served.count / width {
        #expect(abs(served[row * width..<(row + 1) * width].reduce(0, +) - 1) < 1e-5)
      }
    }
  }

  @Test("Nothing is allocated after the first step, evaluation or prediction", arguments: TestModels.all)
  func allocations(_ model: TestModels) throws {
    let architecture = try model.architecture()
    let examples = architecture.examples(12, seed: 3)
    let rows = (0..<6).map { Int32($0) }
    for rule in TestModels.rules {
      let network = try Network(architecture, batchCapacity: 6, pool: ThreadPool(threads: 1))
      try network.load(architecture.parameters(seed: 1, scale: 0.3))
      _ = network.step(examples, rows: rows[...], rule: rule, learningRate: 0.01)
      let before = ca_thread_allocations()
      for _ in 0..<5 { _ = network.step(examples, rows: rows[...], rule: rule, learningRate: 0.01) }
      _ = network.evaluate(examples)
      let count = ca_thread_allocations() - before
      if ca_is_counting() == 1 { #expect(count == 0, "\(rule)") }
    }
    let session = try InferenceSession(
      InferenceModel(architecture.parameters(seed: 1), of: architecture), batchCapacity: 12)
    var predictions = [Float](repeating: 0, count: 12 * session.outputCount)
    let before = ca_thread_allocations()
    examples.features.withUnsafeBufferPointer { features in
      predictions.withUnsafeMutableBufferPointer { predictions in session.predict(features, into: predictions) }
    }
    let count = ca_thread_allocations() - before
    if ca_is_counting() == 1 { #expect(count == 0) }
  }

  @Test("A step is its gradient times the learning rate, and a proximal pull vanishes at the anchor")
  func step() throws {
    let architecture = try ModelArchitecture(parsing: "mlp 3-4-2")
    let network = try Network(architecture, batchCapacity: 2, pool: ThreadPool(threads: 1), kernelClass: .base)
    let start = try architecture.parameters(seed: 8)
    let examples = Examples(features: [1, 2, 3, -1, 0, 1], labels: [0, 1])
    try network.load(start)
    network.gradient(examples, rows: [0, 1])
    let gradient = network.gradientValues
    _ = network.step(examples, rows: [0, 1], rule: OptimizerRule(proximal: 3), learningRate: 0.5)
    let expected = zip(start.values, gradient).map { $0 - 0.5 * $1 }
    #expect(distance(network.parameterValues, expected) < 1e-6)
  }

  @Test("A fused step is the separate one, but for rounding", arguments: TestModels.all)
  func fusedStep(_ model: TestModels) throws {
    let architecture = try model.architecture()
    let examples = architecture.examples(9, seed: 3)
    let results = try [nil, Float.greatestFiniteMagnitude].map { clip in
      let network = try Network(architecture, batchCapacity: 9, pool: ThreadPool(threads: 1))
      try network.load(architecture.parameters(seed: 1, scale: 0.3), dropoutSeed: 2)
      let rule = OptimizerRule(weightDecay: 0.1, proximal: 0.3, clipNorm: clip)
      for _ in 0..<3 {
        _ = network.step(examples, rows: Array(0..<9)[...], rule: rule, learningRate: 0.05)
      }
      return network.parameterValues
    }
    #expect(results[0] != results[1] || architecture.layout.count == 0)
    #expect(distance(results[0], results[1]) < 2e-5)
  }

  @Test("Clipped examples add up to the sum of their clipped gradients", arguments: TestModels.all)
  func exampleClipping(_ model: TestModels) throws {
    let architecture = try model.architecture()
    guard !architecture.layers.contains(where: { if case .dropout = $0 { true } else { false } }) else {
      return  // The mask of an example depends on its place in the batch.
    }
    let examples = architecture.examples(8, seed: 3)
    let start = try architecture.parameters(seed: 1, scale: 0.3)
    let single = try Network(architecture, batchCapacity: 8, pool: ThreadPool(threads: 1))
    try single.load(start)
    let gradients = (0..<8).map { example in
      single.gradient(examples, rows: [Int32(example)])
      return single.gradientValues
    }
    let norms = gradients.map { $0.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot() }
    let most = norms.sorted()[4] * 0.999
    var expected = [Double](repeating: 0, count: start.values.count)
    for (gradient, norm) in zip(gradients, norms) {
      let factor = min(1, most / norm) / 8
      for i in expected.indices { expected[i] += factor * Double(gradient[i]) }
    }
    for method in [OptimizerRule.Method.sgd(momentum: 0, nesterov: false), .sgd(momentum: 0.5, nesterov: false)] {
      for threads in [1, 2] {
        let network = try Network(architecture, batchCapacity: 8, pool: ThreadPool(threads: threads))
        network.workMin = 0
        try network.load(start)
        _ = network.step(
          examples, rows: Array(0..<8)[...], rule: OptimizerRule(method, exampleClipNorm: Float(most)), learningRate: 1)
        let moved = zip(start.values, network.parameterValues).map { $0 - $1 }
        #expect(distance(moved, expected.map { Float($0) }) < 1e-5)
      }
    }
  }

  @Test("Dropout drops only in training, and the same in every run of a seed")
  func dropout() throws {
    let architecture = try ModelArchitecture(
      input: .features(6), layers: [.dropout(rate: 0.5), .dense(outputs: 3, initialiser: .he)],
      loss: .softmaxCrossEntropy(smoothing: 0))
    let examples = architecture.examples(8, seed: 1)
    let network = try Network(architecture, batchCapacity: 8, pool: ThreadPool(threads: 1))
    let rows = (0..<8).map { Int32($0) }
    func losses(seed: UInt64) throws -> [Double] {
      try network.load(architecture.parameters(seed: 4), dropoutSeed: seed)
      return (0..<3).map { _ in
        network.step(examples, rows: rows[...], rule: OptimizerRule(), learningRate: 0.001).lossSum
      }
    }
    #expect(try losses(seed: 1) == losses(seed: 1))
    #expect(try losses(seed: 1) != losses(seed: 2))
    let first = network.evaluate(examples).lossSum
    #expect(network.evaluate(examples).lossSum == first)
  }

  @Test("A batch that needs too much memory is refused before any is taken, and evaluations take what is little")
  func memory() throws {
    let wide = try ModelArchitecture(parsing: "features 100 > dense 60000 > tanh > dense 2")
    #expect(throws: KernelError.self) {
      try Network(wide, batchCapacity: 65_536, pool: ThreadPool(threads: 1))
    }
    let small = try ModelArchitecture(parsing: "mlp 64-10")
    #expect(Network.batchCapacity(for: small, atMost: 64) == 64)
    let long = try ModelArchitecture(parsing: "tokens 4096 of 3 > embedding 2 > lstm 300 > dense 3")
    #expect(Network.batchCapacity(for: long, atMost: 64) < 4)
  }

  @Test("A step whose decay and pull leave nothing of the weights goes to the anchor's side of the gradient")
  func wholePull() throws {
    let architecture = try ModelArchitecture(parsing: "mlp 3-2")
    let start = try architecture.parameters(seed: 4)
    let examples = architecture.examples(2, seed: 5)
    let results = try [nil, Float.greatestFiniteMagnitude].map { clip in
      let network = try Network(architecture, batchCapacity: 2, pool: ThreadPool(threads: 1))
      try network.load(start)
      // 1 − η(λ + μ) is exactly zero.
      let rule = OptimizerRule(weightDecay: 1, proximal: 1, clipNorm: clip)
      _ = network.step(examples, rows: [0, 1], rule: rule, learningRate: 0.5)
      return network.parameterValues
    }
    #expect(distance(results[0], results[1]) < 1e-6)
  }

  @Test("Parameters of another model are refused")
  func wrongLayout() throws {
    let network = try Network(ModelArchitecture(parsing: "mlp 3-2"), batchCapacity: 1, pool: ThreadPool(threads: 1))
    #expect(throws: KernelError.wrongLayout(expected: "layer0.bias[2] layer0.weight[2,3]", found: "w[8]")) {
      try network.load(ParameterSet(zeros: ParameterLayout([("w", [8])])))
    }
  }

  @Test("Parameters come back as they were loaded", arguments: TestModels.all)
  func roundTrip(_ model: TestModels) throws {
    let architecture = try model.architecture()
    let network = try Network(architecture, batchCapacity: 1, pool: ThreadPool(threads: 1))
    let parameters = try architecture.parameters(seed: 4)
    try network.load(parameters)
    #expect(network.parameterValues == parameters.values)
  }
}
