import Federation

extension RunConfiguration {
  /// A run file that reads back as this configuration, every value written out.
  package var text: String {
    """
    name: \(Self.quoted(name.text))
    model:
      name: \(Self.quoted(model.name.text))
      architecture: "\(model.architecture)"
      seed: \(model.seed)
    data:
      features: \(data.features)
      \(data.targets.map { "targets: \($0)" } ?? "classes: \(data.classes)")
      scale: \(data.scale)
    rounds: \(rounds)
    aggregation: \(aggregation.rawValue)
    strategy:
    \(Self.lines(strategyMembers))
    training:
    \(Self.lines(training.members))
    clip: \(clip)
    maximum-weight: \(maximumWeight)
    encoding: \(encoding.rawValue)
    \(expectedExamples.map { "expected-examples: \($0)" } ?? "# expected-examples: not known")
    cohort:
    \(Self.lines([
      ("minimum", "\(cohort.minimum)"), ("maximum", "\(cohort.maximum)"), ("goal", cohort.goal.map { "\($0)" }),
      ("over-selection", cohort.overSelection.map(Self.ratio)),
      ("minimum-organisations", "\(cohort.minimumOrganisations)"),
      ("organisation-cap", Self.ratio(cohort.organisationCap)),
      ("minimum-honest-sum", "\(cohort.minimumHonestSum)"), ("allow-pair", "\(cohort.allowPair)"),
    ]))
    suite: \(suite.name)
    mode: \(mode.name)
    deadlines:
    \(Self.lines([
      ("advert", Self.duration(deadlines.advert)), ("share", Self.duration(deadlines.share)),
      ("input", Self.duration(deadlines.input)), ("agree", Self.duration(deadlines.agree)),
      ("unmask", Self.duration(deadlines.unmask)),
    ]))
    seed: \(seed)
    hold-out: \(holdOut)
    maximum-attempts: \(maximumAttempts)

    """
  }

  /// The values that are there, one `key: value` a line, indented by two.
  private static func lines(_ members: [(key: String, value: String?)]) -> String {
    members.compactMap { member in member.value.map { "  \(member.key): \($0)" } }.joined(separator: "\n")
  }

  /// In quotes, so that a name of digits stays a text.
  private static func quoted(_ name: String) -> String { "\"\(name)\"" }
  private static func ratio(_ ratio: RoundConfiguration.Ratio) -> String {
    "\"\(ratio.numerator)/\(ratio.denominator)\""
  }

  /// Whole microseconds: the finest unit that configurations have.
  private static func duration(_ duration: Duration) -> String {
    let (seconds, attoseconds) = duration.components
    return "\(seconds * 1_000_000 + attoseconds / 1_000_000_000_000)us"
  }
}
