import Cryptography
import Federation
import SecureAggregation
import Testing

/// What rounding does to an average, profile by profile, beside the formula of the specification:
/// E‖error‖² ≤ d·n·step²/4·(W_max/Σω)².
@Suite("Errors of the encodings")
struct EncodingErrorTests {
  struct Profile: Sendable, CustomTestStringConvertible {
    let bits: Int
    let isRotated: Bool
    var testDescription: String { "k = \(bits)\(isRotated ? ", rotated" : "")" }
  }

  static let profiles = [
    Profile(bits: 32, isRotated: false), Profile(bits: 24, isRotated: true), Profile(bits: 16, isRotated: true),
  ]

  private struct Outcome {
    /// Decoded minus exact, element by element.
    let differences: [Double]
    let formula: Double
    var length: Double { differences.reduce(0) { $0 + $1 * $1 }.squareRoot() }
  }

  /// Averages unit updates of `roster` workers through chunks and an accumulator, as a round does.
  private func outcome(_ profile: Profile, seed: UInt8, count: Int = 3_000, roster: Int = 10) throws -> Outcome {
    let transcript = Digest.sha256(of: [seed])
    let rules = try EncodingRules(
      vectorLength: count, ringBits: profile.bits, rosterCount: roster, isRotated: profile.isRotated, clip: 1,
      maximumWeight: 1000, rangeFailure: 1e-6)
    let vector = VectorSpecification(
      id: 0, ringBits: UInt8(profile.bits), count: UInt64(count), chunkElements: 1024)
    let sum = try #require(RingAccumulator(ringBits: vector.ringBits, count: count))
    var generator = SeededGenerator(seed: UInt64(seed))
    var exact = [Double](repeating: 0, count: count)
    var weight: UInt64 = 0
    for worker in 0..<roster {
      let direction = (0..<count).map { _ in Double.random(in: -1...1, using: &generator) }
      let norm = direction.reduce(0) { $0 + $1 * $1 }.squareRoot()
      let x = direction.map { Float($0 / norm * 0.999) }
      let encoder = try UpdateEncoder(
        update: x, exampleCount: UInt64.random(in: 100...1000, using: &generator), rules: rules,
        transcript: transcript, roundingSeed: SecretBytes(copying: Array(repeating: UInt8(worker) + seed, count: 32)))
      let chunks = try InputChunks(
        transcript: transcript, worker: worker, vector: vector, source: .update(encoder), keys: MaskKeys(terms: []))
      for index in 0..<chunks.count {
        try sum.add(chunks.chunk(index), at: vector.elements(ofChunk: index).lowerBound)
      }
      weight += encoder.weight
      for e in exact.indices { exact[e] += Double(x[e]) * Double(encoder.weight) }
    }
    let average = try UpdateDecoder.average(
      sum.signedValues, weight: weight, rules: rules, transcript: transcript)
    return Outcome(
      differences: zip(average, exact).map { $0 - $1 / Double(weight) },
      formula: rules.expectedError(weight: weight))
  }

  @Test(
    "The L2 error of an average is within the formula, and not far below it", arguments: profiles,
    [1, 2, 3, 4, 5] as [UInt8])
  func withinFormula(_ profile: Profile, _ seed: UInt8) throws {
    let outcome = try outcome(profile, seed: seed)
    // Generic values round with a variance of step²/6 on average, the worst with step²/4.
    #expect(outcome.length <= outcome.formula)
    #expect(outcome.length >= 0.7 * outcome.formula)
  }

  @Test("Rounding favours no direction: errors of several rounds average out", arguments: profiles)
  func unbiased(_ profile: Profile) throws {
    let outcomes = try (10..<26).map { try outcome(profile, seed: $0) }
    let count = outcomes[0].differences.count
    // The mean of all errors of d elements in r rounds has a deviation of ‖error‖/(d·√r).
    let mean = outcomes.reduce(0.0) { $0 + $1.differences.reduce(0, +) } / Double(count * outcomes.count)
    let deviation = outcomes[0].formula / Double(count) / Double(outcomes.count).squareRoot()
    #expect(abs(mean) <= 4 * deviation)
    // And the error of the mean of r rounds shrinks with √r, which a bias of single elements would stop.
    var averaged = [Double](repeating: 0, count: count)
    for outcome in outcomes {
      for e in averaged.indices { averaged[e] += outcome.differences[e] / Double(outcomes.count) }
    }
    let length = averaged.reduce(0) { $0 + $1 * $1 }.squareRoot()
    #expect(length <= outcomes[0].formula / Double(outcomes.count).squareRoot())
  }

  @Test("A parameter takes 4, 3 and 2 bytes on the wire", arguments: zip(profiles, [4, 3, 2]))
  func wireBytes(_ profile: Profile, _ bytes: Int) throws {
    let count = 3_000
    let rules = try EncodingRules(
      vectorLength: count, ringBits: profile.bits, rosterCount: 10, isRotated: profile.isRotated, clip: 1,
      maximumWeight: 1, rangeFailure: 1e-6)
    let encoder = try UpdateEncoder(
      update: Array(repeating: 0.01, count: count), exampleCount: 1, rules: rules, transcript: Digest.sha256(of: []),
      roundingSeed: SecretBytes(copying: Array(repeating: 1, count: 32)))
    let vector = VectorSpecification(
      id: 0, ringBits: UInt8(profile.bits), count: UInt64(count), chunkElements: 1024)
    let chunks = try InputChunks(
      transcript: Digest.sha256(of: []), worker: 0, vector: vector, source: .update(encoder),
      keys: MaskKeys(terms: []))
    #expect((0..<chunks.count).reduce(0) { $0 + chunks.chunk($1).count } == bytes * count)
  }

  @Test("Lanes hold the integers that the specification gives one by one, rotated or not", arguments: profiles)
  func lanes(_ profile: Profile) throws {
    let count = 5_000
    let rules = try EncodingRules(
      vectorLength: count, ringBits: profile.bits, rosterCount: 3, isRotated: profile.isRotated, clip: 1,
      maximumWeight: 10, rangeFailure: 0.5)
    var generator = SeededGenerator(seed: 4)
    // One large element among many small ones: clipped, at the edge of the range, and clamped by some profiles.
    let x = (0..<count).map { $0 == 17 ? 3 : Float.random(in: -0.01...0.01, using: &generator) }
    let encoder = try UpdateEncoder(
      update: x, exampleCount: 10, rules: rules, transcript: Digest.sha256(of: [1]),
      roundingSeed: SecretBytes(copying: Array(repeating: 1, count: 32)))
    let vector = VectorSpecification(
      id: 0, ringBits: UInt8(profile.bits), count: UInt64(count), chunkElements: 5_008)
    let chunks = try InputChunks(
      transcript: Digest.sha256(of: [1]), worker: 0, vector: vector, source: .update(encoder),
      keys: MaskKeys(terms: []))
    let sum = try #require(RingAccumulator(ringBits: vector.ringBits, count: count))
    try sum.add(chunks.chunk(0), at: 0)
    #expect(sum.signedValues == encoder.encode(0..<count))
  }
}
