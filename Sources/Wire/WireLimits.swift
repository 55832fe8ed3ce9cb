import Transfer

/// What one frame of a socket may cost its receiver, checked before and while it is unpacked.
package struct FrameLimits: Hashable, Sendable {
  /// Longest header frame.
  package let headerBytesMax: Int
  /// Longest payload frame; 0 on sockets that carry none.
  package let payloadBytesMax: Int
  /// Memory that unpacking a header may take.
  let unpackedBytesMax: Int
  /// Objects that unpacking a header may make.
  let allocationsMax: Int

  /// Protocols/wire.md, "Limits".
  package static let control = FrameLimits(
    headerBytesMax: 1 << 20, payloadBytesMax: 0, unpackedBytesMax: 8 << 20, allocationsMax: 1 << 17)
  package static let bulk = FrameLimits(
    headerBytesMax: 64 << 10, payloadBytesMax: TransferLimits.downloadChunkBytes, unpackedBytesMax: 256 << 10,
    allocationsMax: 1 << 10)
  package static let state = FrameLimits(
    headerBytesMax: 64 << 10, payloadBytesMax: 0, unpackedBytesMax: 256 << 10, allocationsMax: 1 << 10)
  package static let snapshot = FrameLimits(
    headerBytesMax: 4 << 20, payloadBytesMax: TransferLimits.downloadChunkBytes, unpackedBytesMax: 16 << 20,
    allocationsMax: 1 << 16)
  package static let `operator` = FrameLimits(
    headerBytesMax: 1 << 20, payloadBytesMax: 0, unpackedBytesMax: 8 << 20, allocationsMax: 1 << 17)
  package static let pull = FrameLimits(
    headerBytesMax: 1 << 20, payloadBytesMax: TransferLimits.downloadChunkBytes, unpackedBytesMax: 8 << 20,
    allocationsMax: 1 << 16)

  package static let events = FrameLimits(
    headerBytesMax: 4 << 10, payloadBytesMax: 1 << 20, unpackedBytesMax: 16 << 10, allocationsMax: 64)

  /// Longest frame of either kind: what `ZMQ_MAXMSGSIZE` of the socket is set to.
  package var frameBytesMax: Int { max(headerBytesMax, payloadBytesMax) }
}

/// Bounds on single fields (Protocols/wire.md, "Limits"). Counts are of elements, texts are in UTF-8 bytes.
package enum WireLimits {
  package static let rosterCountMax = 10_000
  /// The largest degree of a sparse graph.
  package static let neighboursMax = 200
  package static let vectorCountMax = 8
  package static let rankMax = 8
  package static let tensorNameBytesMax = 512
  package static let architectureBytesMax = 1024
  package static let configurationBytesMax = 16 << 10
  /// Reasons, details and error texts, for people; a sender shortens its own.
  package static let detailBytesMax = 1024
  package static let softwareBytesMax = 128
  package static let runFileBytesMax = 256 << 10
  package static let referenceBytesMax = 512
  package static let snapshotEntriesMax = 1024
  package static let aliasesMax = 64
  package static let runRowsMax = 1024
  package static let modelRowsMax = 1024
  /// Versions of one model in a list, the newest.
  package static let versionRowsMax = 1024
  /// Versions in a lineage, and changes of aliases beside it.
  package static let lineageRowsMax = 256
  package static let aliasEventsMax = 256
  package static let roundRowsMax = 1024
  package static let runEventsMax = 1024
  /// Rows of one batch of events.
  package static let eventRowsMax: UInt32 = 4_096
}
