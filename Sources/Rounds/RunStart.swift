import Federation
import ModelRegistry

/// Where a run begins, or goes on after a restart: all of it follows from the versions that are stored.
package struct RunStart: Sendable {
  /// How far a run can be taken back.
  package static let ancestorsMax = 4

  /// The latest version that was not taken back.
  package var base: BaseModel
  /// Versions before it, oldest first; those only that this run can go back to.
  package let ancestors: [BaseModel]
  /// The greatest number that was ever given, taken back or not.
  package let newest: ModelVersion
  /// The round that trains on `base`.
  package let round: RoundNumber
  /// What the run's versions say of their parents, oldest first.
  package let history: [MeasuredVersion]
  /// Client updates in the run's versions, those in versions that were taken back too.
  package let updates: UInt64
  /// What the coordinator's own data say of the run's versions, oldest first.
  package var centralHistory: [MeasuredVersion] = []

  /// Whether the run went back to `base` from a version after it.
  package var isTakenBack: Bool { base.version != newest }

  /// The first round, on a model that was there before.
  package init(base: BaseModel, round: RoundNumber = 1) {
    self.init(base: base, ancestors: [], newest: base.version, round: round, history: [], updates: 0)
  }

  init(
    base: BaseModel, ancestors: [BaseModel], newest: ModelVersion, round: RoundNumber, history: [MeasuredVersion],
    updates: UInt64
  ) {
    self.updates = updates
    self.base = base
    self.ancestors = ancestors
    self.newest = newest
    self.round = round
    self.history = history
  }

  /// - Throws: `unknownModel` if there is no version yet.
  package init(of run: RunID, model: ModelName, in store: some ModelRegistryStore) throws(RegistryError) {
    guard let latest = try store.newestStanding(of: model) else { throw .unknownModel(model) }
    let versions = try store.versions(of: model)
    var byDigest: [Digest: StoredVersion] = [:]
    for version in versions { byDigest[version.digest] = version }
    let own = versions.filter { $0.manifest.run == run && $0.manifest.version > 0 }

    // The parent of a version that this run made is one that this run trained on.
    var ancestors: [BaseModel] = []
    var child = latest
    while ancestors.count < Self.ancestorsMax, child.manifest.run == run, let digest = child.manifest.parent,
      let parent = byDigest[digest]
    {
      ancestors.append(BaseModel(parent.manifest))
      child = parent
    }
    let history = own.compactMap { version -> MeasuredVersion? in
      guard let parent = version.manifest.parent.flatMap({ byDigest[$0] }), let metrics = version.manifest.parentMetrics
      else { return nil }
      return MeasuredVersion(version: parent.manifest.version, metrics: metrics)
    }
    self.init(
      base: BaseModel(latest.manifest), ancestors: ancestors.reversed(),
      newest: versions.last?.manifest.version ?? latest.manifest.version,
      round: own.map(\.manifest.round).max()?.next ?? 1, history: history,
      updates: own.reduce(0) { $0 + $1.manifest.cohortSize })
  }
}
