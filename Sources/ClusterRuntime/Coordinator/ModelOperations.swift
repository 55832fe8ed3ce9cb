import Federation
import Logging
import ModelRegistry
import Wire

/// What operators ask and order of versions.
///
/// A change is durable in the registry before it is published, and published before it is answered. It is written down
/// with its author behind the change itself: where the process dies between the two, the next one finds the alias
/// elsewhere than the history says, and writes that down.
struct ModelOperations: Sendable {
  /// Aliases that the coordinator moves by its own rules.
  private static let ownAliases: Set<Alias> = [.latest, .best]
  /// The author of what the process before this one did not write down.
  private static let recovery = "recovery"

  let models: DirectoryModelStore
  let repository: any CoordinatorRepository
  /// Tells serving nodes what is durable.
  let announce: @Sendable (StatePublisher.News) -> Void
  let logger: Logger

  // MARK: Questions

  /// The newest versions of a model, or the newest one of every model; newest first.
  func rows(of model: ModelName?) throws(Failure) -> [VersionRow] {
    try found { () throws(RegistryError) in
      guard let model else {
        var rows: [VersionRow] = []
        for name in try models.models().prefix(WireLimits.versionRowsMax) {
          rows += try VersionTable(of: name, in: models).rows.suffix(1)
        }
        return rows
      }
      let rows = try VersionTable(of: model, in: models).rows
      guard !rows.isEmpty else { throw .unknownModel(model) }
      return rows.suffix(WireLimits.versionRowsMax).reversed()
    }
  }

  func detail(of text: String) throws(Failure) -> VersionDetail {
    let version = try find(text)
    let model = version.manifest.model
    let events = try recalled { () throws(RepositoryError) in try repository.aliasEvents(of: model) }
    return try found { () throws(RegistryError) in
      let table = try VersionTable(of: model, in: models)
      guard let row = table[version.digest] else { throw .unknownModel(model) }
      let number = version.manifest.version
      return VersionDetail(
        row: row, manifest: version.signed, attachments: version.attachments,
        lineage: table.lineage(of: version.digest, countMax: WireLimits.lineageRowsMax),
        events: events.filter { $0.move.from == number || $0.move.to == number }.suffix(WireLimits.aliasEventsMax))
    }
  }

  // MARK: Orders

  func change(_ order: AliasOrder, by peer: String) throws(Failure) -> AliasMove {
    guard !Self.ownAliases.contains(order.alias) else {
      throw Failure(.invalid, "'\(order.alias)' is moved by the coordinator itself; choose another alias")
    }
    let from = try found { () throws(RegistryError) in
      try models.aliases(of: order.model).first { $0.alias == order.alias }?.version
    }
    if let expected = order.expected, expected != from {
      let place = from.map { "at version \($0)" } ?? "nowhere"
      throw Failure(.conflict, "'\(order.model)@\(order.alias)' is \(place), expected it at version \(expected)")
    }
    let (target, change) = try target(of: order, from: from)
    let move = AliasMove(model: order.model, alias: order.alias, from: from, to: target)
    guard from != target else { return move }
    try found { () throws(RegistryError) in
      if let target {
        try models.move(order.alias, of: order.model, to: target)
      } else {
        try models.remove(order.alias, of: order.model)
      }
    }
    KillPoint.reached(.coordinator, .afterRecord, "alias")
    announce(StatePublisher.News(move))
    note(move, change, by: peer)
    return move
  }

  /// Where an alias goes; nil for away.
  private func target(of order: AliasOrder, from: ModelVersion?) throws(Failure) -> (ModelVersion?, AliasChange) {
    switch order.change {
    case .move(let text):
      let version = try find(text)
      guard version.manifest.model == order.model else {
        throw Failure(.invalid, "'\(text)' is no version of '\(order.model)'")
      }
      return (version.manifest.version, .moved)
    case .remove:
      guard from != nil else { throw Failure(.notFound, "there is no alias '\(order.model)@\(order.alias)'") }
      return (nil, .removed)
    case .rollBack:
      let events = try recalled { () throws(RepositoryError) in try repository.aliasEvents(of: order.model) }
      guard let previous = AliasHistory(of: order.alias, in: events).previous else {
        throw Failure(.conflict, "'\(order.model)@\(order.alias)' was nowhere before, as far as is remembered")
      }
      return (previous, .rolledBack)
    }
  }

