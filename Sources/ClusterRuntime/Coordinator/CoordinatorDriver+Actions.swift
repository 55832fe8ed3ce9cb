import ClusterConfiguration
import Federation
import Logging
import Membership
import ModelRegistry
import Rounds
import SecureAggregation
import Wire
import ZeroMQ

/// Carries out what the run's machine orders.
extension CoordinatorDriver {
  /// False if the rest must not happen: something that had to be durable is not.
  func perform(_ action: RunStateMachine.Action) -> Bool {
    switch action {
    case .send(let message, let worker):
      control.loop.post(to: control) { $0.send(message, to: worker) }
    case .startDeadline(let deadline, let duration): startDeadline(deadline, after: duration)
    case .recordAttempt(let attempt, let cohort): return record(attempt, cohort: cohort)
    case .openUploads(let plan): post { $0.openUploads(plan) }
    case .acceptUpload(let worker): post { $0.accept(worker) }
    case .refuseUpload(let worker, let reason): post { $0.refuse(worker, reason: reason) }
    case .addInput(let worker): post { $0.add(worker) }
    case .closeUploads: post { $0.closeUploads() }
    case .unmask(let order):
      let rosterCount = rosterCount
      post { $0.open(order, rosterCount: rosterCount) }
    case .openPlainSum: post { $0.openPlain() }
    case .commit(let order): commit(order)
    case .report(let report): self.report(report)
    case .blame(let worker, let fault):
      logger.warning("worker convicted", metadata: ["worker": "\(worker)", "fault": "\(fault)"])
    case .blocked(let reason): logger.warning("run blocked", metadata: ["reason": "\(reason)"])
    case .keepEvidence(let found): evidence.keep(EvidencePiece(found), logger: logger)
    case .ignored(let worker, let why):
      logger.debug("message ignored", metadata: ["worker": "\(worker)", "why": "\(why)"])
    case .finished(let outcome): finished(outcome)
    }
    return true
  }

  private var rosterCount: Int { active?.machine.rosterCount ?? 0 }

  private func startDeadline(_ deadline: RunStateMachine.DeadlineID, after duration: Duration) {
    control.loop.post(to: control) { [self] server in
      server.loop.schedule(after: duration, for: server) { _ in
        self.elapsed(deadline)
      }
    }
  }

  nonisolated private func elapsed(_ deadline: RunStateMachine.DeadlineID) {
    thread.post(to: self) { $0.handle(.deadlinePassed(deadline, now: unixTime())) }
  }

  /// False if the attempt cannot be recorded, or was before: it is not offered, and the run ends.
  private func record(_ attempt: AttemptID, cohort: [WorkerID]) -> Bool {
    active?.attemptStarted = .now
    active?.trafficAtStart = traffic.snapshot
    do {
      try store.record(attempt, cohort: cohort.count)
    } catch {
      logger.critical("cannot record an attempt", metadata: ["attempt": "\(attempt)", "error": "\(error)"])
      handle(.failed(reason: "attempt \(attempt) cannot be recorded: \(error)"))
      return false
    }
    KillPoint.reached(.coordinator, .afterRecord, "attempt")
    logger.info("attempt offered", metadata: ["attempt": "\(attempt)", "cohort": "\(cohort.count)"])
    return true
  }

  private func commit(_ order: RunStateMachine.CommitOrder) {
    guard let current = active else { return }
    do {
      let release = try RoundClosing.next(
        order, base: current.parameters, average: current.average, parent: current.parent,
        template: current.template, createdAt: unixTime())
      let stored = try publish(release)
      active?.parameters = release.parameters
      active?.parent = stored.digest
      active?.average = []
      handle(.committed(release.base))
    } catch {
      handle(.failed(reason: "version \(order.version) cannot be published: \(error)"))
    }
  }

  private func report(_ report: RoundReport) {
    guard let current = active else { return }
    let before = current.trafficAtStart, now = traffic.snapshot
    let bytes = now.reduce(UInt64(0)) { $0 + $1.value - (before[$1.key] ?? 0) }
    let evaluation = report.summary.flatMap { summary -> RoundRow.Evaluation? in
      guard let loss = summary.metrics.loss, let accuracy = summary.metrics.accuracy else { return nil }
      return RoundRow.Evaluation(loss: loss, accuracy: accuracy)
    }
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
    let row = RoundRow(
      attempt: report.attempt, cohort: UInt32(report.cohort), reported: UInt32(report.reported),
      dropped: UInt32(report.dropped), evaluation: evaluation,
      seconds: MonotonicTime.now.since(current.attemptStarted).seconds,
      bytesUpPerWorker: bytes / UInt64(max(1, report.reported)), published: published, outcome: outcome,
      reason: reason, saturated: report.summary?.saturated ?? 0)
    if published != nil { runs[report.attempt.run]?.roundsCommitted = report.attempt.round.value }
    append(.round(row), to: report.attempt.run)
    var metadata: Logger.Metadata = [
      "attempt": "\(report.attempt)", "outcome": "\(outcome)", "cohort": "\(report.cohort)",
      "reported": "\(report.reported)", "seconds": "\(row.seconds)",
    ]
    if let evaluation { metadata["accuracy"] = "\(evaluation.accuracy)" }
    if !reason.isEmpty { metadata["reason"] = "\(reason)" }
    guard row.saturated > 0 else {
      logger.info("round", metadata: metadata)
      return
    }
    metadata["saturated"] = "\(row.saturated)"
    logger.warning("round with saturated updates", metadata: metadata)
  }

