import Federation
import Testing

@testable import Rounds

/// How cohorts are drawn.
struct CohortSamplingTests {
  private let workers = (0..<10).map { WorkerID(unchecked: "w\($0)") }

  /// How often each worker is among the first `count` of `draws` draws.
  private func shares(
    _ history: SamplingHistory, _ sampling: CohortSampling, first count: Int, draws: Int
  ) -> [WorkerID: Double] {
    var hits: [WorkerID: Double] = [:]
    for draw in 0..<draws {
      var generator = SeededGenerator(seed: UInt64(draw), stream: "test")
      for worker in history.ordered(workers, by: sampling, using: &generator).prefix(count) {
        hits[worker, default: 0] += 1 / Double(draws)
      }
    }
    return hits
  }

  @Test("Every order is a permutation, the same for the same seed", arguments: CohortSampling.allCases)
  func permutes(_ sampling: CohortSampling) {
    var history = SamplingHistory()
    history.drawn(from: Array(workers.prefix(4)))
    history.reported(2, by: workers[3])
    var one = SeededGenerator(seed: 1), same = one
    let order = history.ordered(workers, by: sampling, using: &one)
    #expect(order.sorted() == workers)
    #expect(history.ordered(workers, by: sampling, using: &same) == order)
  }

  @Test("Uniform sampling gives everyone the same chance")
  func uniform() {
    let shares = shares(SamplingHistory(), .uniform, first: 3, draws: 4_000)
    // Four standard deviations of a share of 0.3 in 4,000 draws.
    for worker in workers { #expect(abs((shares[worker] ?? 0) - 0.3) < 0.03) }
  }

  @Test("Who was here at one draw in four is drawn first about four times as often as who always is")
  func availability() {
    var history = SamplingHistory()
    for draw in 0..<400 { history.drawn(from: draw % 4 == 0 ? workers : Array(workers.dropFirst())) }
    let shares = shares(history, .availability, first: 1, draws: 4_000)
    // Weights 4 and nine times 1.
    #expect(abs((shares[workers[0]] ?? 0) - 4.0 / 13) < 0.03)
    #expect(abs((shares[workers[1]] ?? 0) - 1.0 / 13) < 0.02)
  }

  @Test("By loss, chances are in proportion to the last reported loss, and nobody is left out for having none")
  func loss() {
    var history = SamplingHistory()
    for worker in workers.dropFirst(2) { history.reported(1, by: worker) }
    history.reported(7, by: workers[0])
    history.reported(3, by: workers[0])
    history.reported(0, by: workers[9])
    let shares = shares(history, .loss, first: 1, draws: 4_000)
    // 3 for the first, 3 for the one that never reported, seven times 1, and nothing for the last.
    #expect(abs((shares[workers[0]] ?? 0) - 3.0 / 13) < 0.03)
    #expect(abs((shares[workers[1]] ?? 0) - 3.0 / 13) < 0.03)
    #expect(shares[workers[9]] == nil)
  }

  @Test("An urn gives every index once, whatever the weights are")
  func empties() {
    for seed in 0..<50 as Range<UInt64> {
      var generator = SeededGenerator(seed: seed)
      let weights = (0..<Int.random(in: 1...40, using: &generator)).map { _ in
        Double.random(in: 1e-9...1, using: &generator) * (Bool.random(using: &generator) ? 1e9 : 1)
      }
      var urn = WeightedUrn(weights: weights)
      let drawn = weights.indices.map { _ in urn.draw(using: &generator) }
      #expect(drawn.sorted() == Array(weights.indices))
    }
  }
}
