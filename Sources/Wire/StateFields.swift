import Federation
import ModelRegistry
import Serving
import Transfer

internal import CFederationMessages

extension StateMessage: WireMessage {
  package static let limits = FrameLimits.state

  package var kind: String {
    switch self {
    case .record(let record):
      switch record.kind {
      case .versionPublished: "versionPublished"
      case .aliasMoved: "aliasMoved"
      case .aliasRemoved: "aliasRemoved"
      case .versionRetired: "versionRetired"
      case .heartbeat: "heartbeat"
      }
    }
  }

  package func write(to draft: EnvelopeDraft) {
    let record =
      switch self {
      case .record(let record): record
      }
    draft.set(MURMUR__ENVELOPE__BODY_STATE_RECORD) { arena, envelope in
      envelope.state_record = arena.make(murmur__state_record__init) {
        $0.epoch = record.epoch
        $0.sequence = record.sequence
        record.kind.write(to: &$0, in: arena)
      }
    }
  }

  package init(reading view: EnvelopeView) throws(WireError) {
    self = try view.read { envelope throws(WireError) in
      guard envelope.body_case == MURMUR__ENVELOPE__BODY_STATE_RECORD else { throw view.unknownBody }
      let message = try Field.required(envelope.state_record, "state_record")
      return .record(
        StateRecord(
          epoch: message.epoch, sequence: message.sequence, kind: try StateRecord.Kind(wire: message)))
    }
  }
}

extension StateRecord.Kind {
  fileprivate init(wire message: Murmur__StateRecord) throws(WireError) {
    switch message.kind_case {
    case MURMUR__STATE_RECORD__KIND_VERSION_PUBLISHED:
      let published = try Field.required(message.version_published, "state_record.version_published")
      self = .versionPublished(
        model: try Field.name(published.model, "state_record.version_published.model"),
        version: ModelVersion(published.version),
        manifestDigest: try Field.fixed(
          published.manifest_digest, "state_record.version_published.manifest_digest"))
    case MURMUR__STATE_RECORD__KIND_ALIAS_MOVED:
      let moved = try Field.required(message.alias_moved, "state_record.alias_moved")
      self = .aliasMoved(
        model: try Field.name(moved.model, "state_record.alias_moved.model"),
        alias: try Field.alias(moved.alias, "state_record.alias_moved.alias"), version: ModelVersion(moved.version))
    case MURMUR__STATE_RECORD__KIND_ALIAS_REMOVED:
      let removed = try Field.required(message.alias_removed, "state_record.alias_removed")
      self = .aliasRemoved(
        model: try Field.name(removed.model, "state_record.alias_removed.model"),
        alias: try Field.alias(removed.alias, "state_record.alias_removed.alias"))
    case MURMUR__STATE_RECORD__KIND_VERSION_RETIRED:
      self = .versionRetired(try RetiredVersion(wire: message.version_retired, "state_record.version_retired"))
    case MURMUR__STATE_RECORD__KIND_HEARTBEAT: self = .heartbeat
    default:
      throw .badField("state_record.kind", found: "\(message.kind_case.rawValue)", expected: "a record known here")
    }
  }

  fileprivate func write(to message: inout Murmur__StateRecord, in arena: MessageArena) {
    switch self {
    case .versionPublished(let model, let version, let digest):
      message.kind_case = MURMUR__STATE_RECORD__KIND_VERSION_PUBLISHED
      message.version_published = arena.make(murmur__version_published__init) {
        $0.model = arena.text(model)
        $0.version = version.value
        $0.manifest_digest = arena.data(digest)
      }
    case .aliasMoved(let model, let alias, let version):
      message.kind_case = MURMUR__STATE_RECORD__KIND_ALIAS_MOVED
      message.alias_moved = arena.make(murmur__alias_moved__init) {
        $0.model = arena.text(model)
        $0.alias = arena.text(alias.text)
        $0.version = version.value
      }
    case .aliasRemoved(let model, let alias):
      message.kind_case = MURMUR__STATE_RECORD__KIND_ALIAS_REMOVED
      message.alias_removed = arena.make(murmur__alias_removed__init) {
        $0.model = arena.text(model)
        $0.alias = arena.text(alias.text)
      }
    case .versionRetired(let version):
      message.kind_case = MURMUR__STATE_RECORD__KIND_VERSION_RETIRED
      message.version_retired = version.draft(in: arena)
    case .heartbeat:
      message.kind_case = MURMUR__STATE_RECORD__KIND_HEARTBEAT
      message.heartbeat = arena.make(murmur__heartbeat__init) { _ in }
    }
  }
}

