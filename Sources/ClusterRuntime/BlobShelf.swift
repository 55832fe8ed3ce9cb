import Federation
import Transfer
import ZeroMQ

/// Verified blobs on their way out: read from disk once, sent in pieces without copies.
///
/// A blob of many windows would otherwise be read and hashed for each of them. The blobs asked for last are kept.
struct BlobShelf {
  /// Bytes kept beside the blob asked for last, which is kept whatever its size.
  static let byteCountMax = 64 << 20

  enum Answer {
    case send([(chunk: BlobChunk, payload: Frame)])
    case unavailable(BlobUnavailable)
    case ignore(BlobService.RequestFault)
  }

  /// The one asked for last comes last.
  private var kept: [(digest: Digest, block: OwnedBlock)] = []

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
    if let place = kept.firstIndex(where: { $0.digest == digest }) {
      kept.append(kept.remove(at: place))
    } else {
      guard let bytes = read(digest) else { return nil }
      let block = OwnedBlock(byteCount: bytes.count)
      block.bytes.copyBytes(from: bytes)
      kept.append((digest, block))
    }
    var total = kept.reduce(0) { $0 + $1.block.bytes.count }
    while total > Self.byteCountMax, kept.count > 1 { total -= kept.removeFirst().block.bytes.count }
    return kept.last?.block
  }
}
