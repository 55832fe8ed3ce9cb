import Cryptography
import Federation
import GradientKernel
import SecureAggregation

/// The rotation, the decoder, and what each profile loses.
struct EncodingFigures {
  private let setting: Setting
  private let transcript = Digest.sha256(of: [8])

  init(_ setting: Setting) { self.setting = setting }

  func report(to report: inout Report) throws {
    reportRotation(to: &report)
    try reportDecoder(to: &report)
    try reportErrors(to: &report)
  }

  private func reportRotation(to report: inout Report) {
    for length in [100_000, 1_000_000] + (setting.isQuick ? [] : [10_000_000]) {
      var x = [Double](repeating: 0.5, count: length)
      setting.forEachPool { pool in
        let seconds = setting.stopwatch.least(threads: pool.count) {
          Rotation.apply(&x, transcript: transcript, on: pool)
        }
        report.add(
          Figure(
            section: "rotation, beside one copy of both windows", name: "m = \(length), threads: \(pool.count)",
            value: seconds * 1e3, unit: "ms", limit: windowBytes(length) / setting.limits.copy * 1e3))
      }
    }
  }

  /// What reading and writing both windows of a rotation once moves.
  private func windowBytes(_ length: Int) -> Double {
    Double(2 * 16 * (1 << (Int.bitWidth - 1 - length.leadingZeroBitCount)))
  }

  private func reportDecoder(to report: inout Report) throws {
    let length = 1_000_000
    for (bits, isRotated) in [(32, false), (24, true), (16, true)] {
      let rules = try EncodingRules(
        vectorLength: length, ringBits: bits, rosterCount: 100, isRotated: isRotated, clip: 1, maximumWeight: 1024,
        rangeFailure: 1e-6)
      guard let sum = RingAccumulator(ringBits: UInt8(bits), count: length) else { continue }
      try setting.forEachPool { pool in
        let seconds = try setting.stopwatch.least(threads: pool.count) {
          _ = try UpdateDecoder.average(sum, weight: 100, rules: rules, transcript: transcript, on: pool)
        }
        let numbers = isRotated ? 2 * 8 * length : 0  // Written once and read once, beside what the windows take.
        let bytes = Double(length * (sum.width.memoryByteCount + 4) + numbers) + (isRotated ? windowBytes(length) : 0)
        report.add(
          Figure(
            section: "decode, beside reading and writing everything once",
            name: "k = \(bits)\(isRotated ? " rotated" : ""), m = \(length), threads: \(pool.count)",
            value: seconds * 1e3, unit: "ms", limit: bytes / setting.limits.copy * 1e3))
      }
    }
  }

  /// L2 error of the average of unit updates, beside what the specification expects at most.
  private func reportErrors(to report: inout Report) throws {
    let length = 20_000, rosterCount = 100
    for (bits, isRotated) in [(32, false), (24, false), (24, true), (16, true)] {
      let rules = try EncodingRules(
        vectorLength: length, ringBits: bits, rosterCount: rosterCount, isRotated: isRotated, clip: 1,
        maximumWeight: 1000, rangeFailure: 1e-6)
      var generator = SeededGenerator(seed: 9)
      var sum = [Int64](repeating: 0, count: length), exact = [Double](repeating: 0, count: length)
      var weight: UInt64 = 0
      for worker in 0..<rosterCount {
        var x = (0..<length).map { _ in Float.random(in: -1...1, using: &generator) }
        let norm = x.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        for e in x.indices { x[e] = Float(Double(x[e]) / norm * 0.999) }
        let encoder = try UpdateEncoder(
          update: x, exampleCount: UInt64.random(in: 100...1000, using: &generator), rules: rules,
          transcript: transcript, roundingSeed: SecretBytes(copying: Array(repeating: UInt8(worker), count: 32)))
        for (e, q) in encoder.encode(0..<length).enumerated() {
          sum[e] += q
          exact[e] += Double(x[e]) * Double(encoder.weight)
        }
        weight += encoder.weight
      }
      let average = try UpdateDecoder.average(sum, weight: weight, rules: rules, transcript: transcript)
      let error = zip(average, exact).reduce(0.0) {
        let difference = $1.0 - $1.1 / Double(weight)
        return $0 + difference * difference
      }.squareRoot()
      report.add(
        Figure(
          section: "L2 error of the average, n = 100, d = 20,000, C = 1",
          name: "k = \(bits)\(isRotated ? " rotated" : "")", value: error, unit: "",
          limit: rules.expectedError(weight: weight), budget: .ratioAtMost(1)))
    }
  }
}
