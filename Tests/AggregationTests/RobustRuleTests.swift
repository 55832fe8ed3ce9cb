import Aggregation
import Federation
import Testing

/// Updates in memory.
struct ListedUpdates: RoundUpdates {
  var rows: [[Float]]
  var weights: [UInt64]
  var count: Int { rows.count }
  var elementCount: Int { rows.first?.count ?? 0 }
  func read(_ update: Int, _ elements: Range<Int>) -> [Float] { Array(rows[update][elements]) }

  init(_ rows: [[Float]], weights: [UInt64]? = nil) {
    self.rows = rows
    self.weights = weights ?? rows.map { _ in 1 }
  }

  /// Honest ones around a common direction, the last `byzantine` of them far away.
  static func random(_ count: Int, elements: Int, byzantine: Int, _ random: inout SeededGenerator) -> ListedUpdates {
    let centre = (0..<elements).map { _ in Float.random(in: -1...1, using: &random) }
    return ListedUpdates(
      (0..<count).map { k in
        centre.map { k < count - byzantine ? $0 + Float.random(in: -0.1...0.1, using: &random) : -50 * $0 + 3 }
      },
      weights: (0..<count).map { _ in UInt64.random(in: 1...20, using: &random) })
  }
}

/// The rules as their papers write them, with everything in memory and nothing in pieces.
private enum Naive {
  static func combine(_ rule: RobustRule, _ updates: ListedUpdates) -> [Double] {
    let rows = updates.rows.map { $0.map(Double.init) }, n = rows.count
    func column(_ e: Int) -> [Double] { rows.map { $0[e] }.sorted() }
    switch rule {
    case .median:
      return (0..<updates.elementCount).map { e in
        let sorted = column(e)
        return (sorted[(n - 1) / 2] + sorted[n / 2]) / 2
      }
    case .trimmedMean(let trim):
      let k = Int(trim * Double(n) + 1e-9)
      return (0..<updates.elementCount).map { column($0)[k..<(n - k)].reduce(0, +) / Double(n - 2 * k) }
    case .krum(let f): return krum(rows, f, keep: 1)
    case .multiKrum(let f, let keep): return krum(rows, f, keep: keep ?? n - f)
    case .geometricMedian(let nu, let passes):
      var v = mean(rows, updates.weights.map { Double($0) })
      for _ in 0..<passes {
        v = mean(rows, zip(rows, updates.weights).map { Double($1) / max(nu, distance($0, v)) })
      }
      return v
    }
  }

  static func krum(_ rows: [[Double]], _ f: Int, keep: Int) -> [Double] {
    let n = rows.count
    let scored = rows.map { row -> (Double, [Double]) in
      let all = rows.map { distance($0, row) * distance($0, row) }.sorted()  // The first is its own, 0.
      return (all[1...(n - f - 2)].reduce(0, +), row)
    }
    return mean(scored.sorted { $0.0 < $1.0 }.prefix(keep).map(\.1), Array(repeating: 1, count: keep))
  }

  static func distance(_ a: [Double], _ b: [Double]) -> Double {
    zip(a, b).reduce(0.0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
  }

  static func mean(_ rows: [[Double]], _ weights: [Double]) -> [Double] {
    (rows.first ?? []).indices.map { e in
      zip(rows, weights).reduce(0.0) { $0 + $1.0[e] * $1.1 } / weights.reduce(0, +)
    }
  }
}

@Suite("Robust rules")
struct RobustRuleTests {
  static let rules: [RobustRule] = [
    .median, .trimmedMean(trim: 0.2), .trimmedMean(trim: 0.3), .krum(byzantine: 2), .multiKrum(byzantine: 3, keep: nil),
    .multiKrum(byzantine: 2, keep: 4), .geometricMedian(smoothing: 1e-6, iterations: 8),
    .geometricMedian(smoothing: 0.5, iterations: 3),
  ]

  @Test("Every rule gives what its paper's definition gives", arguments: rules, [9, 10, 23])
  func agreesWithNaive(rule: RobustRule, count: Int) throws {
    var random = SeededGenerator(seed: UInt64(count))
    for byzantine in [0, 1, 2] {
      let updates = ListedUpdates.random(count, elements: 37, byzantine: byzantine, &random)
      let found = try rule.combine(updates), expected = Naive.combine(rule, updates)
      #expect(found.count == expected.count)
      for (x, y) in zip(found, expected) { #expect(abs(Double(x) - y) < 1e-5) }
    }
  }

  @Test("Two of eleven that lie move no robust rule far, but they do move the mean", arguments: rules)
  func resists(rule: RobustRule) throws {
    var random = SeededGenerator(seed: 5)
    let updates = ListedUpdates.random(11, elements: 20, byzantine: 2, &random)
    let honest = Naive.mean(updates.rows.prefix(9).map { $0.map(Double.init) }, Array(repeating: 1, count: 9))
    let all = Naive.mean(updates.rows.map { $0.map(Double.init) }, Array(repeating: 1, count: 11))
    #expect(Naive.distance(try rule.combine(updates).map(Double.init), honest) < 1)
    #expect(Naive.distance(all, honest) > 10)
  }

  /// Counts what is read at once; longer than one piece.
  private struct Watched: RoundUpdates {
    let count = 300
    let elementCount = 20_000
    var weights: [UInt64] { Array(repeating: 1, count: count) }
    func read(_ update: Int, _ elements: Range<Int>) throws -> [Float] {
      #expect(elements.count * count <= Self.elementsInMemoryMax)
      return elements.map { Float(update) + Float($0 % 7) }
    }
  }

  @Test("Long updates are read in pieces, and the pieces join in order", arguments: [rules[0], rules[3]])
  func pieces(rule: RobustRule) throws {
    let combined = try rule.combine(Watched())
    let first = combined[0]
    #expect(combined.count == 20_000)
    #expect(combined.enumerated().allSatisfy { $1 == first + Float($0 % 7) })
  }

  @Test(
    "Too few updates are refused by name",
    arguments: [
      (.krum(byzantine: 1), 4, 5), (.multiKrum(byzantine: 2, keep: nil), 6, 7),
      (.multiKrum(byzantine: 1, keep: 6), 6, 7), (.trimmedMean(trim: 0.1), 9, 10),
    ] as [(RobustRule, Int, Int)])
  func tooFew(rule: RobustRule, count: Int, needed: Int) throws {
    let updates = ListedUpdates(Array(repeating: [1], count: count))
    #expect(throws: AggregationError.tooFewUpdates(found: count, needed: needed, rule: rule.name)) {
      try rule.combine(updates)
    }
    #expect(try rule.combine(ListedUpdates(Array(repeating: [1], count: needed))) == [1])
  }

  @Test("No updates are refused")
  func none() {
    #expect(throws: AggregationError.noUpdates) { try RobustRule.median.combine(ListedUpdates([])) }
  }
}
