import Federation

/// A population of unlike workers.
extension SimulationScenario {
  package struct GroupName: Name {
    package let text: String
    package init(unchecked text: String) { self.text = text }
  }

  package struct RegionName: Name {
    package let text: String
    package init(unchecked text: String) { self.text = text }
  }

  /// Workers that are alike, with consecutive numbers.
  package struct Group: Hashable, Sendable {
    package var name: GroupName
    /// Their places in the population, from 0: worker-1 has place 0.
    package var workers: Range<Int>
    /// How many times as long they train and evaluate as the scenario's costs say.
    package var slowness: Double
    /// Training threads and labels, as they say in their hello: what a run's cohort may ask for.
    package var traits: WorkerTraits
    /// Where they are, for partitions.
    package var region: RegionName?
    /// Their links, if they are not the scenario's.
    package var network: Network?
    /// When they are there, if not as the population says.
    package var availability: Availability?
    /// From when on they are there at all.
    package var joins: Duration

    static let keys = [
      "name", "count", "share", "organisations", "slowness", "threads", "labels", "region", "network", "availability",
      "joins",
    ]

    /// - Parameter network: the scenario's, for what the group's own leaves out.
    fileprivate init(_ section: ConfigurationSection, workers: Range<Int>, network: Network) throws(ConfigurationError)
    {
      self.workers = workers
      name = try section.name("name")
      slowness = try section.number("slowness", default: 1, expected: "a number above 0, at most 10000") {
        $0 > 0 && $0 <= 10_000
      }
      traits = try WorkerTraits(
        labels: section.labels("labels"), threads: section.integer("threads", default: 1, in: 1...1024))
      region = section.has("region") ? try section.name("region") : nil
      self.network =
        section.has("network")
        ? try Network(section.section("network", keys: Network.keys), default: network) : nil
      availability = try Availability(in: section)
      joins = try section.duration("joins", default: .zero, in: .zero...latestMoment)
    }
  }

  /// Groups in one population.
  static let groupCountMax = 1_000
  /// The keys of the mapping `population` of a scenario.
  static let populationKeys = Population.keys + ["groups", "availability"]

  /// Reads the groups, and has their organisations take the place of the population's.
  static func groups(
    in section: ConfigurationSection, of population: inout Population, network: Network
  ) throws(ConfigurationError) -> [Group] {
    let sections = try section.sections("groups", keys: Group.keys)
    guard !sections.isEmpty else {
      guard !section.has("groups") else {
        throw section.error(at: "groups", found: "an empty list", expected: "at least one group, or no such key")
      }
      return []
    }
    guard sections.count <= groupCountMax else {
      throw section.error(at: "groups", found: "\(sections.count) groups", expected: "at most \(groupCountMax)")
    }
    let ranges = try ranges(of: sections, in: section, workers: population.workers)
    var groups: [Group] = []
    for (section, range) in zip(sections, ranges) {
      let group = try Group(section, workers: range, network: network)
      guard !groups.contains(where: { $0.name == group.name }) else {
        throw section.error(at: "name", found: "\"\(group.name)\" twice", expected: "each group once")
      }
      groups.append(group)
    }
    try organise(&population, sections: sections, ranges: ranges, in: section)
    return groups
  }

  /// All by count, or all by share of the workers.
  private static func ranges(
    of groups: [ConfigurationSection], in section: ConfigurationSection, workers: Int
  ) throws(ConfigurationError) -> [Range<Int>] {
    let key = groups[0].has("share") ? "share" : "count"
    let other = key == "share" ? "count" : "share"
    if let stranger = groups.first(where: { $0.has(other) }) {
      throw stranger.error(at: other, found: "it beside '\(key)'", expected: "'\(key)' of every group")
    }
    return try key == "share"
      ? shares(of: groups, in: section, workers: workers) : counts(of: groups, in: section, workers: workers)
  }

