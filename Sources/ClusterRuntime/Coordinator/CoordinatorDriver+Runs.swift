import ClusterConfiguration
import Federation
import GradientKernel
import Logging
import ModelRegistry
import Observability
import Rounds
import Tensors
import Training
import Wire

/// Runs come, are taken up, paused, resumed and ended.
extension CoordinatorDriver {
  /// Most runs in hand at once: each holds its model in memory. Others wait.
  static let runsInHandMax = 16
  /// Most runs that are remembered, ended ones too.
  static let runsMax = WireLimits.runRowsMax

  // MARK: What operators order

  /// Checks and queues a run; durable when it returns.
  func submit(yaml: String) async throws(Failure) -> RunID {
    let configuration: RunConfiguration
    do throws(ConfigurationError) {
      configuration = try RunConfiguration.read(ConfigurationFile(path: "run", text: yaml))
    } catch {
      throw Failure(.invalid, error.description)
    }
    let name = configuration.name
    if let problem = forecastProblem(of: configuration) { throw Failure(.invalid, problem) }
    if let problem = await evaluationProblem(of: configuration) { throw Failure(.invalid, problem) }
    // Asked last, because others may have been submitted meanwhile.
    if let known = runs[name] {
      let way = known.stored.state.isFinal ? "; 'murmur run delete \(name)' frees the name" : ""
      throw Failure(.conflict, "a run '\(name)' exists already\(way)")
    }
    guard runs.count < Self.runsMax else {
      throw Failure(
        .conflict, "found \(runs.count) runs, expected at most \(Self.runsMax): delete some that have ended")
    }
    do {
      let stored = try repository.add(
        NewRun(
          name: name, yaml: yaml, model: configuration.model.name, roundsPlanned: configuration.rounds,
          submittedAt: unixTime()))
      KillPoint.reached(.coordinator, .afterRecord, "run")
      runs[name] = RunRecord(stored)
      order.append(name)
      measureRuns()
    } catch {
      throw Failure(.internal, "the run cannot be stored: \(error)")
    }
    logger.info("run accepted", metadata: ["run": "\(name)"])
    takeUpWaiting()
    return name
  }

  /// Why a run can never end well with the workers of this federation, or would lose too much to rounding (ruling A7).
  private func forecastProblem(of configuration: RunConfiguration) -> String? {
    do throws(ConfigurationError) {
      let organisations = membership.members(role: .worker).map(\.certificate.organisation)
      _ = try configuration.forecast(organisations: organisations, file: "run")
      return nil
    } catch {
      return error.description
    }
  }

  /// Why this coordinator cannot measure the run's versions, if the run wants it to.
  private func evaluationProblem(of configuration: RunConfiguration) async -> String? {
    guard configuration.evaluation.isCentral else { return nil }
    guard let evaluator else {
      return "run: key 'evaluation.central': found true, expected false: coordinator.yaml has no 'evaluation-data'"
    }
    return await evaluator.objection(to: configuration.model.architecture, scale: configuration.data.scale)
  }

  /// No attempt is offered behind the one in hand.
  func pause(_ name: RunID) throws(Failure) {
    switch try unfinished(name) {
    case .paused, .pausing: throw Failure(.conflict, "the run '\(name)' is paused already")
    case .queued, .running, .stopping, .completed, .stopped, .failed: break
    }
    guard active[name] != nil else { return change(name, to: .paused, reason: "paused by an operator") }
    change(name, to: .pausing, reason: "")
    handle(.pauseRequested, of: name)
    settle()
  }

  func resume(_ name: RunID) throws(Failure) {
    let state = try unfinished(name)
    guard state == .paused || state == .pausing else {
      throw Failure(.conflict, "the run '\(name)' is \(state), not paused")
    }
    if active[name] == nil {
      guard recover(name) else { throw Failure(.conflict, runs[name]?.stored.reason ?? "") }
      change(name, to: .queued, reason: "")
      takeUpWaiting()
    } else {
      change(name, to: .running, reason: "")
      handle(.resumeRequested, of: name)
      settle()
    }
  }

