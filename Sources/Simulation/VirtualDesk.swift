import Aggregation
import Federation
import Membership
import ModelRegistry
import Rounds
import SecureAggregation
import Transfer
import Wire

/// The coordinator's bulk side: serves blobs, takes uploads in under credit, adds inputs, opens the sum. The counterpart
/// of the cluster's `BulkDesk`, with memory for a spool.
final class VirtualDesk {
  /// What the driver hears.
  enum Delivery {
    case uploadOpened(InputHeader, from: WorkerID)
    case uploadCompleted(InputTrailer, payloadDigest: Digest, from: WorkerID)
    case inputRejected(from: WorkerID, upload: Digest, reason: String)
    case inputMeasured(RoundMetrics, from: WorkerID)
    case sumOpened(RoundSum.Opened)
    case sumRefused(reason: String)
    case failed(reason: String)
  }

  /// The chunks of one upload and their digests.
  private struct Spool: KeptInput {
    let header: InputHeader
    var chunks: [[UInt8]?]
    var digests: [Digest?]

    init(header: InputHeader, shape: UploadShape) {
      self.header = header
      chunks = Array(repeating: nil, count: Int(shape.totalChunks))
      digests = Array(repeating: nil, count: Int(shape.totalChunks))
    }

    mutating func write(_ bytes: [UInt8], number: UInt64, _ piece: UploadShape.Piece) {
      chunks[Int(number)] = bytes
      digests[Int(number)] = bytes.withUnsafeBytes { header.digest(of: piece, bytes: $0) }
    }

    func read(_ number: UInt64) -> [UInt8] { chunks[Int(number)] ?? [] }
    func read(_ number: UInt64, bytes: Range<Int>) -> [UInt8] { Array(read(number)[bytes]) }

    /// The digest over all chunks; nil while one is missing.
    var payloadDigest: Digest? {
      let all = digests.compactMap { $0 }
      return all.count == digests.count ? ChunkDigests.payload(all) : nil
    }
  }

  private unowned let world: World
  private let store: MemoryModelStore
  /// Of the coordinator's process.
  private let life: Int
  private var intake = UploadIntake<LinkID>()
  /// Of the attempt in hand, or the last.
  private var upload: Digest?
  /// By upload: one, several on models of different age, or one of each group of a cohort.
  private var sums: [Digest: RoundSum] = [:]
  /// The upload of each worker's attempt.
  private var uploads: [WorkerID: Digest] = [:]
  private var spools: [WorkerID: Spool] = [:]
  /// Those in the sum whose content is needed again when it opens.
  private var kept: [WorkerID: Spool] = [:]
  /// Of the version that the next offers train on.
  private var control: ControlBlob?
  private var processor = Processor()
  private var copies: [BlobChunk: [UInt8]] = [:]
  private static let copiesMax = 64

  init(world: World, store: MemoryModelStore, life: Int) {
    self.world = world
    self.store = store
    self.life = life
  }

  private func deliver(_ delivery: Delivery, at time: MonotonicTime? = nil) {
    world.schedule(.coordinator(.desk(delivery), life: life), at: time ?? world.now)
  }

  // MARK: From the network

  func receive(_ message: BulkToCoordinator, payload: [UInt8]?, from worker: WorkerID, index: Int, connection: UInt32) {
    let link = LinkID(worker: index, socket: .bulk, connection: connection)
    switch message {
    case .request(let request): answer(request, to: link)
    case .open(let header): feed(.opened(header, from: worker, link: link, at: world.now))
    case .chunk(let chunk):
      guard let payload else { return }
      feed(.chunkReceived(chunk, byteCount: payload.count, from: worker, at: world.now), payload: payload)
    case .close(let trailer): feed(.closed(trailer, from: worker, link: link, at: world.now))
    }
  }

  private func answer(_ request: BlobRequest, to link: LinkID) {
    let isControl = control?.reference.tensor.digest == request.digest
    let forged = world.malice.coordinator?.blobs[request.digest]
    let bytes = isControl ? control?.bytes : forged ?? (try? store.blob(request.digest))
    switch BlobService.answer(request, blobBytes: bytes.map { UInt64($0.count) }) {
    case .send(let pieces):
      guard let bytes else { return }
      for piece in pieces { send(.chunk(piece.chunk), payload: copy(of: piece, from: bytes), to: link) }
    case .unavailable(let unavailable): send(.unavailable(unavailable), to: link)
    case .ignore(let fault): world.note("coordinator", "ignored", ["kind": "blobRequest", "why": .text("\(fault)")])
    }
  }