  private func finished(_ outcome: RunStateMachine.Outcome) {
    guard let run = active?.machine.plan.run else { return }
    active = nil
    switch outcome {
    case .completed: finish(run, state: .completed, reason: "")
    case .failed(let reason): finish(run, state: .failed, reason: reason)
    case .stopped: finish(run, state: .stopped, reason: "stopped by an operator")
    }
    do {
      try startNext()
    } catch {
      logger.error("cannot start the next run", metadata: ["error": "\(error)"])
    }
  }

  func fail(_ run: RunID, reason: String) { finish(run, state: .failed, reason: reason) }

  func finish(_ run: RunID, state: RunState, reason: String) {
    runs[run]?.state = state
    runs[run]?.reason = reason
    do {
      try store.set(state, of: run, reason: reason)
      KillPoint.reached(.coordinator, .afterRecord, "run")
    } catch {
      logger.error("cannot store the end of a run", metadata: ["run": "\(run)", "error": "\(error)"])
    }
    logger.info("run ended", metadata: ["run": "\(run)", "state": "\(state)", "reason": "\(reason)"])
    if let row = row(of: run) { append(.run(row), to: run) }
  }

  private func append(_ kind: RunEvent.Kind, to run: RunID) {
    sequence += 1
    runs[run]?.events.append(RunEvent(sequence: sequence, kind: kind))
    if let count = runs[run]?.events.count, count > Self.eventsMax {
      runs[run]?.events.removeFirst(count - Self.eventsMax)
    }
  }
}

/// What operators ask.
extension CoordinatorDriver {
  func row(of run: RunID) -> RunRow? {
    guard let record = runs[run] else { return nil }
    return RunRow(
      run: run, state: record.state, model: record.configuration.model.name,
      roundsCommitted: record.roundsCommitted, roundsPlanned: record.configuration.rounds, reason: record.reason)
  }

  func answer(_ request: OperatorRequest) async -> OperatorReply {
    switch request {
    case .submitRun(let yaml):
      do throws(Failure) { return .runAccepted(try submit(yaml: yaml)) } catch { return .failed(error) }
    case .stopRun(let run):
      do throws(Failure) {
        try stop(run)
        return .runStopping(run)
      } catch { return .failed(error) }
    case .listRuns: return .runs(order.suffix(WireLimits.runRowsMax).compactMap { row(of: $0) })
    case .runEvents(let run, let after, let limit):
      guard let record = runs[run], let row = row(of: run) else {
        return .failed(Failure(.notFound, "there is no run '\(run)'"))
      }
      let events = record.events.filter { $0.sequence > after }
      return .runEvents(
        RunEvents(run: row, events: Array(events.prefix(min(Int(limit), WireLimits.runEventsMax)))))
    case .status: return .status(await status())
    }
  }

  private func status() async -> CoordinatorStatus {
    let presence = await control.presence()
    let workers = membership.members(role: .worker).map { member -> WorkerRow in
      let name = member.certificate.name
      let found = presence.first { $0.entry.worker == name }
      return WorkerRow(
        name: name, organisation: member.certificate.organisation,
        state: found != nil ? .live : lastHeard.contains(name) ? .lost : .neverSeen, phase: found?.phase,
        lastHeardMilliseconds: found.map { UInt64(max(0, $0.entry.silentFor.seconds * 1000)) },
        stalledSeconds: found?.stalledSeconds ?? 0)
    }
    var rows: [ModelRow] = []
    for name in (try? models.models()) ?? [] {
      guard let latest = try? models.find(ModelReference(model: name, selector: .alias(.latest))) else { continue }
      let aliases = ((try? models.aliases(of: name)) ?? []).filter { $0.version == latest.manifest.version }
      rows.append(
        ModelRow(
          name: name, version: latest.manifest.version, digest: latest.digest, aliases: aliases.map(\.alias)))
    }
    let rounds = order.flatMap { runs[$0]?.events ?? [] }.compactMap { event -> RoundRow? in
      if case .round(let row) = event.kind { row } else { nil }
    }
    return CoordinatorStatus(
      federation: membership.federation, runs: order.compactMap { row(of: $0) }, workers: workers, models: rows,
      rounds: Array(rounds.suffix(20)))
  }
}
