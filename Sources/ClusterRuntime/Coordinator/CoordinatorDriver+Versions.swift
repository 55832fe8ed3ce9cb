import Aggregation
import ClusterConfiguration
import Federation
import GradientKernel
import Logging
import ModelRegistry
import Observability
import Rounds
import Tensors
import Training

/// Versions: made, measured, published, taken back.
extension CoordinatorDriver {
  /// A version that was made and not yet published.
  struct Candidate {
    let attempt: AttemptID
    let closed: ClosedRound
  }

  /// Makes the next version, and has it measured on the coordinator's data.
  func prepare(_ order: RunStateMachine.CommitOrder, measuresBase: Bool, of run: RunID) {
    guard let current = active[run], let evaluator else {
      return handle(
        .failed(reason: "the run measures its versions on data that this coordinator does not have"), of: run)
    }
    guard let closed = closed(order, of: run) else { return }
    active[run]?.candidate = Candidate(attempt: order.attempt, closed: closed)
    let base = measuresBase ? current.parameters : nil
    let architecture = current.configuration.model.architecture, scale = current.configuration.data.scale
    evaluator.thread.post(to: evaluator) { [self] evaluator in
      let result: Result<(RoundMetrics, RoundMetrics?), TrainingError>
      do throws(TrainingError) {
        let before = if let base { try evaluator.measure(base, architecture, scale: scale) } else { RoundMetrics?.none }
        result = .success((try evaluator.measure(closed.release.parameters, architecture, scale: scale), before))
      } catch {
        result = .failure(error)
      }
      thread.post(to: self) { $0.measured(result, attempt: order.attempt, of: run) }
    }
  }

  private func measured(
    _ result: Result<(RoundMetrics, RoundMetrics?), TrainingError>, attempt: AttemptID, of run: RunID
  ) {
    guard active[run]?.candidate?.attempt == attempt else { return }
    switch result {
    case .success((let metrics, let base)): feed(.candidateMeasured(metrics, base: base), to: run)
    case .failure(let error):
      feed(.sumRefused(reason: "not published: on the coordinator's data: \(error)"), to: run)
    }
  }

  func commit(_ order: RunStateMachine.CommitOrder, of run: RunID) {
    let candidate = active[run]?.candidate
    guard let closed = candidate?.attempt == order.attempt ? candidate?.closed : closed(order, of: run) else {
      return
    }
    do {
      try keep(closed.state, of: order)
      let stored = try publish(closed.release)
      measureLatest(stored)
      active[run]?.parameters = closed.release.parameters
      active[run]?.parent = stored.digest
      active[run]?.serverState = closed.state
      active[run]?.average = []
      active[run]?.candidate = nil
      serveControl(of: run)
      removeOutdatedStates(order)
      tellBytesMoved(of: run)
      handle(.committed(closed.release.base), of: run)
    } catch {
      end(run, because: error, doing: "version \(order.version) cannot be published")
    }
  }

  /// Makes the next version; nil if the server's step gives none, and then the run's machine has heard of it.
  private func closed(_ order: RunStateMachine.CommitOrder, of run: RunID) -> ClosedRound? {
    guard let current = active[run] else { return nil }
    do {
      return try RoundClosing.next(
        order, base: current.parameters, state: current.serverState, average: current.average,
        parent: current.parent, template: current.template, createdAt: unixTime())
    } catch let error as AggregationError {
      active[run]?.average = []
      handle(.sumRefused(reason: error.description), of: run)
    } catch {
      end(run, because: error, doing: "version \(order.version) cannot be made")
    }
    return nil
  }

  /// Makes what the server optimizer remembers durable, before the version it belongs to is published.
  private func keep(_ state: ServerState, of order: RunStateMachine.CommitOrder) throws {
    guard !state.vectors.isEmpty else { return }
    try strategyStates.write(state, run: order.attempt.run, version: order.version)
    KillPoint.reached(.coordinator, .afterRecord, "strategy")
  }

  /// What the server remembers with a version that a run goes on from.
  ///
  /// Control variates begin anew where the run went back to it: workers cannot take theirs back.
  func serverState(
    with manifest: Manifest, of run: RunID, strategy: Strategy, count: Int, isTakenBack: Bool
  ) throws(StrategyStateError) -> ServerState {
    guard !isTakenBack || !strategy.hasControlVariates else { return strategy.initialState(count: count) }
    return try strategyStates.state(with: manifest, of: run, strategy: strategy, count: count)
  }

  /// Lets the workers of a run have its control variate.
  func serveControl(of run: RunID) {
    let control = active[run].flatMap { ControlBlob($0.serverState) }
    post { $0.serve(control, of: run) }
  }

  private func removeOutdatedStates(_ order: RunStateMachine.CommitOrder) {
    do throws(FileError) {
      try strategyStates.removeOutdated(run: order.attempt.run, version: order.version)
    } catch {
      logger.warning("cannot remove an old optimizer state", metadata: ["error": "\(error)"])
    }
  }

  /// The mark is durable before anything is trained on the version that takes its place. False if it cannot be.
  func takeBack(_ version: ModelVersion, to base: BaseModel, reason: String, of run: RunID) -> Bool {
    guard let current = active[run] else { return false }
    let model = current.template.model
    logger.warning(
      "version taken back",
      metadata: ["model": "\(model)", "version": "\(version)", "base": "\(base.version)", "reason": "\(reason)"])
    do {
      let stored = try models.find(ModelReference(model: model, selector: .version(base.version)))
      active[run]?.parameters = try ParameterSet(
        models.artifact(of: stored).tensors, expecting: current.configuration.model.architecture.layout)
      active[run]?.parent = stored.digest
      active[run]?.serverState = try serverState(
        with: stored.manifest, of: current.identity, strategy: current.configuration.strategy,
        count: current.parameters.values.count, isTakenBack: true)
      serveControl(of: run)
      active[run]?.average = []
      try models.takeBack(version, of: model, reason: reason)
      metrics.tookBack("\(model)")
      measureLatest(stored)
      KillPoint.reached(.coordinator, .afterRecord, "alias")
    } catch {
      end(run, because: error, doing: "version \(version) cannot be taken back to \(base.version)")
      return false
    }
    announce?(.moved(.latest, model, base.version))
    return true
  }

  func move(_ alias: Alias, to version: ModelVersion, of run: RunID) -> Bool {
    guard let model = active[run]?.template.model else { return false }
    do throws(RegistryError) {
      try models.move(alias, of: model, to: version)
      KillPoint.reached(.coordinator, .afterRecord, "alias")
    } catch {
      // An operator was faster than the round that measured it: the alias stays.
      if case .retired = error { return true }
      end(run, because: error, doing: "'\(alias)' cannot be moved to version \(version)")
      return false
    }
    announce?(.moved(alias, model, version))
    return true
  }
}
