import Federation

extension SimulationScenario {
  /// Workers that do less than a round asks of them, drawn anew for each attempt (Li et al. 2020, §5.2).
  package struct Stragglers: Hashable, Sendable {
    package enum Work: String, Sendable {
      /// As many epochs as they come to, evenly between one and those that were asked for, and report.
      case partial
      /// Nothing that comes in time: they do not report.
      case none
    }

    /// So large a part of the population, rounded.
    package var share: Double
    package var work: Work

    package init(share: Double, work: Work) {
      self.share = share
      self.work = work
    }
  }

  /// The mapping `stragglers`; nil if there is none.
  static func stragglers(
    in top: ConfigurationSection, run: RunConfiguration
  ) throws(ConfigurationError) -> Stragglers? {
    guard top.has("stragglers") else { return nil }
    let section = try top.section("stragglers", keys: ["share", "work"])
    let stragglers = try Stragglers(
      share: section.number("share", expected: "a number from 0 to 1") { (0...1).contains($0) },
      work: section.choice("work", of: ["partial": .partial, "none": .none]))
    if stragglers.work == .partial, run.training.optimizer.steps != nil {
      throw section.error(
        at: "work", found: "\"partial\" of a run with 'local-steps'",
        expected: "'local-epochs', of which some are left out")
    }
    return stragglers
  }
}
