extension SimulationScenario {
  /// What the scenario claims; a simulation that ends otherwise has failed.
  package struct Expectations: Hashable, Sendable {
    /// Rounds that commit.
    package var rounds: UInt64
    /// Least accuracy of the last version on the held-out data; nil to claim nothing.
    package var accuracy: Double?
    /// Most bytes of all messages together, and of those from workers; nil to claim nothing.
    package var bytesMax: UInt64?
    package var bytesUpMax: UInt64?
    /// The longest virtual time to the end of the run; nil to claim nothing.
    package var virtualTimeMax: Duration?
    /// Whether every malicious party has to be found out, in the way that the catalogue says of its kind.
    package var isMaliceNoticed = false
  }

  static func expectations(in top: ConfigurationSection, run: RunConfiguration) throws(ConfigurationError)
    -> Expectations
  {
    let section = try top.section(
      "expectations", keys: ["rounds", "accuracy", "bytes-max", "bytes-up-max", "virtual-time-max", "malicious"])
    func bytes(_ key: String) throws(ConfigurationError) -> UInt64? {
      guard section.has(key) else { return nil }
      return try section.text(key, expected: "a number of bytes such as \"12 MiB\" or \"3 GB\"") { Quantity.bytes($0) }
    }
    return try Expectations(
      rounds: section.integer("rounds", in: 0...run.rounds),
      accuracy: section.has("accuracy")
        ? section.number("accuracy", expected: "a number from 0 to 1") { (0...1).contains($0) } : nil,
      bytesMax: bytes("bytes-max"), bytesUpMax: bytes("bytes-up-max"),
      virtualTimeMax: section.has("virtual-time-max")
        ? section.duration("virtual-time-max", in: .milliseconds(1)...latestMoment) : nil,
      isMaliceNoticed: isMaliceNoticed(in: section, of: top))
  }
}
