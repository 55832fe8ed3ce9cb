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
  /// Weighted steps have 16 fractional bits: half a step of an error in a weight of one.
  private static let stepScale = 65_536.0
  /// Fairness has 32 fractional bits: with q above 1 and a small loss it is small.
  private static let fairnessScale = 4_294_967_296.0
  private static let histogramCount = RoundConfiguration.AuxiliaryField.normHistogram.elementCount

  /// The elements of one worker, in the order of the layout, each clamped to ±⌊2^62/n⌋.
  ///
  /// - Parameters:
  ///   - exampleCount: w; weighs as min(w, W_max).
  ///   - norm: L of the update; nil in a round without one, which then counts in no histogram element.
  ///   - terms: what the strategy needs.
  /// - Throws: `noExamples`, `notFinite` for a loss or a term that is not a number.
  package static func encode(
    layout: [RoundConfiguration.AuxiliaryField], exampleCount: UInt64, metrics: RoundMetrics, isClipped: Bool,
    saturated: Int, norm: Double?, terms: StrategyTerms = StrategyTerms(), rules: EncodingRules
  ) throws(Refusal) -> [Int64] {
    guard exampleCount >= 1 else { throw .noExamples }
    guard metrics.lossSum.isFinite, terms.steps.isFinite, terms.fairness.isFinite else { throw .notFinite }
    let limit: Int64 = (1 << 62) / Int64(max(rules.rosterCount, 1))
    func clamp(_ value: Int64) -> Int64 { max(-limit, min(limit, value)) }
    func fixed(_ value: Double, scale: Double) -> Int64 {
      let fixed = (value * scale).rounded(.toNearestOrEven)
      return Int64(exactly: max(-Double(limit), min(Double(limit), fixed))).map(clamp) ?? (fixed < 0 ? -limit : limit)
    }
    let weight = min(exampleCount, rules.maximumWeight)
    var out: [Int64] = []
    for field in layout {
      switch field {
      case .weight: out.append(clamp(Int64(clamping: weight)))
      case .one: out.append(1)
      case .clipped: out.append(isClipped ? 1 : 0)
      case .lossSum: out.append(fixed(metrics.lossSum, scale: lossScale))
      case .weightedSteps: out.append(fixed(Double(weight) * terms.steps, scale: stepScale))
      case .fairness: out.append(fixed(terms.fairness, scale: fairnessScale))
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
    /// `Σ w_k·‖a_k‖₁`.
    package var weightedSteps = 0.0
    /// `Σ h_k ÷ L`.
    package var fairness = 0.0
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
      case .weightedSteps: out.weightedSteps = Double(sums[position]) / stepScale
      case .fairness: out.fairness = Double(sums[position]) / fairnessScale
      }
      position += field.elementCount
    }
    return out
  }
}
