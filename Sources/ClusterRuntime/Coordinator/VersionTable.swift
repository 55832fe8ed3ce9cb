import Federation
import ModelRegistry
import Wire

/// All versions of one model with what became of them: the graph of which came from which.
struct VersionTable {
  /// Ascending by version.
  let rows: [VersionRow]

  /// - Throws: `RegistryError` for a folder that cannot be read; a model that is not there has no rows.
  init(of model: ModelName, in store: some ModelRegistryStore) throws(RegistryError) {
    let versions = try store.versions(of: model)
    let aliases = try store.aliases(of: model)
    let retired = try store.retired(of: model)
    let takenBack = try store.takenBack(of: model)
    // A version is measured by the rounds that train on it: where several did, by the first.
    let measured = Dictionary(
      versions.compactMap { child -> (Digest, RoundRow.Evaluation)? in
        guard let parent = child.manifest.parent,
          let evaluation = child.manifest.parentMetrics.flatMap(RoundRow.Evaluation.init)
        else { return nil }
        return (parent, evaluation)
      }, uniquingKeysWith: { first, _ in first })
    rows = versions.map { version in
      let manifest = version.manifest, number = manifest.version
      return VersionRow(
        model: ModelRow(
          name: model, version: number, digest: version.digest,
          aliases: aliases.filter { $0.version == number }.map(\.alias).prefix(WireLimits.aliasesMax).map { $0 }),
        run: manifest.run, round: manifest.round, createdAt: manifest.createdAt, parent: manifest.parent,
        evaluation: measured[version.digest], retired: retired.first { $0.version == number },
        takenBack: takenBack.first { $0.version == number }?.reason)
    }
  }

  subscript(digest: Digest) -> VersionRow? { rows.first { $0.model.digest == digest } }

  /// The version and those that it comes from, newest first, then those that come from it, oldest first: the nearest
  /// `countMax`, ancestors before descendants.
  func lineage(of digest: Digest, countMax: Int) -> [VersionRow] {
    var lineage: [VersionRow] = []
    var next: Digest? = digest
    while let digest = next, lineage.count < countMax, let row = self[digest] {
      lineage.append(row)
      next = row.parent
    }
    // A version is older than those that come from it.
    var family: Set<Digest> = [digest]
    for row in rows where lineage.count < countMax {
      guard let parent = row.parent, family.contains(parent) else { continue }
      family.insert(row.model.digest)
      lineage.append(row)
    }
    return lineage
  }
}

/// Where an alias was, one place behind the other.
struct AliasHistory {
  /// Where rolling back leads; nil if there is no place before.
  let previous: ModelVersion?

  /// - Parameter events: of the model, oldest first.
  init(of alias: Alias, in events: [AliasEvent]) {
    var places: [ModelVersion] = []
    for event in events where event.move.alias == alias {
      switch event.change {
      case .moved, .removed, .found: if let from = event.move.from { places.append(from) }
      case .rolledBack: _ = places.popLast()
      // The place that it left is no place to go back to.
      case .retirement: break
      }
    }
    previous = places.last
  }
}
