import Aggregation
import Federation
import Testing

@Suite("Server optimizers")
struct ServerOptimizerTests {
  @Test("With a learning rate of 1 the new model is the weighted mean of the workers' models")
  func published() throws {
    let model: [Float] = [1, -2]
    let workers: [(WorkerID, [Float], UInt64)] = [("a", [1.5, -2.5], 1), ("b", [0.5, -1.5], 3)]
    var sum = try PlainAccumulator(elementCount: 2, auxiliaryCount: 0, clip: 1, maximumWeight: 3)
    for (worker, local, examples) in workers {
      try sum.add(zip(local, model).map { $0 - $1 }, weight: examples, auxiliary: [], from: worker)
    }
    var state = Strategy.published.initialState(count: 2)
    #expect(try Strategy.published.nextModel(from: model, difference: sum.mean(), state: &state) == [0.75, -1.75])
  }

  @Test("The model moves by the learning rate times the difference")
  func learningRate() throws {
    let strategy = try #require(Strategy(.fedAvg, [.serverLearningRate: 0.5]))
    var state = strategy.initialState(count: 2)
    #expect(try strategy.nextModel(from: [1, 2], difference: [2, -4], state: &state) == [2, 0])
  }

  /// The papers' recursions for one coordinate, written out in Double.
  private struct Reference {
    var x: Double
    var m = 0.0
    var v: Double

    mutating func take(_ delta: Double, _ strategy: Strategy) {
      let eta = strategy.serverLearningRate
      switch strategy.method {
      case .fedAvgM:
        m = strategy[.momentum]! * m + delta
        x += eta * m
        return
      case .fedAdagrad: v += delta * delta
      case .fedAdam: v = strategy[.beta2]! * v + (1 - strategy[.beta2]!) * delta * delta
      case .fedYogi:
        let sign: Double = v > delta * delta ? 1 : v < delta * delta ? -1 : 0
        v -= (1 - strategy[.beta2]!) * delta * delta * sign
      default: return
      }
      m = strategy[.beta1]! * m + (1 - strategy[.beta1]!) * delta
      x += eta * m / (v.squareRoot() + strategy[.tau]!)
    }
  }

  static let remembering: [Strategy] = [
    Strategy(.fedAvgM, [.serverLearningRate: 0.7, .momentum: 0.8]),
    Strategy(.fedAdagrad, [.serverLearningRate: 0.1, .beta1: 0.3]),
    Strategy(.fedAdam, [.serverLearningRate: 0.02, .beta1: 0.9, .beta2: 0.95, .tau: 1e-2]),
    Strategy(.fedYogi, [.serverLearningRate: 0.02, .beta1: 0.5, .beta2: 0.9, .tau: 1e-1]),
  ].compactMap(\.self)

  @Test("Over many rounds every optimizer follows its paper's recursion", arguments: remembering)
  func recursions(strategy: Strategy) throws {
    var random = SeededGenerator(seed: 3)
    var model = (0..<40).map { _ in Float.random(in: -1...1, using: &random) }
    let tau = strategy[.tau] ?? 0
    var references = model.map { Reference(x: Double($0), v: tau * tau) }
    var state = strategy.initialState(count: model.count)
    for _ in 0..<60 {
      let difference = model.indices.map { _ in
        Float.random(in: -1...1, using: &random) * Float.random(in: 0...0.3, using: &random)
      }
      model = try strategy.nextModel(from: model, difference: difference, state: &state)
      for i in model.indices { references[i].take(Double(difference[i]), strategy) }
    }
    #expect(state.steps == 60)
    for (found, expected) in zip(model, references) { #expect(abs(Double(found) - expected.x) < 2e-5) }
  }

  @Test("A restart from the kept state gives the same bits as no restart", arguments: remembering)
  func restarts(strategy: Strategy) throws {
    let differences: [[Float]] = [[0.1, -0.2], [0.3, 0.05], [-0.01, 0.4]]
    var whole: [Float] = [1, 2]
    var state = strategy.initialState(count: 2)
    var copies: [(model: [Float], state: ServerState)] = []
    for difference in differences {
      copies.append((whole, state))
      whole = try strategy.nextModel(from: whole, difference: difference, state: &state)
    }
    var (again, kept) = copies[1]
    for difference in differences.dropFirst() {
      again = try strategy.nextModel(from: again, difference: difference, state: &kept)
    }
    #expect(again.map(\.bitPattern) == whole.map(\.bitPattern))
    #expect(kept == state)
    var forgotten = strategy.initialState(count: 2)
    let other = try strategy.nextModel(from: copies[2].model, difference: differences[2], state: &forgotten)
    #expect(other != whole)
  }

  @Test("A model of another length, or a model or a state that would leave the numbers, is refused and nothing changes")
  func refusals() throws {
    var state = Strategy.published.initialState(count: 2)
    #expect(throws: AggregationError.modelLength(expected: 2, found: 1)) {
      try Strategy.published.nextModel(from: [1, 2], difference: [1], state: &state)
    }
    let largest = Float.greatestFiniteMagnitude
    #expect(throws: AggregationError.nonFiniteModel(coordinate: 1)) {
      try Strategy.published.nextModel(from: [0, largest], difference: [0, largest], state: &state)
    }
    #expect(state == ServerState())
    let adam = try #require(Strategy(.fedAdam))
    #expect(throws: AggregationError.stateMismatch(optimizer: "adam")) {
      try adam.nextModel(from: [1, 2], difference: [1, 1], state: &state)
    }
    var second = adam.initialState(count: 2)
    #expect(throws: AggregationError.nonFiniteState(optimizer: "adam")) {
      try adam.nextModel(from: [0, 0], difference: [1, largest], state: &second)
    }
    #expect(second == adam.initialState(count: 2))
  }
}

@Suite("Strategies as text")
struct StrategyTextTests {
  @Test("Every method's text reads back as the same strategy", arguments: Strategy.Method.allCases)
  func readsBack(method: Strategy.Method) throws {
    let required = Dictionary(
      uniqueKeysWithValues: method.settings.filter { $0.standard == nil }.map {
        ($0.setting, $0.setting == .trim ? 0.25 : $0.setting == .groups ? 3 : 1)
      })
    let strategy = try #require(Strategy(method, required))
    #expect(Strategy(parsing: strategy.description) == strategy)
    let other = try #require(Strategy(method, required.merging([.serverLearningRate: 0.25]) { $1 }))
    #expect(Strategy(parsing: other.description) == other)
    #expect(other.description != strategy.description)
  }

  @Test("The texts of the rules are these")
  func texts() throws {
    #expect(Strategy.published.description == "fedavg")
    #expect(
      try #require(Strategy(.fedAdam)).description
        == "fedadam, server-learning-rate 0.01, beta1 0.9, beta2 0.99, tau 0.001")
  }

  @Test(
    "No other text is a strategy",
    arguments: [
      "", "FedAvg", "fedavg,", "fedavg, server-learning-rate 1", "fedavg, server-learning-rate 0", "fedavg, tau 1",
      "fedadam, beta1 0.9", "fedavgm, momentum 1", "fedavgm, momentum nan", "fedavgm, momentum 0.90",
      "fedavg, server-learning-rate 0.5, server-learning-rate 0.5", "fedavg " + String(repeating: "x", count: 300),
    ])
  func refuses(text: String) { #expect(Strategy(parsing: text) == nil) }
}
