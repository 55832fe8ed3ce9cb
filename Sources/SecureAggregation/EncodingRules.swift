import Federation

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// What all workers of a roster share when they turn updates into integers; every side computes it from n and the
/// configuration.
package struct EncodingRules: Hashable, Sendable {
  /// d.
  package let vectorLength: Int
  package let ringBits: Int
  /// n.
  package let rosterCount: Int
  package let isRotated: Bool
  /// C.
  package let clip: Double
  /// W_max.
  package let maximumWeight: UInt64
  /// b = k − max(1, ⌈log2 n⌉): sums of n values of b bits fit k bits.
  package let valueBits: Int
  /// B = 2^(b−1) − 1: the largest integer.
  package let bound: Int64
  /// R: the value behind B.
  package let range: Double
  package let step: Double

  /// - Throws: `fieldValue` if so many workers leave no bits for a value.
  package init(
    vectorLength: Int, ringBits: Int, rosterCount: Int, isRotated: Bool, clip: Double, maximumWeight: UInt64,
    rangeFailure: Double
  ) throws(Refusal) {
    let rosterBits = rosterCount > 1 ? Int.bitWidth - (rosterCount - 1).leadingZeroBitCount : 0
    let valueBits = ringBits - max(1, rosterBits)
    guard valueBits >= 2, maximumWeight >= 1, clip > 0 else { throw .fieldValue }
    self.vectorLength = vectorLength
    self.ringBits = ringBits
    self.rosterCount = rosterCount
    self.isRotated = isRotated
    self.clip = clip
    self.maximumWeight = maximumWeight
    self.valueBits = valueBits
    bound = (1 << (valueBits - 1)) - 1
    if isRotated, vectorLength > 0 {
      // A rotated coordinate exceeds √2·z·C/√d with probability at most β over all of them; C is always enough (A19).
      let z = (2 * log(Double(2 * vectorLength * rosterCount) / rangeFailure)).squareRoot()
      range = min(clip, 2.0.squareRoot() * z * clip / Double(vectorLength).squareRoot())
    } else {
      range = clip
    }
    step = range / Double(bound)
  }

  package init(_ configuration: RoundConfiguration, rosterCount: Int) throws(Refusal) {
    try self.init(
      vectorLength: Int(configuration.vectorLength), ringBits: Int(configuration.ringBits), rosterCount: rosterCount,
      isRotated: configuration.rotation, clip: configuration.clip, maximumWeight: configuration.maximumWeight,
      rangeFailure: configuration.rangeFailure)
  }

  /// The L2 error of the decoded average that rounding is expected to cause at most, for Σω = `weight`:
  /// √(d·n)·step/2·W_max/Σω.
  package func expectedError(weight: UInt64) -> Double {
    let spread = Double(vectorLength * rosterCount).squareRoot()
    return spread * step / 2 * Double(maximumWeight) / Double(max(weight, 1))
  }
}
