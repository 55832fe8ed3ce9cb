import Federation

/// What connects the coordinator and the workers.
extension SimulationScenario {
  /// A link between the coordinator and one worker.
  package struct Network: Hashable, Sendable {
    /// One way, of each message.
    package var latency: Latency
    /// From the worker, in bytes per second.
    package var up: UInt64
    /// To the worker, in bytes per second.
    package var down: UInt64
    /// Probability that a message is lost; the link then behaves as ZeroMQ over a broken connection does.
    package var loss: Double
    /// Probability that a message arrives twice. No connection does that; what the protocol promises holds all the same.
    package var duplication: Double
    /// Probability that a message is overtaken by later ones of its connection; likewise.
    package var reordering: Double

    package init(
      latency: Latency, up: UInt64, down: UInt64, loss: Double = 0, duplication: Double = 0, reordering: Double = 0
    ) {
      self.latency = latency
      self.up = up
      self.down = down
      self.loss = loss
      self.duplication = duplication
      self.reordering = reordering
    }

    static let keys = ["latency", "bandwidth", "up", "down", "loss", "duplication", "reordering"]

    /// - Parameter standard: what the keys that are missing stand for; nil if latency and bandwidth have to be there.
    init(_ section: ConfigurationSection, default standard: Network? = nil) throws(ConfigurationError) {
      func probability(_ key: String, _ standard: Double?) throws(ConfigurationError) -> Double {
        try section.number(key, default: standard ?? 0, expected: "a number from 0 to below 1") { $0 >= 0 && $0 < 1 }
      }
      let rates = try Self.rates(in: section, default: standard)
      func latency() throws(ConfigurationError) -> Latency {
        if let standard, !section.has("latency") { return standard.latency }
        return try Latency(in: section)
      }
      try self.init(
        latency: latency(), up: rates.up, down: rates.down, loss: probability("loss", standard?.loss),
        duplication: probability("duplication", standard?.duplication),
        reordering: probability("reordering", standard?.reordering))
    }

    /// `bandwidth` of both directions, or `up` and `down`.
    private static func rates(in section: ConfigurationSection, default standard: Network?)
      throws(ConfigurationError) -> (up: UInt64, down: UInt64)
    {
      func rate(_ key: String, default standard: UInt64? = nil) throws(ConfigurationError) -> UInt64 {
        if let standard, !section.has(key) { return standard }
        return try section.text(key, expected: "a rate of at least 1 kB/s, such as \"10 MB/s\"") { text in
          Quantity.rate(text).flatMap { $0 >= 1_000 ? $0 : nil }
        }
      }
      let ways = ["up", "down"].filter { section.has($0) }
      if section.has("bandwidth") || (ways.isEmpty && standard == nil) {
        guard ways.isEmpty else {
          throw section.error(at: ways[0], found: "it beside 'bandwidth'", expected: "'bandwidth', or 'up' and 'down'")
        }
        let rate = try rate("bandwidth")
        return (rate, rate)
      }
      return try (rate("up", default: standard?.up), rate("down", default: standard?.down))
    }
  }
}
