import Federation

/// The worker's side of one upload: opens, sends what is granted, closes, and waits for the answer.
///
///     idle ── started ──▶ waiting ── answered ──▶ ended
///              link lost ⇅ suspended   └── deadline, refusal, bad grant ──▶ ended
///
/// It keeps no bytes: a chunk is made again, byte for byte, whenever it is granted again. After a link was restored, and
/// after a long time without anything new, it opens again; the grant that follows says what is missing.
package struct UploadSender: Sendable {
  /// Time without anything new after which the upload is opened again; doubled up to `patienceMax`. Long, because a
  /// restored link opens at once, and chunks that still wait in a slow socket are no reason to send them twice.
  package static let patience = Duration.seconds(15)
  package static let patienceMax = Duration.seconds(60)

  package enum Event: Hashable, Sendable {
    case started(at: MonotonicTime)
    case granted(UploadGrant, at: MonotonicTime)
    case answered(UploadAnswer)
    case linkLost
    case linkRestored(at: MonotonicTime)
    case tick(at: MonotonicTime)
  }

  package enum Action: Hashable, Sendable {
    /// Send the header.
    case open
    /// Send these chunks in order.
    case send(Range<UInt64>)
    /// Send the trailer, behind the chunks.
    case close
    case finished
    case failed(Failure)
  }

  package enum Failure: Error, Hashable, Sendable {
    case refused(String)
    /// Chunks that the upload does not have, or more at once than `TransferLimits.uploadWindow`.
    case badGrant(UploadGrant)
    /// Accepted before the last chunk was sent.
    case badAnswer
    case deadline
  }

  private enum State {
    case idle
    case waiting(since: MonotonicTime, openings: Int)
    case suspended
    case ended
  }

  package let upload: Digest
  package let totalChunks: UInt64
  package let deadline: MonotonicTime
  /// The number after the highest chunk that was sent.
  package private(set) var sentEnd: UInt64 = 0
  /// Chunks sent, repeated ones too.
  package private(set) var sentChunks: UInt64 = 0
  private var state = State.idle

  /// - Parameters:
  ///   - totalChunks: of the upload's shape; at least 1.
  ///   - deadline: when reporting ends; the upload fails if it has not been answered by then.
  package init(upload: Digest, totalChunks: UInt64, deadline: MonotonicTime) {
    precondition(totalChunks > 0, "an upload of nothing")
    self.upload = upload
    self.totalChunks = totalChunks
    self.deadline = deadline
  }

  package var isEnded: Bool { if case .ended = state { true } else { false } }

  /// When `tick` is due; nil before the start and after the end.
  package var nextDeadline: MonotonicTime? {
    switch state {
    case .idle, .ended: nil
    case .suspended: deadline
    case .waiting(let since, let openings): min(deadline, Self.reopening(since, openings))
    }
  }

  package mutating func handle(_ event: Event) -> [Action] {
    switch (state, event) {
    case (.idle, .started(let time)), (.suspended, .linkRestored(let time)):
      return open(after: 0, time)
    case (.waiting, .granted(let grant, let time)):
      return grant.upload == upload ? send(grant, time) : []
    case (.waiting, .answered(let answer)), (.suspended, .answered(let answer)):
      return answer.upload == upload ? conclude(answer) : []
    case (.waiting, .linkLost):
      state = .suspended
      return []
    case (.waiting(let since, let openings), .tick(let time)):
      if time >= deadline { return fail(.deadline) }
      return time < Self.reopening(since, openings) ? [] : open(after: openings, time)
    case (.suspended, .tick(let time)):
      return time >= deadline ? fail(.deadline) : []
    case (.idle, _), (.ended, _), (.waiting, .started), (.waiting, .linkRestored), (.suspended, .started),
      (.suspended, .granted), (.suspended, .linkLost):
      return []
    }
  }

  private static func reopening(_ since: MonotonicTime, _ openings: Int) -> MonotonicTime {
    since + min(patienceMax, patience * (1 << min(max(0, openings - 1), 8)))
  }

  private mutating func open(after openings: Int, _ time: MonotonicTime) -> [Action] {
    state = .waiting(since: time, openings: openings + 1)
    return [.open]
  }

  private mutating func send(_ grant: UploadGrant, _ time: MonotonicTime) -> [Action] {
    guard (1...TransferLimits.uploadWindow).contains(grant.chunks), grant.firstChunk < totalChunks,
      UInt64(grant.chunks) <= totalChunks - grant.firstChunk
    else { return fail(.badGrant(grant)) }
    let end = grant.firstChunk + UInt64(grant.chunks)
    // Only news starts the time anew: a lost grant must not hide behind repeated ones.
    if end > sentEnd { state = .waiting(since: time, openings: 1) }
    sentEnd = max(sentEnd, end)
    sentChunks += UInt64(grant.chunks)
    let chunks = Action.send(grant.firstChunk..<end)
    return end == totalChunks ? [chunks, .close] : [chunks]
  }

  private mutating func conclude(_ answer: UploadAnswer) -> [Action] {
    guard answer.refusal.isEmpty else { return fail(.refused(answer.refusal)) }
    guard sentEnd == totalChunks else { return fail(.badAnswer) }
    state = .ended
    return [.finished]
  }

  private mutating func fail(_ failure: Failure) -> [Action] {
    state = .ended
    return [.failed(failure)]
  }
}