  func stop(_ name: RunID) throws(Failure) {
    _ = try unfinished(name)
    if active[name] != nil {
      handle(.stopRequested, of: name)
      settle()
    } else {
      change(name, to: .stopped, reason: "stopped by an operator")
      takeUpWaiting()
    }
  }

  /// Forgets a run that has ended.
  ///
  /// - Returns: how many versions it made, which all stay.
  func delete(_ name: RunID) throws(Failure) -> Int {
    guard let record = runs[name] else { throw Failure(.notFound, "there is no run '\(name)'") }
    guard record.stored.state.isFinal else {
      throw Failure(.conflict, "the run '\(name)' is \(record.stored.state); stop it first")
    }
    do throws(RepositoryError) {
      let versions = try repository.versions(of: name).count
      try repository.delete(name)
      runs[name] = nil
      order.removeAll { $0 == name }
      measureRuns()
      metrics.forget(run: "\(name)")
      logger.info("run deleted", metadata: ["run": "\(name)", "versions": "\(versions)"])
      return versions
    } catch {
      throw Failure(.internal, "the run cannot be deleted: \(error)")
    }
  }

  private func unfinished(_ name: RunID) throws(Failure) -> RunState {
    guard let record = runs[name] else { throw Failure(.notFound, "there is no run '\(name)'") }
    guard !record.stored.state.isFinal else { throw Failure(.conflict, "the run '\(name)' has ended already") }
    return record.stored.state
  }

  // MARK: Taking up

  /// Takes up the runs that wait, in the order of their submission.
  ///
  /// A run on a model that an earlier run has not finished waits for that one: each would publish the versions of the
  /// other. A run that cannot be taken up is set aside with the reason, and the next one is.
  func takeUpWaiting() {
    var holders: [ModelName: RunID] = [:]
    for name in order {
      guard let record = runs[name], !record.stored.state.isFinal else { continue }
      let holder = holders[record.stored.model]
      holders[record.stored.model] = holder ?? name
      guard record.stored.state == .queued || record.stored.state == .running, active[name] == nil else { continue }
      if let holder {
        // Follows from the others, so it is not stored.
        runs[name]?.stored.reason = "waits for the run '\(holder)', which trains the same model"
      } else if hasRoom() {
        takeUp(name, record)
      }
    }
    settle()
  }

  /// Whether another run may be in hand; a paused one goes to make room, and is taken up from disk when it is resumed.
  private func hasRoom() -> Bool {
    if active.count < Self.runsInHandMax { return true }
    guard let paused = active.filter(\.value.machine.isPaused).keys.min() else { return false }
    active[paused] = nil
    serveControl(of: paused)
    scheduler.remove(paused)
    return true
  }

  private func takeUp(_ name: RunID, _ record: RunRecord) {
    guard let configuration = record.configuration else {
      return change(name, to: .failed, reason: "this version of murmur cannot read its configuration")
    }
    do {
      let run = try begin(configuration, record.stored)
      change(name, to: .running, reason: "")
      active[name] = run
      metrics.runStarted("\(name)")
      serveControl(of: name)
      scheduler.add(name, weight: configuration.weight)
      logger.info(
        "run started",
        metadata: ["run": "\(name)", "round": "\(run.machine.round)", "version": "\(run.machine.base.version)"])
      handle(.started(now: unixTime()), of: name)
    } catch {
      logger.error("run not started", metadata: ["run": "\(name)", "error": "\(error)"])
      change(name, to: Self.isOfDisk(error) ? .paused : .failed, reason: "\(error)")
    }
  }

