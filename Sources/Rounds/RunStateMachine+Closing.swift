import Federation
import SecureAggregation

extension RunStateMachine.Attempt {
  /// Updates in the sum.
  var reported: Int {
    if case .buffered(let buffer) = aggregator { buffer.count } else { survivors.count }
  }

  /// Workers that were offered the attempt and are not in the sum; in an asynchronous run those that left.
  var dropped: Int {
    if case .buffered(let buffer) = aggregator { buffer.dropped } else { cohort.count - survivors.count }
  }

  var staleness: Staleness? {
    if case .buffered(let buffer) = aggregator { buffer.staleness } else { nil }
  }

  /// Nil if the cohort is one.
  var groupTally: GroupTally? {
    if case .grouped(let groups) = aggregator { groups.tally } else { nil }
  }

  /// Those that run secure aggregation for it: one, or one for each group of its cohort.
  var machines: [SecureAggregationCoordinator] {
    switch aggregator {
    case .secure(let machine): [machine]
    case .grouped(let groups): groups.machines
    case .plain, .abridged, .buffered: []
    }
  }

  /// The uploads of the other groups; none if the cohort is one.
  func uploads(besideGroup place: Int?) -> [Digest] {
    guard let place, case .grouped(let groups) = aggregator else { return [] }
    return groups.uploads(beside: place)
  }

  /// Nil if the cohort is one.
  func upload(ofGroup place: Int?) -> Digest? {
    guard let place, case .grouped(let groups) = aggregator else { return nil }
    return groups.upload(of: place)
  }

  /// Nothing more is taken, and everyone who still works for it is told.
  func endings(reason: String) -> [RunStateMachine.Action] {
    guard case .buffered(var buffer) = aggregator else {
      return [.closeUploads]
        + cohort.map { .send(.ended(context.attempt, .abandoned, reason: reason), to: $0) }
    }
    return buffer.end(.abandoned, reason: reason)
  }
}

/// Closing: from the open sum to the next version, or to nothing.
extension RunStateMachine {
  /// The update of an honest cohort is no longer than the clip; rounding may add a little.
  static let normTolerance = 0.05

  mutating func sumOpened(_ summary: SumSummary) -> [Action] {
    guard case .attempting(let opened) = state, opened.isSumDue else { return [] }
    let left = leaveOut(summary.leftOut)
    guard case .attempting(var attempt) = state else { return left }
    attempt.summary = summary
    reportTimes.end()
    guard summary.weight > 0 || attempt.isEvaluation else {
      return abandon(attempt, reason: "the summed weight is zero")
    }
    if !attempt.isEvaluation, let reason = objection(to: summary, of: attempt) {
      return abandon(attempt, reason: reason)
    }
    let (verdict, found) = measure(summary)
    let notes = left + found
    state = .closing(attempt)
    switch verdict {
    case .takeBack(let reason): return notes + takeBack(attempt, reason: reason)
    case .enough(let reason): endReason = endReason ?? reason
    case .goOn: break
    }
    guard !attempt.isEvaluation else { return notes + close(attempt, model: base) }
    let order = order(attempt, summary)
    guard let central else { return notes + [.commit(order)] }
    return notes + [
      .prepare(order, measuresBase: !central.hasMeasured(base.version)),
      .startDeadline(DeadlineID(kind: .measurement, attempt: attemptID), plan.measurementDeadline),
    ]
  }

  /// The candidate is judged before anybody sees it.
  mutating func candidateMeasured(_ metrics: RoundMetrics, base before: RoundMetrics?) -> [Action] {
    guard case .closing(var attempt) = state, !attempt.isEvaluation, attempt.central == nil, var central,
      let summary = attempt.summary
    else { return [] }
    if let before { _ = central.take(MeasuredVersion(version: base.version, metrics: before), parent: nil) }
    let verdict = central.take(
      MeasuredVersion(version: newest.next, metrics: metrics), parent: base.version)
    self.central = central
    switch verdict {
    case .takeBack(let reason):
      return sumRefused("not published: \(Self.onOwnData(reason))")
    case .enough(let reason): endReason = endReason ?? Self.onOwnData(reason)
    case .goOn: break
    }
    attempt.central = metrics
    state = .closing(attempt)
    return [.commit(order(attempt, summary))]
  }

  static func onOwnData(_ reason: String) -> String { "on the coordinator's data \(reason)" }

