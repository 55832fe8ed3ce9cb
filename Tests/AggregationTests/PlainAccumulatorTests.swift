import Aggregation
import Federation
import Testing

@Suite("Plain sums")
struct PlainAccumulatorTests {
  struct Contribution {
    let worker: WorkerID
    let update: [Float]
    let weight: UInt64
    let auxiliary: [Int64]
  }

  /// Updates of norm at most `clip`, some of them exactly there.
  static func contributions(
    _ count: Int, elements: Int, clip: Double, maximumWeight: UInt64, _ random: inout SeededGenerator
  ) -> [Contribution] {
    (0..<count).map { index in
      let raw = (0..<elements).map { _ in Double.random(in: -1...1, using: &random) }
      let norm = raw.reduce(0) { $0 + $1 * $1 }.squareRoot()
      let length = index % 3 == 0 ? clip : clip * Double.random(in: 0...1, using: &random)
      return Contribution(
        worker: WorkerID(unchecked: "w\(index)"), update: raw.map { Float($0 * length / max(norm, 1e-300)) },
        weight: index % 4 == 0 ? maximumWeight : UInt64.random(in: 1...maximumWeight, using: &random),
        auxiliary: [Int64.random(in: -9...9, using: &random), 1])
    }
  }

  static func bytes(_ update: [Float]) -> [UInt8] {
    update.flatMap { value in withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) } }
  }

  func accumulator(elements: Int = 2, clip: Double = 1, maximumWeight: UInt64 = 10) throws -> PlainAccumulator {
    try PlainAccumulator(elementCount: elements, auxiliaryCount: 2, clip: clip, maximumWeight: maximumWeight)
  }

  @Test("The mean has the same bits in every order, from values or from chunks", arguments: UInt64(0)..<40)
  func orderDoesNotMatter(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let elements = Int.random(in: 1...70, using: &random)
    var contributions = Self.contributions(20, elements: elements, clip: 3, maximumWeight: 1000, &random)
    var forward = try accumulator(elements: elements, clip: 3, maximumWeight: 1000)
    for c in contributions { try forward.add(c.update, weight: c.weight, auxiliary: c.auxiliary, from: c.worker) }
    contributions.shuffle(using: &random)
    var shuffled = try accumulator(elements: elements, clip: 3, maximumWeight: 1000)
    for c in contributions {
      let bytes = Self.bytes(c.update)
      let cut = 4 * Int.random(in: 0...elements, using: &random)
      try shuffled.add(
        chunks: [Array(bytes[..<cut]), Array(bytes[cut...])], weight: c.weight, auxiliary: c.auxiliary, from: c.worker)
    }
    #expect(try forward.mean().map(\.bitPattern) == shuffled.mean().map(\.bitPattern))
    #expect(forward.auxiliarySums == shuffled.auxiliarySums)
    #expect(forward.weight == shuffled.weight)
    #expect(forward.workers == shuffled.workers)
  }

  @Test(
    "The mean is the naive mean within the stated bound and one rounding",
    arguments: [1e-20, 0.37, 1, 8, 1e6], [1, 3, 1024, PlainAccumulator.maximumWeightLimit] as [UInt64])
  func agreesWithNaiveMean(clip: Double, maximumWeight: UInt64) throws {
    var random = SeededGenerator(seed: maximumWeight)
    let contributions = Self.contributions(30, elements: 50, clip: clip, maximumWeight: maximumWeight, &random)
    var sum = try accumulator(elements: 50, clip: clip, maximumWeight: maximumWeight)
    for c in contributions { try sum.add(c.update, weight: c.weight, auxiliary: c.auxiliary, from: c.worker) }
    let total = contributions.reduce(0.0) { $0 + Double($1.weight) }
    let bound = clip * Double(maximumWeight) * 0x1p-49
    for (coordinate, mean) in try sum.mean().enumerated() {
      let naive = contributions.reduce(0.0) { $0 + Double($1.weight) * Double($1.update[coordinate]) } / total
      #expect(abs(Double(mean) - naive) <= bound + abs(naive) * 0x1p-24 + clip * 0x1p-45)
    }
    #expect(sum.step / 2 <= bound)
    #expect(sum.auxiliarySums == [contributions.reduce(0) { $0 + $1.auxiliary[0] }, 30])
  }

  @Test("Ten thousand updates at the bound do not overflow, and one more is refused")
  func fullSum() throws {
    var sum = try accumulator(elements: 1, maximumWeight: PlainAccumulator.maximumWeightLimit)
    let largest = Float(1 + PlainAccumulator.normTolerance).nextDown
    let auxiliary = [PlainAccumulator.auxiliaryMagnitudeMax, -PlainAccumulator.auxiliaryMagnitudeMax]
    for index in 0..<PlainAccumulator.updatesMax {
      try sum.add([largest], weight: sum.maximumWeight, auxiliary: auxiliary, from: WorkerID(unchecked: "w\(index)"))
    }
    #expect(try sum.mean() == [largest])
    #expect(throws: AggregationError.tooManyUpdates(worker: "late")) {
      try sum.add([0], weight: 1, auxiliary: auxiliary, from: "late")
    }
  }

  @Test("The mean of equal updates is that update, whatever the weights")
  func equalUpdates() throws {
    var sum = try accumulator()
    for (worker, weight) in [("a", 1), ("b", 7), ("c", 10)] as [(WorkerID, UInt64)] {
      try sum.add([0.25, -0.5], weight: weight, auxiliary: [0, 0], from: worker)
    }
    #expect(try sum.mean() == [0.25, -0.5])
    #expect(sum.count == 3 && sum.weight == 18)
  }

  @Test("A norm is refused above the clip and its tolerance, not below")
  func clipBoundary() throws {
    var sum = try accumulator(elements: 1)
    try sum.add([1.000009], weight: 1, auxiliary: [0, 0], from: "a")
    #expect(throws: AggregationError.normAboveClip(worker: "b", norm: Double(Float(1.000011)))) {
      try sum.add([1.000011], weight: 1, auxiliary: [0, 0], from: "b")
    }
  }

  static let limit = PlainAccumulator.auxiliaryMagnitudeMax

  @Test(
    "What is wrong with an update is named, and the sum is as if it had never come",
    arguments: [
      ([0.1], 1, [0, 0], .wrongLength(worker: "x", expected: 2, found: 1)),
      ([0.1, 0.1, 0.1], 1, [0, 0], .wrongLength(worker: "x", expected: 2, found: 3)),
      ([0.1, .nan], 1, [0, 0], .nonFiniteValue(worker: "x", coordinate: 1)),
      ([.infinity, 0], 1, [0, 0], .nonFiniteValue(worker: "x", coordinate: 0)),
      ([-.infinity, 0], 1, [0, 0], .nonFiniteValue(worker: "x", coordinate: 0)),
      ([3, 4], 1, [0, 0], .normAboveClip(worker: "x", norm: 5)),
      ([0.1, 0.1], 0, [0, 0], .badWeight(worker: "x", weight: 0)),
      ([0.1, 0.1], 11, [0, 0], .badWeight(worker: "x", weight: 11)),
      ([0.1, 0.1], 1, [0], .wrongAuxiliaryLength(worker: "x", expected: 2, found: 1)),
      ([0.1, 0.1], 1, [0, limit + 1], .auxiliaryOutOfRange(worker: "x", index: 1)),
      ([0.1, 0.1], 1, [.min, 0], .auxiliaryOutOfRange(worker: "x", index: 0)),
    ] as [([Float], UInt64, [Int64], AggregationError)])
  func refusals(update: [Float], weight: UInt64, auxiliary: [Int64], error: AggregationError) throws {
    var sum = try accumulator()
    try sum.add([0.5, -0.25], weight: 3, auxiliary: [5, 6], from: "a")
    #expect(throws: error) { try sum.add(update, weight: weight, auxiliary: auxiliary, from: "x") }
    #expect(throws: error) {
      try sum.add(chunks: [Self.bytes(update)], weight: weight, auxiliary: auxiliary, from: "x")
    }
    #expect(try sum.mean() == [0.5, -0.25])
    #expect(sum.auxiliarySums == [5, 6] && sum.weight == 3 && sum.workers == ["a"])
    try sum.add([0.5, -0.25], weight: 1, auxiliary: [0, 0], from: "x")
    #expect(sum.count == 2)
  }

  @Test("A worker counts once, and a chunk that cuts a value in two is refused")
  func duplicatesAndCuts() throws {
    var sum = try accumulator()
    #expect(throws: AggregationError.wrongLength(worker: "a", expected: 2, found: 1)) {
      try sum.add(
        chunks: [[UInt8](repeating: 0, count: 6), [0, 0]], weight: 1, auxiliary: [0, 0], from: "a")
    }
    try sum.add([0.1, 0.1], weight: 1, auxiliary: [0, 0], from: "a")
    #expect(throws: AggregationError.duplicate(worker: "a")) {
      try sum.add([0.1, 0.1], weight: 1, auxiliary: [0, 0], from: "a")
    }
  }

  @Test("A clip or weight that no sum can hold makes no accumulator", arguments: [0, -1, .nan, .infinity, 1e31, 1e-31])
  func badBounds(clip: Double) throws {
    #expect(throws: AggregationError.self) { try accumulator(clip: clip) }
    for weight in [0, PlainAccumulator.maximumWeightLimit + 1, .max] as [UInt64] {
      #expect(throws: AggregationError.badMaximumWeight(weight)) { try accumulator(maximumWeight: weight) }
    }
  }

  @Test("An empty sum has no mean; a round that only evaluates has one of no elements")
  func emptySums() throws {
    #expect(throws: AggregationError.noUpdates) { try accumulator().mean() }
    var evaluation = try accumulator(elements: 0)
    try evaluation.add(chunks: [], weight: 1, auxiliary: [4, 1], from: "a")
    #expect(try evaluation.mean() == [])
    #expect(evaluation.auxiliarySums == [4, 1])
  }
}
