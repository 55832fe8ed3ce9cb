import Federation
import ModelRegistry

internal import CFederationMessages

extension VersionRow {
  static func list(
    _ rows: UnsafeMutablePointer<UnsafeMutablePointer<Murmur__VersionRow>?>?, count: Int, _ field: String, max: Int
  ) throws(WireError) -> [VersionRow] {
    try Field.list(rows, count: count, field, max: max) { (row: Murmur__VersionRow) throws(WireError) in
      try VersionRow(wire: row, field)
    }
  }

  init(wire message: Murmur__VersionRow, _ field: String) throws(WireError) {
    self.init(
      model: try ModelRow(wire: Field.required(message.model, field + ".model")),
      run: try Field.name(message.run, field + ".run"), round: RoundNumber(message.round),
      createdAt: message.created_at,
      parent: message.parent.len == 0 ? nil : try Field.fixed(message.parent, field + ".parent"),
      evaluation: (message.evaluation?.pointee).map(RoundRow.Evaluation.init),
      retired: message.retired == nil ? nil : try RetiredVersion(wire: message.retired, field + ".retired"),
      takenBack: message.taken_back.len == 0 ? nil : try Field.text(message.taken_back, field + ".taken_back"))
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__VersionRow> {
    arena.make(murmur__version_row__init) {
      $0.model = model.draft(in: arena)
      $0.run = arena.text(run)
      $0.round = round.value
      $0.created_at = createdAt
      if let parent { $0.parent = arena.data(parent) }
      $0.evaluation = evaluation?.draft(in: arena)
      $0.retired = retired?.draft(in: arena)
      if let takenBack { $0.taken_back = arena.prose(takenBack) }
    }
  }
}

extension VersionDetail {
  init(wire message: Murmur__VersionDetail) throws(WireError) {
    self.init(
      row: try VersionRow(wire: Field.required(message.row, "version_detail.row"), "version_detail.row"),
      manifest: try SignedManifest(wire: message.manifest, "version_detail.manifest"),
      attachments: try ModelAttachments(carriedBy: message.manifest, "version_detail.manifest"),
      lineage: try VersionRow.list(
        message.lineage, count: message.n_lineage, "version_detail.lineage", max: WireLimits.lineageRowsMax),
      events: try Field.list(
        message.events, count: message.n_events, "version_detail.events", max: WireLimits.aliasEventsMax
      ) { (event: Murmur__AliasEvent) throws(WireError) in try AliasEvent(wire: event) })
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__VersionDetail> {
    arena.make(murmur__version_detail__init) {
      $0.row = row.draft(in: arena)
      $0.manifest = manifest.draft(in: arena, with: attachments)
      $0.n_lineage = lineage.count
      $0.lineage = arena.list(lineage) { $0.draft(in: arena) }
      $0.n_events = events.count
      $0.events = arena.list(events) { $0.draft(in: arena) }
    }
  }
}

extension AliasEvent {
  init(wire message: Murmur__AliasEvent) throws(WireError) {
    self.init(
      move: try AliasMove(wire: message.move, "alias_event.move"),
      change: try Field.choice(message.change.rawValue, "alias_event.change"),
      by: try Field.text(message.by, "alias_event.by"), at: message.at)
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__AliasEvent> {
    arena.make(murmur__alias_event__init) {
      $0.move = move.draft(in: arena)
      $0.change = Murmur__AliasChange(change.rawValue)
      $0.by = arena.prose(by)
      $0.at = at
    }
  }
}

extension AliasMove {
  static func list(
    _ moves: UnsafeMutablePointer<UnsafeMutablePointer<Murmur__AliasMove>?>?, count: Int, _ field: String
  ) throws(WireError) -> [AliasMove] {
    try Field.list(moves, count: count, field, max: WireLimits.aliasesMax) {
      (move: Murmur__AliasMove) throws(WireError) in try AliasMove(wire: move, field)
    }
  }

  init(wire message: UnsafeMutablePointer<Murmur__AliasMove>?, _ field: String) throws(WireError) {
    try self.init(wire: Field.required(message, field), field)
  }

  init(wire message: Murmur__AliasMove, _ field: String) throws(WireError) {
    self.init(
      model: try Field.name(message.model, field + ".model"), alias: try Field.alias(message.alias, field + ".alias"),
      from: ModelVersion(optional: message.from), to: ModelVersion(optional: message.to))
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__AliasMove> {
    arena.make(murmur__alias_move__init) {
      $0.model = arena.text(model)
      $0.alias = arena.text(alias.text)
      $0.from = from?.draft(in: arena)
      $0.to = to?.draft(in: arena)
    }
  }
}

extension AliasOrder {
  init(wire message: Murmur__ChangeAlias) throws(WireError) {
    let change: Change
    switch try Field.choice(message.change.rawValue, "change_alias.change", AliasChange.self) {
    case .moved:
      let target = try Field.text(
        message.target, "change_alias.target", min: 1, max: WireLimits.referenceBytesMax)
      change = .move(to: target)
    case .removed: change = .remove
    case .rolledBack: change = .rollBack
    case .retirement, .found:
      throw .badField("change_alias.change", found: "\(message.change.rawValue)", expected: "a change to order")
    }
    self.init(
      model: try Field.name(message.model, "change_alias.model"),
      alias: try Field.alias(message.alias, "change_alias.alias"), change: change,
      expected: ModelVersion(optional: message.expected))
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__ChangeAlias> {
    arena.make(murmur__change_alias__init) {
      $0.model = arena.text(model)
      $0.alias = arena.text(alias.text)
      $0.expected = expected?.draft(in: arena)
      switch change {
      case .move(let target):
        $0.change = MURMUR__ALIAS_CHANGE__ALIAS_CHANGE_MOVE
        $0.target = arena.text(target)
      case .remove: $0.change = MURMUR__ALIAS_CHANGE__ALIAS_CHANGE_REMOVE
      case .rollBack: $0.change = MURMUR__ALIAS_CHANGE__ALIAS_CHANGE_ROLL_BACK
      }
    }
  }
}

extension ModelVersion {
  /// The number in a message that may be left out.
  fileprivate init?(optional message: UnsafeMutablePointer<Murmur__VersionNumber>?) {
    guard let message else { return nil }
    self.init(message.pointee.version)
  }

  fileprivate func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__VersionNumber> {
    arena.make(murmur__version_number__init) { $0.version = value }
  }
}
