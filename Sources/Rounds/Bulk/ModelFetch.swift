import Federation
import Tensors
import Transfer

/// The worker's way from an offer to the model it names: one blob after the other, each once, and only those that are
/// not held already.
///
///     idle ── wanted ──▶ fetching ── last blob kept ──▶ idle, complete
///       ▲                   ├── a blob fails, or the offer contradicts itself ──▶ idle, unavailable
///       └──── cancelled ────┘
///
/// The bytes lie beside it, in `ModelBlobs`. What a blob must be is in the offer, so an offer that cannot be right is
/// refused before anything is asked for. A download that an attempt's end cut off goes on, chunk by chunk, as soon as
/// another offer needs its blob; nothing is kept on disk, so a new process begins anew.
package struct ModelFetch: Sendable {
  package enum Event: Hashable, Sendable {
    /// The model of an offer is wanted, in place of any other.
    case wanted(AttemptID, [TensorReference], at: MonotonicTime)
    /// `byteCount` raw bytes came with the chunk.
    case chunkReceived(BlobChunk, byteCount: Int, at: MonotonicTime)
    case unavailable(BlobUnavailable)
    /// The answer to `verify`.
    case verified(Bool, at: MonotonicTime)
    /// The attempt is over: what is held stays held.
    case cancelled(AttemptID)
    case linkLost
    case linkRestored(at: MonotonicTime)
    case tick(at: MonotonicTime)
  }

  package enum Action: Hashable, Sendable {
    /// The wanted model has no tensor with this digest: free the blob.
    case forget(Digest)
    /// A blob begins, with no bytes yet; without it the bytes of a download that was cut off go on.
    case begin
    case request(BlobRequest)
    /// Append the bytes of the chunk that was just received to the blob that was begun.
    case write
    /// Answer with `verified` whether the written bytes have this digest.
    case verify(Digest)
    /// The written bytes are the blob with this digest: hold it.
    case keep(Digest)
    /// Every blob is held, and fits the shape and element type of its tensors.
    case complete(AttemptID, [TensorReference])
    case unavailable(AttemptID, reason: String)
  }

  private struct Fetch {
    let attempt: AttemptID
    let tensors: [TensorReference]
    /// In the order of their first tensor, but for one that goes on; the download is of the first.
    var missing: [TensorReference]
    var download: BlobDownload?
  }

  /// The length of every blob held: the next version shares those that did not change.
  private var held: [Digest: UInt64] = [:]
  private var fetch: Fetch?
  /// What was begun and cut off; its bytes are the written ones, because nothing else was begun since.
  private var rest: BlobDownload?

  package init() {}

  /// When `tick` is due; nil while nothing is awaited.
  package var nextDeadline: MonotonicTime? { fetch?.download?.nextDeadline }

  package mutating func handle(_ event: Event) -> [Action] {
    switch event {
    case .wanted(let attempt, let tensors, let time): begin(attempt, tensors, time)
    case .chunkReceived(let chunk, let byteCount, let time):
      feed(.chunkReceived(chunk, byteCount: byteCount, at: time), time)
    case .unavailable(let unavailable): feed(.unavailable(unavailable))
    case .verified(let isRight, let time): feed(.verified(isRight, at: time), time)
    case .cancelled(let attempt): cancel(attempt)
    case .linkLost: feed(.linkLost)
    case .linkRestored(let time): feed(.linkRestored(at: time), time)
    case .tick(let time): feed(.tick(at: time), time)
    }
  }

  private mutating func cancel(_ attempt: AttemptID) -> [Action] {
    if fetch?.attempt == attempt { putAside() }
    return []
  }

  /// Ends the fetch. Bytes that wait for their digest are not worth more than those of another sender: they go.
  private mutating func putAside() {
    if let download = fetch?.download, download.isFetching, download.received > 0 { rest = download }
    fetch = nil
  }

  private mutating func begin(_ attempt: AttemptID, _ tensors: [TensorReference], _ time: MonotonicTime) -> [Action] {
    putAside()
    let needed = Set(tensors.map(\.digest))
    let useless = held.keys.filter { !needed.contains($0) }.sorted()
    for digest in useless { held[digest] = nil }
    let forgetting = useless.map(Action.forget)
    if let misfit = misfit(among: tensors) {
      return forgetting + [.unavailable(attempt, reason: "tensor '\(misfit.name)' is not what the offer says")]
    }
    var seen = Set(held.keys)
    var missing = tensors.filter { seen.insert($0.digest).inserted }
    if let place = missing.firstIndex(where: { $0.digest == rest?.digest && $0.byteCount == rest?.byteCount }) {
      missing.insert(missing.remove(at: place), at: 0)
    } else {
      rest = nil
    }
    fetch = Fetch(attempt: attempt, tensors: tensors, missing: missing)
    return forgetting + next(time)
  }

  /// The first tensor whose blob cannot have the length that its element type and shape ask for.
  private func misfit(among tensors: [TensorReference]) -> TensorReference? {
    var lengths = held
    return tensors.first { tensor in
      guard tensor.shapeByteCount == tensor.byteCount else { return true }
      // Tensors that share a blob share its length.
      return lengths.updateValue(tensor.byteCount, forKey: tensor.digest).map { $0 != tensor.byteCount } ?? false
    }
  }

  private mutating func next(_ time: MonotonicTime) -> [Action] {
    guard let current = fetch else { return [] }
    guard let first = current.missing.first else {
      fetch = nil
      return [.complete(current.attempt, current.tensors)]
    }
    let received = rest?.digest == first.digest ? rest?.received ?? 0 : 0
    rest = nil
    var download = BlobDownload(digest: first.digest, byteCount: first.byteCount, resumingAt: received)
    let actions = download.handle(.started(at: time))
    fetch?.download = download
    return (received > 0 ? [] : [.begin]) + translate(actions, time)
  }

  private mutating func feed(_ event: BlobDownload.Event, _ time: MonotonicTime? = nil) -> [Action] {
    guard var download = fetch?.download else { return [] }
    let actions = download.handle(event)
    fetch?.download = download
    // What was taken over from a download before may be the wrong bytes: once more from the first.
    if case .verified(false, _) = event, !download.isEnded { return [.begin] + translate(actions, time) }
    return translate(actions, time)
  }

  /// - Parameter time: nil only for events that finish no blob.
  private mutating func translate(_ actions: [BlobDownload.Action], _ time: MonotonicTime?) -> [Action] {
    actions.flatMap { action -> [Action] in
      switch action {
      case .request(let request): [.request(request)]
      case .write: [.write]
      case .verify: fetch?.download.map { [.verify($0.digest)] } ?? []
      case .finished: time.map { finish($0) } ?? []
      case .failed(let failure): fail(failure)
      }
    }
  }

  private mutating func finish(_ time: MonotonicTime) -> [Action] {
    guard let done = fetch?.missing.removeFirst() else { return [] }
    held[done.digest] = done.byteCount
    fetch?.download = nil
    return [.keep(done.digest)] + next(time)
  }

  private mutating func fail(_ failure: BlobDownload.Failure) -> [Action] {
    guard let attempt = fetch?.attempt else { return [] }
    fetch = nil
    return [.unavailable(attempt, reason: "\(failure)")]
  }

  /// What must hold after every event, in words; empty when all of it does.
  package func checkInvariants() -> [String] {
    guard let fetch else { return [] }
    var broken = fetch.download?.checkInvariants() ?? ["a fetch without a download"]
    if fetch.missing.first?.digest != fetch.download?.digest { broken.append("the download is of another blob") }
    if fetch.missing.contains(where: { held[$0.digest] != nil }) { broken.append("a blob that is held is missing") }
    return broken
  }
}

extension TensorReference {
  /// Dimensions that the model digest can name.
  static let dimensionsMax = 255

  /// What element type and shape ask for; nil if the type is unknown, or there is no such tensor.
  var shapeByteCount: UInt64? {
    guard let dtype = DType(code: dtypeCode), shape.count <= Self.dimensionsMax else { return nil }
    var product = UInt64(dtype.byteCount)
    for dimension in shape {
      guard Int(exactly: dimension) != nil else { return nil }
      let (value, overflow) = product.multipliedReportingOverflow(by: dimension)
      guard !overflow else { return nil }
      product = value
    }
    return product
  }
}
