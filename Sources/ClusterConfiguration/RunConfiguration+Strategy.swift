import Aggregation
import Federation
import SecureAggregation

extension RunConfiguration {
  /// Reads `strategy`: federated averaging as published unless the file says otherwise. Each method has its own keys.
  static func strategy(in top: ConfigurationSection) throws(ConfigurationError) -> Strategy {
    guard top.has("strategy") else { return .published }
    let anyKeys = ["name"] + Strategy.Setting.allCases.map(\.rawValue)
    let method = try top.section("strategy", keys: anyKeys).text(
      "name", default: .fedAvg, expected: ConfigurationFile.list(Strategy.Method.allCases.map(\.rawValue)),
      as: Strategy.Method.init(rawValue:))
    let section = try top.section("strategy", keys: ["name"] + method.settings.map(\.setting.rawValue))
    var given: [Strategy.Setting: Double] = [:]
    for (setting, standard) in method.settings
    where section.has(setting.rawValue) || (standard == nil && !setting.mayBeMissing) {
      given[setting] = try section.number(setting.rawValue, expected: setting.expected, where: setting.accepts)
    }
    guard let strategy = Strategy(method, given) else {
      throw section.error(at: "name", found: method.rawValue, expected: "other settings")
    }
    return strategy
  }

  /// W_max; 1 where every update weighs the same.
  static func maximumWeight(in top: ConfigurationSection, _ strategy: Strategy) throws(ConfigurationError) -> UInt64 {
    guard strategy.weighsByExamples else {
      let weight: UInt64 = try top.integer("maximum-weight", default: 1, in: 1...(1 << 20))
      guard weight == 1 else {
        throw top.error(
          at: "maximum-weight", found: "\(weight)",
          expected: "1 or no such key: under \(strategy.method.rawValue) every update weighs the same")
      }
      return 1
    }
    return try top.integer("maximum-weight", default: 1024, in: 1...(1 << 20))
  }

  /// The strategy has to fit how workers train and how updates are summed.
  func checkStrategy(in top: ConfigurationSection) throws(ConfigurationError) {
    let name = strategy.method.rawValue
    if strategy.method == .fedProx, training.proximal ?? 0 == 0 {
      throw top.error(at: "strategy", found: "\(name) without a proximal term", expected: "'training.proximal' above 0")
    }
    if strategy.report == .normalized { try checkNormalizer(in: top) }
    if strategy.hasControlVariates { try checkControlVariates(in: top) }
    if let buffer = strategy.bufferRules { try checkBuffer(buffer, in: top) }
    guard let rule = strategy.robustRule else { return }
    if let groups = strategy.groupRules { return try checkGroups(groups, in: top) }
    guard aggregation == .plain else {
      throw top.error(
        at: "strategy", found: "\(name) with secure aggregation",
        expected:
          "'groups' beside the name, or 'aggregation: plain': a robust rule has to see updates one by one, or the sums "
          + "of groups, and one secure sum shows neither")
    }
    guard cohort.maximum <= RobustRule.updatesMax else {
      throw top.error(
        at: "cohort",
        found: "up to \(cohort.maximum) workers under \(name), which keeps every update until the round ends",
        expected: "a cohort.maximum of at most \(RobustRule.updatesMax)")
    }
    guard cohort.minimum >= UInt64(rule.updatesMin) else {
      throw top.error(
        at: "cohort", found: "a cohort.minimum of \(cohort.minimum) under \(name)",
        expected: "at least \(rule.updatesMin): of fewer updates the rule promises nothing")
    }
  }