  /// The run from its last committed version on, or from a new version 0.
  private func begin(_ configuration: RunConfiguration, _ record: StoredRun) throws -> ActiveRun {
    let architecture = configuration.model.architecture
    let template = VersionTemplate(
      federation: membership.federation, model: configuration.model.name, run: record.identity,
      aggregation: configuration.aggregation, architecture: architecture.description,
      dataScale: configuration.data.scale, certificate: home.certificate.certificate, signingKey: home.signingKey,
      strategy: configuration.strategy(in: membership))
    let (parameters, stored) = try startingVersion(configuration, architecture, template)
    measureLatest(stored)
    var beginning = try RunStart(of: record.identity, model: configuration.model.name, in: models)
    beginning.centralHistory = try measuredCentrally(record.name)
    // Versions of its own that were taken back are newer than the one that it goes on from.
    let isOwn = stored.manifest.run == record.identity || stored.manifest.version < beginning.newest
    guard isOwn || record.roundsCommitted == 0 else {
      throw RunFault.modelMoved(stored.manifest.model, stored.manifest.version, by: stored.manifest.run)
    }
    let serverState = try serverState(
      with: stored.manifest, of: record.identity, strategy: configuration.strategy, count: parameters.values.count,
      isTakenBack: beginning.isTakenBack)
    beginning.base.control = ControlBlob(serverState)?.reference
    var plan = configuration.plan(membership: membership, architecture: architecture)
    plan.run = record.identity
    plan.elapsed = try lasted(record.name)
    plan.bytesMoved = try bytesMoved(by: record.name)
    var machine = RunStateMachine(
      plan: plan, membership: membership, certificate: home.certificate.certificate, signingKey: home.signingKey,
      start: beginning, attempt: try repository.nextAttempt(of: record.name, round: beginning.round))
    machine.isHeld = true
    for worker in present.sorted() where traits[worker].map(configuration.suits) == true {
      _ = machine.handle(.workerJoined(worker), at: .now)
    }
    return ActiveRun(
      name: record.name, identity: record.identity, configuration: configuration, template: template,
      machine: machine, parameters: parameters, parent: stored.digest, serverState: serverState, attemptStarted: .now,
      trafficAtStart: traffic.snapshot)
  }

  /// What the run's history says of its versions on the coordinator's data, oldest first.
  private func measuredCentrally(_ name: RunID) throws(RepositoryError) -> [MeasuredVersion] {
    try repository.attempts(of: name).compactMap { attempt in
      guard let result = attempt.result, let published = result.published, let central = result.central else {
        return nil
      }
      return MeasuredVersion(version: published.version, loss: central.loss, accuracy: central.accuracy)
    }
  }

  /// As the run's history has it: those of an attempt that the coordinator's death cut short are not known.
  private func bytesMoved(by name: RunID) throws(RepositoryError) -> UInt64 {
    try repository.attempts(of: name).reduce(0) { $0 + ($1.result?.traffic?.total ?? 0) }
  }

  /// How long ago the run made its first offer; what it was paused, or its coordinator away, counts too.
  private func lasted(_ name: RunID) throws(RepositoryError) -> Duration {
    guard let first = try repository.attempts(of: name).first?.startedAt else { return .zero }
    let now = unixTime()
    return .seconds(Int64(clamping: now - min(first, now)))
  }

  /// The model's latest version if this federation has one that fits, a new version 0 otherwise.
  private func startingVersion(
    _ configuration: RunConfiguration, _ architecture: ModelArchitecture, _ template: VersionTemplate
  ) throws -> (ParameterSet, StoredVersion) {
    if let stored = try models.finishedLatest(of: configuration.model.name) {
      let artifact = try models.artifact(of: stored)
      return (try ParameterSet(artifact.tensors, expecting: architecture.layout), stored)
    }
    let release = try RoundClosing.initial(
      architecture.initialParameters(seed: configuration.model.seed), template: template, createdAt: unixTime())
    let stored = try publish(release)
    try repository.note(VersionRecord(stored, of: configuration.name))
    return (release.parameters, stored)
  }

