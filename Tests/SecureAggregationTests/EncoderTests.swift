import Cryptography
import Federation
import SecureAggregation
import Testing

@Suite("Encoding of updates")
struct EncoderTests {
  private let transcript = Digest.sha256(of: [5])
  private let seed = SecretBytes(copying: Array(repeating: 7, count: 32))

  private func rules(
    _ count: Int, bits: Int = 32, roster: Int = 5, rotated: Bool = false, maximumWeight: UInt64 = 100
  ) throws -> EncodingRules {
    try EncodingRules(
      vectorLength: count, ringBits: bits, rosterCount: roster, isRotated: rotated, clip: 1,
      maximumWeight: maximumWeight, rangeFailure: 1e-6)
  }

  private func update(_ count: Int, seed: UInt64, length: Double) -> [Float] {
    var generator = SeededGenerator(seed: seed)
    let x = (0..<count).map { _ in Double.random(in: -1...1, using: &generator) }
    let norm = x.reduce(0) { $0 + $1 * $1 }.squareRoot()
    return x.map { Float($0 / norm * length) }
  }

  @Test("A sum of n largest values never leaves the ring", arguments: [16, 24, 32], [2, 3, 5, 8, 9, 200, 256, 300])
  func noOverflow(_ bits: Int, _ roster: Int) throws {
    let rules = try rules(1, bits: bits, roster: roster)
    #expect(Int64(roster) * rules.bound < 1 << (bits - 1))
  }

  @Test(
    "The decoded sum is the weighted average of the clipped updates within the worst case of rounding",
    arguments: [(16, true), (24, true), (24, false), (32, false), (32, true)], [1, 7, 1000, 4096])
  func average(_ profile: (Int, Bool), _ count: Int) throws {
    let rules = try rules(count, bits: profile.0, roster: 3, rotated: profile.1)
    var sum = [Int64](repeating: 0, count: count)
    var exact = [Double](repeating: 0, count: count)
    var weight: UInt64 = 0
    for (worker, (length, examples)) in [(0.5, 30 as UInt64), (3.0, 250), (0.9, 100)].enumerated() {
      let x = update(count, seed: UInt64(worker), length: length)
      let encoder = try UpdateEncoder(
        update: x, exampleCount: examples, rules: rules, transcript: transcript,
        roundingSeed: SecretBytes(copying: Array(repeating: UInt8(worker), count: 32)))
      #expect(encoder.isClipped == (length > 1))
      #expect(encoder.weight == min(examples, 100))
      for (e, q) in encoder.encode(0..<count).enumerated() { sum[e] += q }
      weight += encoder.weight
      for e in exact.indices { exact[e] += Double(x[e]) * min(1, 1 / encoder.norm) * Double(encoder.weight) }
    }
    let decoded = try UpdateDecoder.average(sum, weight: weight, rules: rules, transcript: transcript)
    let error = zip(decoded, exact).reduce(0.0) {
      let difference = $1.0 - $1.1 / Double(weight)
      return $0 + difference * difference
    }.squareRoot()
    #expect(error <= 3 * Double(count).squareRoot() * rules.step * 100 / Double(weight))
  }

  @Test("Any part of an update encodes as in the whole", arguments: [false, true])
  func parts(_ isRotated: Bool) throws {
    let count = 40_000
    let rules = try rules(count, bits: 24, rotated: isRotated)
    let encoder = try UpdateEncoder(
      update: update(count, seed: 3, length: 2), exampleCount: 50, rules: rules, transcript: transcript,
      roundingSeed: seed)
    let whole = encoder.encode(0..<count)
    for range in [0..<1, 1..<2, 16_383..<16_385, 5..<39_999, 39_999..<40_000, 7..<7] {
      #expect(encoder.encode(range) == Array(whole[range]))
    }
  }

  @Test("Rounding is unbiased and leaves integers where they are")
  func rounding() throws {
    let count = 20_000
    let rules = try rules(count, maximumWeight: 1)
    let small = Float(rules.step * 0.3)
    let encoder = try UpdateEncoder(
      update: Array(repeating: small, count: count), exampleCount: 1, rules: rules, transcript: transcript,
      roundingSeed: seed)
    let up = encoder.encode(0..<count).reduce(0, +)
    #expect(abs(Double(up) - 0.3 * Double(count)) < 5 * (0.21 * Double(count)).squareRoot())
    let zeros = try UpdateEncoder(
      update: Array(repeating: 0, count: count), exampleCount: 1, rules: rules, transcript: transcript,
      roundingSeed: seed)
    #expect(zeros.encode(0..<count).allSatisfy { $0 == 0 })
    #expect(zeros.norm == 0 && !zeros.isClipped && zeros.saturated == 0)
  }

