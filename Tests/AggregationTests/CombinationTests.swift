import Aggregation
import Federation
import Testing

/// Strategies that need more of their workers than the mean difference.
@Suite("Combinations")
struct CombinationTests {
  private struct Worker {
    let difference: [Double]
    let weight: Double
    /// τ_k under FedNova, F_k under q-FedAvg.
    let number: Double
  }

  private static func workers() -> [Worker] {
    var random = SeededGenerator(seed: 11)
    return (0..<7).map { _ in
      Worker(
        difference: (0..<9).map { _ in Double.random(in: -1...1, using: &random) },
        weight: Double(Int.random(in: 1...90, using: &random)),
        number: Double(Int.random(in: 1...40, using: &random)))
    }
  }

  private static func average(_ rows: [[Double]], _ weights: [Double]) -> [Float] {
    rows[0].indices.map { e in
      Float(zip(rows, weights).reduce(0.0) { $0 + $1.0[e] * $1.1 } / weights.reduce(0, +))
    }
  }

  @Test("FedNova moves by τ_eff times the mean normalised difference; with equal steps that is the mean difference")
  func fedNova() throws {
    let workers = Self.workers(), strategy = try #require(Strategy(.fedNova))
    let total = workers.reduce(0) { $0 + $1.weight }
    let steps = workers.reduce(0) { $0 + $1.weight * $1.number }
    let found = try strategy.difference(
      from: Self.average(workers.map { w in w.difference.map { $0 / w.number } }, workers.map(\.weight)),
      totals: SumTotals(weight: UInt64(total), weightedSteps: steps))
    for e in found.indices {
      // Equation 7: (Σ p_k τ_k) · Σ p_k d_k.
      let direction = workers.reduce(0) { $0 + $1.weight / total * $1.difference[e] / $1.number }
      #expect(abs(Double(found[e]) - steps / total * direction) < 1e-5)
    }
    let mean = Self.average(workers.map(\.difference), workers.map(\.weight))
    let equal = try strategy.difference(
      from: mean.map { $0 / 8 }, totals: SumTotals(weight: UInt64(total), weightedSteps: 8 * total))
    #expect(zip(equal, mean).allSatisfy { abs($0 - $1) < 1e-6 })
  }

  @Test("q-FedAvg moves as its Algorithm 2 says, for any L; with q = 0 it is the uniform mean", arguments: [0, 0.5, 2])
  func qFedAvg(q: Double) throws {
    let workers = Self.workers(), strategy = try #require(Strategy(.qFedAvg, [.q: q])), lipschitz = 20.0
    func power(_ x: Double, _ halves: Int) -> Double { (0..<halves).reduce(1) { y, _ in y * x.squareRoot() } }
    let factors = workers.map { power($0.number, Int(2 * q)) }  // F^q for multiples of a half.
    let h = zip(workers, factors).map { worker, factor in
      let square = worker.difference.reduce(0) { $0 + $1 * $1 }
      return q * factor / worker.number * lipschitz * lipschitz * square + lipschitz * factor
    }
    let found = try strategy.difference(
      from: Self.average(
        zip(workers, factors).map { w, factor in w.difference.map { $0 * factor } }, workers.map { _ in 1 }),
      totals: SumTotals(weight: UInt64(workers.count), fairness: h.reduce(0, +) / lipschitz))
    for e in found.indices {
      let expected =
        zip(workers, factors).reduce(0) { $0 + $1.1 * lipschitz * $1.0.difference[e] } / h.reduce(0, +)
      #expect(abs(Double(found[e]) - expected) < 1e-6)
    }
    guard q == 0 else { return }
    let uniform = Self.average(workers.map(\.difference), workers.map { _ in 1 })
    #expect(zip(found, uniform).allSatisfy { abs($0 - $1) < 1e-6 })
  }

  @Test("Terms that come to nothing are refused by name")
  func refusals() throws {
    let nova = try #require(Strategy(.fedNova)), fair = try #require(Strategy(.qFedAvg, [.q: 1]))
    #expect(throws: AggregationError.badNormaliser(0, strategy: "fednova")) {
      try nova.difference(from: [1], totals: SumTotals(weight: 5))
    }
    #expect(throws: AggregationError.badNormaliser(.infinity, strategy: "q-fedavg")) {
      try fair.difference(from: [1], totals: SumTotals(weight: 5))
    }
  }

  @Test("A strategy that is a mean takes the average as it is")
  func means() throws {
    #expect(try Strategy.published.difference(from: [1, 2], totals: SumTotals(weight: 0)) == [1, 2])
  }
}