  private static func counts(
    of groups: [ConfigurationSection], in section: ConfigurationSection, workers: Int
  ) throws(ConfigurationError) -> [Range<Int>] {
    var ranges: [Range<Int>] = []
    for group in groups {
      let begin = ranges.last?.upperBound ?? 0
      ranges.append(begin..<begin + (try group.integer("count", in: 1...100_000)))
    }
    let total = ranges.last?.upperBound ?? 0
    guard total == workers else {
      throw section.error(
        at: "groups", found: "groups of \(total) workers together", expected: "the \(workers) of 'workers'")
    }
    return ranges
  }

  /// Each group ends where the sum of the shares up to it says, rounded.
  private static func shares(
    of groups: [ConfigurationSection], in section: ConfigurationSection, workers: Int
  ) throws(ConfigurationError) -> [Range<Int>] {
    var ranges: [Range<Int>] = []
    var sum = 0.0
    for group in groups {
      sum += try group.number("share", expected: "a number above 0, at most 1") { $0 > 0 && $0 <= 1 }
      let begin = ranges.last?.upperBound ?? 0, end = min(workers, Int((sum * Double(workers)).rounded()))
      guard end > begin else {
        throw group.error(
          at: "share", found: "a share of no worker", expected: "at least one of the \(workers) workers")
      }
      ranges.append(begin..<end)
    }
    guard abs(sum - 1) < 1e-9 else {
      throw section.error(at: "groups", found: "shares of \(sum) together", expected: "1")
    }
    return ranges
  }

  /// Organisations of the groups' own: of all groups, or of none.
  private static func organise(
    _ population: inout Population, sections: [ConfigurationSection], ranges: [Range<Int>],
    in section: ConfigurationSection
  ) throws(ConfigurationError) {
    guard sections.contains(where: { $0.has("organisations") }) else { return }
    guard !section.has("organisations") else {
      throw section.error(at: "organisations", found: "it beside those of the groups", expected: "one of them")
    }
    var blocks: [Population.Block] = []
    for (group, range) in zip(sections, ranges) {
      blocks.append(
        Population.Block(
          workers: range.count, organisations: try group.integer("organisations", in: 1...range.count)))
    }
    population.blocks = blocks
  }

  // MARK: Of one worker

  /// The group of a worker by its place; nil without groups.
  package func group(of place: Int) -> Group? {
    // Groups follow one another: the last that begins at the place or before it.
    var low = 0, high = groups.count
    while low < high {
      let middle = (low + high) / 2
      if groups[middle].workers.lowerBound <= place { low = middle + 1 } else { high = middle }
    }
    return low > 0 ? groups[low - 1] : nil
  }

  package func network(of place: Int) -> Network { group(of: place)?.network ?? network }

  package func availability(of place: Int) -> Availability? { group(of: place)?.availability ?? availability }

  package func traits(of place: Int) -> WorkerTraits { group(of: place)?.traits ?? WorkerTraits(threads: 1) }

  /// How many times as long a worker trains and evaluates as the costs say: what is said of the worker goes before what
  /// is said of its group.
  package func slowness(of place: Int, named worker: WorkerID) -> Double {
    slowWorkers[worker] ?? group(of: place)?.slowness ?? 1
  }

  /// Whether workers come late, or come and go, so that a run may have to wait for them.
  package var hasAbsences: Bool {
    availability != nil || !partitions.isEmpty || groups.contains { $0.availability != nil || $0.joins > .zero }
  }

  /// Refuses a run that asks for what too few workers are.
  func checkTraits(in top: ConfigurationSection) throws(ConfigurationError) {
    let suited = suitedCount
    guard suited < population.workers, suited < Int(clamping: run.cohort.minimum) else { return }
    let section = try top.section("run", keys: RunConfiguration.keys)
      .section("cohort", keys: RunConfiguration.Cohort.keys)
    throw section.error(
      at: section.has("labels") ? "labels" : "minimum-threads",
      found: "\(suited) workers with these labels and at least \(run.cohort.minimumThreads) threads",
      expected:
        "at least the \(run.cohort.minimum) of 'minimum': 'labels' and 'threads' of groups say what workers have")
  }

  /// Workers that the run may select.
  package var suitedCount: Int {
    guard !groups.isEmpty else { return run.suits(WorkerTraits(threads: 1)) ? population.workers : 0 }
    return groups.reduce(0) { $0 + (run.suits($1.traits) ? $1.workers.count : 0) }
  }
}