extension SnapshotRequest: WireMessage {
  package static let limits = FrameLimits.snapshot

  package var kind: String {
    switch self {
    case .snapshot: "snapshotRequest"
    case .blob: "blobRequest"
    }
  }

  package func write(to draft: EnvelopeDraft) {
    switch self {
    case .snapshot:
      draft.set(MURMUR__ENVELOPE__BODY_SNAPSHOT_REQUEST) {
        $1.snapshot_request = $0.make(murmur__snapshot_request__init) { _ in }
      }
    case .blob(let request):
      draft.set(MURMUR__ENVELOPE__BODY_BLOB_REQUEST) { $1.blob_request = request.draft(in: $0) }
    }
  }

  package init(reading view: EnvelopeView) throws(WireError) {
    self = try view.read { envelope throws(WireError) in
      switch envelope.body_case {
      case MURMUR__ENVELOPE__BODY_SNAPSHOT_REQUEST: .snapshot
      case MURMUR__ENVELOPE__BODY_BLOB_REQUEST:
        .blob(try BlobRequest(wire: Field.required(envelope.blob_request, "blob_request")))
      default: throw view.unknownBody
      }
    }
  }
}

extension SnapshotReply: WireMessage {
  package static let limits = FrameLimits.snapshot

  package var kind: String {
    switch self {
    case .snapshot: "snapshot"
    case .chunk: "blobChunk"
    case .unavailable: "blobUnavailable"
    case .failed: "failure"
    }
  }

  package var payload: PayloadRule { if case .chunk(let chunk) = self { chunk.payload } else { .none } }

  package func write(to draft: EnvelopeDraft) {
    switch self {
    case .snapshot(let snapshot):
      draft.set(MURMUR__ENVELOPE__BODY_SNAPSHOT) { $1.snapshot = snapshot.draft(in: $0) }
    case .chunk(let chunk): draft.set(MURMUR__ENVELOPE__BODY_BLOB_CHUNK) { $1.blob_chunk = chunk.draft(in: $0) }
    case .unavailable(let blob):
      draft.set(MURMUR__ENVELOPE__BODY_BLOB_UNAVAILABLE) { $1.blob_unavailable = blob.draft(in: $0) }
    case .failed(let failure): draft.set(MURMUR__ENVELOPE__BODY_FAILURE) { $1.failure = failure.draft(in: $0) }
    }
  }

  package init(reading view: EnvelopeView) throws(WireError) {
    self = try view.read { envelope throws(WireError) in
      switch envelope.body_case {
      case MURMUR__ENVELOPE__BODY_SNAPSHOT:
        .snapshot(try StateSnapshot(wire: Field.required(envelope.snapshot, "snapshot")))
      case MURMUR__ENVELOPE__BODY_BLOB_CHUNK:
        .chunk(try BlobChunk(wire: Field.required(envelope.blob_chunk, "blob_chunk")))
      case MURMUR__ENVELOPE__BODY_BLOB_UNAVAILABLE:
        .unavailable(try BlobUnavailable(wire: Field.required(envelope.blob_unavailable, "blob_unavailable")))
      case MURMUR__ENVELOPE__BODY_FAILURE: .failed(try Failure(wire: Field.required(envelope.failure, "failure")))
      default: throw view.unknownBody
      }
    }
  }
}

