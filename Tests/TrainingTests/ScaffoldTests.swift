import Federation
import GradientKernel
import Tensors
import Testing
import Training

/// SCAFFOLD as Karimireddy et al. 2020, Algorithm 1 has it, in plain loops: softmax regression on whole data sets.
private struct NaiveScaffold {
  static let classes = 3, features = 2, d = 9

  var x: [Double]
  var c = [Double](repeating: 0, count: d)
  var own: [[Double]]
  let data: [(features: [Float], labels: [Int32])]

  /// Of the mean cross-entropy, in the order of the layout: bias, then weights by class.
  func gradient(_ y: [Double], of worker: Int) -> [Double] {
    var g = [Double](repeating: 0, count: Self.d)
    let (features, labels) = data[worker]
    for (row, label) in labels.enumerated() {
      let a = (0..<Self.features).map { Double(features[row * Self.features + $0]) }
      let logits = (0..<Self.classes).map { k in
        y[k] + (0..<Self.features).reduce(0.0) { $0 + y[weight(k, $1)] * a[$1] }
      }
      let total = logits.reduce(0.0) { $0 + PortableMath.exp($1) }
      for k in 0..<Self.classes {
        let delta = (PortableMath.exp(logits[k]) / total - (Int(label) == k ? 1 : 0)) / Double(labels.count)
        g[k] += delta
        for j in 0..<Self.features { g[weight(k, j)] += delta * a[j] }
      }
    }
    return g
  }

  private func weight(_ k: Int, _ j: Int) -> Int { Self.classes + k * Self.features + j }

  /// - Returns: `y − x` of each worker, before the clip.
  mutating func round(_ drawn: [Int], steps: Int, rate: Double, clip: Double) -> [[Double]] {
    var differences: [[Double]] = [], change = [Double](repeating: 0, count: Self.d), mean = change
    for i in drawn {
      var y = x
      for _ in 0..<steps {
        let g = gradient(y, of: i)
        for e in 0..<Self.d { y[e] -= rate * (g[e] - own[i][e] + c[e]) }
      }
      differences.append(zip(y, x).map { $0 - $1 })
      let norm = differences.last!.reduce(0.0) { $0 + $1 * $1 }.squareRoot()
      let clipped = differences.last!.map { $0 * min(1, clip / norm) }
      for e in 0..<Self.d {
        let next = own[i][e] - c[e] - clipped[e] / (Double(steps) * rate)
        change[e] += next - own[i][e]
        mean[e] += clipped[e] / Double(drawn.count)
        own[i][e] = next
      }
    }
    for e in 0..<Self.d {
      x[e] += mean[e]
      c[e] += change[e] / Double(data.count)
    }
    return differences
  }
}

@Suite("SCAFFOLD at a worker")
struct ScaffoldTests {
  private static let architecture = try! ModelArchitecture(parsing: "mlp 2-3")

  /// Of four workers, each with classes of its own.
  private static let data: [(features: [Float], labels: [Int32])] = (0..<4).map { worker in
    var choices = SeededGenerator(seed: UInt64(worker + 1))
    let labels = (0..<20).map { Int32(worker + $0 % 2) % 3 }
    return (labels.flatMap { [Float($0) - 1 + Float(choices.normal()) * 0.3, Float(choices.normal())] }, labels)
  }

  private static func work(
    _ worker: Int, on x: [Float], _ controls: ControlVariates, round: RoundNumber = 1, clip: Double = 100,
    optimizer: LocalOptimizer = LocalOptimizer(steps: 5), strategy: String = "scaffold, population 4",
    _ change: (inout RoundConfiguration) -> Void = { _ in }
  ) throws -> LocalResult {
    let (features, labels) = data[worker]
    var rules = RoundConfiguration(
      vectorLength: 9, issuanceLog: Digest(unchecked: Array(repeating: 0, count: 32)),
      revocationList: Digest(unchecked: Array(repeating: 0, count: 32)))
    rules.strategy = strategy
    rules.clip = clip
    rules.learningRate = 0.25
    rules.batchSize = 20
    change(&rules)
    return try LocalWork(
      worker: "w", dataset: Dataset(features: features, labels: labels, featureCount: 2, classCount: 3), threads: 1
    ).perform(
      TrainingTask(
        kind: .train, aggregation: .secure, architecture: "mlp 2-3", dataScale: 1, holdOutFraction: 0, seed: 1,
        optimizer: optimizer), configuration: rules, attempt: AttemptID(run: "r", round: round, attempt: 0),
      parameters: ParameterSet(layout: architecture.layout, values: x).tensors, controls: controls)
  }