  /// One copy of a piece serves everyone who asks for it soon.
  private func copy(of piece: BlobService.Piece, from bytes: [UInt8]) -> [UInt8] {
    if let known = copies[piece.chunk], known.count == piece.byteCount { return known }
    if copies.count >= Self.copiesMax { copies = [:] }
    let start = Int(piece.chunk.offset)
    let copy = Array(bytes[start..<start + piece.byteCount])
    copies[piece.chunk] = copy
    return copy
  }

  // MARK: From the driver

  func serve(_ control: ControlBlob?) { self.control = control }

  func openUploads(_ plan: RunStateMachine.UploadPlan) {
    for upload in sums.keys.sorted() where !plan.beside.contains(upload) { forget(upload) }
    upload = plan.upload
    for worker in plan.workers { uploads[worker] = plan.upload }
    kept = [:]
    feed(.planned(upload: plan.upload, vectors: plan.vectors, workers: plan.workers, at: world.now))
    do {
      sums[plan.upload] = try RoundSum(plan)
      world.checkers.sum.opened(plan)
    } catch {
      deliver(.failed(reason: "no sum can be kept: \(error)"))
    }
  }

  func admit(_ worker: WorkerID, to upload: Digest) {
    uploads[worker] = upload
    feed(.admitted(worker, upload: upload, at: world.now))
  }

  func accept(_ worker: WorkerID) { feed(.accepted(worker, at: world.now)) }

  func refuse(_ worker: WorkerID, reason: String) { feed(.refused(worker, reason: reason, at: world.now)) }

  func add(_ worker: WorkerID) { feed(.counted(worker)) }

  /// No further input counts; the sum stays until it is opened.
  func closeUploads() {
    for upload in sums.keys.sorted() { feed(.planEnded(upload: upload, at: world.now)) }
  }

  /// No further input of this upload counts; those beside it go on.
  func closeUpload(_ upload: Digest) { feed(.planEnded(upload: upload, at: world.now)) }

  private func forget(_ upload: Digest) {
    feed(.planEnded(upload: upload, at: world.now))
    uploads = uploads.filter { $0.value != upload }
    sums[upload] = nil
  }

  func open(_ order: UnmaskingOrder, rosterCount: Int) {
    let done = processor.take(world.costs.unmasking(order, rosterCount: rosterCount), at: world.now)
    do {
      guard let upload, let sum = sums[upload] else { return }
      let opened = try sum.open(order, rosterCount: rosterCount)
      let roster = world.checkers.frames.roster(order.transcript)
      for claim in world.checkers.sum.opened(opened, order: order, roster: roster) {
        if !world.explains(claim) { world.violated(claim) }
      }
      deliver(.sumOpened(opened), at: done)
    } catch {
      deliver(.failed(reason: "cannot open the sum: \(error)"))
    }
    forgetSum()
  }

  private func forgetSum() {
    if let upload { forget(upload) }
    kept = [:]
  }

  func open(_ order: GroupsOrder) {
    var done = world.now
    for group in order.groups {
      done = processor.take(world.costs.unmasking(group.unmasking, rosterCount: group.rosterCount), at: world.now)
    }
    do {
      let sums = order.groups.compactMap { self.sums[$0.upload] }
      guard sums.count == order.groups.count else {
        return world.violated("a cohort is opened with a group that has no sum")
      }
      let opened = try RoundSum.open(order, sums: sums)
      for claim in world.checkers.sum.opened(opened, order: order, rosters: world.checkers.frames.roster) {
        world.violated(claim)
      }
      deliver(.sumOpened(opened), at: done)
    } catch let error as AggregationError {
      deliver(.sumRefused(reason: error.description), at: done)
    } catch {
      deliver(.failed(reason: "cannot open the sums of the groups: \(error)"))
    }
    for group in order.groups { forget(group.upload) }
  }

  /// The sums of the groups are empty then, and take what comes for the next buffer.
  func open(_ order: BufferOrder) {
    do {
      let groups = order.groups.compactMap { group in sums[group.upload].map { (sum: $0, group: group) } }
      guard groups.count == order.groups.count else {
        return world.violated("a buffer is opened with a group that has no sum")
      }
      let opened = try RoundSum.open(groups)
      for claim in world.checkers.sum.opened(buffer: opened) { world.violated(claim) }
      deliver(.sumOpened(opened))
    } catch let error as AggregationError {
      deliver(.sumRefused(reason: error.description))
    } catch {
      deliver(.failed(reason: "cannot open the buffer: \(error)"))
    }
    guard world.plantedBug != .bufferKept else { return }
    for group in order.groups { sums[group.upload]?.empty() }
  }

