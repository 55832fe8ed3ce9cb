import Federation

/// All downloads from the coordinator: whose turn it is, so that the chunks on their way never add up to more than
/// `Limits.poolBytes`.
///
///     asked for ──▶ in line ── credit is free ──▶ on its way ── acknowledged ──▶ arrived
///                      ▲                              └── stalled, or the link is lost: its credit comes back
///                      └── another chunk is wanted, and the share has room ┘
///
/// Whoever is first in line is sent one chunk and stands in line again, so that nobody waits for more than one chunk of
/// each of the others. A worker alone may have a window on its way; many have as many chunks each as the pool has room
/// for, at least one. A worker that acknowledges nothing for `Limits.stallLimit` gives its credit to the others: what it
/// was sent is not counted any more, and what it still wants comes behind the others' turns.
///
/// A worker has one download at a time: what it asks for next takes the place of what was left of the one before. Blobs
/// of at most `TransferLimits.uncreditedBlobBytes` are sent at once; they cost less than the credit for them.
///
/// `Link` names where chunks go. Another link of the same worker means that the one before is gone, with all that was on
/// its way.
package struct DownloadPool<Link: Hashable & Sendable>: Sendable {
  package struct Limits: Hashable, Sendable {
    /// Bytes sent and not acknowledged, over all downloads; at least one chunk.
    package var poolBytes = TransferLimits.downloadPoolBytes
    /// A worker that acknowledges nothing for so long gives its credit back.
    package var stallLimit = Duration.seconds(10)
    package init() {}
  }

  package enum Event: Hashable, Sendable {
    /// The worker asks for at least one chunk of a blob of `blobBytes` bytes; nil if there is no such blob for it.
    case asked(BlobRequest, blobBytes: UInt64?, from: WorkerID, link: Link, at: MonotonicTime)
    /// A request for no chunks: the one at its offset and all before it have arrived.
    case acknowledged(BlobRequest, from: WorkerID, at: MonotonicTime)
    /// The worker's link is gone; it asks anew over another.
    case lost(WorkerID, at: MonotonicTime)
    case tick(at: MonotonicTime)
  }

  package enum Action: Hashable, Sendable {
    case send(BlobService.Piece, to: Link)
    case unavailable(BlobUnavailable, to: Link)
    /// For the log.
    case ignored(BlobService.RequestFault, from: WorkerID)
  }

  private struct Chunk {
    let digest: Digest
    /// Offset behind its last byte.
    let end: UInt64
    let byteCount: Int
  }

  private struct Download {
    let link: Link
    var digest: Digest
    var totalBytes: UInt64 = 0
    /// Of the next chunk to send, and behind the last one that was asked for.
    var next: UInt64 = 0, end: UInt64 = 0
    /// In the order in which they were sent, which is that in which they arrive: of an earlier blob, too.
    var underWay: [Chunk] = []
    /// When the first of these was sent, or the last acknowledgement came.
    var progressedAt: MonotonicTime
    var isInLine = false

    var wantsMore: Bool { next < end }

    /// Behind the chunks of this blob on their way, if the one at `offset` is among them: a worker that waits for its
    /// turn and asks again is not sent them twice. Those that are lost have stalled by the time that it asks again.
    func endUnderWay(from offset: UInt64, of digest: Digest) -> UInt64? {
      let ours = underWay.filter { $0.digest == digest }
      return ours.contains { $0.end - UInt64($0.byteCount) == offset } ? ours.last?.end : nil
    }

    var nextPiece: BlobService.Piece {
      BlobService.Piece(
        chunk: BlobChunk(digest: digest, offset: next, totalBytes: totalBytes),
        byteCount: Int(min(UInt64(TransferLimits.downloadChunkBytes), totalBytes - next)))
    }
  }

  package let limits: Limits
  /// Bytes sent and not acknowledged, over all downloads.
  package private(set) var bytesUnderWay = 0
  /// How often a worker lost its credit because it acknowledged nothing.
  package private(set) var stalls = 0

  /// Of those who want a chunk or have one on its way.
  private var downloads: [WorkerID: Download] = [:]
  /// Those who want another chunk and may have it, in the order of their turns.
  private var line: [WorkerID] = []

  private static var chunkBytes: UInt64 { UInt64(TransferLimits.downloadChunkBytes) }
  private static var windowBytes: UInt64 { UInt64(TransferLimits.downloadWindow) * chunkBytes }

  /// - Precondition: the pool holds at least one chunk, and the stall limit is positive.
  package init(limits: Limits = Limits()) {
    precondition(limits.poolBytes >= TransferLimits.downloadChunkBytes && limits.stallLimit > .zero)
    self.limits = limits
  }

  package var waitingCount: Int { line.count }

  /// Whether somebody still waits for a chunk of this blob.
  package func isWanted(_ digest: Digest) -> Bool {
    downloads.values.contains { $0.digest == digest && $0.wantsMore }
  }

  /// When `tick` is due; nil while nothing is on its way.
  package var nextDeadline: MonotonicTime? {
    downloads.values.filter { !$0.underWay.isEmpty }.map(\.progressedAt).min().map { $0 + limits.stallLimit }
  }

  package mutating func handle(_ event: Event) -> [Action] {
    switch event {
    case .asked(let request, let blobBytes, let worker, let link, let time):
      ask(request, blobBytes, worker, link, time) + fill(time)
    case .acknowledged(let request, let worker, let time): acknowledge(request, worker, time) + fill(time)
    case .lost(let worker, let time): forget(worker) + fill(time)
    case .tick(let time): takeBackStalled(time) + fill(time)
    }
  }

  private mutating func ask(
    _ request: BlobRequest, _ blobBytes: UInt64?, _ worker: WorkerID, _ link: Link, _ time: MonotonicTime
  ) -> [Action] {
    switch BlobService.answer(request, blobBytes: blobBytes) {
    case .ignore(let fault): return [.ignored(fault, from: worker)]
    case .unavailable(let unavailable): return [.unavailable(unavailable, to: link)]
    case .send(let pieces):
      let total = blobBytes ?? 0
      guard total > TransferLimits.uncreditedBlobBytes else { return pieces.map { .send($0, to: link) } }
      enter(request, of: total, worker, link, time)
      return []
    }
  }

  private mutating func enter(
    _ request: BlobRequest, of total: UInt64, _ worker: WorkerID, _ link: Link, _ time: MonotonicTime
  ) {
    if let known = downloads[worker], known.link != link { _ = forget(worker) }
    let known = downloads[worker]
    var download = known ?? Download(link: link, digest: request.digest, progressedAt: time)
    let asked = UInt64(request.chunks) * Self.chunkBytes
    let goesOn = known?.digest == request.digest && known?.end == request.offset
    if !goesOn {
      download.next = download.endUnderWay(from: request.offset, of: request.digest) ?? request.offset
    }
    (download.digest, download.totalBytes) = (request.digest, total)
    download.end = max(download.next, min(total, request.offset + asked))
    downloads[worker] = download
    // Whoever asks anew does so from the first byte that is missing; whoever goes on has no more than a window missing.
    let arrived = goesOn ? max(Self.windowBytes, request.offset + asked) - Self.windowBytes : request.offset
    arrive(arrived, of: request.digest, worker, time)
  }

  private mutating func acknowledge(_ request: BlobRequest, _ worker: WorkerID, _ time: MonotonicTime) -> [Action] {
    guard request.offset % Self.chunkBytes == 0, request.offset <= TransferLimits.transferBytesMax else {
      return [.ignored(.badOffset, from: worker)]
    }
    guard let total = downloads[worker]?.totalBytes else { return [] }
    arrive(min(total, request.offset + Self.chunkBytes), of: request.digest, worker, time)
    return []
  }

  /// Chunks arrive in the order in which they were sent: with this blob's bytes before `end` all that was sent before.
  private mutating func arrive(_ end: UInt64, of digest: Digest, _ worker: WorkerID, _ time: MonotonicTime) {
    guard let underWay = downloads[worker]?.underWay else { return }
    if let last = underWay.lastIndex(where: { $0.digest == digest && $0.end <= end }) {
      bytesUnderWay -= underWay[...last].reduce(0) { $0 + $1.byteCount }
      downloads[worker]?.underWay.removeFirst(last + 1)
      downloads[worker]?.progressedAt = time
    }
    goOn(worker)
  }

  /// Puts the worker where it belongs: in line, or away if it neither wants nor awaits anything.
  private mutating func goOn(_ worker: WorkerID) {
    guard let download = downloads[worker] else { return }
    if download.wantsMore, !download.isInLine, download.underWay.count < share {
      downloads[worker]?.isInLine = true
      line.append(worker)
    } else if !download.wantsMore, download.underWay.isEmpty {
      _ = forget(worker)
    }
  }

  /// Chunks that one worker may have on their way.
  private var share: Int {
    let room = limits.poolBytes / TransferLimits.downloadChunkBytes / max(1, downloads.count)
    return min(Int(TransferLimits.downloadWindow), max(1, room))
  }

  private mutating func forget(_ worker: WorkerID) -> [Action] {
    guard let download = downloads.removeValue(forKey: worker) else { return [] }
    bytesUnderWay -= download.underWay.reduce(0) { $0 + $1.byteCount }
    if download.isInLine { line.removeAll { $0 == worker } }
    return []
  }

  private mutating func takeBackStalled(_ time: MonotonicTime) -> [Action] {
    let stalled = downloads.filter {
      !$0.value.underWay.isEmpty && time.since($0.value.progressedAt) >= limits.stallLimit
    }
    for worker in stalled.keys.sorted() {
      stalls += 1
      bytesUnderWay -= downloads[worker]?.underWay.reduce(0) { $0 + $1.byteCount } ?? 0
      downloads[worker]?.underWay = []
      if downloads[worker]?.isInLine == true { line.removeAll { $0 == worker } }
      downloads[worker]?.isInLine = false
      goOn(worker)
    }
    return []
  }

  /// Sends one chunk after the other to those in line while there is credit.
  private mutating func fill(_ time: MonotonicTime) -> [Action] {
    var actions: [Action] = []
    while let worker = line.first, let download = downloads[worker] {
      let piece = download.nextPiece
      guard bytesUnderWay + piece.byteCount <= limits.poolBytes else { break }
      line.removeFirst()
      downloads[worker]?.isInLine = false
      // The share of each becomes less when others come; it has something on its way then, and stands in line after it.
      guard download.underWay.count < share else { continue }
      actions.append(.send(piece, to: download.link))
      take(piece, worker, time)
      goOn(worker)
    }
    return actions
  }

  private mutating func take(_ piece: BlobService.Piece, _ worker: WorkerID, _ time: MonotonicTime) {
    if downloads[worker]?.underWay.isEmpty == true { downloads[worker]?.progressedAt = time }
    downloads[worker]?.next += UInt64(piece.byteCount)
    downloads[worker]?.underWay.append(
      Chunk(
        digest: piece.chunk.digest, end: piece.chunk.offset + UInt64(piece.byteCount), byteCount: piece.byteCount))
    bytesUnderWay += piece.byteCount
  }

  /// What must hold after every event, in words; empty when all of it does.
  package func checkInvariants() -> [String] {
    var broken: [String] = []
    func expect(_ holds: Bool, _ words: String) { if !holds { broken.append(words) } }
    let counted = downloads.values.reduce(0) { $0 + $1.underWay.reduce(0) { $0 + $1.byteCount } }
    expect(counted == bytesUnderWay, "\(bytesUnderWay) bytes are under way, \(counted) are counted")
    expect(bytesUnderWay <= limits.poolBytes, "more under way than the pool holds")
    expect(Set(line).count == line.count, "a worker stands twice in line")
    let free = limits.poolBytes - bytesUnderWay
    if let first = line.first.flatMap({ downloads[$0] }) {
      expect(first.nextPiece.byteCount > free, "somebody waits beside free credit")
    }
    let isInLine = Set(line)
    for (worker, download) in downloads.sorted(by: { $0.key < $1.key }) {
      expect(download.isInLine == isInLine.contains(worker), "\(worker): in line or not?")
      expect(download.isInLine ? download.wantsMore : !download.underWay.isEmpty, "\(worker): would wait for ever")
      expect(download.end <= download.totalBytes, "\(worker): asked for more than there is")
      expect(download.underWay.count <= Int(TransferLimits.downloadWindow), "\(worker): window exceeded")
    }
    return broken
  }
}
