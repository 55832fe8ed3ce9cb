import ClusterConfiguration
import Federation
import ModelRegistry
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

  private unowned let world: World
  private let index: Int
  private let life: Int
  /// Whose blobs are fetched.
  private var offer: RoundOffer?
  private var fetch = ModelFetch()
  private var blobs = ModelBlobs()
  private var work: UploadWork?
  /// Masks on each element of the upload.
  private var terms = 0
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
    [fetch.nextDeadline, work?.nextDeadline].compactMap { $0 }.min()
  }

  // MARK: Models

  func fetchModel(_ offer: RoundOffer) {
    self.offer = offer
    feed(.wanted(offer.attempt, offer.blobs, at: world.now))
  }

  /// An offered model, and the server's control variate if the offer names one; nil while a blob is missing.
  func model(of offer: RoundOffer) -> (model: [NamedTensor], control: [Float]?)? {
    blobs.tensors(of: offer.blobs).map { offer.split($0) }
  }

  private func feed(_ event: ModelFetch.Event, payload: [UInt8]? = nil) {
    let actions = fetch.handle(event)
    for claim in fetch.checkInvariants() { world.violated("download: \(claim)") }
    for action in actions {
      switch action {
      case .forget(let digest): blobs.forget(digest)
      case .begin: blobs.begin()
      case .request(let request): send(.request(request))
      case .write:
        if let payload { blobs.write(payload) }
      case .verify(let digest): feed(.verified(blobs.verify(digest), at: world.now))
      case .keep(let digest): blobs.keep(digest, sharing: &world.blobs)
      case .complete(let attempt, let references):
        guard let fetched = blobs.tensors(of: references) else {
          world.violated("a model is complete without its blobs")
          continue
        }
        guard let offer, offer.attempt == attempt else { continue }
        deliver(.modelHeld(attempt, modelDigest: ModelArtifact.modelDigest(of: offer.split(fetched).model)))
      case .unavailable(let attempt, let reason): deliver(.modelUnavailable(attempt, reason: reason))
      }
    }
  }

  // MARK: Uploads

  /// - Parameters:
  ///   - terms: masks on each element.
  ///   - deadline: after which nobody waits for the upload any more.
  ///   - time: when the driver hands it over.
  func start(_ source: UploadSource, terms: Int, deadline: Duration, at time: MonotonicTime) {
    _ = processor.take(world.costs.signature, at: time)
    self.terms = terms
    work = UploadWork(source, deadline: world.now + deadline)
    feed(UploadSender.Event.started(at: world.now))
  }

  private func feed(_ event: UploadSender.Event) {
    guard let attempt = work?.attempt, let actions = work?.handle(event) else { return }
    for action in actions {
      switch action {
      case .open(let header): send(.open(header))
      case .send(let numbers):
        let half = numbers.lowerBound..<(numbers.lowerBound + UInt64((numbers.count + 1) / 2))
        let end = sendChunks(half)
        if world.reached(.maskedInput, attempt, worker: index, at: end) {
          deliver(.doomed, at: end)
          return
        }
        sendChunks(half.upperBound..<numbers.upperBound)
      case .close:
        if let trailer = work?.trailer { send(.close(trailer), cost: world.costs.signature) }
      case .finished:
        work = nil
        deliver(.uploaded(attempt))
      case .failed(let reason):
        work = nil
        deliver(.uploadRefused(attempt, reason: reason))
      }
    }
  }

  @discardableResult
  private func sendChunks(_ numbers: Range<UInt64>) -> MonotonicTime {
    var end = world.now
    for number in numbers {
      guard let upload = work?.upload, let bytes = work?.chunk(number) else { return end }
      let cost = world.costs.masking(elements: bytes.count / 4, terms: terms)
      end = send(.chunk(UploadChunk(upload: upload, number: number)), payload: bytes, cost: cost)
    }
    return end
  }

  private func deliver(_ delivery: Delivery, at time: MonotonicTime) {
    world.schedule(.worker(index, life: life, .desk(delivery)), at: time)
  }

  // MARK: Both

  func cancel(_ attempt: AttemptID) {
    feed(ModelFetch.Event.cancelled(attempt))
    if work?.attempt == attempt { work = nil }
  }

  func receive(_ message: BulkToWorker, payload: [UInt8]?) {
    switch message {
    case .chunk(let chunk):
      feed(.chunkReceived(chunk, byteCount: payload?.count ?? 0, at: world.now), payload: payload)
    case .unavailable(let unavailable): feed(.unavailable(unavailable))
    case .grant(let grant): feed(.granted(grant, at: world.now))
    case .answer(let answer): feed(.answered(answer))
    }
  }

  func linkLost() {
    feed(ModelFetch.Event.linkLost)
    feed(UploadSender.Event.linkLost)
  }

  func linkRestored() {
    feed(ModelFetch.Event.linkRestored(at: world.now))
    feed(UploadSender.Event.linkRestored(at: world.now))
  }

  func tick() {
    feed(ModelFetch.Event.tick(at: world.now))
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
