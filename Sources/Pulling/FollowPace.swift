/// When a follower asks again: at a steady interval, a little off it so that many do not ask at once, and ever later while
/// nobody answers.
package struct FollowPace: Sendable {
  package static let intervalMax = Duration.seconds(86_400)
  /// The longest pause while nobody answers, unless the interval is longer.
  package static let pauseMax = Duration.seconds(60)
  /// Of a pause that is drawn by lot.
  private static let jitter = 0.2

  private let interval: Duration
  private var pause: Duration

  /// - Parameter interval: above 0, at most `intervalMax`.
  package init(interval: Duration) {
    precondition(interval > .zero && interval <= Self.intervalMax, "an interval is above 0 and at most a day")
    self.interval = interval
    pause = interval
  }

  /// The pause after an answer: the interval, by up to a fifth longer or shorter.
  package mutating func answered(choices: inout some RandomNumberGenerator) -> Duration {
    pause = interval
    return jittered(interval, &choices)
  }

  /// The pause after a failure: double the one before, up to `pauseMax`.
  package mutating func failed(choices: inout some RandomNumberGenerator) -> Duration {
    pause = min(pause * 2, max(Self.pauseMax, interval))
    return jittered(pause, &choices)
  }

  private func jittered(_ duration: Duration, _ choices: inout some RandomNumberGenerator) -> Duration {
    duration * Double.random(in: 1 - Self.jitter...1 + Self.jitter, using: &choices)
  }
}