extension StateSnapshot {
  init(wire message: Murmur__Snapshot) throws(WireError) {
    self.init(
      epoch: message.epoch, sequence: message.sequence,
      entries: try Field.list(
        message.entries, count: message.n_entries, "snapshot.entries", max: WireLimits.snapshotEntriesMax
      ) { (entry: Murmur__SnapshotEntry) throws(WireError) in
        Entry(
          model: try Field.name(entry.model, "snapshot.entries.model"), version: ModelVersion(entry.version),
          manifest: try SignedManifest(wire: entry.manifest, "snapshot.entries.manifest"),
          aliases: try Field.aliases(entry.aliases, count: entry.n_aliases, "snapshot.entries.aliases"),
          attachments: try ModelAttachments(carriedBy: entry.manifest, "snapshot.entries.manifest"))
      },
      retired: try Field.list(
        message.retired, count: message.n_retired, "snapshot.retired", max: RetiredVersion.countMax
      ) { (version: Murmur__RetiredVersion) throws(WireError) in
        try RetiredVersion(wire: version, "snapshot.retired")
      })
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__Snapshot> {
    arena.make(murmur__snapshot__init) {
      $0.epoch = epoch
      $0.sequence = sequence
      $0.n_entries = entries.count
      $0.entries = arena.list(entries) { entry in
        arena.make(murmur__snapshot_entry__init) {
          $0.model = arena.text(entry.model)
          $0.version = entry.version.value
          $0.manifest = entry.manifest.draft(in: arena, with: entry.attachments)
          $0.n_aliases = entry.aliases.count
          $0.aliases = arena.values(entry.aliases.map { arena.text($0.text) })
        }
      }
      $0.n_retired = retired.count
      $0.retired = arena.list(retired) { $0.draft(in: arena) }
    }
  }
}

extension SignedManifest {
  /// The bytes are carried as they are: whoever verifies the signature reads them.
  init(wire message: UnsafeMutablePointer<Murmur__SignedManifest>?, _ field: String) throws(WireError) {
    let message = try Field.required(message, field)
    self.init(
      bytes: try Field.bytes(message.manifest, field + ".manifest", max: Manifest.byteCountMax),
      signature: try Field.fixed(message.signature, field + ".signature"),
      signer: try Field.name(message.signer, field + ".signer"))
  }

  func draft(
    in arena: MessageArena, with attachments: ModelAttachments?
  ) -> UnsafeMutablePointer<Murmur__SignedManifest> {
    arena.make(murmur__signed_manifest__init) {
      $0.manifest = arena.data(bytes)
      $0.signature = arena.data(signature)
      $0.signer = arena.text(signer)
      $0.attachments = attachments?.draft(in: arena)
    }
  }
}

extension ModelAttachments {
  /// The attachments beside a manifest; nil if it has none. What they say is for `verify` to judge.
  init?(carriedBy message: UnsafeMutablePointer<Murmur__SignedManifest>?, _ field: String) throws(WireError) {
    guard let message = message?.pointee.attachments?.pointee else { return nil }
    self.init(
      bundle: try Field.bytes(
        message.bundle, field + ".attachments.bundle", max: ModelSignature.bundleByteCountMax),
      key: try Field.bytes(message.key, field + ".attachments.key", max: ModelAttachments.keyByteCountMax),
      endorsement: try Field.fixed(message.endorsement, field + ".attachments.endorsement"))
  }

  fileprivate func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__ModelAttachments> {
    arena.make(murmur__model_attachments__init) {
      $0.bundle = arena.data(bundle)
      $0.key = arena.data(key)
      $0.endorsement = arena.data(endorsement)
    }
  }
}

extension RetiredVersion {
  init(wire message: UnsafeMutablePointer<Murmur__RetiredVersion>?, _ field: String) throws(WireError) {
    try self.init(wire: Field.required(message, field), field)
  }

  init(wire message: Murmur__RetiredVersion, _ field: String) throws(WireError) {
    self.init(
      model: try Field.name(message.model, field + ".model"), version: ModelVersion(message.version),
      digest: try Field.fixed(message.manifest_digest, field + ".manifest_digest"),
      reason: try Field.text(message.reason, field + ".reason", max: RetiredVersion.reasonBytesMax))
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__RetiredVersion> {
    arena.make(murmur__retired_version__init) {
      $0.model = arena.text(model)
      $0.version = version.value
      $0.manifest_digest = arena.data(digest)
      $0.reason = arena.text(reason)
    }
  }
}

extension Field {
  static func alias(_ data: ProtobufCBinaryData, _ field: String) throws(WireError) -> Alias {
    let text = try text(data, field, min: 1)
    guard let alias = Alias(text) else {
      throw .badField(field, found: "other characters", expected: "letters, digits, '_' and '-' after a letter")
    }
    return alias
  }

  static func aliases(
    _ texts: UnsafeMutablePointer<ProtobufCBinaryData>?, count: Int, _ field: String
  ) throws(WireError) -> [Alias] {
    try values(texts, count: count, field, max: WireLimits.aliasesMax) {
      (data: ProtobufCBinaryData) throws(WireError) in try alias(data, field)
    }
  }
}