  /// Each group is a secure sum by itself, and the rule compares the groups.
  private func checkGroups(_ groups: GroupRules, in top: ConfigurationSection) throws(ConfigurationError) {
    let name = strategy.method.rawValue, count = UInt64(groups.count)
    let section = try top.section("strategy", keys: ["name"] + strategy.method.settings.map(\.setting.rawValue))
    guard aggregation == .secure else {
      throw section.error(
        at: "groups", found: "\(count) with plain aggregation",
        expected: "no such key: in plain mode \(name) compares the updates themselves")
    }
    guard groups.count >= groups.rule.updatesMin else {
      throw section.error(
        at: "groups", found: "\(count) under \(name)",
        expected: "at least \(groups.rule.updatesMin): of fewer groups the rule promises nothing")
    }
    guard cohort.maximum <= UInt64(Thresholds.completeGraphLimit) else {
      throw top.error(
        at: "cohort", found: "up to \(cohort.maximum) workers in \(count) groups",
        expected: "a cohort.maximum of at most \(Thresholds.completeGraphLimit)")
    }
    guard cohort.minimum * count <= cohort.maximum else {
      throw section.error(
        at: "groups", found: "\(count) groups of at least \(cohort.minimum) workers, the cohort.minimum",
        expected: "at most \(cohort.maximum / cohort.minimum) groups: the cohort.maximum is \(cohort.maximum)")
    }
    guard cohort.goal == nil else {
      throw top.error(
        at: "cohort", found: "a goal beside 'strategy.groups'",
        expected: "no such key: every group waits for its own workers, until the deadline at most")
    }
  }

  /// Updates of one buffer are of models of unequal age, and come when they come.
  private func checkBuffer(_ buffer: BufferRules, in top: ConfigurationSection) throws(ConfigurationError) {
    let name = strategy.method.rawValue
    guard aggregation == .plain else {
      throw top.error(
        at: "strategy", found: "\(name) with secure aggregation",
        expected:
          "'aggregation: plain': a masked sum needs one roster that trains on one model, and a buffer has neither")
    }
    guard UInt64(buffer.size) >= cohort.minimum, UInt64(buffer.size) <= cohort.maximum else {
      throw top.error(
        at: "strategy", found: "a buffer of \(buffer.size)",
        expected:
          "from \(cohort.minimum), the cohort.minimum, to \(cohort.maximum), the cohort.maximum: so many train at "
          + "once")
    }
    guard cohort.goal == nil else {
      throw top.error(
        at: "cohort", found: "a goal under \(name)",
        expected: "no such key: 'strategy.buffer' says how many updates suffice"
      )
    }
    let derives = top.has("deadlines") ? try top.section("deadlines", keys: Deadlines.keys).has("derive-input") : false
    guard !derives else {
      throw top.error(
        at: "deadlines", found: "'derive-input' under \(name)",
        expected: "no such key: nobody waits for a slow worker, and 'input' is when one is given up")
    }
  }

  /// FedNova divides by what the local steps add up to, which has a formula for some optimizers only.
  private func checkNormalizer(in top: ConfigurationSection) throws(ConfigurationError) {
    let hasMomentum = training.momentum ?? 0 > 0, hasProximal = training.proximal ?? 0 > 0
    guard training.optimizer.method == .sgd, !hasMomentum || !hasProximal else {
      let found = training.optimizer.method == .sgd ? "momentum beside a proximal term" : training.optimizer.description
      throw top.error(
        at: "training", found: "\(found) under fednova",
        expected: "the optimizer sgd, with momentum or a proximal term or neither: for others there is no normaliser")
    }
    guard training.learningRate * (training.proximal ?? 0) < 1 else {
      throw top.error(
        at: "training", found: "learning-rate times proximal of 1 or more under fednova", expected: "less than 1")
    }
  }

  /// The server derives its control variate from the mean difference, which takes the same plain steps everywhere.
  private func checkControlVariates(in top: ConfigurationSection) throws(ConfigurationError) {
    let name = strategy.method.rawValue
    if let (found, expected) = training.optimizer.objectionToScaffold(
      momentum: training.momentum, proximal: training.proximal)
    {
      throw top.error(at: "training", found: "\(found) under \(name)", expected: expected)
    }
    if let population = strategy[.population], population < Double(cohort.minimum) {
      throw top.error(
        at: "strategy", found: "a population of \(UInt64(population)) under a cohort.minimum of \(cohort.minimum)",
        expected: "the number of workers of the federation")
    }
  }

  /// The strategy of this run in a federation, as the rules of its rounds say it.
  package func strategy(in membership: MembershipList) -> Strategy {
    strategy.inFederation(ofWorkers: membership.members(role: .worker).count)
  }

  /// The strategy's keys and values as YAML.
  var strategyMembers: [(key: String, value: String?)] {
    [("name", strategy.method.rawValue)] + strategy.settings.map { ($0.key, $0.value) }
  }
}
