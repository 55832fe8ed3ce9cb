import Federation

/// What happens to the bytes of one direction.
package struct LaneRules: Hashable, Sendable {
  /// Nothing moves, and nobody is told: both ends still have their connection.
  package var isBlackHole = false
  /// From the arrival of bytes to their departure.
  package var delay = Duration.zero
  /// Nil for no bound.
  package var bytesPerSecond: Int?
  /// What takes the place of lost packets, which TCP repeats after a while.
  package var loss = Loss()

  package init(
    isBlackHole: Bool = false, delay: Duration = .zero, bytesPerSecond: Int? = nil, loss: Loss = Loss()
  ) {
    self.isBlackHole = isBlackHole
    self.delay = delay
    self.bytesPerSecond = bytesPerSecond
    self.loss = loss
  }

  package static let clear = LaneRules()
  package static let blackHole = LaneRules(isBlackHole: true)
}

/// Loss as an application sees it below TCP: blocks that come late, and connections that break.
package struct Loss: Hashable, Sendable {
  /// Of a stream, for which one fate is drawn.
  package static let blockBytes = 4096

  /// Of a hundred blocks, how many come late.
  package var stallsPerHundred: Int
  /// How late.
  package var stall: Duration
  /// Of ten thousand blocks, how many break their connection.
  package var resetsPerTenThousand: Int

  package init(stallsPerHundred: Int = 0, stall: Duration = .milliseconds(200), resetsPerTenThousand: Int = 0) {
    self.stallsPerHundred = stallsPerHundred
    self.stall = stall
    self.resetsPerTenThousand = resetsPerTenThousand
  }

  package enum Fate: Hashable, Sendable {
    case passes
    case stalls
    case resets
  }

  /// The fate of one block: the same for the same seed, whenever its bytes come.
  package func fate(of block: UInt64, connection: Int, lane: Lane, seed: UInt64) -> Fate {
    guard stallsPerHundred > 0 || resetsPerTenThousand > 0 else { return .passes }
    var generator = SeededGenerator(seed: seed, stream: "\(connection) \(lane) \(block)")
    let drawn = Int.random(in: 0..<10_000, using: &generator)
    if drawn < resetsPerTenThousand { return .resets }
    return drawn < resetsPerTenThousand + 100 * stallsPerHundred ? .stalls : .passes
  }
}

/// A direction through the proxy.
package enum Lane: Int, Hashable, Sendable, CaseIterable {
  /// From who connects to who listens.
  case up
  case down
}
