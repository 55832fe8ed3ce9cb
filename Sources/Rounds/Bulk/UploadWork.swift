import Federation
import SecureAggregation
import Transfer

/// One upload at the worker: what `UploadSender` decides, made of the chunks of an `UploadSource`.
///
/// Remembers the digest of every chunk that was made, for the trailer; a chunk that is granted again is made again.
package struct UploadWork: Sendable {
  package enum Action: Hashable, Sendable {
    case open(InputHeader)
    /// Make these chunks with `chunk` and send them, in order.
    case send(Range<UInt64>)
    /// Send the trailer, behind the chunks.
    case close
    case finished
    case failed(reason: String)
  }

  package var attempt: AttemptID { source.attempt }
  package var upload: Digest { source.upload }
  /// When `.tick` is due; nil before the start and after the end.
  package var nextDeadline: MonotonicTime? { sender.nextDeadline }

  private let source: UploadSource
  private var sender: UploadSender
  private var digests: [Digest?]

  /// - Parameter deadline: after which nobody waits for the upload any more.
  package init(_ source: UploadSource, deadline: MonotonicTime) {
    self.source = source
    sender = UploadSender(upload: source.upload, totalChunks: source.chunkCount, deadline: deadline)
    digests = Array(repeating: nil, count: Int(source.chunkCount))
  }

  package mutating func handle(_ event: UploadSender.Event) -> [Action] {
    sender.handle(event).map { action in
      switch action {
      case .open: .open(source.header)
      case .send(let numbers): .send(numbers)
      case .close: .close
      case .finished: .finished
      case .failed(let failure): .failed(reason: "\(failure)")
      }
    }
  }

  /// The bytes of one chunk.
  ///
  /// - Precondition: `number` was in a `send`.
  package mutating func chunk(_ number: UInt64, on runner: some PartRunner = SequentialRunner()) -> [UInt8] {
    let (bytes, digest) = source.chunk(number, on: runner)
    digests[Int(number)] = digest
    return bytes
  }

  /// The trailer over all chunks; nil while one was never granted: a coordinator that asks for the last chunk first hears
  /// no trailer.
  package var trailer: InputTrailer? {
    let made = digests.compactMap { $0 }
    return made.count == digests.count ? source.trailer(chunkDigests: made) : nil
  }
}
