extension RunConfiguration {
  /// How an update is written as integers: how many bits travel for a parameter, and whether it is rotated first so that
  /// few bits suffice.
  package enum Encoding: String, Hashable, Sendable, CaseIterable {
    /// 32 bits, as they are: within rounding of plain averaging.
    case exact
    /// 24 bits, rotated.
    case balanced
    /// 16 bits, rotated; for slow links and at most 1,000 workers.
    case compact

    /// k.
    package var ringBits: UInt64 {
      switch self {
      case .exact: 32
      case .balanced: 24
      case .compact: 16
      }
    }

    package var isRotated: Bool { self != .exact }

    /// The largest roster that leaves an update enough bits.
    package var rosterMax: UInt64 { self == .compact ? 1_000 : 10_000 }
  }
}
