import Federation
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
    case inputRejected(from: WorkerID, reason: String)
    case sumOpened(RoundSum.Opened)
    case failed(reason: String)
  }

  private struct Incoming {
    let header: InputHeader
    let shape: UploadShape
    var connection: UInt32
    var chunks: [[UInt8]?]
    var digests: [Digest?]
    /// The driver lets it in.
    var isAccepted = false
    /// The trailer was handed to the driver.
    var isClosed = false
    /// The input is in the sum.
    var isAdded = false

    var payloadDigest: Digest? {
      let all = digests.compactMap { $0 }
      return all.count == digests.count ? ChunkDigests.payload(all) : nil
    }
  }

  private unowned let world: World
  private let store: MemoryModelStore
  private var pool = UploadPool(limits: UploadPool.Limits())
  private var plan: RunStateMachine.UploadPlan?
  private var sum: RoundSum?
  private var incoming: [WorkerID: Incoming] = [:]
  private var processor = Processor()

  init(world: World, store: MemoryModelStore) {
    self.world = world
    self.store = store
  }

  private func deliver(_ delivery: Delivery, at time: MonotonicTime? = nil) {
    world.schedule(.coordinator(.desk(delivery)), at: time ?? world.now)
  }

  // MARK: From the network

  func receive(_ message: BulkToCoordinator, payload: [UInt8]?, from worker: WorkerID, index: Int, connection: UInt32) {
    switch message {
    case .request(let request): answer(request, to: index, connection)
    case .open(let header): opened(header, from: worker, index, connection)
    case .chunk(let chunk):
      if let payload { received(chunk, payload, from: worker) }
    case .close(let trailer): closed(trailer, from: worker, index, connection)
    }
    check()
  }

  private func answer(_ request: BlobRequest, to index: Int, _ connection: UInt32) {
    let bytes = try? store.blob(request.digest)
    switch BlobService.answer(request, blobBytes: bytes.map { UInt64($0.count) }) {
    case .send(let pieces):
      guard let bytes else { return }
      for piece in pieces {
        let start = Int(piece.chunk.offset)
        send(.chunk(piece.chunk), payload: Array(bytes[start..<start + piece.byteCount]), to: index, connection)
      }
    case .unavailable(let unavailable): send(.unavailable(unavailable), to: index, connection)
    case .ignore(let fault): world.note("coordinator", "ignored", ["kind": "blobRequest", "why": .text("\(fault)")])
    }
  }

  private func opened(_ header: InputHeader, from worker: WorkerID, _ index: Int, _ connection: UInt32) {
    guard let plan, header.transcript == plan.upload, plan.workers.contains(worker) else {
      return send(.answer(UploadAnswer(upload: header.transcript, refusal: "not counted")), to: index, connection)
    }
    if var known = incoming[worker], known.header == header {
      known.connection = connection
      incoming[worker] = known
      // Until the driver lets it in, the pool knows nothing of it.
      if known.isAccepted { perform(pool.handle(.opened(key(worker), known.shape, at: world.now))) }
      return
    }
    guard header.vectors == plan.vectors, let shape = UploadShape(header.vectors) else {
      return send(
        .answer(UploadAnswer(upload: header.transcript, refusal: "other vectors than the attempt has")), to: index,
        connection)
    }
    let count = Int(shape.totalChunks)
    incoming[worker] = Incoming(
      header: header, shape: shape, connection: connection, chunks: Array(repeating: nil, count: count),
      digests: Array(repeating: nil, count: count))
    deliver(.uploadOpened(header, from: worker))
  }

  private func received(_ chunk: UploadChunk, _ payload: [UInt8], from worker: WorkerID) {
    guard let plan, chunk.upload == plan.upload, let upload = incoming[worker] else { return }
    let actions = pool.handle(
      .chunkReceived(key(worker), number: chunk.number, byteCount: payload.count, at: world.now))
    for action in actions {
      guard case .deliver(_, let number, let piece) = action else { continue }
      incoming[worker]?.chunks[Int(number)] = payload
      incoming[worker]?.digests[Int(number)] = ChunkDigests.chunk(
        transcript: upload.header.transcript, worker: upload.header.worker,
        vector: upload.header.vectors[piece.vector].id, index: Int(piece.index), bytes: payload)
    }
    perform(actions)
  }

  private func closed(_ trailer: InputTrailer, from worker: WorkerID, _ index: Int, _ connection: UInt32) {
    guard let plan, trailer.transcript == plan.upload, var upload = incoming[worker] else {
      return send(.answer(UploadAnswer(upload: trailer.transcript, refusal: "not counted")), to: index, connection)
    }
    upload.connection = connection
    incoming[worker] = upload
    // The pool knows whether a chunk is missing, and then grants it again instead of finishing.
    perform(pool.handle(.closed(key(worker), at: world.now)))
    guard !upload.isClosed, let payload = upload.payloadDigest else { return }
    do {
      try sum?.check(from: worker) { upload.chunks[Int($0)] ?? [] }
    } catch {
      refuse(worker, reason: "\(error)")
      return deliver(.inputRejected(from: worker, reason: "\(error)"))
    }
    incoming[worker]?.isClosed = true
    deliver(.uploadCompleted(trailer, payloadDigest: payload, from: worker))
  }

  // MARK: From the driver

  func openUploads(_ plan: RunStateMachine.UploadPlan) {
    closeUploads()
    self.plan = plan
    do {
      sum = try RoundSum(plan)
      world.checkers.sum.opened(plan)
    } catch {
      deliver(.failed(reason: "no sum can be kept: \(error)"))
    }
  }

  func accept(_ worker: WorkerID) {
    guard let upload = incoming[worker] else { return }
    incoming[worker]?.isAccepted = true
    perform(pool.handle(.opened(key(worker), upload.shape, at: world.now)))
    check()
  }

  func refuse(_ worker: WorkerID, reason: String) {
    guard let upload = incoming.removeValue(forKey: worker) else { return }
    send(
      .answer(UploadAnswer(upload: upload.header.transcript, refusal: reason)), to: world.index(of: worker),
      upload.connection)
  }

  /// Adds a completed input and frees its chunks.
  func add(_ worker: WorkerID) {
    guard let upload = incoming[worker], var sum else { return }
    self.sum = nil
    do {
      for _ in 0..<(world.plantedBug == .inputAddedTwice(worker) ? 2 : 1) {
        try sum.add(from: worker) { upload.chunks[Int($0)] ?? [] }
      }
    } catch {
      deliver(.failed(reason: "cannot add the input of \(worker): \(error)"))
    }
    self.sum = sum
    if let claim = world.checkers.sum.added(upload.header.transcript, from: worker) { world.violated(claim) }
    let elements = upload.header.vectors.reduce(0) { $0 + Int($1.count) }
    _ = processor.take(world.costs.masking(elements: elements, terms: 1), at: world.now)
    incoming[worker]?.chunks = []
    incoming[worker]?.isAdded = true
    send(
      .answer(UploadAnswer(upload: upload.header.transcript, refusal: "")), to: world.index(of: worker),
      upload.connection)
  }

  /// No further input counts; the sum stays until it is opened.
  func closeUploads() {
    if let plan { perform(pool.handle(.cancelled(upload: plan.upload, at: world.now))) }
    incoming = [:]
    plan = nil
  }

  func open(_ order: UnmaskingOrder, rosterCount: Int) {
    let done = processor.take(world.costs.unmasking(order), at: world.now)
    do {
      guard let sum else { return }
      let opened = try sum.open(order, rosterCount: rosterCount)
      let roster = world.checkers.frames.roster(order.transcript)
      for claim in world.checkers.sum.opened(opened, order: order, roster: roster) { world.violated(claim) }
      deliver(.sumOpened(opened), at: done)
    } catch {
      deliver(.failed(reason: "cannot open the sum: \(error)"))
    }
    sum = nil
  }

  func openPlain() {
    do {
      guard let sum else { return }
      let opened = try sum.openPlain()
      for claim in world.checkers.sum.opened(plain: opened) { world.violated(claim) }
      deliver(.sumOpened(opened))
    } catch {
      deliver(.failed(reason: "cannot open the sum: \(error)"))
    }
    sum = nil
  }

  func lost(_ worker: WorkerID) {
    perform(pool.handle(.lost(worker, at: world.now)))
    check()
  }

  func tick() {
    perform(pool.handle(.tick(at: world.now)))
    check()
  }

  // MARK: Actions

  private func key(_ worker: WorkerID) -> UploadKey {
    UploadKey(upload: plan?.upload ?? Digest(unchecked: Array(repeating: 0, count: 32)), worker: worker)
  }

  private func perform(_ actions: [UploadPool.Action]) {
    for action in actions {
      switch action {
      case .grant(let key, let grant):
        if let upload = incoming[key.worker] { send(.grant(grant), to: world.index(of: key.worker), upload.connection) }
      case .repeatAnswer(let key):
        // Silence until the driver has decided: the answer is sent then.
        if let upload = incoming[key.worker], upload.isAdded {
          send(
            .answer(UploadAnswer(upload: key.upload, refusal: "")), to: world.index(of: key.worker), upload.connection)
        }
      case .refuse(let key, let refusal):
        refuse(key.worker, reason: refusal.description)
        deliver(.inputRejected(from: key.worker, reason: refusal.description))
      case .refuseChunk(let key, let number, let why):
        world.note(
          "coordinator", "chunkRefused",
          ["worker": .text(key.worker.text), "number": .number(number), "why": .text("\(why)")])
      case .deliver, .ignoreDuplicate, .finished: break
      }
    }
  }

  /// Bulk messages leave when the desk has done what came before.
  private func send(_ message: BulkToWorker, payload: [UInt8]? = nil, to index: Int, _ connection: UInt32) {
    world.schedule(
      .coordinator(.sendBulk(message, payload: payload, worker: index, connection: connection)),
      at: processor.take(.zero, at: world.now))
  }

  private func check() {
    for claim in pool.checkInvariants() { world.violated("upload pool: \(claim)") }
  }
}

extension UploadShape {
  /// The shape of an input with these vectors; nil if it is out of bounds.
  init?(_ vectors: [VectorSpecification]) {
    self.init(
      vectors.map {
        Vector(elementCount: $0.count, elementBytes: $0.laneByteCount, chunkElements: $0.chunkElements)
      })
  }
}
