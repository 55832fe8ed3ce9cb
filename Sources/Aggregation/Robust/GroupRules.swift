import Federation

/// A robust rule under secure aggregation: the cohort is divided into groups, each of which is summed by itself, and the
/// rule combines the means of the groups.
///
/// One liar spoils the mean of its whole group, so the rule has to bear as many groups as there may be liars (group-wise
/// robust aggregation: Chen, Su, Xu 2017, "Distributed Statistical Machine Learning in Adversarial Settings").
package struct GroupRules: Hashable, Sendable {
  /// G.
  package let count: Int
  package let rule: RobustRule

  package init(count: Int, rule: RobustRule) {
    self.count = count
    self.rule = rule
  }

  /// Fewest groups whose sums make a version: most of them, so that who makes groups fail does not decide which of them
  /// are compared, and as many as the rule needs.
  package var groupsMin: Int { max(count / 2 + 1, rule.updatesMin) }
}

extension Strategy {
  /// Nil where the cohort is not divided.
  package var groupRules: GroupRules? {
    guard let groups, let robustRule else { return nil }
    return GroupRules(count: groups, rule: robustRule)
  }
}
