import Federation

/// The sending side of a download. Holds nothing: a request says what to send, and no more than a window of it. Whose
/// turn it is where many ask, `DownloadPool` decides.
package enum BlobService {
  /// One chunk to send, with the number of raw bytes beside its header.
  package struct Piece: Hashable, Sendable {
    package let chunk: BlobChunk
    package let byteCount: Int

    package init(chunk: BlobChunk, byteCount: Int) {
      self.chunk = chunk
      self.byteCount = byteCount
    }
  }

  /// Why a request gets no answer: its sender does not keep to the protocol.
  package enum RequestFault: Hashable, Sendable {
    /// Not a multiple of `TransferLimits.downloadChunkBytes`, or not inside the blob.
    case badOffset
    /// More than `TransferLimits.downloadWindow`.
    case badCount
  }

  package enum Answer: Hashable, Sendable {
    /// In this order: up to `TransferLimits.downloadWindow` of them; none for an acknowledgement.
    case send([Piece])
    case unavailable(BlobUnavailable)
    case ignore(RequestFault)
  }

  /// Answers a request for a blob of `blobBytes` bytes; nil if there is no such blob, or not for this peer.
  package static func answer(_ request: BlobRequest, blobBytes: UInt64?) -> Answer {
    guard request.chunks <= TransferLimits.downloadWindow else { return .ignore(.badCount) }
    let chunkBytes = UInt64(TransferLimits.downloadChunkBytes)
    guard request.offset % chunkBytes == 0 else { return .ignore(.badOffset) }
    guard request.chunks > 0 else { return .send([]) }
    guard let blobBytes else { return .unavailable(BlobUnavailable(digest: request.digest)) }
    guard request.offset < blobBytes else { return .ignore(.badOffset) }
    let end = request.offset + min(UInt64(request.chunks) * chunkBytes, blobBytes - request.offset)
    return .send(
      stride(from: request.offset, to: end, by: Int(chunkBytes)).map { offset in
        Piece(
          chunk: BlobChunk(digest: request.digest, offset: offset, totalBytes: blobBytes),
          byteCount: Int(min(chunkBytes, blobBytes - offset)))
      })
  }
}
