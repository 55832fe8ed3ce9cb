import Federation
import Transfer
import ZeroMQ

/// Verified blobs on their way out: read from disk once, sent in pieces without copies.
///
/// A blob of many windows would otherwise be read and hashed for each of them. The blobs asked for last are kept, in two
/// generations: a full younger one becomes the older one, whose blobs are let go unless they are asked for again.
struct BlobShelf {
  /// Bytes of both generations, beside the blob asked for last, which is kept whatever its size.
  static let byteCountMax = 64 << 20

  enum Answer {
    case send([(chunk: BlobChunk, payload: Frame)])
    case unavailable(BlobUnavailable)
    case ignore(BlobService.RequestFault)
  }

  private var younger: [Digest: OwnedBlock] = [:]
  private var older: [Digest: OwnedBlock] = [:]
  /// Of the younger generation.
  private var byteCount = 0

  /// Answers a request.
  ///
  /// - Parameter read: the bytes with this digest, checked; nil if there are none for this peer.
  mutating func answer(_ request: BlobRequest, read: (Digest) -> [UInt8]?) -> Answer {
    // What breaks the protocol costs no disk.
    if case .ignore(let fault) = BlobService.answer(request, blobBytes: nil) { return .ignore(fault) }
    guard let block = block(request.digest, read: read) else {
      return .unavailable(BlobUnavailable(digest: request.digest))
    }
    switch BlobService.answer(request, blobBytes: UInt64(block.bytes.count)) {
    case .unavailable(let unavailable): return .unavailable(unavailable)
    case .ignore(let fault): return .ignore(fault)
    case .send(let pieces):
      return .send(
        pieces.map { piece in
          let start = Int(piece.chunk.offset)
          let bytes = UnsafeRawBufferPointer(rebasing: block.bytes[start..<start + piece.byteCount])
          return (piece.chunk, Frame(sharing: bytes, ownedBy: block))
        })
    }
  }

  private mutating func block(_ digest: Digest, read: (Digest) -> [UInt8]?) -> OwnedBlock? {
    if let block = younger[digest] { return block }
    if let block = older.removeValue(forKey: digest) { return keep(block, digest) }
    guard let bytes = read(digest) else { return nil }
    let block = OwnedBlock(byteCount: bytes.count)
    block.bytes.copyBytes(from: bytes)
    return keep(block, digest)
  }

  private mutating func keep(_ block: OwnedBlock, _ digest: Digest) -> OwnedBlock {
    if byteCount + block.bytes.count > Self.byteCountMax / 2 {
      older = younger
      younger = [:]
      byteCount = 0
    }
    younger[digest] = block
    byteCount += block.bytes.count
    return block
  }
}
