import Aggregation
import Federation
import Testing

@Suite("SCAFFOLD at the server")
struct ScaffoldTests {
  private let strategy = Strategy(.scaffold, [.serverLearningRate: 0.5, .population: 5])!
  private let optimizer = LocalOptimizer(steps: 4, schedule: .exponential(factor: 0.5))

  /// K·η_l in a round, with a learning rate of 0.2.
  private func scale(round: UInt64, updates: UInt64) throws -> ControlScale {
    try #require(try strategy.controlScale(optimizer, learningRate: 0.2, round: round, updates: updates))
  }

  @Test("The control variate follows from the mean difference as from every worker's own, as in the paper")
  func derivation() throws {
    var choices = SeededGenerator(seed: 3, stream: "scaffold")
    func draw() -> Double { Double(choices.next() % 2001) / 1000 - 1 }
    let d = 6
    var own = [[Double]](repeating: [Double](repeating: 0, count: d), count: 5)
    var c = [Double](repeating: 0, count: d), model = [Float](repeating: 0, count: d)
    var state = strategy.initialState(count: d)
    for (round, drawn) in [[0, 1, 2, 3, 4], [1, 3], [0, 2, 3], [4], [1, 2]].enumerated() {
      let reach = 4 * 0.2 / Double(1 << round)
      let differences = drawn.map { _ in (0..<d).map { _ in draw() } }
      // Karimireddy et al. 2020, Algorithm 1, lines 12 to 17.
      var sum = [Double](repeating: 0, count: d)
      for (worker, difference) in zip(drawn, differences) {
        let next = (0..<d).map { own[worker][$0] - c[$0] - difference[$0] / reach }
        for e in 0..<d { sum[e] += next[e] - own[worker][e] }
        own[worker] = next
      }
      for e in 0..<d { c[e] += sum[e] / 5 }
      let mean = (0..<d).map { e in Float(differences.reduce(0.0) { $0 + $1[e] } / Double(drawn.count)) }
      let before = model
      model = try strategy.nextModel(
        from: model, difference: mean, control: scale(round: UInt64(round + 1), updates: UInt64(drawn.count)),
        state: &state)
      let kept = try #require(state.control)
      for e in 0..<d {
        #expect(abs(Double(kept[e]) - c[e]) < 1e-5)
        #expect(abs(Double(kept[e]) - own.reduce(0.0) { $0 + $1[e] } / 5) < 1e-5)
        #expect(abs(model[e] - before[e] - 0.5 * mean[e]) < 1e-6)
      }
    }
    #expect(state.steps == 5)
  }

  @Test("Before the first round there is no control variate to send")
  func begins() {
    let state = strategy.initialState(count: 3)
    #expect(state.control == nil)
    #expect(state.vectors == ["control-variate": [0, 0, 0]])
  }

  @Test("More updates than workers, and steps that come to nothing, are refused")
  func refusals() {
    #expect(throws: AggregationError.populationExceeded(updates: 6, population: 5)) { try scale(round: 1, updates: 6) }
    #expect(throws: AggregationError.badNormaliser(0, strategy: "scaffold")) {
      try strategy.controlScale(
        LocalOptimizer(steps: 2, schedule: .linear(rounds: 3, final: 0)), learningRate: 0.2, round: 4, updates: 2)
    }
    #expect(throws: AggregationError.badNormaliser(0, strategy: "scaffold")) {
      try strategy.controlScale(LocalOptimizer(), learningRate: 0.2, round: 1, updates: 2)
    }
  }

  @Test("The text in the rules names the population, which the federation's is unless the run has its own")
  func text() throws {
    let open = try #require(Strategy(.scaffold))
    #expect(open.description == "scaffold")
    #expect(open.inFederation(ofWorkers: 8).description == "scaffold, population 8")
    #expect(strategy.inFederation(ofWorkers: 8) == strategy)
    #expect(Strategy(parsing: "scaffold, population 8") == open.inFederation(ofWorkers: 8))
    #expect(Strategy.published.inFederation(ofWorkers: 8) == .published)
    for bad in [
      "scaffold, population 0", "scaffold, population 1.5", "scaffold, population 08", "fedavg, population 8",
    ] {
      #expect(Strategy(parsing: bad) == nil)
    }
  }
}
