import Federation

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Vector 1: weight, counts and metrics of one worker, or their sums, in Z_{2^64}.
package enum AuxiliaryVector {
  /// Loss sums are fixed point with 16 fractional bits.
  private static let lossScale = 65_536.0
  private static let histogramCount = RoundConfiguration.AuxiliaryField.normHistogram.elementCount

  /// The elements of one worker, in the order of the layout, each clamped to ±⌊2^62/n⌋.
  ///
  /// - Parameters:
  ///   - exampleCount: w; weighs as min(w, W_max).
  ///   - norm: L of the update; nil in a round without one, which then counts in no histogram element.
  /// - Throws: `noExamples`, `notFinite` for a loss that is not a number.
  package static func encode(
    layout: [RoundConfiguration.AuxiliaryField], exampleCount: UInt64, metrics: RoundMetrics, isClipped: Bool,
    saturated: Int, norm: Double?, rules: EncodingRules
  ) throws(Refusal) -> [Int64] {
    guard exampleCount >= 1 else { throw .noExamples }
    guard metrics.lossSum.isFinite else { throw .notFinite }
    let limit: Int64 = (1 << 62) / Int64(max(rules.rosterCount, 1))
    func clamp(_ value: Int64) -> Int64 { max(-limit, min(limit, value)) }
    var out: [Int64] = []
    for field in layout {
      switch field {
      case .weight: out.append(clamp(Int64(clamping: min(exampleCount, rules.maximumWeight))))
      case .one: out.append(1)
      case .clipped: out.append(isClipped ? 1 : 0)
      case .lossSum:
        let fixed = (metrics.lossSum * lossScale).rounded(.toNearestOrEven)
        out.append(
          Int64(exactly: max(-Double(limit), min(Double(limit), fixed))).map(clamp) ?? (fixed < 0 ? -limit : limit))
      case .correct: out.append(clamp(Int64(clamping: metrics.correct)))
      case .evaluated: out.append(clamp(Int64(clamping: metrics.evaluated)))
      case .saturated: out.append(clamp(Int64(saturated)))
      case .normHistogram:
        let bin = norm.map { normBin($0, clip: rules.clip) }
        out.append(contentsOf: (0..<histogramCount).map { $0 == bin ? 1 : 0 })
      }
    }
    return out
  }

  /// Which of the 16 histogram elements a norm counts in: eight octaves on either side of C, the ends open.
  package static func normBin(_ norm: Double, clip: Double) -> Int {
    guard norm > 0 else { return 0 }
    let ratio = norm / clip
    guard ratio > 0 else { return 0 }
    guard ratio.isFinite else { return histogramCount - 1 }
    return min(histogramCount - 1, max(0, 8 + Int(ilogb(ratio))))
  }

  /// What the sums of an attempt say.
  package struct Sums: Hashable, Sendable {
    /// Σω.
    package var weight: UInt64 = 0
    package var workers: UInt64 = 0
    package var clipped: UInt64 = 0
    package var saturated: UInt64 = 0
    package var metrics = RoundMetrics(lossSum: 0, correct: 0, evaluated: 0)
    package var normHistogram: [UInt64] = []
  }

  /// Reads sums in the order of the layout; a negative count, which no honest workers produce, reads as 0.
  ///
  /// - Throws: `badLength` for another number of elements.
  package static func decode(
    _ sums: [Int64], layout: [RoundConfiguration.AuxiliaryField]
  ) throws(Refusal) -> Sums {
    guard sums.count == layout.reduce(0, { $0 + $1.elementCount }) else { throw .badLength }
    var out = Sums()
    var position = 0
    for field in layout {
      let values = sums[position..<position + field.elementCount].map { UInt64(clamping: $0) }
      switch field {
      case .weight: out.weight = values[0]
      case .one: out.workers = values[0]
      case .clipped: out.clipped = values[0]
      case .lossSum: out.metrics.lossSum = Double(sums[position]) / lossScale
      case .correct: out.metrics.correct = values[0]
      case .evaluated: out.metrics.evaluated = values[0]
      case .saturated: out.saturated = values[0]
      case .normHistogram: out.normHistogram = values
      }
      position += field.elementCount
    }
    return out
  }
}
