import Rounds

/// When a run ends before its last round, and when a version is taken back.
extension RunConfiguration {
  static func watch(in top: ConfigurationSection) throws(ConfigurationError) -> WatchRules {
    var rules = WatchRules()
    if top.has("stop") { try readStop(top.section("stop", keys: WatchRules.stopKeys), into: &rules) }
    if top.has("take-back") {
      let section = try top.section("take-back", keys: ["loss-ratio"])
      rules.maximumLossRatio = try lossRatio(in: section)
    }
    return rules
  }

  private static func readStop(
    _ section: ConfigurationSection, into rules: inout WatchRules
  ) throws(ConfigurationError) {
    rules.measure = try section.choice("measure", default: .loss, of: ["loss": .loss, "accuracy": .accuracy])
    if section.has("accuracy") {
      rules.targetAccuracy = try section.number("accuracy", expected: "a number above 0, at most 1") {
        $0 > 0 && $0 <= 1
      }
    }
    if section.has("loss") { rules.targetLoss = try section.number("loss", expected: "a number") { $0.isFinite } }
    if section.has("patience") { rules.patience = try section.integer("patience", in: 1...1_000_000) }
    if section.has("after") {
      rules.duration = try section.duration("after", in: .seconds(1)...Duration.seconds(366 * 24 * 3600))
    }
    if section.has("updates") { rules.budget.updates = try section.integer("updates", in: 1...updatesMax) }
    if section.has("bytes") { rules.budget.bytes = try bytes(in: section) }
  }

  private static func bytes(in section: ConfigurationSection) throws(ConfigurationError) -> UInt64 {
    try section.text("bytes", expected: "a size of at least 1 kB, such as \"10 GB\"") { found -> UInt64? in
      Quantity.bytes(found).flatMap { $0 >= 1000 ? $0 : nil }
    }
  }

  /// Client updates that a budget may allow.
  private static let updatesMax: UInt64 = 1_000_000_000_000

  private static func lossRatio(in section: ConfigurationSection) throws(ConfigurationError) -> Double? {
    try section.scalar("loss-ratio", expected: "a number above 1, or 'never'") { found -> Double?? in
      if found == "never" { return .some(nil) }
      guard let ratio = Double(found), ratio > 1, ratio.isFinite else { return nil }
      return .some(ratio)
    }
  }

  /// Of a version, by the coordinator, before anybody sees it.
  package struct Evaluation: Hashable, Sendable {
    /// Whether each version is measured on the coordinator's own data before it is published.
    package var isCentral = false
    /// How long that may take; the round is tried again then.
    package var deadline: Duration = .seconds(600)
  }

  static func evaluation(in top: ConfigurationSection) throws(ConfigurationError) -> Evaluation {
    var evaluation = Evaluation()
    guard top.has("evaluation") else { return evaluation }
    let section = try top.section("evaluation", keys: ["central", "deadline"])
    evaluation.isCentral = try section.truth("central", default: false)
    evaluation.deadline = try section.duration(
      "deadline", default: evaluation.deadline, in: .seconds(1)...Duration.seconds(24 * 3600))
    return evaluation
  }

  /// The sections `stop` and `take-back`, as a file has them.
  var watchText: String {
    let stop = watch.stopMembers.compactMap { member in member.value.map { "\(member.key): \($0)" } }
    let ratio = watch.maximumLossRatio.map { "\($0)" } ?? "never"
    return "stop: {\(stop.joined(separator: ", "))}\ntake-back: {loss-ratio: \(ratio)}"
  }
}

extension WatchRules {
  fileprivate static let stopKeys = ["measure", "accuracy", "loss", "patience", "after", "updates", "bytes"]

  fileprivate var stopMembers: [(key: String, value: String?)] {
    [
      ("measure", measure.rawValue), ("accuracy", targetAccuracy.map { "\($0)" }),
      ("loss", targetLoss.map { "\($0)" }), ("patience", patience.map { "\($0)" }), ("after", duration?.yaml),
      ("updates", budget.updates.map { "\($0)" }), ("bytes", budget.bytes.map { "\($0) B" }),
    ]
  }
}