  /// Nothing waits for the coordinator's own data for ever.
  mutating func measurementPassed() -> [Action] {
    guard case .closing(let attempt) = state, !attempt.isEvaluation, attempt.central == nil, central != nil else {
      return []
    }
    return sumRefused("not published: \(Self.onOwnData("it was not measured within \(plan.measurementDeadline)"))")
  }

  /// Why the sum of this attempt must not become a version: in secure mode nobody saw what is in it.
  private func objection(to summary: SumSummary, of attempt: Attempt) -> String? {
    guard let norm = summary.norm else { return nil }
    guard norm.isFinite else { return "the mean update is not finite" }
    // In plain mode every single update was seen to keep the clip, with groups every mean, and a robust rule may give a
    // longer one.
    let clip = attempt.context.configuration.clip
    let isDivided = if case .grouped = attempt.aggregator { true } else { false }
    guard attempt.offer.task.aggregation == .secure, !isDivided, norm > clip * (1 + Self.normTolerance) else {
      return nil
    }
    return "the mean update has norm \(ModelWatch.text(norm)), and no honest cohort's is above the clip of \(clip)"
  }

  /// What the sum says of the model that the attempt trained on.
  private mutating func measure(_ summary: SumSummary) -> (ModelWatch.Verdict, [Action]) {
    let best = watch.best?.version
    let verdict = watch.take(
      MeasuredVersion(version: base.version, metrics: summary.metrics), parent: ancestors.last?.version)
    guard central == nil else {
      if case .enough = verdict { return (.goOn, []) }
      return (verdict, [])
    }
    guard let found = watch.best?.version, found != best else { return (verdict, []) }
    return (verdict, [.foundBest(found)])
  }

  private func order(_ attempt: Attempt, _ summary: SumSummary) -> CommitOrder {
    var transcript: Digest?
    var rosterCount = attempt.cohort.count
    switch attempt.aggregator {
    case .secure(let machine):
      transcript = machine.transcript
      rosterCount = machine.rosterWorkers.count
    case .grouped(let groups): rosterCount = groups.rosterCount
    case .plain, .abridged, .buffered: break
    }
    return CommitOrder(
      attempt: attemptID, base: base, version: newest.next, summary: summary,
      configuration: attempt.context.configuration, task: attempt.offer.task, rosterCount: rosterCount,
      cohort: attempt.reported + attempt.dropped, reported: attempt.reported, transcript: transcript)
  }

  /// The model in hand is bad: the run goes on from the one before it, and what was trained on it is not used.
  ///
  /// - Precondition: there is one before it.
  private mutating func takeBack(_ attempt: Attempt, reason: String) -> [Action] {
    let version = base.version
    base = ancestors.removeLast()
    pastAttempts.forget()
    exhausted = []
    let order = Action.takeBack(version: version, base: base, reason: reason)
    if attempt.isEvaluation, attempt.summary != nil { return [order] + close(attempt, model: base) }
    return [order] + abandon(attempt, reason: "version \(version) is taken back: \(reason)", isOfBase: false)
  }

  mutating func sumRefused(_ reason: String) -> [Action] {
    switch state {
    case .attempting(let attempt), .closing(let attempt):
      guard attempt.isSumDue else { return [] }
      return stopsAfterCommit ? finish(.stopped) : abandon(attempt, reason: reason)
    case .idle, .gathering, .waitingToRetry, .blocked, .finished: return []
    }
  }

  mutating func committed(_ model: BaseModel) -> [Action] {
    guard case .closing(let attempt) = state, !attempt.isEvaluation else { return [] }
    precondition(model.version == newest.next, "a commit of version \(model.version) after \(newest)")
    return close(attempt, model: model)
  }

