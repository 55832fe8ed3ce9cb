import Federation

/// Durations, ratios, rates and byte counts as people write them in configurations.
enum Quantity {
  /// `15ns`, `250us`, `500ms`, `10s`, `5m` or `2h`: a whole number and a unit; nil for anything else.
  static func duration(_ text: String) -> Duration? {
    let units: [(suffix: String, nanoseconds: Int64)] = [
      ("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000),
      ("h", 3_600_000_000_000),
    ]
    for unit in units where text.hasSuffix(unit.suffix) {
      guard let count = whole(text.dropLast(unit.suffix.count)) else { continue }
      let (nanoseconds, overflow) = count.multipliedReportingOverflow(by: unit.nanoseconds)
      return overflow ? nil : .nanoseconds(nanoseconds)
    }
    return nil
  }

  static let durationExpected = "a duration such as \"500ms\", \"10s\" or \"5m\""

  /// `1/3`, or a decimal number such as `1.25` or `1`, as an exact ratio in lowest terms; nil for anything else.
  static func ratio(_ text: String) -> RoundConfiguration.Ratio? {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    if parts.count == 2, let numerator = whole(parts[0]), let denominator = whole(parts[1]) {
      return reduced(numerator, denominator)
    }
    guard parts.count == 1 else { return nil }
    let decimal = text.split(separator: ".", omittingEmptySubsequences: false)
    guard decimal.count <= 2, let integer = whole(decimal[0]) else { return nil }
    guard decimal.count == 2 else { return reduced(integer, 1) }
    guard decimal[1].count <= 6, integer <= 1_000, let fraction = whole(decimal[1]) else { return nil }
    let denominator = (0..<decimal[1].count).reduce(Int64(1)) { power, _ in power * 10 }
    return reduced(integer * denominator + fraction, denominator)
  }

  /// `10 MB/s`, `1 GB/s`, `500 kB/s`, in bytes per second; nil for anything else.
  static func rate(_ text: String) -> UInt64? {
    guard text.hasSuffix("/s") else { return nil }
    return bytes(String(text.dropLast(2)))
  }

  /// `64 MiB`, `256 KiB`, `10 MB`, `512 B`; nil for anything else.
  static func bytes(_ text: String) -> UInt64? {
    let units: [(suffix: String, bytes: Int64)] = [
      ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("kB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000),
      ("B", 1),
    ]
    for unit in units where text.hasSuffix(unit.suffix) {
      let digits = text.dropLast(unit.suffix.count)
      guard let count = whole(digits.last == " " ? digits.dropLast() : digits) else { return nil }
      let (bytes, overflow) = count.multipliedReportingOverflow(by: unit.bytes)
      return overflow ? nil : UInt64(bytes)
    }
    return nil
  }

  private static func whole(_ digits: Substring) -> Int64? {
    guard !digits.isEmpty, digits.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
    return Int64(digits)
  }

  private static func reduced(_ numerator: Int64, _ denominator: Int64) -> RoundConfiguration.Ratio? {
    guard denominator > 0 else { return nil }
    var (a, b) = (numerator, denominator)
    while b != 0 { (a, b) = (b, a % b) }
    guard let top = UInt32(exactly: numerator / a), let bottom = UInt32(exactly: denominator / a) else { return nil }
    return RoundConfiguration.Ratio(top, bottom)
  }
}

extension ConfigurationSection {
  /// A duration within bounds.
  package func duration(_ key: String, default value: Duration? = nil, in range: ClosedRange<Duration>)
    throws(ConfigurationError) -> Duration
  {
    if let value, !has(key) { return value }
    return try text(key, expected: "\(Quantity.durationExpected) from \(range.lowerBound) to \(range.upperBound)") {
      Quantity.duration($0).flatMap { range.contains($0) ? $0 : nil }
    }
  }

  /// A ratio for which `isValid` holds. `1/3` is a text in YAML, `0.5` and `1` are numbers; both are read.
  package func ratio(
    _ key: String, default value: RoundConfiguration.Ratio? = nil, expected: String,
    where isValid: (RoundConfiguration.Ratio) -> Bool
  ) throws(ConfigurationError) -> RoundConfiguration.Ratio {
    if let value, !has(key) { return value }
    return try scalar(key, expected: expected) { Quantity.ratio($0).flatMap { isValid($0) ? $0 : nil } }
  }

  static let nameExpected = "a name: 1 to 128 letters, digits, '.', '_' or '-', a letter or digit first"

  /// A name as certificates and file names allow it.
  package func name<N: Name>(_ key: String, as: N.Type = N.self) throws(ConfigurationError) -> N {
    try scalar(key, expected: Self.nameExpected) { N($0) }
  }

  package func name<N: Name>(_ key: String, default value: N) throws(ConfigurationError) -> N {
    try has(key) ? name(key) : value
  }
}
