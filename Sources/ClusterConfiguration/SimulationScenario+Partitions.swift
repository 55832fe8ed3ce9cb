import Federation

extension SimulationScenario {
  /// A region that nothing gets through to, for a while.
  package struct RegionPartition: Hashable, Sendable {
    package enum Span: Hashable, Sendable {
      /// From a moment of virtual time on, for so long.
      case time(from: Duration, lasting: Duration)
      /// From the first offer of the first of these rounds to the first offer behind the last of them.
      case rounds(ClosedRange<UInt64>)
    }

    package var region: RegionName
    package var span: Span

    package init(region: RegionName, span: Span) {
      self.region = region
      self.span = span
    }
  }

  /// Partitions in one scenario.
  static let partitionCountMax = 1_000
  /// Virtual times that a scenario may name: ten years.
  static let latestMoment = Duration.seconds(10 * 365 * 24 * 3600)

  /// The list `partitions` of the mapping `network`.
  static func partitions(
    in network: ConfigurationSection, groups: [Group], run: RunConfiguration
  ) throws(ConfigurationError) -> [RegionPartition] {
    let sections = try network.sections("partitions", keys: ["region", "from", "for", "rounds"])
    guard sections.count <= partitionCountMax else {
      throw network.error(
        at: "partitions", found: "\(sections.count) partitions", expected: "at most \(partitionCountMax)")
    }
    let regions = Set(groups.compactMap(\.region))
    var partitions: [RegionPartition] = []
    for section in sections {
      let region: RegionName = try section.name("region")
      guard regions.contains(region) else {
        let known = regions.sorted().map(\.text)
        throw section.error(
          at: "region", found: "\"\(region)\"",
          expected: known.isEmpty
            ? "a region, and there is none: 'region' of a group of the population names one"
            : ConfigurationFile.list(known))
      }
      partitions.append(RegionPartition(region: region, span: try span(in: section, run: run)))
    }
    return partitions
  }

  private static func span(
    in section: ConfigurationSection, run: RunConfiguration
  ) throws(ConfigurationError) -> RegionPartition.Span {
    if section.has("rounds") {
      for key in ["from", "for"] where section.has(key) {
        throw section.error(at: key, found: "it beside 'rounds'", expected: "'from' and 'for', or 'rounds'")
      }
      return .rounds(
        try section.scalar("rounds", expected: "a round such as 3, or rounds such as 3..5, up to \(run.rounds)") {
          range($0, atMost: run.rounds)
        })
    }
    return try .time(
      from: section.duration("from", in: .zero...latestMoment),
      lasting: section.duration("for", in: .milliseconds(1)...latestMoment))
  }

  /// `3` or `3..5`.
  static func range(_ text: String, atMost most: UInt64) -> ClosedRange<UInt64>? {
    let ends = text.split(separator: ".", omittingEmptySubsequences: false)
    let isRange = ends.count == 3 && ends[1].isEmpty
    guard isRange || ends.count == 1, let first = UInt64(ends[0]), let last = UInt64(ends[ends.count - 1]),
      first >= 1, first <= last, last <= most
    else { return nil }
    return first...last
  }
}
