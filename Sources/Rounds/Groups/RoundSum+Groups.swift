import Aggregation
import Federation
import SecureAggregation
import Tensors

extension RoundSum {
  /// Takes the masks off the sums of a cohort's groups, and combines their means by the rule. The counts are added up.
  ///
  /// A group whose sum no honest workers could have made is left out: liars can spoil the group that they are in, and no
  /// more. Memory is that of one model for each group, beside the sums.
  ///
  /// - Parameter sums: of each group of the order.
  /// - Throws: `AggregationError.tooFewGroups` if too few groups are left, and what the rule throws.
  package static func open(
    _ order: GroupsOrder, sums: [RoundSum], on runner: some PartRunner = SequentialRunner()
  ) throws -> Opened {
    precondition(sums.count == order.groups.count, "\(sums.count) sums of \(order.groups.count) groups")
    var opened: [Opened] = []
    var leftOut: [LeftOutGroup] = []
    for (sum, group) in zip(sums, order.groups) {
      switch sum.mean(of: group, on: runner) {
      case .success(let mean): opened.append(mean)
      case .failure(let objection): leftOut.append(LeftOutGroup(place: group.place, reason: objection.reason))
      }
    }
    guard opened.count >= order.rules.groupsMin else {
      throw AggregationError.tooFewGroups(
        found: opened.count, needed: order.rules.groupsMin, rule: order.rules.rule.name)
    }
    var summary = opened.dropFirst().reduce(opened[0].summary) { $0 + $1.summary }
    summary.leftOut = leftOut
    let means = HeldUpdates(values: opened.map(\.average), weights: opened.map(\.summary.weight))
    return Opened(summary, average: try order.rules.rule.combine(means))
  }

  private struct Objection: Error {
    let reason: String
  }

  private func mean(of group: GroupsOrder.Group, on runner: some PartRunner) -> Result<Opened, Objection> {
    do throws(Refusal) {
      let opened = try open(group.unmasking, rosterCount: group.rosterCount, on: runner)
      return objection(to: opened.summary, updates: UInt64(group.unmasking.survivors.count)).map(Result.failure)
        ?? .success(opened)
    } catch {
      return .failure(Objection(reason: "its sum cannot be read (\(error.rawValue))"))
    }
  }

  /// Every honest update weighs from 1 to W_max, and is no longer than the clip; so is then their mean.
  private func objection(to summary: SumSummary, updates: UInt64) -> Objection? {
    let configuration = plan.configuration
    let weights = updates...updates * configuration.maximumWeight
    guard weights.contains(summary.weight) else {
      return Objection(
        reason: "its summed weight is \(summary.weight), and \(updates) honest updates have one of \(weights)")
    }
    let longest = configuration.clip * (1 + RunStateMachine.normTolerance)
    guard let norm = summary.norm, norm <= longest else {
      return Objection(
        reason: "its mean update has norm \(summary.norm.map(ModelWatch.text) ?? "none"), and that of honest updates "
          + "is not above the clip of \(configuration.clip)")
    }
    return nil
  }
}

extension SumSummary {
  /// The counts of both, which liars may have made as large as they like; norms do not add up.
  fileprivate static func + (a: SumSummary, b: SumSummary) -> SumSummary {
    SumSummary(
      weight: a.weight + b.weight, workers: a.workers &+ b.workers, clipped: a.clipped &+ b.clipped,
      saturated: a.saturated &+ b.saturated,
      metrics: RoundMetrics(
        lossSum: a.metrics.lossSum + b.metrics.lossSum, correct: a.metrics.correct &+ b.metrics.correct,
        evaluated: a.metrics.evaluated &+ b.metrics.evaluated),
      terms: StrategyTerms(steps: a.terms.steps + b.terms.steps, fairness: a.terms.fairness + b.terms.fairness))
  }
}