  /// Stores a version durably and tells the serving nodes.
  func publish(_ release: ModelRelease) throws -> StoredVersion {
    try models.publish(
      release.manifest, artifact: release.artifact, attachments: signer.attachments(for: release.manifest))
    KillPoint.reached(.coordinator, .afterRecord, "version")
    let stored = try models.find(
      ModelReference(model: release.model, selector: .version(release.base.version)))
    metrics.published("\(release.model)")
    announce?(.published(stored))
    return stored
  }

  // MARK: Ends

  /// The disk keeps a run from going on: it is set aside with the reason, to be resumed from its last committed version.
  func interrupt(_ name: RunID, reason: String) {
    guard active[name] != nil else { return }
    logger.error("run interrupted", metadata: ["run": "\(name)", "reason": "\(reason)"])
    active[name]?.isInterrupted = true
    handle(.failed(reason: reason), of: name)
    // A machine that has ended already ends no second time.
    if active[name] != nil { finished(.failed(reason: reason), of: name) }
  }

  /// The machine has ended.
  func finished(_ outcome: RunStateMachine.Outcome, of name: RunID) {
    let isInterrupted = active[name]?.isInterrupted ?? false
    let early = active[name]?.machine.endReason ?? ""
    active[name] = nil
    serveControl(of: name)
    scheduler.remove(name)
    post { $0.forget(name) }
    control.loop.post(to: control) { $0.cancelDeadlines(of: name) }
    switch outcome {
    case .completed: change(name, to: .completed, reason: early)
    case .failed(let reason): change(name, to: isInterrupted ? .paused : .failed, reason: reason)
    case .stopped: change(name, to: .stopped, reason: "stopped by an operator")
    }
    takeUpWaiting()
  }

  /// Where a run stands, in memory, on disk and in the log. A disk that does not take it changes nothing: after a restart
  /// the run goes on from where the disk last saw it.
  func change(_ name: RunID, to state: RunState, reason: String) {
    runs[name]?.stored.state = state
    runs[name]?.stored.reason = reason
    measureRuns()
    do throws(RepositoryError) {
      try repository.change(name, to: state, reason: reason, at: unixTime())
      KillPoint.reached(.coordinator, .afterRecord, "run")
    } catch {
      logger.error(
        "cannot store the state of a run",
        metadata: ["run": "\(name)", "state": "\(state)", "error": "\(error)"])
    }
    guard state.isFinal || state == .paused else { return }
    logger.info(
      state.isFinal ? "run ended" : "run paused",
      metadata: ["run": "\(name)", "state": "\(state)", "reason": "\(reason)"])
  }

  /// Whether not the run is at fault but what it stands on: the disk, or the coordinator's certificate.
  static func isOfDisk(_ error: any Error) -> Bool {
    switch error {
    case let error as RepositoryError: error.isOfDisk
    case let error as RegistryError:
      switch error {
      case .file, .corruptedBlob, .corruptedVersion, .unknownBlob, .notVerified: true
      case .unknownModel, .unknownVersion, .versionTaken, .retired: false
      }
    case is FileError, is RunFault, is ClosingError: true
    default: false
    }
  }
}

/// Why a run cannot be taken up as it was left.
enum RunFault: Error, CustomStringConvertible {
  /// The latest version of its model is of another run.
  case modelMoved(ModelName, ModelVersion, by: RunID)
  /// The coordinator's process ended in so many of its attempts at one round, one after the other.
  case endsCoordinator(RoundNumber, attempts: Int)

  var description: String {
    switch self {
    case .modelMoved(let model, let version, let run):
      "\(model)@\(version), the latest version of its model, is of the run '\(run)'"
    case .endsCoordinator(let round, let attempts):
      "the coordinator's process ended in each of the last \(attempts) attempts at round \(round)"
    }
  }
}

extension VersionRecord {
  init(_ stored: StoredVersion, of run: RunID) {
    self.init(
      model: stored.manifest.model, version: stored.manifest.version, run: run, round: stored.manifest.round,
      digest: stored.digest, modelDigest: stored.manifest.modelDigest)
  }
}
