import ClusterConfiguration
import Federation
import Logging
import ModelRegistry
import Rounds
import SecureAggregation
import Wire
import ZeroMQ

/// Carries out what a run's machine orders.
extension CoordinatorDriver {
  /// False if the rest must not happen: something that had to be durable is not.
  func perform(_ action: RunStateMachine.Action, of run: RunID) -> Bool {
    switch action {
    case .send(let message, let worker):
      control.loop.post(to: control) { $0.send(message, to: worker) }
    case .startDeadline(let deadline, let duration): startDeadline(deadline, after: duration, of: run)
    case .recordAttempt(let attempt, let cohort): return record(attempt, cohort: cohort, of: run)
    case .extendAttempt(let attempt, let workers): return extend(attempt, by: workers, of: run)
    case .openUploads(let plan):
      active[run]?.uploads = Set(plan.beside).union([plan.upload])
      post { $0.openUploads(plan, of: run) }
    case .admitUpload(let worker, let upload): post { $0.admit(worker, to: upload) }
    case .acceptUpload(let worker): post { $0.accept(worker) }
    case .refuseUpload(let worker, let reason): post { $0.refuse(worker, reason: reason) }
    case .addInput(let worker): post { $0.add(worker) }
    case .closeUploads: post { $0.closeUploads(of: run) }
    case .closeUpload(let upload): post { $0.closeUpload(upload) }
    case .unmask(let order):
      let rosterCount = active[run]?.machine.rosterCount ?? 0
      post { $0.open(order, rosterCount: rosterCount, of: run) }
    case .openPlainSum: post { $0.openPlain(of: run) }
    case .openBuffer(let order): post { $0.open(order, of: run) }
    case .openGroups(let order): post { $0.open(order, of: run) }
    case .prepare(let order, let measuresBase): prepare(order, measuresBase: measuresBase, of: run)
    case .commit(let order): commit(order, of: run)
    case .takeBack(let version, let base, let reason): return takeBack(version, to: base, reason: reason, of: run)
    case .foundBest(let version): return move(.best, to: version, of: run)
    case .report(let report):
      control.loop.post(to: control) { $0.cancelDeadlines(of: report.attempt, of: run) }
      return self.report(report, of: run)
    case .groupLeftOut(let attempt, let group):
      logger.warning(
        "group left out",
        metadata: ["attempt": "\(attempt)", "group": "\(group.place + 1)", "reason": "\(group.reason)"])
    case .blame(let worker, let fault):
      logger.warning("worker convicted", metadata: ["worker": "\(worker)", "fault": "\(fault)"])
    case .blocked(let reason):
      logger.warning("run blocked", metadata: ["run": "\(run)", "reason": "\(reason)"])
      change(run, to: .running, reason: reason)
    case .keepEvidence(let found): evidence.keep(EvidencePiece(found), logger: logger)
    case .ignored(let worker, let why):
      logger.debug("message ignored", metadata: ["worker": "\(worker)", "why": "\(why)"])
    case .finished(let outcome): finished(outcome, of: run)
    }
    return true
  }

  private func startDeadline(_ deadline: RunStateMachine.DeadlineID, after duration: Duration, of run: RunID) {
    control.loop.post(to: control) { [self] server in
      server.start(deadline, after: duration, of: run) { self.elapsed(deadline, of: run) }
    }
  }

  nonisolated private func elapsed(_ deadline: RunStateMachine.DeadlineID, of run: RunID) {
    thread.post(to: self) { driver in
      if deadline.kind == .retry { driver.tellBytesMoved(of: run) }
      driver.feed(.deadlinePassed(deadline, now: unixTime()), to: run)
    }
  }

  /// What has been used of the run's budget of bytes, up to now.
  func tellBytesMoved(of run: RunID) {
    guard let current = active[run], current.configuration.watch.budget.bytes != nil else { return }
    let isOpen = !current.machine.cohort.isEmpty
    active[run]?.machine.bytesMoved = current.bytesMoved + (isOpen ? current.traffic(traffic).total : 0)
  }

  /// False if the attempt cannot be recorded, or was before: it is not offered, and the run ends or is set aside.
  private func record(_ attempt: AttemptID, cohort: [WorkerID], of run: RunID) -> Bool {
    guard let current = active[run] else { return false }
    let recorded = current.recorded(attempt)
    let period = current.hasOffered ? MonotonicTime.now.since(current.attemptStarted) : nil
    active[run]?.hasOffered = true
    active[run]?.attemptStarted = .now
    active[run]?.trafficAtStart = traffic.snapshot
    // In an asynchronous run whoever trains on an older version works for this one, too.
    active[run]?.offeredTo = Set(cohort).union(current.machine.takesWorkersSingly ? current.machine.cohort : [])
    if !current.machine.takesWorkersSingly { active[run]?.uploads = [] }
    // What kept it from offering is over.
    if runs[run]?.stored.reason.isEmpty == false, runs[run]?.stored.state == .running {
      change(run, to: .running, reason: "")
    }
    do throws(RepositoryError) {
      try repository.begin(recorded, cohort: cohort, at: unixTime())
    } catch {
      logger.critical("cannot record an attempt", metadata: ["attempt": "\(attempt)", "error": "\(error)"])
      end(run, because: error, doing: "attempt \(attempt) cannot be recorded")
      return false
    }
    KillPoint.reached(.coordinator, .afterRecord, "attempt")
    logger.info("attempt offered", metadata: ["attempt": "\(attempt)", "cohort": "\(cohort.count)"])
    if let period { dismissIdle(attempt, of: run, period: period) }
    return true
  }