  @Test("Rounds with some of the workers are those of the paper, clipped or not", arguments: [100, 0.05])
  func rounds(clip: Double) throws {
    var x = Self.architecture.initialParameters(seed: 1).values
    var c: [Float]?, own = [[Float]?](repeating: nil, count: 4)
    var naive = NaiveScaffold(
      x: x.map(Double.init), own: Array(repeating: Array(repeating: 0, count: 9), count: 4), data: Self.data)
    var clippedRounds = 0
    for (number, drawn) in [[0, 1, 2, 3], [1, 3], [0], [0, 2, 3], [1, 2]].enumerated() {
      let expected = naive.round(drawn, steps: 5, rate: 0.25, clip: clip)
      var mean = [Double](repeating: 0, count: 9), change = mean
      for (place, i) in drawn.enumerated() {
        let result = try Self.work(
          i, on: x, ControlVariates(server: c, own: own[i]), round: RoundNumber(UInt64(number + 1)), clip: clip)
        let next = try #require(result.control)
        let norm = result.update.difference.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        if norm > clip { clippedRounds += 1 }
        for e in 0..<9 {
          #expect(abs(Double(result.update.difference[e]) - expected[place][e]) < 1e-5)
          #expect(abs(Double(next[e]) - naive.own[i][e]) < 1e-5)
          mean[e] += Double(result.update.difference[e]) * min(1, clip / norm) / Double(drawn.count)
          change[e] += Double(next[e] - (own[i]?[e] ?? 0)) / 4
        }
        own[i] = next
      }
      for e in 0..<9 { x[e] += Float(mean[e]) }
      c = (0..<9).map { (c?[$0] ?? 0) + Float(change[$0]) }
      #expect(zip(c!, naive.c).allSatisfy { abs(Double($0) - $1) < 1e-5 })
      #expect(zip(x, naive.x).allSatisfy { abs(Double($0) - $1) < 1e-5 })
    }
    #expect((clippedRounds > 0) == (clip < 1))
    #expect(c!.contains { abs($0) > 1e-3 })
  }

  @Test(
    "Local training whose mean difference says nothing of the control variates is declined, with the reason",
    arguments: [
      (LocalOptimizer(), nil, nil, "no number of local steps"),
      (LocalOptimizer(.adam(.init()), steps: 5), nil, nil, "the optimizer"),
      (LocalOptimizer(.nesterov, steps: 5), nil, nil, "the optimizer"),
      (LocalOptimizer(steps: 5), 0.9, nil, "momentum"), (LocalOptimizer(steps: 5), nil, 0.1, "a proximal term"),
      (LocalOptimizer(steps: 5, schedule: .cosine(rounds: 9, final: 0)), nil, nil, "a schedule that ends"),
      (LocalOptimizer(steps: 5, schedule: .exponential(factor: 1e-300)), nil, nil, "steps that come to"),
    ] as [(LocalOptimizer, Double?, Double?, String)])
  func refusals(_ optimizer: LocalOptimizer, momentum: Double?, proximal: Double?, says: String) throws {
    do {
      _ = try Self.work(
        0, on: Array(repeating: 0, count: 9), ControlVariates(), round: 9, optimizer: optimizer
      ) {
        $0.momentum = momentum
        $0.proximal = proximal
      }
      Issue.record("\(optimizer) was trained")
    } catch { #expect("\(error)".contains("scaffold: found \(says)"), "\(error)") }
  }

  @Test("Control variates of another length are refused")
  func lengths() {
    for controls in [ControlVariates(server: [1]), ControlVariates(own: [1, 2])] {
      #expect(throws: LocalWorkError.self) { try Self.work(0, on: Array(repeating: 0, count: 9), controls) }
    }
  }

  @Test("Other strategies keep nothing, and their steps are not corrected")
  func others() throws {
    let x = Self.architecture.initialParameters(seed: 1).values
    let plain = try Self.work(0, on: x, ControlVariates(), strategy: "fedavg")
    #expect(plain.control == nil)
    #expect(try Self.work(0, on: x, ControlVariates()).update.difference == plain.update.difference)
  }
}
