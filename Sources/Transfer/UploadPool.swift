import Federation

/// Which upload: whose, and of which attempt.
package struct UploadKey: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// The transcript of the attempt, or the round ID in plain mode.
  package let upload: Digest
  package let worker: WorkerID

  package init(upload: Digest, worker: WorkerID) {
    self.upload = upload
    self.worker = worker
  }

  package var description: String { "\(upload.short)/\(worker)" }
  package static func < (a: Self, b: Self) -> Bool { (a.upload, a.worker) < (b.upload, b.worker) }
}

/// All uploads to one coordinator: who may send how much, and which chunks are news.
///
///     opened ──▶ waiting ── a slot is free ──▶ active ── last chunk ──▶ delivered ── closed ──▶ finished
///                   ▲  └───────── lost ─────────┤ └── stalled while others wait ──▶ waiting
///                   └── opened again ── parked ◀┘
///
/// At most `Limits.uploadsAtOnce` uploads are active; the others wait in the order in which they opened. The chunks
/// granted to the active ones never add up to more than `Limits.poolBytes`. Each chunk is delivered once, whatever is
/// repeated, reordered or opened again; an upload goes on from its first missing chunk.
package struct UploadPool: Sendable {
  package struct Limits: Hashable, Sendable {
    package var uploadsAtOnce = TransferLimits.uploadsAtOnce
    /// Bytes granted and not yet received, over all uploads.
    package var poolBytes = TransferLimits.uploadPoolBytes
    /// Chunks granted to one upload; at most 64.
    package var window = TransferLimits.uploadWindow
    /// Uploads that are known at once, waiting and finished ones too.
    package var uploadsMax = 10_000
    /// An upload that brings nothing for so long gives its slot to one that waits.
    package var stallLimit = Duration.seconds(10)
    package init() {}
  }

  package enum Event: Hashable, Sendable {
    /// The header of the upload arrived and is valid. Opening again asks for a grant from the first missing chunk.
    case opened(UploadKey, UploadShape, at: MonotonicTime)
    case chunkReceived(UploadKey, number: UInt64, byteCount: Int, at: MonotonicTime)
    /// The trailer arrived.
    case closed(UploadKey, at: MonotonicTime)
    /// The worker's link is gone; its uploads wait until they are opened again.
    case lost(WorkerID, at: MonotonicTime)
    /// The upload does not count, for a reason that is not the pool's: it is forgotten.
    case withdrawn(UploadKey, at: MonotonicTime)
    /// The attempt ended: its uploads are forgotten.
    case cancelled(upload: Digest, at: MonotonicTime)
    case tick(at: MonotonicTime)
  }

  package enum Action: Hashable, Sendable {
    /// Replaces what is left of the upload's earlier grants if it starts before their end. When only the trailer is
    /// missing, the last chunk is granted once more, because the trailer follows it.
    case grant(UploadKey, UploadGrant)
    /// Take the chunk that was just received.
    case deliver(UploadKey, number: UInt64, UploadShape.Piece)
    case ignoreDuplicate(UploadKey, number: UInt64)
    /// Drop the chunk; the upload goes on.
    case refuseChunk(UploadKey, number: UInt64, ChunkRefusal)
    /// All chunks were delivered and the trailer is there. Verify, then answer with `UploadAnswer`.
    case finished(UploadKey)
    /// The worker did not hear the answer: give it again, if there is one already.
    case repeatAnswer(UploadKey)
    /// Answer with this refusal; the upload is over.
    case refuse(UploadKey, UploadRefusal)
  }

  package enum ChunkRefusal: Hashable, Sendable, CaseIterable {
    /// The upload was not opened, or is over.
    case notOpen
    case outsideGrant
  }

  package enum UploadRefusal: Hashable, Sendable, CaseIterable, CustomStringConvertible {
    case tooManyUploads
    /// A chunk longer than the whole pool.
    case chunkTooLong
    /// Opened again with other vectors.
    case shapeChanged
    case wrongChunkLength
    /// Closed, but never opened here; the attempt is over, or the coordinator restarted.
    case unknown

    package var description: String {
      switch self {
      case .tooManyUploads: "too many uploads"
      case .chunkTooLong: "chunks too long for the pool"
      case .shapeChanged: "opened again with other vectors"
      case .wrongChunkLength: "a chunk of the wrong length"
      case .unknown: "no such upload"
      }
    }
  }

  private enum Stage: Hashable {
    case waiting
    case active
    case parked
    case delivered
    case finished
    case refused(UploadRefusal)
  }

  private struct Upload {
    let shape: UploadShape
    var stage = Stage.waiting
    /// Every chunk before this one was delivered.
    var next: UInt64 = 0
    /// Bit i: chunk `next + i` was delivered. Bit 0 is never set.
    var ahead: UInt64 = 0
    var grantedEnd: UInt64 = 0
    var progressedAt: MonotonicTime

    /// Chunks granted and not delivered.
    var outstanding: UInt64 {
      let span = grantedEnd - next
      let inside = span >= 64 ? ahead : ahead & ((1 << span) - 1)
      return span - UInt64(inside.nonzeroBitCount)
    }
    var outstandingBytes: Int { Int(outstanding) * shape.chunkBytes }

    func has(_ number: UInt64) -> Bool {
      number < next || (number - next < 64 && ahead >> (number - next) & 1 == 1)
    }

    /// - Precondition: `next ≤ number < next + 64`, not delivered yet.
    mutating func add(_ number: UInt64) {
      ahead |= 1 << (number - next)
      let run = UInt64((~ahead).trailingZeroBitCount)
      next += run
      ahead = run >= 64 ? 0 : ahead >> run
    }
  }

  package let limits: Limits
  /// Chunks that came without credit or without an upload.
  package private(set) var refusedChunks = 0
  package private(set) var duplicateChunks = 0

  private var uploads: [UploadKey: Upload] = [:]
  /// In the order of admission.
  private var active: [UploadKey] = []
  /// In the order of arrival.
  private var queue: [UploadKey] = []

  /// - Precondition: all limits are positive, the window at most 64.
  package init(limits: Limits = Limits()) {
    precondition(limits.uploadsAtOnce > 0 && limits.poolBytes > 0 && limits.uploadsMax > 0)
    precondition((1...64).contains(limits.window), "a window of \(limits.window)")
    self.limits = limits
  }

  /// Bytes granted and not yet received, over all uploads.
  package var outstandingBytes: Int { active.reduce(0) { $0 + (uploads[$1]?.outstandingBytes ?? 0) } }
  package var activeCount: Int { active.count }
  package var waitingCount: Int { queue.count }

  /// Chunks of an upload that were delivered, without gaps from 0; nil if it is unknown.
  package func deliveredPrefix(of key: UploadKey) -> UInt64? { uploads[key]?.next }

  /// When `tick` is due; nil while nobody waits for a slot.
  package var nextDeadline: MonotonicTime? {
    guard !queue.isEmpty else { return nil }
    return active.compactMap { uploads[$0]?.progressedAt }.min().map { $0 + limits.stallLimit }
  }

  package mutating func handle(_ event: Event) -> [Action] {
    switch event {
    case .opened(let key, let shape, let time): open(key, shape, time) + fill(time)
    case .chunkReceived(let key, let number, let byteCount, let time):
      receive(key, number, byteCount, time) + fill(time)
    case .closed(let key, let time): close(key, time) + fill(time)
    case .lost(let worker, let time): park(worker) + fill(time)
    case .withdrawn(let key, let time): withdraw(key) + fill(time)
    case .cancelled(let upload, let time): forget(upload) + fill(time)
    case .tick(let time): rotateStalled(time) + fill(time)
    }
  }

  private mutating func open(_ key: UploadKey, _ shape: UploadShape, _ time: MonotonicTime) -> [Action] {
    guard let upload = uploads[key] else {
      guard uploads.count < limits.uploadsMax else { return [.refuse(key, .tooManyUploads)] }
      uploads[key] = Upload(shape: shape, progressedAt: time)
      guard shape.chunkBytes <= limits.poolBytes else { return refuse(key, .chunkTooLong) }
      queue.append(key)
      return []
    }
    if case .refused(let refusal) = upload.stage { return [.refuse(key, refusal)] }
    guard upload.shape == shape else { return refuse(key, .shapeChanged) }
    return resume(key, upload)
  }

  /// Grants from the first missing chunk, or says what else is missing.
  private mutating func resume(_ key: UploadKey, _ upload: Upload) -> [Action] {
    switch upload.stage {
    case .waiting:
      return []
    case .active:
      uploads[key]?.grantedEnd = upload.next  // `fill` grants again from here.
      return []
    case .parked:
      uploads[key]?.stage = .waiting
      queue.append(key)
      return []
    case .delivered:
      let last = upload.shape.totalChunks - 1
      return [.grant(key, UploadGrant(upload: key.upload, firstChunk: last, chunks: 1))]
    case .finished:
      return [.repeatAnswer(key)]
    case .refused(let refusal):
      return [.refuse(key, refusal)]
    }
  }

  private mutating func receive(
    _ key: UploadKey, _ number: UInt64, _ byteCount: Int, _ time: MonotonicTime
  ) -> [Action] {
    guard var upload = uploads[key] else { return drop(key, number, .notOpen) }
    if case .refused = upload.stage { return drop(key, number, .notOpen) }
    guard !upload.has(number) else {
      duplicateChunks += 1
      return [.ignoreDuplicate(key, number: number)]
    }
    guard upload.stage == .active, number < upload.grantedEnd, let piece = upload.shape.piece(number) else {
      return drop(key, number, .outsideGrant)
    }
    guard byteCount == piece.byteCount else { return refuse(key, .wrongChunkLength) }
    upload.add(number)
    upload.progressedAt = time
    // A chunk that an earlier grant brought may reach past the end of a renewed one.
    upload.grantedEnd = max(upload.grantedEnd, upload.next)
    if upload.next == upload.shape.totalChunks {
      upload.stage = .delivered
      active.removeAll { $0 == key }
    }
    uploads[key] = upload
    return [.deliver(key, number: number, piece)]
  }

  private mutating func drop(_ key: UploadKey, _ number: UInt64, _ refusal: ChunkRefusal) -> [Action] {
    refusedChunks += 1
    return [.refuseChunk(key, number: number, refusal)]
  }

  private mutating func close(_ key: UploadKey, _ time: MonotonicTime) -> [Action] {
    guard let upload = uploads[key] else { return [.refuse(key, .unknown)] }
    guard upload.stage == .delivered else { return resume(key, upload) }
    uploads[key]?.stage = .finished
    return [.finished(key)]
  }

  private mutating func refuse(_ key: UploadKey, _ refusal: UploadRefusal) -> [Action] {
    leave(key, for: .refused(refusal))
    return [.refuse(key, refusal)]
  }

  /// Gives back slot, place in the queue and credit.
  private mutating func leave(_ key: UploadKey, for stage: Stage) {
    active.removeAll { $0 == key }
    queue.removeAll { $0 == key }
    guard let next = uploads[key]?.next else { return }
    uploads[key]?.stage = stage
    uploads[key]?.grantedEnd = next
  }

  private mutating func park(_ worker: WorkerID) -> [Action] {
    for key in (active + queue) where key.worker == worker { leave(key, for: .parked) }
    return []
  }

  private mutating func withdraw(_ key: UploadKey) -> [Action] {
    active.removeAll { $0 == key }
    queue.removeAll { $0 == key }
    uploads[key] = nil
    return []
  }

  private mutating func forget(_ upload: Digest) -> [Action] {
    active.removeAll { $0.upload == upload }
    queue.removeAll { $0.upload == upload }
    uploads = uploads.filter { $0.key.upload != upload }
    return []
  }

  private mutating func rotateStalled(_ time: MonotonicTime) -> [Action] {
    let stalled = active.filter { key in
      uploads[key].map { time.since($0.progressedAt) >= limits.stallLimit } ?? false
    }
    // No more than there are others to take their places.
    for key in stalled.prefix(queue.count) {
      leave(key, for: .waiting)
      queue.append(key)
    }
    return []
  }

  /// Admits who waits while there are slots, then hands out credit in the order of admission.
  private mutating func fill(_ time: MonotonicTime) -> [Action] {
    while active.count < limits.uploadsAtOnce, !queue.isEmpty {
      let key = queue.removeFirst()
      active.append(key)
      uploads[key]?.stage = .active
      uploads[key]?.progressedAt = time
    }
    var free = limits.poolBytes - outstandingBytes
    var actions: [Action] = []
    for key in active {
      guard var upload = uploads[key], upload.grantedEnd - upload.next <= UInt64(limits.window / 2) else { continue }
      let end = min(upload.next + UInt64(limits.window), upload.shape.totalChunks)
      // Counted as if none of the new chunks had been delivered ahead: never more credit than there is room for.
      let count = min(end - min(end, upload.grantedEnd), UInt64(max(0, free) / upload.shape.chunkBytes))
      guard count > 0 else { continue }
      actions.append(
        .grant(key, UploadGrant(upload: key.upload, firstChunk: upload.grantedEnd, chunks: UInt32(count))))
      upload.grantedEnd += count
      uploads[key] = upload
      free -= Int(count) * upload.shape.chunkBytes
    }
    return actions
  }

  /// What must hold after every event, in words; empty when all of it does.
  package func checkInvariants() -> [String] {
    var broken: [String] = []
    func expect(_ holds: Bool, _ words: String) { if !holds { broken.append(words) } }
    expect(active.count <= limits.uploadsAtOnce, "too many active uploads")
    expect(uploads.count <= limits.uploadsMax, "too many uploads")
    expect(outstandingBytes <= limits.poolBytes, "more credit than the pool holds")
    expect(queue.isEmpty || active.count == limits.uploadsAtOnce, "somebody waits beside a free slot")
    let isActive = Set(active), isWaiting = Set(queue)
    expect(
      isActive.isDisjoint(with: isWaiting) && isActive.count + isWaiting.count == active.count + queue.count,
      "an upload stands twice in line")
    for (key, upload) in uploads.sorted(by: { $0.key < $1.key }) {
      expect((upload.stage == .active) == isActive.contains(key), "\(key): active or not?")
      expect((upload.stage == .waiting) == isWaiting.contains(key), "\(key): waiting or not?")
      expect(upload.next <= upload.shape.totalChunks, "\(key): more delivered than there is")
      expect(upload.grantedEnd >= upload.next, "\(key): granted less than was delivered")
      expect(upload.ahead & 1 == 0, "\(key): the first missing chunk is not missing")
      expect(upload.grantedEnd - min(upload.next, upload.grantedEnd) <= limits.window, "\(key): window exceeded")
    }
    return broken
  }
}