  @Test("Values beyond the range are clamped to ±B and counted")
  func saturation() throws {
    // A range far below C, as no rules compute it for real vectors, shows the clamp.
    let rules = try EncodingRules(
      vectorLength: 4096, ringBits: 16, rosterCount: 2, isRotated: true, clip: 1, maximumWeight: 1,
      rangeFailure: 0.999_999)
    var spike = [Float](repeating: 0, count: 4096)
    spike[0] = 1
    var rotated = spike.map { Double($0) }
    Rotation.invert(&rotated, transcript: transcript)
    let encoder = try UpdateEncoder(
      update: rotated.map { Float($0) }, exampleCount: 1, rules: rules, transcript: transcript, roundingSeed: seed)
    let q = encoder.encode(0..<4096)
    #expect(encoder.saturated == q.filter { $0.magnitude == UInt64(rules.bound) }.count)
    #expect(encoder.saturated >= 1)
    #expect(q.allSatisfy { abs($0) <= rules.bound })
  }

  @Test("The rotation keeps lengths and is undone by its inverse", arguments: [1, 2, 3, 64, 100, 1023, 1025])
  func rotation(_ count: Int) {
    let x = update(count, seed: 11, length: 2).map { Double($0) }
    var y = x
    Rotation.apply(&y, transcript: transcript)
    let lengths = [x, y].map { $0.reduce(0) { $0 + $1 * $1 }.squareRoot() }
    #expect(abs(lengths[0] - lengths[1]) < 1e-9)
    Rotation.invert(&y, transcript: transcript)
    #expect(zip(x, y).allSatisfy { abs($0 - $1) < 1e-9 })
  }

  @Test("No sum without weight is decoded, and none of another length")
  func refusedSums() throws {
    let rules = try rules(2)
    #expect(throws: Refusal.noExamples) {
      try UpdateDecoder.average([1, 2], weight: 0, rules: rules, transcript: transcript)
    }
    #expect(throws: Refusal.badLength) {
      try UpdateDecoder.average([1], weight: 1, rules: rules, transcript: transcript)
    }
  }
}

@Suite("Auxiliary vector")
struct AuxiliaryVectorTests {
  private let layout = RoundConfiguration.AuxiliaryField.allCases

  private func rules(roster: Int = 4) throws -> EncodingRules {
    try EncodingRules(
      vectorLength: 1, ringBits: 32, rosterCount: roster, isRotated: false, clip: 1, maximumWeight: 1024,
      rangeFailure: 1e-6)
  }

  @Test("Sums of several workers read back as counts, weight and metrics")
  func sums() throws {
    var sum = [Int64](repeating: 0, count: 25)
    for (examples, loss, norm) in [(100 as UInt64, 1.5, 0.5), (5000, 2.25, 3.0)] {
      let values = try AuxiliaryVector.encode(
        layout: layout, exampleCount: examples, metrics: RoundMetrics(lossSum: loss, correct: 7, evaluated: 10),
        isClipped: norm > 1, saturated: 2, norm: norm, terms: StrategyTerms(steps: 2.5, fairness: 0.125), rules: rules()
      )
      #expect(values.count == 25)
      for (e, value) in values.enumerated() { sum[e] += value }
    }
    let read = try AuxiliaryVector.decode(sum, layout: layout)
    #expect(read.weight == 1124)
    #expect(read.workers == 2)
    #expect(read.clipped == 1)
    #expect(read.saturated == 4)
    #expect(read.metrics == RoundMetrics(lossSum: 3.75, correct: 14, evaluated: 20))
    #expect(read.weightedSteps == 1124 * 2.5)
    #expect(read.fairness == 0.25)
    #expect(read.normHistogram == [0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0])
  }

  @Test("Every element is clamped so that n of them fit the ring; a loss that is no number is refused")
  func clamps() throws {
    let limit: Int64 = (1 << 62) / 4
    func encode(_ loss: Double) throws -> [Int64] {
      try AuxiliaryVector.encode(
        layout: [.lossSum, .correct], exampleCount: 1,
        metrics: RoundMetrics(lossSum: loss, correct: .max, evaluated: 1), isClipped: false, saturated: 0, norm: nil,
        rules: rules())
    }
    #expect(try encode(1e300) == [limit, limit])
    #expect(try encode(-1e300) == [-limit, limit])
    #expect(throws: Refusal.notFinite) { try encode(.nan) }
    #expect(throws: Refusal.notFinite) { try encode(.infinity) }
  }

  @Test(
    "Norms fall into octaves around the clip",
    arguments: [(0, 0), (1e-9, 0), (0.0039, 0), (0.5, 7), (0.99, 7), (1, 8), (1.99, 8), (2, 9), (1e9, 15)])
  func histogram(_ norm: Double, _ bin: Int) {
    #expect(AuxiliaryVector.normBin(norm, clip: 1) == bin)
  }
}
