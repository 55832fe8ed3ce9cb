import Federation

extension SimulationScenario {
  /// How long messages are under way: a distribution, always within bounds.
  package enum Latency: Hashable, Sendable {
    /// Evenly between the two.
    case uniform(minimum: Duration, maximum: Duration)
    /// Its logarithm is normal: most links of the world (a few messages take several times the median).
    case lognormal(Tail)
    /// A power law: messages that take a hundred times the median come up.
    case pareto(Tail)

    /// A distribution by its middle and by how far it reaches up.
    package struct Tail: Hashable, Sendable {
      package var median: Duration
      /// The 84th percentile over the median: one standard deviation of the logarithm where that is normal.
      package var spread: Double
      /// What is drawn below or above these is moved to them.
      package var minimum: Duration
      package var maximum: Duration

      package init(median: Duration, spread: Double, minimum: Duration, maximum: Duration) {
        self.median = median
        self.spread = spread
        self.minimum = minimum
        self.maximum = maximum
      }
    }

    /// No message takes longer.
    package var maximum: Duration {
      switch self {
      case .uniform(_, let maximum): maximum
      case .lognormal(let tail), .pareto(let tail): tail.maximum
      }
    }

    /// The longest of five in six.
    package var usual: Duration {
      switch self {
      case .uniform(_, let maximum): maximum
      case .lognormal(let tail), .pareto(let tail): min(tail.maximum, tail.median * tail.spread)
      }
    }

    private enum Shape { case uniform, lognormal, pareto }
    private static let longest = Duration.seconds(60)

    /// The mapping `latency` of a network.
    init(in network: ConfigurationSection) throws(ConfigurationError) {
      let section = try network.section(
        "latency", keys: ["minimum", "maximum", "distribution", "median", "spread"])
      let shape: Shape = try section.choice(
        "distribution", default: .uniform, of: ["uniform": .uniform, "lognormal": .lognormal, "pareto": .pareto])
      switch shape {
      case .uniform:
        for key in ["median", "spread"] where section.has(key) {
          throw section.error(
            at: key, found: "it in a uniform distribution", expected: "'distribution: lognormal' or 'pareto' beside it")
        }
        let minimum = try section.duration("minimum", in: .zero...Self.longest)
        self = .uniform(minimum: minimum, maximum: try section.duration("maximum", in: minimum...Self.longest))
      case .lognormal: self = .lognormal(try Self.tail(in: section))
      case .pareto: self = .pareto(try Self.tail(in: section))
      }
    }

    private static func tail(in section: ConfigurationSection) throws(ConfigurationError) -> Tail {
      let median = try section.duration("median", in: .microseconds(1)...longest)
      return try Tail(
        median: median,
        spread: section.number("spread", expected: "a number above 1, at most 100: the 84th percentile over the median")
        { $0 > 1 && $0 <= 100 },
        minimum: section.duration("minimum", default: .zero, in: .zero...median),
        maximum: section.duration("maximum", in: median...longest))
    }
  }
}
