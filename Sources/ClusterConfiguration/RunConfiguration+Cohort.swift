import Federation
import Rounds

/// Who takes part in a round, and how long the coordinator waits for them.
extension RunConfiguration {
  static func cohort(in top: ConfigurationSection) throws(ConfigurationError) -> Cohort {
    let section = try top.section("cohort", keys: Cohort.keys)
    let minimum: UInt64 = try section.integer("minimum", in: 2...10_000)
    return try Cohort(
      minimum: minimum,
      maximum: section.integer("maximum", default: max(minimum, 256), in: minimum...10_000),
      goal: section.has("goal") ? section.integer("goal", in: minimum...10_000) : nil,
      overSelection: overSelection(in: section),
      minimumOrganisations: section.integer("minimum-organisations", default: 3, in: 1...10_000),
      organisationCap: section.fraction("organisation-cap", default: .init(1, 3)),
      minimumHonestSum: section.integer("minimum-honest-sum", default: 3, in: 1...10_000),
      allowPair: section.truth("allow-pair", default: false),
      sampling: section.choice(
        "sampling", default: .uniform, of: ["uniform": .uniform, "availability": .availability, "loss": .loss]),
      patience: section.duration("patience", default: .seconds(24 * 3600), in: .seconds(1)...Self.longest),
      labels: section.labels("labels"), minimumThreads: section.integer("minimum-threads", default: 0, in: 0...1024))
  }

  /// Of every ten workers that are wanted thirteen are asked (Bonawitz et al. 2019, §2.2: 130 %), unless the file says
  /// otherwise; without a goal everyone is.
  private static func overSelection(
    in section: ConfigurationSection
  ) throws(ConfigurationError) -> RoundConfiguration.Ratio? {
    let expected = "a ratio from 1 to 4, such as 1.3 or \"13/10\""
    guard section.has("over-selection") else { return section.has("goal") ? .init(13, 10) : nil }
    guard section.has("goal") else {
      throw section.error(
        at: "over-selection", found: "it without 'goal'", expected: "'goal' beside it: how many updates suffice")
    }
    return try section.ratio("over-selection", expected: expected) {
      $0.numerator >= $0.denominator && UInt64($0.numerator) <= 4 * UInt64($0.denominator)
    }
  }

  private static let longest = Duration.seconds(7 * 24 * 3600)

  static func deadlines(in top: ConfigurationSection) throws(ConfigurationError) -> Deadlines {
    let standard = Deadlines(
      advert: .seconds(10), share: .seconds(10), input: .seconds(600), agree: .seconds(5), unmask: .seconds(15),
      report: ReportDeadline())
    guard top.has("deadlines") else { return standard }
    let section = try top.section("deadlines", keys: Deadlines.keys)
    let range = Duration.milliseconds(1)...Self.longest
    return try Deadlines(
      advert: section.duration("advert", default: standard.advert, in: range),
      share: section.duration("share", default: standard.share, in: range),
      input: section.duration("input", default: standard.input, in: range),
      agree: section.duration("agree", default: standard.agree, in: range),
      unmask: section.duration("unmask", default: standard.unmask, in: range),
      report: report(in: section))
  }

  /// A deadline that is written down stands, unless its derivation is written beside it.
  private static func report(in section: ConfigurationSection) throws(ConfigurationError) -> ReportDeadline? {
    guard section.has("derive-input") else { return section.has("input") ? nil : ReportDeadline() }
    let keys = ["quantile", "margin", "shortest"]
    let derivation = try section.section("derive-input", keys: keys)
    let standard = ReportDeadline()
    return try ReportDeadline(
      quantile: derivation.number("quantile", default: standard.quantile, expected: "a number above 0, at most 1") {
        $0 > 0 && $0 <= 1
      },
      margin: derivation.number("margin", default: standard.margin, expected: "a number from 1 to 100") {
        $0 >= 1 && $0 <= 100
      },
      shortest: derivation.duration(
        "shortest", default: standard.shortest, in: .milliseconds(100)...Self.longest))
  }
}

extension RunConfiguration {
  /// Whether a worker with these traits may serve this run.
  package func suits(_ traits: WorkerTraits) -> Bool {
    traits.labels.contains(cohort.labels) && traits.threads >= cohort.minimumThreads
  }
}

extension RunConfiguration.Cohort {
  static let keys = [
    "minimum", "maximum", "goal", "over-selection", "minimum-organisations", "organisation-cap",
    "minimum-honest-sum", "allow-pair", "sampling", "patience", "labels", "minimum-threads",
  ]

  /// The keys that are there, with their values as YAML.
  var members: [(key: String, value: String?)] {
    [
      ("minimum", "\(minimum)"), ("maximum", "\(maximum)"), ("goal", goal.map { "\($0)" }),
      ("over-selection", overSelection.map(\.yaml)), ("minimum-organisations", "\(minimumOrganisations)"),
      ("organisation-cap", organisationCap.yaml), ("minimum-honest-sum", "\(minimumHonestSum)"),
      ("allow-pair", "\(allowPair)"), ("sampling", sampling.rawValue), ("patience", patience.yaml),
      ("labels", labels.yaml), ("minimum-threads", "\(minimumThreads)"),
    ]
  }
}

extension RunConfiguration.Deadlines {
  static let keys = ["advert", "share", "input", "agree", "unmask", "derive-input"]

  /// The keys that are there, with their values as YAML.
  var members: [(key: String, value: String?)] {
    [
      ("advert", advert.yaml), ("share", share.yaml), ("input", input.yaml), ("agree", agree.yaml),
      ("unmask", unmask.yaml),
      (
        "derive-input",
        report.map { "{quantile: \($0.quantile), margin: \($0.margin), shortest: \($0.shortest.yaml)}" }
      ),
    ]
  }
}
