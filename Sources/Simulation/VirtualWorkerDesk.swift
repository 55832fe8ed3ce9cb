import ClusterConfiguration
import Federation
import Rounds
import SecureAggregation
import Tensors
import Transfer
import Wire

/// The worker's bulk side: fetches the blobs of an offered model, makes and sends the chunks of an upload. The
/// counterpart of the cluster's `WorkerDesk`.
final class VirtualWorkerDesk {
  /// What the driver hears.
  enum Delivery {
    case modelHeld(AttemptID, modelDigest: Digest)
    case modelUnavailable(AttemptID, reason: String)
    case uploaded(AttemptID)
    case uploadRefused(AttemptID, reason: String)
    /// A fault strikes in the middle of the upload.
    case doomed
  }

  private struct Fetch {
    let offer: RoundOffer
    var missing: [TensorReference]
    var download: BlobDownload?
    var bytes: [UInt8] = []
  }

  private struct Upload {
    let source: UploadSource
    /// Masks on each element.
    let terms: Int
    var sender: UploadSender
    var digests: [Digest?]
  }

  private unowned let world: World
  private let index: Int
  private let life: Int
  /// Blobs of the model held: the next version shares those that did not change.
  private var held: [Digest: [UInt8]] = [:]
  private var fetch: Fetch?
  private var upload: Upload?
  private var processor = Processor()

  init(world: World, index: Int, life: Int) {
    self.world = world
    self.index = index
    self.life = life
  }

  private func deliver(_ delivery: Delivery) {
    world.schedule(.worker(index, life: life, .desk(delivery)), at: world.now)
  }

  /// When `tick` is due.
  var nextDeadline: MonotonicTime? {
    [fetch?.download?.nextDeadline, upload?.sender.nextDeadline].compactMap { $0 }.min()
  }

  // MARK: Models

  func fetchModel(_ offer: RoundOffer) {
    let needed = Set(offer.tensors.map(\.digest))
    held = held.filter { needed.contains($0.key) }
    var missing: [TensorReference] = []
    for tensor in offer.tensors where held[tensor.digest] == nil {
      if !missing.contains(where: { $0.digest == tensor.digest }) { missing.append(tensor) }
    }
    fetch = Fetch(offer: offer, missing: missing)
    fetchNext()
  }

  private func fetchNext() {
    guard var current = fetch else { return }
    guard let next = current.missing.first else {
      fetch = nil
      return assemble(current.offer)
    }
    var download = BlobDownload(digest: next.digest, byteCount: next.byteCount)
    let actions = download.handle(.started(at: world.now))
    current.download = download
    current.bytes = []
    fetch = current
    perform(actions)
  }

  private func assemble(_ offer: RoundOffer) {
    guard let tensors = model(of: offer) else {
      return deliver(.modelUnavailable(offer.attempt, reason: "a tensor is not what the offer says"))
    }
    let digest = ModelDigest.of(
      tensors: tensors.map {
        DigestedTensor(name: $0.name, dtypeCode: $0.dtype.code, dims: $0.shape, bytes: $0.bytes)
      })
    deliver(.modelHeld(offer.attempt, modelDigest: digest))
  }

  /// The tensors of an offered model; nil while a blob is missing or one does not fit its shape.
  func model(of offer: RoundOffer) -> [NamedTensor]? {
    var tensors: [NamedTensor] = []
    for reference in offer.tensors {
      let shape = reference.shape.map { Int(clamping: $0) }
      guard let bytes = held[reference.digest], let dtype = DType(code: reference.dtypeCode) else { return nil }
      tensors.append(NamedTensor(name: reference.name, dtype: dtype, shape: shape, bytes: bytes))
    }
    return tensors
  }

  private func perform(_ actions: [BlobDownload.Action], payload: [UInt8]? = nil) {
    for action in actions {
      switch action {
      case .request(let request): send(.request(request))
      case .write(_, let byteCount):
        // Chunks are written in order: appending is writing at the offset.
        if let payload, payload.count == byteCount { fetch?.bytes += payload }
      case .verify:
        guard let bytes = fetch?.bytes, let digest = fetch?.download?.digest else { continue }
        feed(.verified(.sha256(of: bytes) == digest, at: world.now))
      case .finished:
        guard let current = fetch, let done = current.missing.first else { continue }
        held[done.digest] = current.bytes
        fetch?.missing.removeFirst()
        fetchNext()
      case .failed(let failure):
        guard let attempt = fetch?.offer.attempt else { continue }
        fetch = nil
        deliver(.modelUnavailable(attempt, reason: "\(failure)"))
      }
    }
  }

