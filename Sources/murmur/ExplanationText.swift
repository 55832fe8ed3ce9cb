import ClusterConfiguration
import Federation
import Rounds

/// An explanation as people read it: what is configured, then one paragraph a role.
enum ExplanationText {
  private static let width = 110

  static func lines(_ explanation: PrivacyExplanation, run: RunConfiguration) -> [String] {
    var out = summary(explanation.facts, run: run)
    for part in explanation.parts {
      out += ["", part.role.title]
      for statement in part.statements { out += item(statement) }
    }
    out += ["", "Refusals"]
    guard !explanation.objections.isEmpty else { return out + item("None: these rules can be carried out.") }
    for objection in explanation.objections {
      out += item("By the \(objection.by.rawValue), \(objection.text) (\(objection.reason)).")
    }
    return out
  }

  private static func summary(_ facts: PrivacyExplanation.Facts, run: RunConfiguration) -> [String] {
    var out = [
      "run \(run.name): \(facts.workers) workers of \(facts.organisations) organisations, "
        + (run.aggregation == .plain
          ? "plain aggregation" : "secure aggregation, mode \(run.mode.name), suite \(run.suite.name)")
    ]
    if let t = facts.thresholds {
      let whose = facts.groups.map { " of each of \($0.count) groups" } ?? ""
      out.append(
        "thresholds\(whose): n_C = \(t.corruptionBound), t = \(t.threshold), Q = \(t.quorum); a sum has at least "
          + "\(t.smallestSurvivorSet) updates; tolerated dropouts \(t.toleratedDropouts), safe for any dropouts "
          + "\(t.safeForAnyDropouts)")
    }
    if let error = facts.relativeError {
      out.append(
        "encoding: \(run.encoding.rawValue), \(facts.ringBits / 8) bytes a parameter; predicted L2 error of the average "
          + "\(ForecastText.scientific(error)) x clip")
    }
    return out
  }

  /// A statement with a dash before it, wrapped.
  private static func item(_ text: String) -> [String] {
    var out: [String] = []
    var line = "  -"
    for word in text.split(separator: " ") {
      if line.count + 1 + word.count > width {
        out.append(line)
        line = "   "
      }
      line += " " + word
    }
    return out + [line]
  }
}
