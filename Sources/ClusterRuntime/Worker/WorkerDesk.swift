import Cryptography
import Federation
import Logging
import Rounds
import SecureAggregation
import Tensors
import Transfer
import Wire
import ZeroMQ

/// The worker's side of bulk: fetches the blobs of an offered model, makes and sends the chunks of an upload. Runs on a
/// compute thread of its own.
actor WorkerDesk {
  /// What the driver hears.
  enum Delivery: Sendable {
    case modelHeld(AttemptID, modelDigest: Digest, tensors: [NamedTensor])
    case modelUnavailable(AttemptID, reason: String)
    case uploaded(AttemptID)
    case uploadRefused(AttemptID, reason: String)
  }

  private struct Fetch {
    let offer: RoundOffer
    var missing: [TensorReference]
    var download: BlobDownload?
    var bytes: [UInt8] = []
  }

  private struct Upload {
    let source: UploadSource
    var sender: UploadSender
    var digests: [Digest?]
  }

  nonisolated let thread: ComputeThread
  nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

  private let client: BulkClient
  private let logger: Logger
  private let deliver: @Sendable (Delivery) -> Void
  /// Blobs of the model held: the next version shares those that did not change.
  private var held: [Digest: [UInt8]] = [:]
  private var fetch: Fetch?
  private var upload: Upload?

  init(thread: ComputeThread, client: BulkClient, logger: Logger, deliver: @escaping @Sendable (Delivery) -> Void) {
    self.thread = thread
    self.client = client
    self.logger = logger
    self.deliver = deliver
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
    let actions = download.handle(.started(at: .now))
    current.download = download
    current.bytes = []
    fetch = current
    perform(actions)
  }

  private func assemble(_ offer: RoundOffer) {
    var tensors: [NamedTensor] = []
    for reference in offer.tensors {
      let shape = reference.shape.map { Int(clamping: $0) }
      guard let bytes = held[reference.digest], let dtype = DType(code: reference.dtypeCode),
        Self.byteCount(of: shape, dtype) == bytes.count
      else {
        return deliver(
          .modelUnavailable(offer.attempt, reason: "tensor '\(reference.name)' is not what the offer says"))
      }
      tensors.append(NamedTensor(name: reference.name, dtype: dtype, shape: shape, bytes: bytes))
    }
    let digest = ModelDigest.of(
      tensors: tensors.map {
        DigestedTensor(name: $0.name, dtypeCode: $0.dtype.code, dims: $0.shape, bytes: $0.bytes)
      })
    deliver(.modelHeld(offer.attempt, modelDigest: digest, tensors: tensors))
  }

  /// Nil if the product overflows.
  private static func byteCount(of shape: [Int], _ dtype: DType) -> Int? {
    shape.reduce(Optional(dtype.byteCount)) { product, dimension in
      product.flatMap { product in
        let (value, overflow) = product.multipliedReportingOverflow(by: dimension)
        return overflow ? nil : value
      }
    }
  }

  private func perform(_ actions: [BlobDownload.Action], payload: Frame? = nil) {
    for action in actions {
      switch action {
      case .request(let request): send(.request(request))
      case .write(_, let byteCount):
        // Chunks are written in order: appending is writing at the offset.
        if let payload, payload.count == byteCount { fetch?.bytes += payload.array }
      case .verify:
        guard let bytes = fetch?.bytes, let digest = fetch?.download?.digest else { continue }
        feed(.verified(.sha256(of: bytes) == digest, at: .now))
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

  private func feed(_ event: BlobDownload.Event, payload: Frame? = nil) {
    guard var download = fetch?.download else { return }
    // A wrong digest after a resume starts again from nothing.
    let before = download.received
    let actions = download.handle(event)
    if download.received < before { fetch?.bytes = [] }
    fetch?.download = download
    perform(actions, payload: payload)
  }

  // MARK: Uploads

  /// - Parameter deadline: after which nobody waits for the upload any more.
  func start(_ source: UploadSource, deadline: Duration) {
    var sender = UploadSender(
      upload: source.upload, totalChunks: source.chunkCount, deadline: .now + deadline)
    let actions = sender.handle(.started(at: .now))
    upload = Upload(
      source: source, sender: sender, digests: Array(repeating: nil, count: Int(source.chunkCount)))
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
        for number in numbers {
          let (bytes, digest) = current.source.chunk(number)
          upload?.digests[Int(number)] = digest
          send(.chunk(UploadChunk(upload: current.source.upload, number: number)), payload: bytes)
        }
      case .close:
        let digests = current.digests.compactMap { $0 }
        guard digests.count == current.digests.count else { continue }
        send(.close(current.source.trailer(chunkDigests: digests)))
      case .finished:
        upload = nil
        deliver(.uploaded(attempt))
      case .failed(let failure):
        upload = nil
        deliver(.uploadRefused(attempt, reason: "\(failure)"))
      }
    }
  }

  // MARK: Both

  func cancel(_ attempt: AttemptID) {
    if fetch?.offer.attempt == attempt { fetch = nil }
    if upload?.source.attempt == attempt { upload = nil }
  }

  func receive(_ delivery: BulkClient.Delivery) {
    switch delivery {
    case .message(let message, let payload): receive(message, payload: payload)
    case .linkLost: linkLost()
    case .linkRestored: linkRestored()
    }
  }

  private func receive(_ message: BulkToWorker, payload: Frame?) {
    switch message {
    case .chunk(let chunk):
      feed(.chunkReceived(chunk, byteCount: payload?.count ?? 0, at: .now), payload: payload)
    case .unavailable(let unavailable): feed(.unavailable(unavailable))
    case .grant(let grant):
      if grant.upload == upload?.source.upload { feed(.granted(grant, at: .now)) }
    case .answer(let answer):
      if answer.upload == upload?.source.upload { feed(.answered(answer)) }
    }
  }

  private func linkLost() {
    feed(BlobDownload.Event.linkLost)
    feed(UploadSender.Event.linkLost)
  }

  private func linkRestored() {
    feed(BlobDownload.Event.linkRestored(at: .now))
    feed(UploadSender.Event.linkRestored(at: .now))
  }

  func tick() {
    feed(BlobDownload.Event.tick(at: .now))
    feed(UploadSender.Event.tick(at: .now))
  }

  private func send(_ message: BulkToCoordinator, payload: [UInt8]? = nil) {
    client.loop.post(to: client) { $0.send(message, payload: payload) }
  }
}
