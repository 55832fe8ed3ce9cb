import Federation

extension SimulationScenario {
  /// Who is there at which time of the day: more workers by night, when they are idle and charging (Bonawitz et al. 2019,
  /// §9), than by day.
  ///
  /// At time t a worker is there with probability `p(t) = mean · (1 + a · cos(2π(t − peak)/period))`, where `a` gives
  /// the largest p over the smallest as `swing`. A worker is there while a number u in (0, 1) of its own is below p(t);
  /// it draws another u after a time that is exponential with mean `stay`. So p(t) holds at every moment, and nobody
  /// comes and goes all the time.
  package struct Availability: Hashable, Sendable {
    package var period: Duration
    /// Mean probability over the period.
    package var mean: Double
    /// The largest probability over the smallest; 1 for the same all day.
    package var swing: Double
    /// When in the period most are there.
    package var peak: Duration
    /// Each worker's peak is moved by up to half of it, either way.
    package var spread: Duration
    package var stay: Duration

    package init(
      period: Duration, mean: Double, swing: Double, peak: Duration = .zero, spread: Duration = .zero, stay: Duration
    ) {
      self.period = period
      self.mean = mean
      self.swing = swing
      self.peak = peak
      self.spread = spread
      self.stay = stay
    }

    /// a of the equation, from 0 to below 1.
    package var amplitude: Double { (swing - 1) / (swing + 1) }

    private static let keys = ["period", "mean", "swing", "peak", "spread", "stay"]

    /// The mapping `availability` of a population or of a group; nil if there is none.
    init?(in parent: ConfigurationSection) throws(ConfigurationError) {
      guard parent.has("availability") else { return nil }
      let section = try parent.section("availability", keys: Self.keys)
      let period = try section.duration("period", in: .seconds(10)...latestMoment)
      let swing = try section.number("swing", default: 1, expected: "a number from 1 to 1000") { $0 >= 1 && $0 <= 1000 }
      // With more than this there would be more workers at the peak than there are.
      let most = min(0.999, (swing + 1) / (2 * swing))
      try self.init(
        period: period,
        mean: section.number(
          "mean",
          expected:
            "a number from 0.001 to \(most): at the peak it is \(2 * swing / (swing + 1)) times as many, and at most all"
        ) { $0 >= 0.001 && $0 <= most },
        swing: swing, peak: section.duration("peak", default: .zero, in: .zero...period),
        spread: section.duration("spread", default: .zero, in: .zero...period),
        stay: section.duration("stay", default: period / 8, in: .seconds(1)...latestMoment))
    }
  }
}
