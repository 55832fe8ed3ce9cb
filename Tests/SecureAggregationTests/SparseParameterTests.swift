import Federation
import Foundation
import SecureAggregation
import Testing

@Suite("Parameters of the sparse graph")
struct SparseParameterTests {
  @Test(
    "The published finder's degree and threshold come out for its published cases",
    arguments: [
      (100, 0.45, 0.45, .honestButCurious, 92, 46), (10, 0.33, 0.33, .honestButCurious, 8, 4),
      (100, 0.33, 0.33, .honestButCurious, 68, 34), (1000, 0.33, 0.33, .honestButCurious, 286, 150),
      (10, 0.05, 0.33, .honestButCurious, 4, 2), (100, 0.05, 0.33, .honestButCurious, 28, 6),
      (1000, 0.05, 0.33, .honestButCurious, 72, 24), (10_000, 0.05, 0.33, .honestButCurious, 86, 29),
      (10, 0.33, 0.05, .honestButCurious, 4, 4), (100, 0.33, 0.05, .honestButCurious, 34, 29),
      (1000, 0.33, 0.05, .honestButCurious, 78, 60), (100, 0.3, 0.3, .semiMalicious, 92, 62),
      (10, 0.05, 0.33, .semiMalicious, 8, 5), (100, 0.05, 0.33, .semiMalicious, 72, 39),
      (1000, 0.05, 0.33, .semiMalicious, 398, 223), (10_000, 0.05, 0.33, .semiMalicious, 746, 420),
      (10, 0.33, 0.05, .semiMalicious, 4, 4), (100, 0.33, 0.05, .semiMalicious, 42, 37),
      (1000, 0.33, 0.05, .semiMalicious, 132, 109), (10_000, 0.33, 0.05, .semiMalicious, 178, 146),
      (1000, 0.05, 0.05, .semiMalicious, 52, 37),
    ] as [(Int, Double, Double, PublishedParameters.Server, Int, Int)])
  func published(
    _ n: Int, _ gamma: Double, _ delta: Double, _ server: PublishedParameters.Server, _ degree: Int, _ threshold: Int
  ) {
    let found = PublishedParameters.find(n: n, gamma: gamma, delta: delta, server: server)
    #expect(found == PublishedParameters(degree: degree, threshold: threshold))
  }

  /// γ = δ = 10 %: what the committed rows promise, recomputed. Columns: most corrupted neighbours but for 2^-40 and 2^-128
  /// over all n; smallest component of a U3 that keeps the degree rule, and of honest workers in it, as fractions of n.
  static let promises: [(c40: Int, c128: Int, component: Double, honest40: Double, honest128: Double)] = [
    (38, 50, 0.70, 0.34, 0.23), (48, 72, 0.70, 0.34, 0.15), (51, 79, 0.66, 0.26, 0.04), (60, 93, 0.68, 0.30, 0.09),
    (61, 95, 0.66, 0.27, 0.05),
  ]

  /// A neighbour is one of the n − 1 others; a bound of 2^-bits over all n workers.
  private func mostNeighbours(_ row: SparseGraph.Row, marked: Int, bits: Double) -> Int {
    NeighbourCounts(population: row.rosterCount - 1, marked: marked, drawn: row.degree)
      .exceededRarely(-bits * log(2) - log(Double(row.rosterCount)))
  }

  @Test(
    "A committed threshold is the largest that too few survivors miss only once in 2^20", arguments: SparseGraph.Row.all
  )
  func threshold(_ row: SparseGraph.Row) {
    #expect(row.threshold == row.degree - mostNeighbours(row, marked: row.rosterCount / 10, bits: 20))
  }

  @Test(
    "A committed row leaves corrupted neighbours and components as tabled",
    arguments: zip(SparseGraph.Row.all, promises))
  func components(
    _ row: SparseGraph.Row, _ promise: (c40: Int, c128: Int, component: Double, honest40: Double, honest128: Double)
  ) {
    let corrupted = row.rosterCount / 10
    #expect(mostNeighbours(row, marked: corrupted, bits: 40) == promise.c40)
    #expect(mostNeighbours(row, marked: corrupted, bits: 128) == promise.c128)
    func component(without corruptedNeighbours: Int) -> Double {
      (Double(row.threshold - corruptedNeighbours) - row.lambdaBound) / (Double(row.degree) - row.lambdaBound)
    }
    #expect(component(without: 0) >= promise.component)
    #expect(component(without: 0) > 0.5)  // Two such components cannot stand side by side.
    #expect(component(without: promise.c40) >= promise.honest40)
    #expect(component(without: promise.c128) >= promise.honest128)
    // A worker's corrupted neighbours alone never reconstruct, not once in 2^128.
    #expect(row.threshold > promise.c128)
  }

  @Test("Every committed bound on λ₂ is met by some of the graphs of every transcript", arguments: SparseGraph.Row.all)
  func lambda(_ row: SparseGraph.Row) throws {
    for seed in 0..<3 as Range<UInt8> {
      let graph = try SparseGraph(transcript: .sha256(of: [seed]), rosterCount: row.rosterCount)
      #expect(graph.row == row)
      #expect(graph.lambda2 <= row.lambdaBound)
      // No better than the best that a graph of this degree can be (Alon and Boppana: 2√(k − 1), less for small n).
      #expect(graph.lambda2 > Double(row.degree - 1).squareRoot())
    }
  }

  @Test("A row with a smaller degree, or a larger threshold, would break its promise", arguments: SparseGraph.Row.all)
  func tight(_ row: SparseGraph.Row) {
    let dropouts = NeighbourCounts(population: row.rosterCount - 1, marked: row.rosterCount / 10, drawn: row.degree)
    let missed = dropouts.logAtLeast(row.degree - row.threshold)  // Fewer than t + 1 survive.
    #expect(missed > -20 * log(2) - log(Double(row.rosterCount)))
  }

  @Test("Tails are those of exact fractions where these can be counted by hand")
  func tails() {
    // Two of four neighbours drawn, two of the four marked: 1/6, 4/6, 1/6.
    let counts = NeighbourCounts(population: 4, marked: 2, drawn: 2)
    for (x, probability) in [1.0 / 6, 4.0 / 6, 1.0 / 6].enumerated() {
      #expect(abs(exp(counts.logProbability(x)) - probability) < 1e-12)
    }
    #expect(abs(exp(counts.logAtLeast(1)) - 5.0 / 6) < 1e-12)
    #expect(abs(exp(counts.logAtMost(1)) - 5.0 / 6) < 1e-12)
    #expect(counts.logAtLeast(3) == -.infinity)
    #expect(counts.exceededRarely(log(0.2)) == 1)
  }
}
