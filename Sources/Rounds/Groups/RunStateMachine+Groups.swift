import Aggregation
import Federation
import SecureAggregation

/// The nested groups of the running attempt: events in, their actions translated.
extension RunStateMachine {
  mutating func grouped(_ step: (inout GroupedAttempt) -> [GroupedAttempt.Action]) -> [Action] {
    guard case .attempting(var attempt) = state, case .grouped(var groups) = attempt.aggregator else { return [] }
    let actions = step(&groups)
    attempt.aggregator = .grouped(groups)
    attempt.survivors = groups.survivors
    state = .attempting(attempt)
    return translate(actions)
  }

  mutating func translate(_ actions: [GroupedAttempt.Action]) -> [Action] {
    var out: [Action] = []
    for action in actions {
      switch action {
      case .ofGroup(let place, let action): out += translate([action], ofGroup: place)
      case .leftOut(let group, let workers):
        out.append(.groupLeftOut(attemptID, group))
        if let upload = openAttempt?.upload(ofGroup: group.place) { out.append(.closeUpload(upload)) }
        out += workers.map { .send(.ended(attemptID, .notCounted, reason: "\(group)"), to: $0) }
      case .open(let order): out.append(.openGroups(order))
      case .abandon(let reason): out += abandonAttempt(reason)
      }
    }
    return out
  }

  /// Groups whose sum turned out to be none of honest workers take no part in the version.
  mutating func leaveOut(_ groups: [LeftOutGroup]) -> [Action] {
    groups.isEmpty ? [] : grouped { $0.leaveOut(groups) }
  }

  /// The cohort of the attempt in hand, divided: the same groups for the same cohort.
  func groups(of cohort: [WorkerID], _ rules: GroupRules) -> [[WorkerID]] {
    let members = cohort.compactMap { worker in membership[worker].map { (worker, $0.certificate.organisation) } }
    var choices = SeededGenerator(seed: plan.seed, stream: "groups \(attemptID)")
    return CohortGroups.divide(members.map(\.1), into: rules.count, using: &choices)
      .map { places in places.map { members[$0].0 } }
  }

  /// Into how many groups the next attempt is divided, and by which rule they combine; an evaluation has no update that
  /// would need one.
  var groupRules: GroupRules? { isEvaluationRound ? nil : plan.groups }

  /// Fewest workers with which the next attempt is worth offering: each group needs as many as a cohort without groups.
  var minimumWorkers: Int { plan.minimumWorkers * (groupRules?.count ?? 1) }
}