  /// Tells everyone, reports, and moves on to the next round.
  private mutating func close(_ attempt: Attempt, model: BaseModel) -> [Action] {
    guard let summary = attempt.summary else { return [] }
    var actions: [Action] = []
    if !attempt.isEvaluation, central?.best?.version == model.version { actions.append(.foundBest(model.version)) }
    switch attempt.aggregator {
    case .secure(let machine):
      let result = machine.result(modelDigest: model.modelDigest, weight: summary.weight)
      actions += machine.rosterWorkers.map { .send(.result(result), to: $0) }
    case .grouped(let groups):
      for machine in groups.standingMachines {
        let result = machine.result(modelDigest: model.modelDigest, weight: summary.weight)
        actions += machine.rosterWorkers.map { .send(.result(result), to: $0) }
      }
    case .plain(let machine):
      actions += attempt.cohort.map {
        .send(
          .ended(attemptID, machine.completed.contains($0) ? .committed : .notCounted, reason: ""), to: $0)
      }
    case .abridged: break
    case .buffered: break  // Everyone in the buffer was told when it came in.
    }
    actions.append(
      .report(
        RoundReport(
          attempt: attemptID, baseVersion: attempt.offer.baseVersion, cohort: attempt.reported + attempt.dropped,
          reported: attempt.reported, dropped: attempt.dropped, summary: summary, central: attempt.central,
          staleness: attempt.staleness, groups: attempt.groupTally,
          outcome: attempt.isEvaluation ? .evaluated : .committed(model.version, modelDigest: model.modelDigest))))
    state = .gathering
    if attempt.isEvaluation { return actions + finish(.completed(base.version)) }
    updatesUsed += UInt64(attempt.reported)
    advance(to: model)
    if case .buffered(let buffer) = attempt.aggregator { return actions + goOn(with: buffer) }
    if stopsAfterCommit { return actions + finish(.stopped) }
    return actions + gather()
  }

  private mutating func advance(to model: BaseModel) {
    ancestors.append(base)
    if ancestors.count > RunStart.ancestorsMax { ancestors.removeFirst() }
    base = model
    newest = model.version
    round = round.next
    attempt = 0
    attemptsThisRound = 0
    pastAttempts.forget()
    exhausted = []
    let lasted = plan.elapsed + time.since(startedAt)
    if let duration = plan.watch.duration, lasted >= duration, round.value <= plan.rounds {
      endReason = endReason ?? "the run has lasted \(duration)"
    }
    settleBudget()
  }

  /// Whether what the run has used lets it train on; the attempt in hand is not cut short.
  mutating func settleBudget() {
    let reason = plan.watch.budget.exhaustion(updates: updatesUsed, bytes: plan.bytesMoved + bytesMoved)
    if round.value <= plan.rounds { endReason = endReason ?? reason }
  }

  /// - Parameter isOfBase: whether the attempt trained on the model in hand.
  mutating func abandon(_ attempt: Attempt, reason: String, isOfBase: Bool = true) -> [Action] {
    // The attempt ends with the first workers too many that fail: the others were not heard.
    if isOfBase, !ancestors.isEmpty, !attempt.failures.isEmpty,
      attempt.failures.count * 3 >= attempt.cohort.count, !watch.hasMeasured(base.version)
    {
      return takeBack(attempt, reason: "\(attempt.failures.count) of \(attempt.cohort.count) could not train on it")
    }
    var actions = attempt.endings(reason: reason)
    actions.append(abandonedReport(of: attempt, reason: reason))
    reportTimes.end()
    for machine in isOfBase ? attempt.machines : [] {
      guard let members = machine.members else { continue }
      pastAttempts.add(attemptID, names: members.names, members: members.keys, statements: machine.aborts)
    }
    self.attempt = self.attempt.next
    guard attemptsThisRound < plan.attemptsPerRoundMax else {
      return actions
        + finish(.failed(reason: "round \(round) was abandoned \(attemptsThisRound) times; last: \(reason)"))
    }
    state = .waitingToRetry
    let delay = plan.retryDelay * (1 << min(max(Int(attemptsThisRound), 1) - 1, 6))
    return actions + [.startDeadline(DeadlineID(kind: .retry, attempt: attemptID), delay)]
  }

  private func abandonedReport(of attempt: Attempt, reason: String) -> Action {
    .report(
      RoundReport(
        attempt: attemptID, baseVersion: attempt.offer.baseVersion, cohort: attempt.reported + attempt.dropped,
        reported: attempt.reported, dropped: attempt.dropped, summary: nil, staleness: attempt.staleness,
        groups: attempt.groupTally, outcome: .abandoned(reason: reason)))
  }

  mutating func finish(_ outcome: Outcome) -> [Action] {
    var actions: [Action] = []
    switch state {
    case .attempting(let attempt), .closing(let attempt):
      actions += attempt.endings(reason: "the run ends")
      // Workers were told that these count.
      if case .buffered(let buffer) = attempt.aggregator, buffer.count > 0 {
        actions.append(abandonedReport(of: attempt, reason: "the run ends with \(buffer.count) updates in its buffer"))
      }
    case .idle, .gathering, .waitingToRetry, .blocked, .finished: break
    }
    state = .finished(outcome)
    return actions + [.finished(outcome)]
  }
}
