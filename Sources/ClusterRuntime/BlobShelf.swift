import Federation
import Transfer
import ZeroMQ

/// Verified blobs on their way out: read from disk once, sent in pieces without copies.
///
/// A blob of many windows would otherwise be read and hashed for each of them. The blobs asked for last are kept, in two
/// generations: a younger one that is full, or two seconds old, becomes the older one, whose blobs are let go unless they
/// are asked for again. So of the versions of a quick run only the last ones are here. Whoever sends pieces later may hold
/// a blob until then.
struct BlobShelf {
  /// Bytes of both generations, beside the blob asked for last, which is kept whatever its size.
  static let byteCountMax = 64 << 20
  static let generationTime = Duration.seconds(2)

  enum Answer {
    case send([(chunk: BlobChunk, payload: Frame)])
    case unavailable(BlobUnavailable)
    case ignore(BlobService.RequestFault)
  }

  private var held: [Digest: OwnedBlock] = [:]
  private var younger: [Digest: OwnedBlock] = [:]
  private var older: [Digest: OwnedBlock] = [:]
  /// Of the younger generation.
  private var byteCount = 0
  private var begunAt: MonotonicTime?

  /// Blobs that are kept, held ones too.
  var count: Int { Set(held.keys).union(younger.keys).union(older.keys).count }

  /// Answers a request.
  ///
  /// - Parameter read: the bytes with this digest, checked; nil if there are none for this peer.
  mutating func answer(_ request: BlobRequest, at time: MonotonicTime, read: (Digest) -> [UInt8]?) -> Answer {
    age(at: time)
    // What breaks the protocol costs no disk, nor does an acknowledgement.
    switch BlobService.answer(request, blobBytes: nil) {
    case .ignore(let fault): return .ignore(fault)
    case .send: return .send([])
    case .unavailable: break
    }
    guard let block = block(request.digest, read: read) else {
      return .unavailable(BlobUnavailable(digest: request.digest))
    }
    switch BlobService.answer(request, blobBytes: UInt64(block.bytes.count)) {
    case .unavailable(let unavailable): return .unavailable(unavailable)
    case .ignore(let fault): return .ignore(fault)
    case .send(let pieces):
      return .send(pieces.map { ($0.chunk, Self.frame($0, of: block)) })
    }
  }

  /// Keeps a blob at hand, whatever else is asked for, until it is released.
  ///
  /// - Returns: its bytes; nil if there is no such blob.
  mutating func hold(_ digest: Digest, at time: MonotonicTime, read: (Digest) -> [UInt8]?) -> UInt64? {
    age(at: time)
    guard let block = block(digest, read: read) else { return nil }
    held[digest] = block
    return UInt64(block.bytes.count)
  }

  mutating func release(where isFree: (Digest) -> Bool) {
    held = held.filter { !isFree($0.key) }
  }

  /// One piece of a blob; nil if it cannot be read any more.
  mutating func frame(of piece: BlobService.Piece, read: (Digest) -> [UInt8]?) -> Frame? {
    block(piece.chunk.digest, read: read).map { Self.frame(piece, of: $0) }
  }

  private static func frame(_ piece: BlobService.Piece, of block: OwnedBlock) -> Frame {
    let start = Int(piece.chunk.offset)
    let bytes = UnsafeRawBufferPointer(rebasing: block.bytes[start..<start + piece.byteCount])
    return Frame(sharing: bytes, ownedBy: block)
  }

  /// Lets go of what was not asked for lately; called by every request, and by whoever has a clock.
  mutating func age(at time: MonotonicTime) {
    guard let begunAt else { return self.begunAt = time }
    guard time.since(begunAt) >= Self.generationTime else { return }
    let isLongAgo = time.since(begunAt) >= Self.generationTime * 2
    turnOver()
    if isLongAgo { older = [:] }
    self.begunAt = time
  }

  private mutating func turnOver() {
    older = younger
    younger = [:]
    byteCount = 0
  }

  private mutating func block(_ digest: Digest, read: (Digest) -> [UInt8]?) -> OwnedBlock? {
    if let block = held[digest] ?? younger[digest] { return block }
    if let block = older.removeValue(forKey: digest) { return keep(block, digest) }
    guard let bytes = read(digest) else { return nil }
    let block = OwnedBlock(byteCount: bytes.count)
    block.bytes.copyBytes(from: bytes)
    return keep(block, digest)
  }

  private mutating func keep(_ block: OwnedBlock, _ digest: Digest) -> OwnedBlock {
    if byteCount + block.bytes.count > Self.byteCountMax / 2 { turnOver() }
    younger[digest] = block
    byteCount += block.bytes.count
    return block
  }
}
