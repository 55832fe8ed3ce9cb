import Aggregation
import ClusterConfiguration
import Federation
import GradientKernel
import ModelRegistry
import Rounds
import Tensors
import Training

/// The versions of a simulated run on the coordinator's virtual disk: made, measured, published, taken back.
///
/// What it answers is what the run's machine hears next.
final class VirtualVersions {
  /// A durable step of a version, in this order.
  enum Step {
    /// What the server optimizer remembers with it is on disk.
    case stateKept
    /// It is itself, and not yet called `latest`.
    case versionKept(StoredVersion)
    case published
  }

  let disk: CoordinatorDisk
  /// Told each step; whether the process is gone after it, and nothing more happens.
  var reached: (Step) -> Bool = { _ in false }
  /// Told each version once it is called `latest`.
  var published: (StoredVersion) -> Void = { _ in }
  private let run: RunConfiguration
  private let template: VersionTemplate
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
    template = VersionTemplate(
      federation: parties.membership.federation, model: run.model.name, run: run.name, aggregation: run.aggregation,
      architecture: run.model.architecture.description, dataScale: run.data.scale,
      certificate: parties.coordinator.certificate.certificate, signingKey: parties.coordinator.signingKey,
      strategy: run.strategy(in: parties.membership))
  }

  private var latestReference: ModelReference {
    ModelReference(model: run.model.name, selector: .alias(.latest))
  }

  var latest: (version: StoredVersion, artifact: ModelArtifact) {
    get throws {
      let stored = try disk.models.find(latestReference)
      return (stored, try disk.models.artifact(of: stored))
    }
  }

  /// Makes version 0, or goes on from the last version on disk.
  func begin(at calendar: UInt64) throws -> RunStart {
    let architecture = run.model.architecture
    try disk.models.restoreLatest(of: run.model.name)
    if let stored = try? disk.models.find(latestReference) {
      try goOn(from: stored)
    } else {
      _ = try publish(
        RoundClosing.initial(
          architecture.initialParameters(seed: run.model.seed), template: template, createdAt: calendar))
    }
    var start = try RunStart(of: run.name, model: run.model.name, in: disk.models)
    start.centralHistory = disk.measured
    recall(start.base.version, isTakenBack: start.isTakenBack)
    start.base.control = ControlBlob(serverState)?.reference
    return start
  }

  /// The process is gone, or the run set aside; the disk stays.
  func forgetRun() {
    average = []
    candidate = nil
  }

  private func goOn(from stored: StoredVersion) throws {
    parameters = try ParameterSet(
      disk.models.artifact(of: stored).tensors, expecting: run.model.architecture.layout)
    parent = stored.digest
  }

  /// What the server optimizer remembered with a version. As in the cluster's driver, control variates begin anew where
  /// the run goes back to it: workers cannot take theirs back.
  private func recall(_ version: ModelVersion, isTakenBack: Bool) {
    let kept = isTakenBack && run.strategy.hasControlVariates ? nil : disk.serverStates[version]
    serverState = kept ?? run.strategy.initialState(count: run.model.architecture.layout.count)
  }

  /// - Returns: whether the process has lived through it.
  private func publish(_ release: ModelRelease) throws -> Bool {
    // As on a real disk the version comes first, and the alias behind it.
    let stored = try disk.models.keep(release.manifest, artifact: release.artifact)
    if reached(.versionKept(stored)) { return false }
    try disk.models.restoreLatest(of: release.model)
    parameters = release.parameters
    parent = stored.digest
    published(stored)
    return true
  }

  /// Makes the next version, and measures it on the data that no worker has.
  func prepare(
    _ order: RunStateMachine.CommitOrder, measuresBase: Bool, at calendar: UInt64,
    judge: (ParameterSet) throws -> RoundMetrics?
  ) -> RunStateMachine.Event {
    let closed: ClosedRound
    switch make(order, at: calendar) {
    case .refused(let event): return event
    case .made(let made): closed = made
    }
    candidate = (order.attempt, closed)
    do {
      guard let metrics = try judge(closed.release.parameters) else {
        return .failed(reason: "the run measures its versions on held-out data, and there is none")
      }
      return .candidateMeasured(metrics, base: measuresBase ? try parameters.flatMap(judge) : nil)
    } catch {
      return .sumRefused(reason: "not published: on the coordinator's data: \(error)")
    }
  }

  /// - Returns: nil if the process did not live through it.
  func commit(_ order: RunStateMachine.CommitOrder, at calendar: UInt64) -> RunStateMachine.Event? {
    let closed: ClosedRound
    if let candidate, candidate.attempt == order.attempt {
      closed = candidate.closed
    } else {
      switch make(order, at: calendar) {
      case .refused(let event): return event
      case .made(let made): closed = made
      }
    }
    disk.serverStates[order.version] = closed.state
    if reached(.stateKept) { return nil }
    do {
      guard try publish(closed.release) else { return nil }
    } catch {
      return .failed(reason: "version \(order.version) cannot be published: \(error)")
    }
    serverState = closed.state
    if reached(.published) { return nil }
    forgetRun()
    return .committed(closed.release.base)
  }

  private enum Making {
    case made(ClosedRound)
    case refused(RunStateMachine.Event)
  }

  private func make(_ order: RunStateMachine.CommitOrder, at calendar: UInt64) -> Making {
    guard let parameters, let parent else {
      return .refused(.failed(reason: "version \(order.version) has no version before it"))
    }
    do {
      return .made(
        try RoundClosing.next(
          order, base: parameters, state: serverState, average: average, parent: parent, template: template,
          createdAt: calendar))
    } catch let error as AggregationError {
      average = []
      return .refused(.sumRefused(reason: error.description))
    } catch {
      return .refused(.failed(reason: "version \(order.version) cannot be made: \(error)"))
    }
  }

  /// Goes on from an earlier version.
  ///
  /// - Returns: what went wrong.
  func takeBack(_ version: ModelVersion, to base: BaseModel, reason: String) -> RunStateMachine.Event? {
    average = []
    do {
      try goOn(
        from: disk.models.find(ModelReference(model: run.model.name, selector: .version(base.version))))
      recall(base.version, isTakenBack: true)
      try disk.models.takeBack(version, of: run.model.name, reason: reason)
      return nil
    } catch {
      return .failed(reason: "version \(base.version) cannot be gone back to: \(error)")
    }
  }

  /// - Returns: what went wrong.
  func move(_ alias: Alias, to version: ModelVersion) -> RunStateMachine.Event? {
    do {
      try disk.models.move(alias, of: run.model.name, to: version)
      return nil
    } catch {
      return .failed(reason: "'\(alias)' cannot be moved to version \(version): \(error)")
    }
  }
}
