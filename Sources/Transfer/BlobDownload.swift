import Federation

/// One blob on its way to the receiver, which grants the credit, keeps the order and asks again.
///
///     idle ── started ──▶ fetching ── last chunk ──▶ verifying ── right digest ──▶ finished
///              link lost ⇅ paused                         └── wrong digest ──▶ failed, or once more from 0 if resumed
///
/// Chunks are written in order of their offset, each once, and acknowledged: by a request for another one, or for none
/// where all have been asked for. One that was written already or comes too early is ignored, and after a time without progress the rest is asked for again from the first byte that is missing. Nothing that the
/// sender says changes how many bytes are written: that is `byteCount`, known from a signed manifest or offer.
package struct BlobDownload: Sendable {
  /// Time without progress after which the download asks again; doubled while nothing comes, up to `patienceMax`.
  package static let patience = Duration.seconds(10)
  package static let patienceMax = Duration.seconds(60)
  /// Requests without progress after which the download fails.
  package static let fruitlessRequestsMax = 8

  package enum Event: Hashable, Sendable {
    case started(at: MonotonicTime)
    /// `byteCount` raw bytes came with the chunk.
    case chunkReceived(BlobChunk, byteCount: Int, at: MonotonicTime)
    case unavailable(BlobUnavailable)
    /// The answer to `verify`: whether the written bytes have the digest.
    case verified(Bool, at: MonotonicTime)
    case linkLost
    case linkRestored(at: MonotonicTime)
    case tick(at: MonotonicTime)
  }

  package enum Action: Hashable, Sendable {
    case request(BlobRequest)
    /// Write the bytes of the chunk that was just received at `offset`.
    case write(offset: UInt64, byteCount: Int)
    /// All bytes are there: hash them and answer with `verified`.
    case verify
    case finished
    case failed(Failure)
  }

  package enum Failure: Error, Hashable, Sendable {
    /// More than `TransferLimits.transferBytesMax`.
    case tooLarge(UInt64)
    case unavailable
    case wrongTotal(expected: UInt64, found: UInt64)
    /// Not a multiple of the chunk length, or not inside the blob.
    case wrongOffset(UInt64)
    case wrongChunkLength(offset: UInt64, expected: Int, found: Int)
    case wrongDigest
    /// `fruitlessRequestsMax` requests brought nothing.
    case silence
  }

  private enum State {
    case idle
    case fetching
    case paused
    case verifying
    case ended
  }

  package let digest: Digest
  package let byteCount: UInt64
  /// Bytes written, in order from 0.
  package private(set) var received: UInt64
  /// Chunks that were no progress: of another blob, written already, or too early.
  package private(set) var ignoredChunks = 0

  private var state = State.idle
  private var isResumed: Bool
  /// The end of what has been asked for.
  private var requestedEnd: UInt64
  private var fruitlessRequests = 0
  private var progressedAt = MonotonicTime(nanoseconds: 0)

  private static let chunkBytes = UInt64(TransferLimits.downloadChunkBytes)
  private static let window = UInt64(TransferLimits.downloadWindow)

  /// - Parameters:
  ///   - byteCount: the length of the blob, from a signed manifest or offer.
  ///   - resumingAt: bytes that an interrupted download left behind; rounded down to whole chunks. Nothing vouches for
  ///     them but the digest over the whole.
  package init(digest: Digest, byteCount: UInt64, resumingAt offset: UInt64 = 0) {
    self.digest = digest
    self.byteCount = byteCount
    received = offset >= byteCount ? byteCount : offset - offset % Self.chunkBytes
    requestedEnd = received
    isResumed = received > 0
  }

  package var isEnded: Bool { if case .ended = state { true } else { false } }

  /// Chunks are awaited, now or when the link is back.
  package var isFetching: Bool {
    switch state {
    case .fetching, .paused: true
    case .idle, .verifying, .ended: false
    }
  }

  /// When `tick` is due; nil while nothing is awaited from the sender.
  package var nextDeadline: MonotonicTime? {
    guard case .fetching = state else { return nil }
    return progressedAt + min(Self.patienceMax, Self.patience * (1 << min(fruitlessRequests, 8)))
  }

  package mutating func handle(_ event: Event) -> [Action] {
    switch (state, event) {
    case (.idle, .started(let time)):
      guard byteCount <= TransferLimits.transferBytesMax else { return fail(.tooLarge(byteCount)) }
      return received == byteCount ? verify() : fetch(time)
    case (.fetching, .chunkReceived(let chunk, let count, let time)):
      return take(chunk, count, time)
    case (.fetching, .unavailable(let answer)), (.paused, .unavailable(let answer)):
      return answer.digest == digest ? fail(.unavailable) : []
    case (.fetching, .linkLost):
      state = .paused
      return []
    case (.paused, .linkRestored(let time)):
      fruitlessRequests = 0
      return fetch(time)
    case (.fetching, .tick(let time)):
      return time < (nextDeadline ?? time) ? [] : askAgain(time)
    case (.verifying, .verified(let isRight, let time)):
      return conclude(isRight, time)
    case (.paused, .chunkReceived), (.verifying, .chunkReceived), (.ended, .chunkReceived):
      ignoredChunks += 1
      return []
    case (.idle, _), (.ended, _), (.fetching, .started), (.fetching, .verified), (.fetching, .linkRestored),
      (.paused, .started), (.paused, .verified), (.paused, .linkLost), (.paused, .tick), (.verifying, .started),
      (.verifying, .unavailable), (.verifying, .linkLost), (.verifying, .linkRestored), (.verifying, .tick):
      return []
    }
  }

  private mutating func fetch(_ time: MonotonicTime) -> [Action] {
    state = .fetching
    progressedAt = time
    requestedEnd = received
    return request()
  }

  /// Asks for what the window has room for behind `requestedEnd`.
  private mutating func request() -> [Action] {
    let outstanding = (requestedEnd - received + Self.chunkBytes - 1) / Self.chunkBytes
    let left = (byteCount - requestedEnd + Self.chunkBytes - 1) / Self.chunkBytes
    let chunks = min(Self.window - outstanding, left)
    guard chunks > 0 else { return [] }
    let request = BlobRequest(digest: digest, offset: requestedEnd, chunks: UInt32(chunks))
    requestedEnd = min(byteCount, requestedEnd + chunks * Self.chunkBytes)
    return [.request(request)]
  }

  private mutating func take(_ chunk: BlobChunk, _ count: Int, _ time: MonotonicTime) -> [Action] {
    guard chunk.digest == digest else {
      ignoredChunks += 1
      return []
    }
    guard chunk.totalBytes == byteCount else {
      return fail(.wrongTotal(expected: byteCount, found: chunk.totalBytes))
    }
    guard chunk.offset % Self.chunkBytes == 0, chunk.offset < byteCount else { return fail(.wrongOffset(chunk.offset)) }
    let expected = Int(min(Self.chunkBytes, byteCount - chunk.offset))
    guard count == expected else {
      return fail(.wrongChunkLength(offset: chunk.offset, expected: expected, found: count))
    }
    guard chunk.offset == received, chunk.offset < requestedEnd else {
      ignoredChunks += 1
      return []
    }
    received += UInt64(count)
    fruitlessRequests = 0
    progressedAt = time
    let write = Action.write(offset: chunk.offset, byteCount: count)
    let requests = request()
    let answer = requests.isEmpty ? acknowledge(chunk) : requests
    return [write] + answer + (received == byteCount ? verify() : [])
  }

  /// What follows from a small blob is acknowledgement enough.
  private func acknowledge(_ chunk: BlobChunk) -> [Action] {
    guard byteCount > TransferLimits.uncreditedBlobBytes else { return [] }
    return [.request(BlobRequest(digest: digest, offset: chunk.offset, chunks: 0))]
  }

  private mutating func askAgain(_ time: MonotonicTime) -> [Action] {
    guard fruitlessRequests < Self.fruitlessRequestsMax else { return fail(.silence) }
    fruitlessRequests += 1
    return fetch(time)
  }

  private mutating func verify() -> [Action] {
    state = .verifying
    return [.verify]
  }

  private mutating func conclude(_ isRight: Bool, _ time: MonotonicTime) -> [Action] {
    if isRight {
      state = .ended
      return [.finished]
    }
    guard isResumed else { return fail(.wrongDigest) }
    // The bytes of the interrupted download may be the wrong ones: once more without them.
    isResumed = false
    received = 0
    fruitlessRequests = 0
    return fetch(time)
  }

  private mutating func fail(_ failure: Failure) -> [Action] {
    state = .ended
    return [.failed(failure)]
  }

  /// What must hold after every event, in words; empty when all of it does.
  package func checkInvariants() -> [String] {
    var broken: [String] = []
    if received > requestedEnd { broken.append("received more than was asked for") }
    if requestedEnd > byteCount { broken.append("asked for more than there is") }
    if requestedEnd - min(received, requestedEnd) > Self.window * Self.chunkBytes { broken.append("window exceeded") }
    if received != byteCount, received % Self.chunkBytes != 0 { broken.append("received a broken chunk") }
    return broken
  }
}
