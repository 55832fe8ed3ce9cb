import Federation

/// Combines updates so that a few arbitrary ones cannot move the result far. Needs them one by one, and a secure sum shows
/// no single one: it combines the updates of a plain attempt, or the means of groups of workers (`GroupRules`).
package enum RobustRule: Hashable, Sendable {
  /// Coordinate-wise median (Yin et al. 2018, Definition 1).
  case median
  /// Coordinate-wise trimmed mean (Yin et al. 2018, Definition 2).
  case trimmedMean(trim: Double)
  /// Krum (Blanchard et al. 2017), against at most `byzantine` workers.
  case krum(byzantine: Int)
  /// Multi-Krum (Blanchard et al. 2017): the mean of the `keep` best; nil for all but `byzantine`.
  case multiKrum(byzantine: Int, keep: Int?)
  /// The smoothed geometric median (Pillutla et al. 2022, RFA), weighted by example counts.
  case geometricMedian(smoothing: Double, iterations: Int)

  /// Most updates of a round: every one of them is kept until the sum opens, on disk and with an open file.
  package static let updatesMax: UInt64 = 256

  /// The same bits for the same updates, whatever the order of their arrival.
  ///
  /// - Returns: Δ, shape `[d]`, each element rounded once from binary64.
  /// - Throws: `noUpdates`, `tooFewUpdates`, and what `updates` throws.
  package func combine(_ updates: some RoundUpdates) throws -> [Float] {
    guard updates.count > 0 else { throw AggregationError.noUpdates }
    let needed = updatesMin
    guard updates.count >= needed else {
      throw AggregationError.tooFewUpdates(found: updates.count, needed: needed, rule: name)
    }
    switch self {
    case .median: return try CoordinateWise.combine(updates, CoordinateWise.median)
    case .trimmedMean(let trim):
      let trimmed = Self.trimmedCount(trim, of: updates.count)
      return try CoordinateWise.combine(updates) { CoordinateWise.trimmedMean($0, trimmed: trimmed) }
    case .krum(let byzantine):
      return try Krum.combine(updates, byzantine: byzantine, keep: 1)
    case .multiKrum(let byzantine, let keep):
      return try Krum.combine(updates, byzantine: byzantine, keep: keep ?? updates.count - byzantine)
    case .geometricMedian(let smoothing, let iterations):
      return try GeometricMedian.combine(updates, smoothing: smoothing, iterations: iterations)
    }
  }

  package var name: String {
    switch self {
    case .median: "median"
    case .trimmedMean: "trimmed-mean"
    case .krum: "krum"
    case .multiKrum: "multi-krum"
    case .geometricMedian: "geometric-median"
    }
  }

  /// Fewest updates with which the rule means anything.
  package var updatesMin: Int {
    switch self {
    case .median, .geometricMedian: 1
    case .trimmedMean(let trim): Int((1 / trim).rounded(.up))  // One has to go at each end.
    case .krum(let byzantine): 2 * byzantine + 3  // Blanchard et al. 2017, Proposition 4.2.
    case .multiKrum(let byzantine, let keep): max(2 * byzantine + 3, (keep ?? 1) + byzantine)
    }
  }

  /// ⌊β·n⌋, whatever the last bit of β.
  package static func trimmedCount(_ trim: Double, of count: Int) -> Int {
    let exact = trim * Double(count)
    return abs(exact - exact.rounded()) < 1e-9 ? Int(exact.rounded()) : Int(exact)
  }
}
