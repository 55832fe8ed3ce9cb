import Federation
import GradientKernel
import Logging
import ModelRegistry
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
    case modelHeld(AttemptID, modelDigest: Digest, HeldModel)
    case modelUnavailable(AttemptID, reason: String)
    case uploaded(AttemptID)
    case uploadRefused(AttemptID, reason: String)
  }

  nonisolated let thread: ComputeThread
  nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

  private let client: BulkClient
  private let logger: Logger
  private let deliver: @Sendable (Delivery) -> Void
  private let controls: any ControlVariateKeeping
  /// Whose blobs are fetched.
  private var offer: RoundOffer?
  private var fetch = ModelFetch()
  private var blobs = ModelBlobs()
  private let shared: SharedBlobs?
  private var work: UploadWork?
  /// Masks the chunks of an upload, after training.
  private let pool: ThreadPool

  /// - Parameter shared: with the other workers of this process; nil for the only one.
  init(
    thread: ComputeThread, client: BulkClient, threads: Int, controls: any ControlVariateKeeping,
    sharing shared: SharedBlobs? = nil, logger: Logger, deliver: @escaping @Sendable (Delivery) -> Void
  ) {
    self.thread = thread
    self.client = client
    self.controls = controls
    self.shared = shared
    self.logger = logger
    self.deliver = deliver
    pool = ThreadPool(threads: threads, flushesSubnormals: false)
  }

  // MARK: Models

  func fetchModel(_ offer: RoundOffer) {
    self.offer = offer
    feed(.wanted(offer.attempt, offer.blobs, at: .now))
  }

  private func feed(_ event: ModelFetch.Event, payload: Frame? = nil) {
    for action in fetch.handle(event) {
      switch action {
      case .forget(let digest):
        blobs.forget(digest)
        shared?.forget(digest)
      case .begin: blobs.begin()
      case .request(let request): send(.request(request))
      case .write:
        if let payload { blobs.write(payload.array) }
      case .verify(let digest): feed(.verified(blobs.verify(digest), at: .now))
      case .keep(let digest):
        if let shared { shared.keep(digest, in: &blobs) } else { blobs.keep(digest) }
      case .complete(let attempt, let references):
        guard let tensors = blobs.tensors(of: references) else {
          deliver(.modelUnavailable(attempt, reason: "a blob that was held is gone"))
          continue
        }
        hold(tensors, for: attempt)
      case .unavailable(let attempt, let reason): deliver(.modelUnavailable(attempt, reason: reason))
      }
    }
  }

  private func hold(_ fetched: [NamedTensor], for attempt: AttemptID) {
    guard let offer, offer.attempt == attempt else { return }
    do throws(ControlVariateError) {
      let model = try HeldModel(offer, fetched: fetched, own: controls)
      deliver(.modelHeld(attempt, modelDigest: ModelArtifact.modelDigest(of: model.tensors), model))
    } catch {
      logger.error("control variate unusable", metadata: ["attempt": "\(attempt)", "error": "\(error)"])
      deliver(.modelUnavailable(attempt, reason: error.description))
    }
  }

  // MARK: Uploads

  /// - Parameter deadline: after which nobody waits for the upload any more.
  func start(_ source: UploadSource, deadline: Duration) {
    work = UploadWork(source, deadline: .now + deadline)
    feed(UploadSender.Event.started(at: .now))
  }

  private func feed(_ event: UploadSender.Event) {
    guard let upload = work?.upload, let attempt = work?.attempt, let actions = work?.handle(event) else { return }
    for action in actions {
      switch action {
      case .open(let header): send(.open(header))
      case .send(let numbers):
        for number in numbers {
          guard let bytes = work?.chunk(number, on: pool) else { return }
          send(.chunk(UploadChunk(upload: upload, number: number)), payload: bytes)
        }
      case .close:
        if let trailer = work?.trailer { send(.close(trailer)) }
      case .finished:
        work = nil
        deliver(.uploaded(attempt))
      case .failed(let reason):
        work = nil
        deliver(.uploadRefused(attempt, reason: reason))
      }
    }
  }

  // MARK: Both

  func cancel(_ attempt: AttemptID) {
    feed(ModelFetch.Event.cancelled(attempt))
    if work?.attempt == attempt { work = nil }
  }

  func receive(_ delivery: BulkClient.Delivery) {
    switch delivery {
    case .message(let message, let payload): receive(message, payload: payload)
    case .linkLost: linkLost()
    case .linkRestored: linkRestored()
    }
  }

  private func receive(_ message: BulkToWorker, payload: Frame?) {
    KillPoint.reached(.worker, .afterReceive, message.kind)
    switch message {
    case .chunk(let chunk):
      feed(.chunkReceived(chunk, byteCount: payload?.count ?? 0, at: .now), payload: payload)
    case .unavailable(let unavailable): feed(.unavailable(unavailable))
    case .grant(let grant): feed(.granted(grant, at: .now))
    case .answer(let answer): feed(.answered(answer))
    }
  }

  private func linkLost() {
    feed(ModelFetch.Event.linkLost)
    feed(UploadSender.Event.linkLost)
  }

  private func linkRestored() {
    feed(ModelFetch.Event.linkRestored(at: .now))
    feed(UploadSender.Event.linkRestored(at: .now))
  }

  func tick() {
    feed(ModelFetch.Event.tick(at: .now))
    feed(UploadSender.Event.tick(at: .now))
  }

  private func send(_ message: BulkToCoordinator, payload: [UInt8]? = nil) {
    client.loop.post(to: client) { $0.send(message, payload: payload) }
  }
}
