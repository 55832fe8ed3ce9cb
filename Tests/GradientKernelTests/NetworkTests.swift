import GradientKernel
import Synchronization
import Tensors
import Testing

@Suite("Networks")
struct NetworkTests {
  private static func parameters(_ architecture: ModelArchitecture, seed: UInt32) throws -> ParameterSet {
    var numbers = TestNumbers(seed: seed)
    return try ParameterSet(layout: architecture.layout, values: numbers.array(architecture.layout.count))
  }

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

  @Test("Every gradient is the finite difference of the loss", arguments: KernelClass.allCases.filter(\.isAvailable))
  func finiteDifferences(_ kernelClass: KernelClass) throws {
    let architecture = try ModelArchitecture(parsing: "mlp 5-7-6-3")
    let pool = ThreadPool(threads: 1)
    let network = try Network(architecture, batchCapacity: 6, pool: pool, kernelClass: kernelClass)
    var parameters = try Self.parameters(architecture, seed: 3)
    var numbers = TestNumbers(seed: 4)
    let features = numbers.array(8 * 5)
    let labels: [Int32] = [0, 1, 2, 0, 1, 2, 1, 0]
    let rows: [Int32] = [7, 0, 3, 3, 5]
    try network.load(parameters)
    network.gradient(features: features, labels: labels, rows: rows[...])
    let gradient = network.gradientValues
    let width: Float = 1e-3
    for i in 0..<architecture.layout.count {
      let value = parameters.values[i]
      func meanLoss(_ moved: Float) throws -> Double {
        parameters.values[i] = moved
        try network.load(parameters)
        return network.gradient(features: features, labels: labels, rows: rows[...]).lossSum / 5
      }
      let slope = (try meanLoss(value + width) - meanLoss(value - width)) / Double(2 * width)
      parameters.values[i] = value
      #expect(abs(slope - Double(gradient[i])) < 2e-3, "parameter \(i)")
    }
  }

  @Test("Training gives the same bits on 1, 2 and 3 threads", arguments: KernelClass.allCases.filter(\.isAvailable))
  func threadCounts(_ kernelClass: KernelClass) throws {
    let architecture = try ModelArchitecture(parsing: "mlp 37-65-19-10")
    var numbers = TestNumbers(seed: 11)
    let features = numbers.array(100 * 37)
    let labels = (0..<100).map { Int32($0 * 7 % 10) }
    let rule = UpdateRule(learningRate: 0.05, momentum: 0.5, weightDecay: 0.001, proximal: 0.1)
    let results = try [1, 2, 3].map { threads in
      let network = try Network(
        architecture, batchCapacity: 33, pool: ThreadPool(threads: threads), kernelClass: kernelClass)
      try network.load(Self.parameters(architecture, seed: 5))
      var losses: [Double] = []
      for start in [0, 33, 66, 99, 10] {
        let rows = (start..<min(100, start + 33)).map { Int32($0) }
        losses.append(network.step(features: features, labels: labels, rows: rows[...], rule: rule).lossSum)
      }
      let evaluation = network.evaluate(features: features, labels: labels)
      return (losses, network.parameterValues, evaluation, network.predict(features: features))
    }
    for result in results.dropFirst() {
      #expect(result.0 == results[0].0)
      #expect(result.1 == results[0].1)
      #expect(result.2 == results[0].2)
      #expect(result.3 == results[0].3)
    }
    #expect(results[0].2.count == 100)
  }