  /// False if it cannot be recorded that more workers are asked: they are not, and the run ends or is set aside.
  private func extend(_ attempt: AttemptID, by workers: [WorkerID], of run: RunID) -> Bool {
    guard let current = active[run] else { return false }
    active[run]?.offeredTo.formUnion(workers)
    do throws(RepositoryError) {
      try repository.extend(current.recorded(attempt), by: workers)
    } catch {
      logger.critical("cannot record an attempt", metadata: ["attempt": "\(attempt)", "error": "\(error)"])
      end(run, because: error, doing: "the workers of attempt \(attempt) cannot be recorded")
      return false
    }
    KillPoint.reached(.coordinator, .afterRecord, "attempt")
    logger.debug("attempt extended", metadata: ["attempt": "\(attempt)", "workers": "\(workers.count)"])
    return true
  }

  /// A worker that rested has so long to be back before it counts as lost.
  private static let returnSlack = Duration.seconds(10)

  /// Those who would only wait to be drawn by one of the runs may go for a while.
  private func dismissIdle(_ attempt: AttemptID, of run: RunID, period: Duration) {
    guard let seed = active[run]?.machine.plan.seed else { return }
    var choices = SeededGenerator(seed: seed, stream: "pace \(attempt)")
    let idle = present.filter { scheduler.holder(of: $0) == nil }
    let wanted = active.values.reduce(0) { $0 + $1.machine.plan.cohortTarget }
    let dismissals = pace.dismissals(
      present: present.count, idle: Array(idle), wanted: wanted, period: period, using: &choices)
    guard !dismissals.isEmpty else { return }
    logger.info("workers rest", metadata: ["attempt": "\(attempt)", "workers": "\(dismissals.count)"])
    for (worker, rest) in dismissals {
      resting[worker] = MonotonicTime.now + rest + Self.returnSlack
      control.loop.post(to: control) { $0.dismiss(worker, for: rest) }
    }
  }

  /// The disk's errors set a run aside, its own end it.
  func end(_ run: RunID, because error: any Error, doing what: String) {
    let reason = "\(what): \(error)"
    if Self.isOfDisk(error) { interrupt(run, reason: reason) } else { handle(.failed(reason: reason), of: run) }
  }

  /// False if the history does not take it: the registry tells it to the next who takes up the run.
  private func report(_ report: RoundReport, of run: RunID) -> Bool {
    guard let current = active[run] else { return false }
    let row = row(of: report, in: current)
    let record = row.published.map {
      VersionRecord(
        model: current.template.model, version: $0.version, run: run, round: row.attempt.round,
        digest: current.parent, modelDigest: $0.modelDigest)
    }
    log(row, as: report.attempt)
    note(row)
    measure(row, report.outcome)
    active[run]?.bytesMoved += row.traffic?.total ?? 0
    do throws(RepositoryError) {
      try repository.end(row, version: record, at: unixTime())
    } catch {
      end(run, because: error, doing: "the end of attempt \(report.attempt) cannot be recorded")
      return false
    }
    KillPoint.reached(.coordinator, .afterRecord, "round")
    return true
  }

  private func row(of report: RoundReport, in run: ActiveRun) -> RoundRow {
    let moved = run.traffic(traffic)
    var published: RoundRow.Published?
    var outcome = AttemptOutcome.abandoned
    var reason = ""
    switch report.outcome {
    case .committed(let version, let digest):
      published = .init(version: version, modelDigest: digest)
      outcome = .committed
    // Metrics and no new version: that is how an evaluation reads.
    case .evaluated: outcome = .committed
    case .abandoned(let why): reason = why
    }
    return RoundRow(
      attempt: run.recorded(report.attempt), cohort: UInt32(report.cohort), reported: UInt32(report.reported),
      dropped: UInt32(report.dropped), evaluation: report.summary.flatMap { .init($0.metrics) },
      seconds: MonotonicTime.now.since(run.attemptStarted).seconds,
      bytesUpPerWorker: moved.up / UInt64(max(1, report.reported)), published: published, outcome: outcome,
      reason: reason, saturated: report.summary?.saturated ?? 0, central: report.central.flatMap { .init($0) },
      staleness: report.staleness, groups: report.groups, traffic: moved)
  }

  private func log(_ row: RoundRow, as attempt: AttemptID) {
    var metadata: Logger.Metadata = [
      "attempt": "\(attempt)", "outcome": "\(row.outcome)", "cohort": "\(row.cohort)", "reported": "\(row.reported)",
      "seconds": "\(row.seconds)",
    ]
    if let central = row.central {
      metadata["central-loss"] = "\(central.loss)"
      metadata["central-accuracy"] = "\(central.accuracy)"
    }
    if let staleness = row.staleness {
      metadata["staleness-mean"] = "\(staleness.mean)"
      metadata["staleness-largest"] = "\(staleness.largest)"
    }
    if let groups = row.groups { metadata["groups"] = "\(groups.summed) of \(groups.count)" }
    if let evaluation = row.evaluation { metadata["accuracy"] = "\(evaluation.accuracy)" }
    if !row.reason.isEmpty { metadata["reason"] = "\(row.reason)" }
    guard row.saturated > 0 else {
      logger.info("round", metadata: metadata)
      return
    }
    metadata["saturated"] = "\(row.saturated)"
    logger.warning("round with saturated updates", metadata: metadata)
  }
}
