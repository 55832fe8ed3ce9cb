import Federation

/// How many requests there may be: a rate, and a burst above it.
///
/// The generic cell rate algorithm (ITU-T I.371, annex A): of everyone who is limited one moment is kept, the
/// theoretical arrival time (TAT), at which the last admitted request would have come had they all come at the rate.
/// In no time t more than burst + rate · t requests are admitted, and after an idle time of burst ÷ rate a whole burst
/// is.
package struct RateLimit: Hashable, Sendable {
  /// Requests a second.
  package static let perSecondRange = 0.001...1_000_000.0
  package static let burstRange = 1...1_000_000

  package let perSecond: Double
  package let burst: Int
  /// T = 1 ÷ rate, in nanoseconds, rounded up, so that the rate is never exceeded.
  private let interval: UInt64
  /// τ = T · (burst − 1), in nanoseconds; at most 10^18, so that no sum below overflows.
  private let tolerance: UInt64

  package enum Decision: Hashable, Sendable {
    case allowed
    /// Not before so long from now, if nobody else asks.
    case limited(retryAfter: Duration)
  }

  /// nil for a rate or a burst out of its range.
  package init?(perSecond: Double, burst: Int) {
    guard Self.perSecondRange.contains(perSecond), Self.burstRange.contains(burst) else { return nil }
    self.perSecond = perSecond
    self.burst = burst
    interval = UInt64((1e9 / perSecond).rounded(.up))
    tolerance = interval * UInt64(burst - 1)
  }

  /// Whether a request may pass now.
  ///
  /// - Parameter arrival: the theoretical arrival time of those before; moved on if the request is allowed, and left as
  ///   it is if not. The clock's zero for a first request.
  package func admit(_ arrival: inout MonotonicTime, at now: MonotonicTime) -> Decision {
    let earliest = max(arrival.nanoseconds, now.nanoseconds)
    let ahead = earliest - now.nanoseconds
    guard ahead <= tolerance else { return .limited(retryAfter: .nanoseconds(Int64(clamping: ahead - tolerance))) }
    arrival = MonotonicTime(nanoseconds: earliest + interval)
    return .allowed
  }
}

/// The limits of a node.
package struct RateLimits: Hashable, Sendable {
  /// For every caller and model, where the caller's key has no limit of its own; nil for none.
  package let standard: RateLimit?
  /// For all callers of a model together.
  package let models: [String: RateLimit]

  package init(standard: RateLimit? = nil, models: [String: RateLimit] = [:]) {
    self.standard = standard
    self.models = models
  }
}
