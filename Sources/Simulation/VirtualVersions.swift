import Aggregation
import ClusterConfiguration
import Federation
import GradientKernel
import ModelRegistry
import Rounds
import Tensors
import Training

/// The versions of a simulated run on the coordinator's virtual disk: made, measured, published, taken back.
final class VirtualVersions {
  let disk: CoordinatorDisk
  private let run: RunConfiguration
  private let template: VersionTemplate
  private var lineage: LineageChecker
  /// Of the version that the next attempt trains on.
  private(set) var parameters: ParameterSet?
  private(set) var serverState = ServerState()
  private var parent: Digest?
  /// Of the open sum.
  var average: [Float] = []
  /// Made for an attempt, and not yet published.
  private var candidate: (attempt: AttemptID, closed: ClosedRound)?

  init(_ run: RunConfiguration, parties: VirtualParties, disk: CoordinatorDisk = CoordinatorDisk()) {
    self.run = run
    self.disk = disk
    lineage = LineageChecker(membership: parties.membership)
    template = VersionTemplate(
      federation: parties.membership.federation, model: run.model.name, run: run.name, aggregation: run.aggregation,
      architecture: run.model.architecture.description, dataScale: run.data.scale, signer: parties.coordinator.name,
      signingKey: parties.coordinator.signingKey, strategy: run.strategy(in: parties.membership))
  }

  /// Publishes version 0.
  ///
  /// - Returns: where the run begins, and the claims that the version breaks.
  func begin(at calendar: UInt64) throws -> (start: RunStart, broken: [String]) {
    let architecture = run.model.architecture
    let broken = try publish(
      RoundClosing.initial(
        architecture.initialParameters(seed: run.model.seed), template: template, createdAt: calendar))
    serverState = run.strategy.initialState(count: architecture.layout.count)
    var start = try RunStart(of: run.name, model: run.model.name, in: disk.models)
    start.base.control = ControlBlob(serverState)?.reference
    return (start, broken)
  }

  var latest: (version: StoredVersion, artifact: ModelArtifact) {
    get throws {
      let stored = try disk.models.find(ModelReference(model: run.model.name, selector: .alias(.latest)))
      return (stored, try disk.models.artifact(of: stored))
    }
  }

  private func publish(_ release: ModelRelease) throws -> [String] {
    let stored = try disk.models.keep(release.manifest, artifact: release.artifact)
    let broken = lineage.published(stored)
    try disk.models.restoreLatest(of: release.model)
    parameters = release.parameters
    parent = stored.digest
    return broken
  }

  /// Makes the next version, and measures it on the data that no worker has.
  func prepare(
    _ order: RunStateMachine.CommitOrder, measuresBase: Bool, at calendar: UInt64,
    judge: (ParameterSet) throws -> RoundMetrics?
  ) throws -> RunStateMachine.Event {
    let base = parameters
    switch try closed(order, at: calendar) {
    case .failure(let refused): return .sumRefused(reason: refused.description)
    case .success(let closed):
      candidate = (order.attempt, closed)
      guard let metrics = try judge(closed.release.parameters) else {
        return .failed(reason: "the run measures its versions on held-out data, and there is none")
      }
      return .candidateMeasured(metrics, base: measuresBase ? try base.flatMap(judge) : nil)
    }
  }

  /// - Returns: what the run's machine hears, and the claims that the version breaks.
  func commit(
    _ order: RunStateMachine.CommitOrder, at calendar: UInt64
  ) throws -> (event: RunStateMachine.Event, broken: [String]) {
    let closed: ClosedRound
    if let candidate, candidate.attempt == order.attempt {
      closed = candidate.closed
    } else {
      switch try self.closed(order, at: calendar) {
      case .failure(let refused): return (.sumRefused(reason: refused.description), [])
      case .success(let made): closed = made
      }
    }
    disk.serverStates[order.version] = closed.state
    let broken = try publish(closed.release)
    serverState = closed.state
    average = []
    candidate = nil
    return (.committed(closed.release.base), broken)
  }

  private func closed(
    _ order: RunStateMachine.CommitOrder, at calendar: UInt64
  ) throws -> Result<ClosedRound, AggregationError> {
    guard let parameters, let parent else { throw SimulationError.node("a version without a model before it") }
    do {
      return .success(
        try RoundClosing.next(
          order, base: parameters, state: serverState, average: average, parent: parent, template: template,
          createdAt: calendar))
    } catch let error as AggregationError {
      average = []
      return .failure(error)
    }
  }

  /// Goes on from an earlier version. Control variates begin anew there: workers cannot take theirs back.
  func takeBack(_ version: ModelVersion, to base: BaseModel, reason: String) throws {
    average = []
    let stored = try disk.models.find(ModelReference(model: run.model.name, selector: .version(base.version)))
    parameters = try ParameterSet(
      disk.models.artifact(of: stored).tensors, expecting: run.model.architecture.layout)
    parent = stored.digest
    let initial = run.strategy.initialState(count: run.model.architecture.layout.count)
    serverState = run.strategy.hasControlVariates ? initial : disk.serverStates[base.version] ?? initial
    try disk.models.takeBack(version, of: run.model.name, reason: reason)
  }

  func move(_ alias: Alias, to version: ModelVersion) throws {
    try disk.models.move(alias, of: run.model.name, to: version)
  }
}