  @Test("The base class gives these bits on every machine; the fused classes agree with each other")
  func bitsAreFixed() throws {
    let architecture = try ModelArchitecture(parsing: "mlp 13-21-4")
    var numbers = TestNumbers(seed: 21)
    let features = numbers.array(40 * 13)
    let labels = (0..<40).map { Int32($0 * 3 % 4) }
    let rule = UpdateRule(learningRate: 0.1, momentum: 0.9, weightDecay: 0.01, proximal: 0.05)
    var digests: [KernelClass: UInt64] = [:]
    for kernelClass in KernelClass.allCases where kernelClass.isAvailable {
      let network = try Network(
        architecture, batchCapacity: 11, pool: ThreadPool(threads: 1), kernelClass: kernelClass)
      try network.load(Self.parameters(architecture, seed: 6))
      for step in 0..<20 {
        let rows = (0..<11).map { Int32(($0 * 7 + step) % 40) }
        _ = network.step(features: features, labels: labels, rows: rows[...], rule: rule)
      }
      // FNV-1a over the bit patterns.
      digests[kernelClass] = network.parameterValues.reduce(0xCBF2_9CE4_8422_2325) {
        ($0 ^ UInt64($1.bitPattern)) &* 0x100_0000_01B3
      }
    }
    #expect(digests[.base] == 1_185_483_510_024_670_499)
    if let avx512 = digests[.avx512] { #expect(digests[.avx2] == avx512) }
  }

  @Test("Predictions are probabilities, and do not depend on the batch capacity")
  func predictions() throws {
    let architecture = try ModelArchitecture(parsing: "mlp 9-4")
    var numbers = TestNumbers(seed: 2)
    let features = numbers.array(7 * 9)
    let all = try [1, 3, 7, 50].map { capacity in
      let network = try Network(architecture, batchCapacity: capacity, pool: ThreadPool(threads: 1))
      try network.load(Self.parameters(architecture, seed: 1))
      return network.predict(features: features)
    }
    #expect(all.allSatisfy { $0 == all[0] })
    for row in 0..<7 { #expect(abs(all[0][4 * row..<4 * row + 4].reduce(0, +) - 1) < 1e-6) }
  }

  @Test("A step is its gradient times the learning rate, and a proximal pull vanishes at the anchor")
  func step() throws {
    let architecture = try ModelArchitecture(parsing: "mlp 3-4-2")
    let network = try Network(architecture, batchCapacity: 2, pool: ThreadPool(threads: 1), kernelClass: .base)
    let start = try Self.parameters(architecture, seed: 8)
    let features: [Float] = [1, 2, 3, -1, 0, 1]
    try network.load(start)
    let rule = UpdateRule(learningRate: 0.5, proximal: 3)
    _ = network.step(features: features, labels: [0, 1], rows: [0, 1], rule: rule)
    let gradient = network.gradientValues
    #expect(network.parameterValues == zip(start.values, gradient).map { $0 - 0.5 * $1 })
  }

  @Test("Parameters of another model are refused")
  func wrongLayout() throws {
    let network = try Network(ModelArchitecture(parsing: "mlp 3-2"), batchCapacity: 1, pool: ThreadPool(threads: 1))
    #expect(throws: KernelError.wrongLayout(expected: "layer0.bias[2] layer0.weight[2,3]", found: "w[8]")) {
      try network.load(ParameterSet(zeros: ParameterLayout([("w", [8])])))
    }
  }
}

@Suite("Thread pools")
struct ThreadPoolTests {
  private final class Tally: ParallelWork {
    let calls: UnsafeMutableBufferPointer<Int>
    init(threads: Int) {
      calls = .allocate(capacity: threads)
      calls.initialize(repeating: 0)
    }
    deinit { calls.deallocate() }
    func perform(thread: Int, of count: Int) { calls[thread] += count }
  }

  @Test("Every thread does its part of every run once, also when threads outnumber cores", arguments: [1, 2, 3, 9])
  func everyPart(threads: Int) {
    let tally = Tally(threads: threads)
    let pool = ThreadPool(threads: threads)
    for _ in 0..<2_000 { pool.run(tally) }
    #expect(Array(tally.calls) == Array(repeating: 2_000 * threads, count: threads))
  }

  @Test("Every part runs once, however many there are", arguments: [1, 2, 3], [0, 1, 2, 100])
  func parts(threads: Int, parts: Int) {
    let pool = ThreadPool(threads: threads)
    let calls = Mutex([Int](repeating: 0, count: parts))
    for _ in 0..<50 {
      pool.run(parts: parts) { part in calls.withLock { $0[part] += 1 } }
    }
    #expect(calls.withLock { $0 } == Array(repeating: 50, count: parts))
  }
}
