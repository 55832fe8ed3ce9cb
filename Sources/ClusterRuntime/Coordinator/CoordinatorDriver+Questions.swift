import ClusterConfiguration
import Federation
import Membership
import ModelRegistry
import Rounds
import Wire

/// What operators ask.
extension CoordinatorDriver {
  /// Latest attempts that a status shows.
  private static let statusRounds = 20

  func row(of run: RunID) -> RunRow? {
    guard var stored = runs[run]?.stored else { return nil }
    // Follows from who is there, so it is not stored.
    if stored.reason.isEmpty, let machine = active[run]?.machine, machine.isWaitingForWorkers, machine.lacksWorkers {
      stored.reason = "waits for workers: \(machine.shortage)"
    }
    return stored.row
  }

  /// - Parameter peer: the operator's name, or "local".
  func answer(_ request: OperatorRequest, from peer: String) async -> OperatorReply {
    do throws(Failure) {
      switch request {
      case .submitRun(let yaml): return .runAccepted(try await submit(yaml: yaml))
      case .stopRun(let run):
        try stop(run)
        return .runStopping(run)
      case .pauseRun(let run):
        try pause(run)
        return .runChanged(try known(run))
      case .resumeRun(let run):
        try resume(run)
        return .runChanged(try known(run))
      case .deleteRun(let run): return .runDeleted(run, versions: UInt64(try delete(run)))
      case .showRun(let run): return .runDetail(try detail(of: run))
      case .listRuns: return .runs(order.suffix(WireLimits.runRowsMax).compactMap { row(of: $0) })
      case .runEvents(let run, let after, let limit): return .runEvents(try events(of: run, after: after, limit: limit))
      case .status: return .status(await status())
      case .listVersions(let model): return .versions(try versions.rows(of: model))
      case .showVersion(let reference): return .versionDetail(try versions.detail(of: reference))
      case .changeAlias(let order): return .aliasChanged(try versions.change(order, by: peer))
      case .retireVersion(let model, let version, let reason):
        return try versions.retire(version, of: model, reason: reason, by: peer)
      }
    } catch {
      return .failed(error)
    }
  }

  /// What operators ask and order of versions.
  var versions: ModelOperations {
    ModelOperations(models: models, repository: repository, announce: { [announce] in announce?($0) }, logger: logger)
  }

  private func known(_ run: RunID) throws(Failure) -> RunRow {
    guard let row = row(of: run) else { throw Failure(.notFound, "there is no run '\(run)'") }
    return row
  }

  private func events(of run: RunID, after: UInt64, limit: UInt32) throws(Failure) -> RunEvents {
    let row = try known(run)
    do throws(RepositoryError) {
      let events = try repository.events(of: run, after: after, limit: min(Int(limit), WireLimits.runEventsMax))
      return RunEvents(run: row, events: events)
    } catch {
      throw Failure(.internal, error.description)
    }
  }

  private func detail(of run: RunID) throws(Failure) -> RunDetail {
    let row = try known(run)
    let active = active[run]
    let suited = active.map { active in present.filter { traits[$0].map(active.configuration.suits) ?? false } }
    return RunDetail(
      run: row, configuration: runs[run]?.stored.yaml ?? "", submittedAt: runs[run]?.stored.submittedAt ?? 0,
      phase: active?.machine.phase ?? "", cohort: scheduler.cohort(of: run).sorted(),
      suitedWorkers: UInt32(suited?.count ?? 0))
  }

  private func stateOfAbsent(_ worker: WorkerID) -> WorkerRow.State {
    if let due = resting[worker], MonotonicTime.now < due { return .resting }
    return traits[worker] != nil ? .lost : .neverSeen
  }

  private func status() async -> CoordinatorStatus {
    let presence = await control.presence()
    let workers = membership.members(role: .worker).map { member -> WorkerRow in
      let name = member.certificate.name
      let found = presence.first { $0.entry.worker == name }
      return WorkerRow(
        name: name, organisation: member.certificate.organisation,
        state: found != nil ? .live : stateOfAbsent(name), phase: found?.phase,
        lastHeardMilliseconds: found.map { UInt64(max(0, $0.entry.silentFor.seconds * 1000)) },
        labels: traits[name]?.labels ?? WorkerLabels(), threads: traits[name]?.threads ?? 0,
        run: scheduler.holder(of: name), stalledSeconds: found?.stalledSeconds ?? 0)
    }
    var rows: [ModelRow] = []
    for name in (try? models.models()) ?? [] {
      guard let latest = try? models.find(ModelReference(model: name, selector: .alias(.latest))) else { continue }
      let aliases = ((try? models.aliases(of: name)) ?? []).filter { $0.version == latest.manifest.version }
      rows.append(
        ModelRow(
          name: name, version: latest.manifest.version, digest: latest.digest, aliases: aliases.map(\.alias)))
    }
    return CoordinatorStatus(
      federation: membership.federation, runs: order.suffix(WireLimits.runRowsMax).compactMap { row(of: $0) },
      workers: workers, models: rows, rounds: (try? repository.latestRounds(limit: Self.statusRounds)) ?? [])
  }
}
