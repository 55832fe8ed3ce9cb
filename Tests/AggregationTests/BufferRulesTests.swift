import Aggregation
import Federation
import Testing

@Suite("A buffer of updates of unequal age")
struct BufferRulesTests {
  @Test("An update that is τ versions behind weighs 1/√(1 + τ) as published, and another power if the run says so")
  func weights() {
    let published = BufferRules(size: 10, stalenessMax: 10, exponent: 0.5)
    #expect((0...3).map(published.weight) == [1, 1 / 2.squareRoot(), 1 / 3.squareRoot(), 0.5])
    #expect((0...3).map(BufferRules(size: 1, stalenessMax: 9, exponent: 0).weight) == [1, 1, 1, 1])
    #expect((0...3).map(BufferRules(size: 1, stalenessMax: 9, exponent: 1).weight) == [1, 0.5, 1 / 3, 0.25])
    #expect(BufferRules(size: 1, stalenessMax: 9, exponent: 2).weight(staleness: 1) == 0.25)
  }

  @Test("The rules are those of the strategy's text; no other strategy has any")
  func rules() {
    let text = "fedbuff, server-learning-rate 0.5, buffer 4, staleness-max 3, staleness-exponent 1.5"
    #expect(Strategy(parsing: text)?.bufferRules == BufferRules(size: 4, stalenessMax: 3, exponent: 1.5))
    #expect(Strategy(.fedAvg)?.bufferRules == nil)
    #expect(Strategy(parsing: "fedbuff, buffer 4, staleness-max 3, staleness-exponent 0.25") == nil)
  }

  private func sum(of updates: [PlainAccumulatorTests.Contribution], elements: Int) throws -> PlainAccumulator {
    var sum = try PlainAccumulator(elementCount: elements, auxiliaryCount: 2, clip: 3, maximumWeight: 1)
    for c in updates { try sum.add(c.update, weight: 1, auxiliary: c.auxiliary, from: c.worker) }
    return sum
  }

  @Test(
    "The mean is that of the paper, has the same bits in every order of arrival, and of one group is the plain mean")
  func mean() throws {
    var random = SeededGenerator(seed: 5)
    let elements = 17, rules = BufferRules(size: 12, stalenessMax: 9, exponent: 0.5)
    let updates = PlainAccumulatorTests.contributions(12, elements: elements, clip: 3, maximumWeight: 1, &random)
    let groups = [Array(updates[..<5]), Array(updates[5..<5]), Array(updates[5..<9]), Array(updates[9...])]
    func mean(_ order: ([PlainAccumulatorTests.Contribution]) -> [PlainAccumulatorTests.Contribution]) throws -> [Float]
    {
      try PlainAccumulator.mean(
        of: groups.enumerated().map {
          (try sum(of: order($1), elements: elements), rules.weight(staleness: $0))
        })
    }
    let found = try mean { $0 }
    #expect(try mean { $0.reversed() }.map(\.bitPattern) == found.map(\.bitPattern))
    for e in 0..<elements {
      var expected = 0.0
      for (staleness, group) in groups.enumerated() {
        for c in group { expected += Double(c.update[e]) / Double(1 + staleness).squareRoot() / 12 }
      }
      #expect(abs(Double(found[e]) - expected) < 3 * 0x1p-23)
    }
    let whole = try sum(of: updates, elements: elements)
    #expect(try PlainAccumulator.mean(of: [(whole, 1)]) == whole.mean())
    #expect(throws: AggregationError.noUpdates) {
      try PlainAccumulator.mean(of: [(sum(of: [], elements: elements), 1)])
    }
  }

  @Test("An emptied sum is 0 and takes nobody's update twice")
  func empties() throws {
    var random = SeededGenerator(seed: 6)
    let updates = PlainAccumulatorTests.contributions(3, elements: 4, clip: 3, maximumWeight: 1, &random)
    var emptied = try sum(of: [updates[0], updates[1]], elements: 4)
    emptied.empty()
    #expect(emptied.count == 0 && emptied.weight == 0 && emptied.auxiliarySums == [0, 0])
    #expect(throws: AggregationError.duplicate(worker: "w1")) {
      try emptied.add(updates[1].update, weight: 1, auxiliary: [0, 1], from: "w1")
    }
    try emptied.add(updates[2].update, weight: 1, auxiliary: updates[2].auxiliary, from: "w2")
    #expect(try emptied.mean() == sum(of: [updates[2]], elements: 4).mean())
  }
}