  func openPlain() {
    do {
      guard let upload, let sum = sums[upload] else { return }
      let opened = try sum.openPlain(keeping: kept)
      for claim in world.checkers.sum.opened(plain: opened) { world.violated(claim) }
      deliver(.sumOpened(opened))
    } catch let error as AggregationError {
      deliver(.sumRefused(reason: error.description))
    } catch {
      deliver(.failed(reason: "cannot open the sum: \(error)"))
    }
    forgetSum()
  }

  func lost(_ worker: WorkerID) { feed(.lost(worker, at: world.now)) }

  func tick() { feed(.tick(at: world.now)) }

  // MARK: Actions

  private func feed(_ event: UploadIntake<LinkID>.Event, payload: [UInt8]? = nil) {
    let actions = intake.handle(event)
    if world.checksPopulation {
      for claim in intake.checkInvariants() { world.violated("upload intake: \(claim)") }
    }
    for action in actions { perform(action, payload: payload) }
  }

  private func perform(_ action: UploadIntake<LinkID>.Action, payload: [UInt8]?) {
    switch action {
    case .grant(let grant, let link): send(.grant(grant), to: link)
    case .answer(let answer, let link): send(.answer(answer), to: link)
    case .openSpool(let worker, let header, let shape): spools[worker] = Spool(header: header, shape: shape)
    case .store(let worker, let number, let piece):
      if let payload { spools[worker]?.write(payload, number: number, piece) }
    case .verify(let worker): verify(worker)
    case .add(let worker, let header): addInput(of: worker, header)
    case .freeSpool(let worker): spools[worker] = nil
    case .uploadOpened(let header, let worker): deliver(.uploadOpened(header, from: worker))
    case .uploadCompleted(let trailer, let payloadDigest, let worker):
      deliver(.uploadCompleted(trailer, payloadDigest: payloadDigest, from: worker))
    case .inputRejected(let worker, let reason):
      if let upload = uploads[worker] { deliver(.inputRejected(from: worker, upload: upload, reason: reason)) }
    case .chunkRefused(let worker, let number, let why):
      world.note(
        "coordinator", "chunkRefused",
        ["worker": .text(worker.text), "number": .number(number), "why": .text("\(why)")])
    }
  }

  private func verify(_ worker: WorkerID) {
    guard let spool = spools[worker], let payload = spool.payloadDigest else {
      return world.violated("an upload of \(worker) is complete without all its chunks")
    }
    do {
      if let metrics = try sums[spool.header.transcript]?.check(from: worker, chunk: { spool.read($0) }) {
        deliver(.inputMeasured(metrics, from: worker))
      }
    } catch {
      return feed(.broken(worker, reason: "\(error)", at: world.now))
    }
    feed(.verified(worker, payloadDigest: payload))
  }

  private func addInput(of worker: WorkerID, _ header: InputHeader) {
    let upload = header.transcript
    guard let spool = spools[worker], var sum = sums.removeValue(forKey: upload) else { return }
    let isAltered = world.altersInput(of: worker)
    do {
      for _ in 0..<(world.plantedBug == .inputAddedTwice(worker) ? 2 : 1) {
        try sum.add(from: worker) { number in
          var bytes = spool.read(number)
          if number == 0, isAltered, !bytes.isEmpty { bytes[0] ^= 1 }
          return bytes
        }
      }
      if sum.keepsInputs { kept[worker] = spool }
    } catch {
      deliver(.failed(reason: "cannot add the input of \(worker): \(error)"))
    }
    sums[upload] = sum
    if let claim = world.checkers.sum.added(header.transcript, from: worker) { world.violated(claim) }
    let elements = header.vectors.reduce(0) { $0 + Int($1.count) }
    _ = processor.take(world.costs.masking(elements: elements, terms: 1), at: world.now)
  }

  /// Bulk messages leave when the desk has done what came before.
  private func send(_ message: BulkToWorker, payload: [UInt8]? = nil, to link: LinkID) {
    guard let (worker, connection) = link.virtual else { return }
    world.schedule(
      .coordinator(.sendBulk(message, payload: payload, worker: worker, connection: connection), life: life),
      at: processor.take(.zero, at: world.now))
  }
}
