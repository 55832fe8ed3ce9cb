import Federation

/// Asks for chunks of a blob, and says how far it has come: the receiver grants the credit, so the sender needs no state
/// but for its own bounds.
package struct BlobRequest: Hashable, Sendable {
  package let digest: Digest
  /// Byte offset of the first chunk, a multiple of `TransferLimits.downloadChunkBytes`.
  package let offset: UInt64
  /// How many chunks may be sent, 1…`TransferLimits.downloadWindow`; 0 acknowledges the chunk at `offset` and all before.
  package let chunks: UInt32

  package init(digest: Digest, offset: UInt64, chunks: UInt32) {
    self.digest = digest
    self.offset = offset
    self.chunks = chunks
  }
}

/// One chunk of a blob; its bytes are a raw frame beside the header.
package struct BlobChunk: Hashable, Sendable {
  package let digest: Digest
  package let offset: UInt64
  package let totalBytes: UInt64

  package init(digest: Digest, offset: UInt64, totalBytes: UInt64) {
    self.digest = digest
    self.offset = offset
    self.totalBytes = totalBytes
  }
}

/// The sender does not hold the blob.
package struct BlobUnavailable: Hashable, Sendable {
  package let digest: Digest
  package init(digest: Digest) { self.digest = digest }
}

/// Which chunks of an upload the coordinator has room for.
package struct UploadGrant: Hashable, Sendable {
  /// The transcript of the attempt, or the round ID in plain mode.
  package let upload: Digest
  /// Chunks are numbered through all vectors in header order.
  package let firstChunk: UInt64
  /// How many chunks may be sent, 1…`TransferLimits.uploadWindow`. The trailer follows the last chunk of the upload,
  /// each time that it is granted.
  package let chunks: UInt32

  package init(upload: Digest, firstChunk: UInt64, chunks: UInt32) {
    self.upload = upload
    self.firstChunk = firstChunk
    self.chunks = chunks
  }
}

/// One chunk of an upload; its bytes are a raw frame beside the header.
package struct UploadChunk: Hashable, Sendable {
  package let upload: Digest
  package let number: UInt64

  package init(upload: Digest, number: UInt64) {
    self.upload = upload
    self.number = number
  }
}

/// The whole upload arrived and was verified, or why it was not taken.
package struct UploadAnswer: Hashable, Sendable {
  package let upload: Digest
  /// Empty: accepted.
  package let refusal: String

  package init(upload: Digest, refusal: String) {
    self.upload = upload
    self.refusal = refusal
  }
}

/// Bounds on the bulk sockets, agreed by both sides because they are part of the protocol.
package enum TransferLimits {
  /// Bytes in one chunk of a download; the last one may be shorter.
  package static let downloadChunkBytes = 262_144
  /// Most chunks asked for at once.
  package static let downloadWindow: UInt32 = 8
  /// Bytes of chunks that may be on their way from one coordinator.
  package static let downloadPoolBytes = 32 << 20
  /// Blobs of so many bytes or less are sent without credit and not acknowledged.
  package static let uncreditedBlobBytes: UInt64 = 32_768
  /// Largest blob or upload, in bytes.
  package static let transferBytesMax: UInt64 = 1 << 34
  /// Bytes of upload chunks that may be on their way to one coordinator.
  package static let uploadPoolBytes = 64 << 20
  /// Uploads in flight at once; the others wait their turn.
  package static let uploadsAtOnce = 16
  /// Chunks granted to one upload at a time.
  package static let uploadWindow: UInt32 = 8
}
