import ClusterConfiguration
import Federation
import Rounds
import SecureAggregation
import Testing

@Suite("What a run comes to")
struct RunForecastTests {
  private static func run(_ more: String = "") throws -> RunConfiguration {
    try RunConfiguration.read(file(shortRun + "\n" + more))
  }

  private static func workers(_ sizes: Int...) -> [OrganisationID] {
    sizes.enumerated().flatMap { index, size in
      Array(repeating: OrganisationID(unchecked: "o\(index)"), count: size)
    }
  }

  @Test(
    "An encoding is a ring and a rotation",
    arguments: [("exact", 32, false), ("balanced", 24, true), ("compact", 16, true)] as [(String, UInt64, Bool)])
  func encoding(name: String, ringBits: UInt64, isRotated: Bool) throws {
    let rules = try Self.run("encoding: \(name)").rulesWithoutMembership
    #expect(rules.ringBits == ringBits)
    #expect(rules.rotation == isRotated)
    #expect(rules.vectorLength == 9_610)
    #expect(try RoundConfiguration(canonicalBytes: rules.canonicalBytes) == rules)
  }

  @Test(
    "A run file that this version cannot carry out is refused by line and key",
    arguments: [
      (
        "suite: hybrid",
        "run.yaml:15: key 'suite': found \"hybrid\", expected 'aes-128' or 'aes-256': suite 3, the hybrid against quantum "
          + "computers, is reserved and not carried out by this version"
      ),
      ("suite: 3", "run.yaml:15: key 'suite': found 3, expected 'aes-128' or 'aes-256': suite 3, the hybrid"),
      ("suite: aes-512", "run.yaml:15: key 'suite': found \"aes-512\", expected one of 'aes-128' or 'aes-256'"),
      (
        "privacy: {mechanism: skellam}",
        "run.yaml:15: key 'privacy': found a run that needs noise, expected no such key: this version adds no noise"
      ),
      ("encoding: tiny", "run.yaml:15: key 'encoding': found \"tiny\""),
      (
        "encoding: compact",
        "run.yaml:15: key 'encoding': found 'compact' for up to 1001 workers, expected a cohort.maximum of at most 1000"
      ),
    ])
  func refuses(line: String, says: String) throws {
    let maximum = line == "encoding: compact" ? "  maximum: 1001" : "  maximum: 300"
    let text = shortRun + "\n" + maximum + "\n" + line
    let error = try #require(throws: ConfigurationError.self) { try RunConfiguration.read(file(text)) }
    #expect(error.description.hasPrefix(says), "\(error)")
  }

  @Test("Both numbers of dropouts are told: by count, and whoever they are (A20)")
  func dropouts() throws {
    let run = try Self.run()
    let even = try #require(try run.forecast(organisations: Self.workers(1, 1, 1, 1, 1, 1, 1, 1), file: "r"))
    #expect(even.thresholds.toleratedDropouts == 2 && even.thresholds.safeForAnyDropouts == 2)
    let uneven = try #require(try run.forecast(organisations: Self.workers(2, 1, 1, 1, 1), file: "r"))
    #expect(uneven.thresholds.toleratedDropouts == 1 && uneven.thresholds.safeForAnyDropouts == 0)
  }

  @Test("A plain run has no forecast")
  func plain() throws {
    #expect(try Self.run("aggregation: plain").forecast(organisations: Self.workers(1, 1), file: "r") == nil)
  }

  static let hopeless: [(more: String, sizes: [Int], says: String)] = [
    (
      "", [1, 1, 1, 1],
      "r: key 'cohort.minimum': found 5, expected at most the 4 workers there are (belowMinimumCohort)"
    ),
    ("", [3, 3], "r: key 'cohort.minimum-organisations': found 3, expected at most the 2 organisations there are"),
    ("", [4, 1, 1], "r: key 'cohort.organisation-cap': found 1/3, expected at least the share of the largest"),
    (
      "  minimum-honest-sum: 5", [1, 1, 1, 1, 1],
      "r: key 'cohort.minimum-honest-sum': found 5 among 5 workers, expected at most 4, since 1 of them may act"
    ),
    (
      "encoding: compact\nmaximum-weight: 1048576\nexpected-examples: 180", [1, 1, 1, 1, 1, 1, 1, 1],
      "r: key 'maximum-weight': found 1048576, with which 'compact' encoding costs"
    ),
  ]

  @Test("A run that can never end well is refused with the key to change", arguments: hopeless.indices)
  func refusesHopeless(index: Int) throws {
    let (more, sizes, says) = Self.hopeless[index]
    let run = try Self.run(more)
    let organisations = sizes.enumerated().flatMap { number, size in
      Array(repeating: OrganisationID(unchecked: "o\(number)"), count: size)
    }
    let error = try #require(throws: ConfigurationError.self) {
      try run.forecast(organisations: organisations, file: "r")
    }
    #expect(error.description.hasPrefix(says), "\(error)")
  }

  @Test("The advice of an imprecise run is good: the weight or the encoding that it names is accepted")
  func advice() throws {
    var run = try Self.run("encoding: compact\nmaximum-weight: 1048576\nexpected-examples: 180")
    let workers = Self.workers(1, 1, 1, 1, 1, 1, 1, 1)
    let error = try #require(throws: ConfigurationError.self) { try run.forecast(organisations: workers, file: "r") }
    let numbers = error.expected.split { !$0.isNumber }.compactMap { UInt64($0) }
    #expect(error.expected.contains("or encoding 'balanced'"))
    run.maximumWeight = try #require(numbers.dropFirst().first)
    #expect(try run.forecast(organisations: workers, file: "r") != nil)
    run.maximumWeight = 1 << 20
    run.encoding = .balanced
    #expect(try run.forecast(organisations: workers, file: "r") != nil)
  }

  @Test("No cohort is larger than the run's maximum")
  func maximum() throws {
    let run = try Self.run("  maximum: 6")
    #expect(run.cohortTarget(of: 8) == 6)
    #expect(run.rulesWithoutMembership.maximumRoster == 6)
    #expect(try run.forecast(organisations: Self.workers(1, 1, 1, 1, 1, 1, 1, 1), file: "r")?.thresholds.n == 6)
  }

  @Test(
    "The run of every file that is shipped can be carried out",
    arguments: [
      ("Cluster/local.yaml", RunSource.Kind.federation), ("Simulations/digits.yaml", .scenario),
      ("Simulations/dropouts.yaml", .scenario),
    ])
  func shipped(path: String, kind: RunSource.Kind) throws {
    let source = try RunSource.load(path: repository + "/" + path)
    #expect(source.kind == kind)
    let organisations = try #require(source.organisations)
    #expect(try source.run.forecast(organisations: organisations, file: path) != nil)
  }

  @Test("A run file is a run source without workers")
  func runFile() throws {
    let source = try RunSource.read(file(shortRun))
    #expect(source.kind == .run)
    #expect(source.organisations == nil)
    #expect(source.policy == .standard)
  }
}
