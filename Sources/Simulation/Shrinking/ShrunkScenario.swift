import ClusterConfiguration

/// A failing scenario that was made small.
package struct ShrunkScenario: Sendable {
  package let scenario: SimulationScenario
  package let seed: UInt64
  /// What it breaks.
  package let claim: FailureClaim
  /// Before, with what chance drew written down, and after.
  package let original: ScenarioShrinker.Size
  package let size: ScenarioShrinker.Size
  /// How many it took.
  package let simulations: Int
  /// The file that it was made from.
  package let source: String
  /// Where it is to be written: relative paths in it are seen from there.
  package let path: String
  fileprivate let yaml: String

  init(
    scenario: SimulationScenario, seed: UInt64, claim: FailureClaim, original: ScenarioShrinker.Size,
    size: ScenarioShrinker.Size, simulations: Int, source: String, path: String, yaml: String
  ) {
    self.scenario = scenario
    self.seed = seed
    self.claim = claim
    self.original = original
    self.size = size
    self.simulations = simulations
    self.source = source
    self.path = path
    self.yaml = yaml
  }

  /// The scenario file: what it breaks, where it comes from and the one command that does it again, as comments.
  ///
  /// - Parameter command: that command.
  package func text(command: String) -> String {
    let comments =
      Self.folded("Breaks: \(claim)") + ["", "    \(command)", ""]
      + Self.folded("Made from \(source), seed \(seed), in \(simulations) simulations: \(original) became \(size).")
    return comments.map { $0.isEmpty ? "#" : "# \($0)" }.joined(separator: "\n") + "\n" + yaml
  }

  /// What goes wrong in it, one line each.
  package var troubles: [String] {
    scenario.faults.map { fault in
      "a \(fault.kind.rawValue) of \(fault.worker) at '\(fault.at.rawValue)' of round \(fault.round)"
    }
      + scenario.misfortunes.map { misfortune in
        "a \(misfortune.kind.rawValue) of \(misfortune.party) at its step \(misfortune.step)"
      }
  }

  /// Lines of at most so many characters, where words allow it.
  private static func folded(_ text: String, width: Int = 118) -> [String] {
    text.split(whereSeparator: \.isWhitespace).reduce(into: [String]()) { lines, word in
      guard let last = lines.last, last.count + 1 + word.count <= width else { return lines.append(String(word)) }
      lines[lines.count - 1] = "\(last) \(word)"
    }
  }
}

extension ScenarioShrinker.Size: CustomStringConvertible {
  package var description: String {
    "\(faults) faults and \(misfortunes) misfortunes, \(rounds) rounds, \(workers) workers"
  }
}