  func retire(
    _ version: ModelVersion, of model: ModelName, reason: String, by peer: String
  ) throws(Failure) -> OperatorReply {
    let (gone, moves) = try found { () throws(RegistryError) in
      let moves = try models.retire(version, of: model, reason: reason)
      guard let gone = try models.retired(of: model).first(where: { $0.version == version }) else {
        throw .unknownVersion(ModelReference(model: model, selector: .version(version)))
      }
      return (gone, moves)
    }
    KillPoint.reached(.coordinator, .afterRecord, "retired")
    logger.warning(
      "version retired", metadata: ["version": "\(model)@\(version)", "by": "\(peer)", "reason": "\(gone.reason)"])
    // Aliases first: a node that has their targets loaded goes without a gap.
    for move in moves { announce(StatePublisher.News(move)) }
    announce(.retired(gone))
    for move in moves { note(move, .retirement, by: peer) }
    return .versionRetired(gone, moves: moves)
  }

  /// Finishes what the process before this one had begun with aliases.
  func recover() {
    for model in (try? models.models()) ?? [] {
      do {
        for move in try models.settleAliases(of: model) { note(move, .retirement, by: Self.recovery) }
        let events = try repository.aliasEvents(of: model)
        let pointers = Dictionary(
          try models.aliases(of: model).map { ($0.alias, $0.version) }, uniquingKeysWith: { first, _ in first })
        for alias in Set(pointers.keys).union(events.map(\.move.alias)).subtracting(Self.ownAliases).sorted() {
          let remembered = events.last { $0.move.alias == alias }?.move.to
          guard remembered != pointers[alias] else { continue }
          note(AliasMove(model: model, alias: alias, from: remembered, to: pointers[alias]), .found, by: Self.recovery)
        }
      } catch {
        logger.error("aliases not recovered", metadata: ["model": "\(model)", "error": "\(error)"])
      }
    }
  }

  /// Writes a change down. The change stands, also if that fails: the next start writes it down then.
  private func note(_ move: AliasMove, _ change: AliasChange, by peer: String) {
    guard !Self.ownAliases.contains(move.alias) else { return }
    do throws(RepositoryError) {
      try repository.record(AliasEvent(move: move, change: change, by: peer, at: unixTime()))
    } catch {
      logger.error(
        "change of an alias not written down", metadata: ["alias": "\(move.model)@\(move.alias)", "error": "\(error)"])
    }
  }

  // MARK: Failures

  private func find(_ text: String) throws(Failure) -> StoredVersion {
    let reference: ModelReference
    do throws(ModelReferenceError) {
      reference = try ModelReference(parsing: text)
    } catch {
      throw Failure(.invalid, error.description)
    }
    return try found { () throws(RegistryError) in try models.find(reference) }
  }

  private func found<T>(_ body: () throws(RegistryError) -> T) throws(Failure) -> T {
    do throws(RegistryError) {
      return try body()
    } catch {
      switch error {
      case .unknownModel, .unknownVersion, .unknownBlob: throw Failure(.notFound, error.description)
      case .retired, .versionTaken: throw Failure(.conflict, error.description)
      case .corruptedBlob, .corruptedVersion, .notVerified, .file: throw Failure(.internal, error.description)
      }
    }
  }

  private func recalled<T>(_ body: () throws(RepositoryError) -> T) throws(Failure) -> T {
    do throws(RepositoryError) {
      return try body()
    } catch {
      throw Failure(.internal, error.description)
    }
  }
}