  private func feed(_ event: BlobDownload.Event, payload: [UInt8]? = nil) {
    guard var download = fetch?.download else { return }
    // A wrong digest after a resume starts again from nothing.
    let before = download.received
    let actions = download.handle(event)
    if download.received < before { fetch?.bytes = [] }
    fetch?.download = download
    for claim in download.checkInvariants() { world.violated("download: \(claim)") }
    perform(actions, payload: payload)
  }

  // MARK: Uploads

  /// - Parameters:
  ///   - terms: masks on each element.
  ///   - deadline: after which nobody waits for the upload any more.
  ///   - time: when the driver hands it over.
  func start(_ source: UploadSource, terms: Int, deadline: Duration, at time: MonotonicTime) {
    _ = processor.take(world.costs.signature, at: time)
    var sender = UploadSender(
      upload: source.upload, totalChunks: source.chunkCount, deadline: world.now + deadline)
    let actions = sender.handle(.started(at: world.now))
    upload = Upload(
      source: source, terms: terms, sender: sender, digests: Array(repeating: nil, count: Int(source.chunkCount)))
    perform(actions)
  }

  private func feed(_ event: UploadSender.Event) {
    guard var sender = upload?.sender else { return }
    let actions = sender.handle(event)
    upload?.sender = sender
    perform(actions)
  }

  private func perform(_ actions: [UploadSender.Action]) {
    for action in actions {
      guard let current = upload else { return }
      let attempt = current.source.attempt
      switch action {
      case .open: send(.open(current.source.header))
      case .send(let numbers):
        let half = numbers.lowerBound..<(numbers.lowerBound + UInt64((numbers.count + 1) / 2))
        let end = send(half, of: current)
        if world.reached(.maskedInput, attempt, worker: index, at: end) {
          deliver(.doomed, at: end)
          return
        }
        send(half.upperBound..<numbers.upperBound, of: current)
      case .close:
        let digests = (upload?.digests ?? []).compactMap { $0 }
        guard digests.count == current.digests.count else { continue }
        send(.close(current.source.trailer(chunkDigests: digests)), cost: world.costs.signature)
      case .finished:
        upload = nil
        deliver(.uploaded(attempt))
      case .failed(let failure):
        upload = nil
        deliver(.uploadRefused(attempt, reason: "\(failure)"))
      }
    }
  }

  @discardableResult
  private func send(_ numbers: Range<UInt64>, of current: Upload) -> MonotonicTime {
    var end = world.now
    for number in numbers {
      let (bytes, digest) = current.source.chunk(number)
      upload?.digests[Int(number)] = digest
      let cost = world.costs.masking(elements: bytes.count / 4, terms: current.terms)
      end = send(
        .chunk(UploadChunk(upload: current.source.upload, number: number)), payload: bytes, cost: cost)
    }
    return end
  }

  private func deliver(_ delivery: Delivery, at time: MonotonicTime) {
    world.schedule(.worker(index, life: life, .desk(delivery)), at: time)
  }

  // MARK: Both

  func cancel(_ attempt: AttemptID) {
    if fetch?.offer.attempt == attempt { fetch = nil }
    if upload?.source.attempt == attempt { upload = nil }
  }

  func receive(_ message: BulkToWorker, payload: [UInt8]?) {
    switch message {
    case .chunk(let chunk):
      feed(.chunkReceived(chunk, byteCount: payload?.count ?? 0, at: world.now), payload: payload)
    case .unavailable(let unavailable): feed(.unavailable(unavailable))
    case .grant(let grant):
      if grant.upload == upload?.source.upload { feed(.granted(grant, at: world.now)) }
    case .answer(let answer):
      if answer.upload == upload?.source.upload { feed(.answered(answer)) }
    }
  }

  func linkLost() {
    feed(BlobDownload.Event.linkLost)
    feed(UploadSender.Event.linkLost)
  }

  func linkRestored() {
    feed(BlobDownload.Event.linkRestored(at: world.now))
    feed(UploadSender.Event.linkRestored(at: world.now))
  }

  func tick() {
    feed(BlobDownload.Event.tick(at: world.now))
    feed(UploadSender.Event.tick(at: world.now))
  }

  /// The message leaves when it is made, after what was made before.
  @discardableResult
  private func send(_ message: BulkToCoordinator, payload: [UInt8]? = nil, cost: Duration = .zero) -> MonotonicTime {
    let time = processor.take(cost, at: world.now)
    world.schedule(.worker(index, life: life, .sendBulk(message, payload: payload)), at: time)
    return time
  }
}
