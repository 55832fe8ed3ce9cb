import Cryptography
import Federation
import SecureAggregation
import Testing

/// Stochastic rounding against its theory: for a value with fraction f the error has mean 0 and variance f(1 − f) steps².
@Suite("Statistics of the quantiser")
struct QuantiserStatisticsTests {
  private struct Rounded {
    /// v = x/step.
    let exact: Double
    let integer: Int64
    var error: Double { Double(integer) - exact }
    var fraction: Double { exact - exact.rounded(.down) }
  }

  /// 200,000 seeded elements in steps, no two fractions alike.
  private func encode(ringBits: Int, isRotated: Bool) throws -> [Rounded] {
    let count = 200_000
    let rules = try EncodingRules(
      vectorLength: count, ringBits: ringBits, rosterCount: 3, isRotated: isRotated, clip: 1, maximumWeight: 7,
      rangeFailure: 1e-6)
    var generator = SeededGenerator(seed: UInt64(ringBits))
    // Norm below 1: nothing is clipped. A weight of 3/7 gives fractions that no Float32 has by itself.
    let update = (0..<count).map { _ in Float.random(in: -0.003...0.003, using: &generator) }
    let encoder = try UpdateEncoder(
      update: update, exampleCount: 3, rules: rules, transcript: .sha256(of: [5]),
      roundingSeed: SecretBytes(copying: [UInt8](repeating: 7, count: 32)))
    try #require(encoder.saturated == 0 && !encoder.isClipped)
    return encoder.encode(0..<count).enumerated().map {
      Rounded(exact: encoder.scaledValue(at: $0) / rules.step, integer: $1)
    }
  }

  /// Every claim on unbiased rounding that a sample fails.
  private func failures(_ sample: [Rounded]) -> [String] {
    var failed: [String] = []
    for tenth in 0..<10 {
      let part = sample.filter { Int($0.fraction * 10) == tenth }
      let variance: Double = part.reduce(0.0) { $0 + $1.fraction * (1 - $1.fraction) }
      let mean: Double = part.reduce(0.0) { $0 + $1.error }
      if abs(mean) > 4 * variance.squareRoot() { failed.append("mean of fractions from \(tenth)/10") }
      // The error is f or 1 − f away: Var e² = f(1 − f)(1 − 2f)².
      let squares: Double = part.reduce(0.0) { $0 + $1.error * $1.error }
      let spread: Double = part.reduce(0.0) { (sum: Double, value: Rounded) -> Double in
        let f = value.fraction
        let lean = 1 - 2 * f
        return sum + f * (1 - f) * lean * lean
      }
      if abs(squares - variance) > 4 * spread.squareRoot() { failed.append("variance of fractions from \(tenth)/10") }
    }
    // At random fractions 1/6 on average, with E e⁴ = 1/15.
    let count = Double(sample.count)
    let sumOfSquares: Double = sample.reduce(0.0) { $0 + $1.error * $1.error }
    let squares = sumOfSquares / count
    let meanSquare = 1.0 / 6, meanFourth = 1.0 / 15
    let deviation = ((meanFourth - meanSquare * meanSquare) / count).squareRoot()
    if abs(squares - meanSquare) > 4 * deviation { failed.append("mean square") }
    return failed
  }

  @Test(
    "Rounding is unbiased with variance f(1 − f), and 1/6 at random inputs",
    arguments: [(16, true), (24, true), (24, false), (32, false)])
  func unbiased(_ ringBits: Int, _ isRotated: Bool) throws {
    #expect(failures(try encode(ringBits: ringBits, isRotated: isRotated)) == [])
  }

  @Test("Rounding to the nearest, always down, or by a coin of one half would be noticed")
  func noticesBias() throws {
    let sample = try encode(ringBits: 24, isRotated: false)
    var generator = SeededGenerator(seed: 1)
    let wrong: [(Double) -> Double] = [
      { $0.rounded() }, { $0.rounded(.down) }, { $0.rounded(Bool.random(using: &generator) ? .up : .down) },
    ]
    for round in wrong {
      #expect(failures(sample.map { Rounded(exact: $0.exact, integer: Int64(round($0.exact))) }) != [])
    }
  }
}
