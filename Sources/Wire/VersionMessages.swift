import Federation
import ModelRegistry

/// One version of a model as an operator sees it.
package struct VersionRow: Hashable, Sendable {
  package let model: ModelRow
  package let run: RunID
  package let round: RoundNumber
  /// Seconds since 1970-01-01 UTC.
  package let createdAt: UInt64
  /// Digest of the manifest of the version that this one comes from; nil for version 0.
  package let parent: Digest?
  /// Measured by the round that trained on this version; nil before there is one.
  package let evaluation: RoundRow.Evaluation?
  /// Nil for one that was not.
  package let retired: RetiredVersion?
  /// Why a run took the version back; nil if none did.
  package let takenBack: String?

  package init(
    model: ModelRow, run: RunID, round: RoundNumber, createdAt: UInt64, parent: Digest?,
    evaluation: RoundRow.Evaluation?, retired: RetiredVersion?, takenBack: String?
  ) {
    self.model = model
    self.run = run
    self.round = round
    self.createdAt = createdAt
    self.parent = parent
    self.evaluation = evaluation
    self.retired = retired
    self.takenBack = takenBack
  }
}

/// All that `murmur models show` shows of a version.
package struct VersionDetail: Hashable, Sendable {
  package let row: VersionRow
  package let manifest: SignedManifest
  /// Nil for a version that was published without.
  package let attachments: ModelAttachments?
  /// The version and those that it comes from, newest first, then those that come from it, oldest first.
  package let lineage: [VersionRow]
  /// Changes of the model's aliases from or to this version, oldest first.
  package let events: [AliasEvent]

  package init(
    row: VersionRow, manifest: SignedManifest, attachments: ModelAttachments?, lineage: [VersionRow],
    events: [AliasEvent]
  ) {
    self.row = row
    self.manifest = manifest
    self.attachments = attachments
    self.lineage = lineage
    self.events = events
  }
}

/// Why an alias is elsewhere than before.
package enum AliasChange: UInt32, Sendable, CaseIterable {
  case moved = 1
  case removed = 2
  case rolledBack = 3
  /// The version that it pointed to was retired.
  case retirement = 4
  /// The coordinator found it elsewhere than it remembered: it died before it could write the change down.
  case found = 5
}

/// An alias that changed, who had it changed, and when.
package struct AliasEvent: Hashable, Sendable {
  package let move: AliasMove
  package let change: AliasChange
  /// The operator's name, or "local" for who may open the coordinator's own socket.
  package let by: String
  /// Seconds since 1970-01-01 UTC.
  package let at: UInt64

  package init(move: AliasMove, change: AliasChange, by: String, at: UInt64) {
    self.move = move
    self.change = change
    self.by = by
    self.at = at
  }
}

/// What an operator wants of an alias.
package struct AliasOrder: Hashable, Sendable {
  package enum Change: Hashable, Sendable {
    /// To `digits@3` or another reference, as typed.
    case move(to: String)
    case remove
    /// To where it pointed before its last move.
    case rollBack
  }

  package let model: ModelName
  package let alias: Alias
  package let change: Change
  /// Where the alias must point for the change to be made; nil for anywhere or nowhere.
  package let expected: ModelVersion?

  package init(model: ModelName, alias: Alias, change: Change, expected: ModelVersion? = nil) {
    self.model = model
    self.alias = alias
    self.change = change
    self.expected = expected
  }
}
