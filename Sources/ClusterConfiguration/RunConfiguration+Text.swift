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
    \(Self.lines(cohort.members))
    suite: \(suite.name)
    mode: \(mode.name)
    deadlines:
    \(Self.lines(deadlines.members))
    seed: \(seed)
    hold-out: \(holdOut)
    maximum-attempts: \(maximumAttempts)
    \(watchText)
    evaluation: {central: \(evaluation.isCentral), deadline: \(evaluation.deadline.yaml)}
    weight: \(weight)

    """
  }

  /// The values that are there, one `key: value` a line, indented by two.
  private static func lines(_ members: [(key: String, value: String?)]) -> String {
    members.compactMap { member in member.value.map { "  \(member.key): \($0)" } }.joined(separator: "\n")
  }

  /// In quotes, so that a name of digits stays a text.
  private static func quoted(_ name: String) -> String { "\"\(name)\"" }
}

extension WorkerLabels {
  /// As a file has them.
  var yaml: String {
    func text(_ text: String) -> String {
      "\"" + text.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : "\($0)" }.joined() + "\""
    }
    return "{" + pairs.map { "\(text($0.key)): \(text($0.value))" }.joined(separator: ", ") + "}"
  }
}

extension RoundConfiguration.Ratio {
  /// As a file has it.
  var yaml: String { "\"\(numerator)/\(denominator)\"" }
}

extension Duration {
  /// As a file has it, in the largest unit that makes it a whole number; microseconds are the finest that files have.
  var yaml: String {
    let (seconds, attoseconds) = components
    let microseconds = seconds * 1_000_000 + attoseconds / 1_000_000_000_000
    let units: [(suffix: String, microseconds: Int64)] = [
      ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000),
    ]
    let unit = units.first { microseconds > 0 && microseconds % $0.microseconds == 0 } ?? ("us", 1)
    return "\(microseconds / unit.microseconds)\(unit.suffix)"
  }
}
