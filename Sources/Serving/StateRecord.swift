import Federation
import ModelRegistry

/// One line of the coordinator's published history, on the state socket. It never carries weights.
package struct StateRecord: Hashable, Sendable {
  package enum Kind: Hashable, Sendable {
    case versionPublished(model: ModelName, version: ModelVersion, manifestDigest: Digest)
    case aliasMoved(model: ModelName, alias: Alias, version: ModelVersion)
    case aliasRemoved(model: ModelName, alias: Alias)
    /// Revoked: not offered any more, and never loaded again.
    case versionRetired(RetiredVersion)
    /// Sent in silence; repeats the sequence number of the last record.
    case heartbeat
  }

  /// One life of the publisher; greater than any before it.
  package let epoch: UInt64
  /// From 1 in each epoch, one more with every record but heartbeats; 0 in a heartbeat before the first.
  package let sequence: UInt64
  package let kind: Kind

  package init(epoch: UInt64, sequence: UInt64, kind: Kind) {
    self.epoch = epoch
    self.sequence = sequence
    self.kind = kind
  }
}

/// All that a serving node needs to join: the published state up to and including `sequence`.
package struct StateSnapshot: Hashable, Sendable {
  package struct Entry: Hashable, Sendable {
    package let model: ModelName
    package let version: ModelVersion
    package let manifest: SignedManifest
    /// That point to this version.
    package let aliases: [Alias]
    /// Nil for a version that was published without.
    package let attachments: ModelAttachments?

    package init(
      model: ModelName, version: ModelVersion, manifest: SignedManifest, aliases: [Alias],
      attachments: ModelAttachments? = nil
    ) {
      self.model = model
      self.version = version
      self.manifest = manifest
      self.aliases = aliases
      self.attachments = attachments
    }
  }

  package let epoch: UInt64
  package let sequence: UInt64
  package let entries: [Entry]
  /// At most `RetiredVersion.countMax`.
  package let retired: [RetiredVersion]

  package init(epoch: UInt64, sequence: UInt64, entries: [Entry], retired: [RetiredVersion] = []) {
    self.epoch = epoch
    self.sequence = sequence
    self.entries = entries
    self.retired = retired
  }
}
