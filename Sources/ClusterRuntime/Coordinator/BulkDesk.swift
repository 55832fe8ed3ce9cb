import Federation
import Logging
import ModelRegistry
import Rounds
import SecureAggregation
import Transfer
import Wire
import ZeroMQ

/// Everything of the bulk socket that takes time: reading blobs, hashing and spooling chunks, adding inputs, opening the
/// sum. Runs on a compute thread of its own.
actor BulkDesk {
  /// What the driver hears.
  enum Delivery: Sendable {
    case uploadOpened(InputHeader, from: WorkerID)
    case uploadCompleted(InputTrailer, payloadDigest: Digest, from: WorkerID)
    case inputRejected(from: WorkerID, reason: String)
    case sumOpened(RoundSum.Opened)
    case failed(reason: String)
  }

  private struct Incoming {
    let header: InputHeader
    let shape: UploadShape
    var link: RoutingID
    var spool: Spool?
    /// The trailer was handed to the driver.
    var isClosed = false
    /// The input is in the sum.
    var isAdded = false
  }

  nonisolated let thread: ComputeThread
  nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

  private let server: BulkServer
  private let store: DirectoryModelStore
  private let spoolDirectory: String
  private let logger: Logger
  private let backlog: PeerBacklog
  private let deliver: @Sendable (Delivery) -> Void
  private var pool: UploadPool
  private var shelf = BlobShelf()
  private var plan: RunStateMachine.UploadPlan?
  private var sum: RoundSum?
  private var incoming: [WorkerID: Incoming] = [:]

  init(
    thread: ComputeThread, server: BulkServer, store: DirectoryModelStore, spoolDirectory: String,
    limits: UploadPool.Limits, backlog: PeerBacklog, logger: Logger, deliver: @escaping @Sendable (Delivery) -> Void
  ) {
    self.thread = thread
    self.server = server
    self.store = store
    self.spoolDirectory = spoolDirectory
    self.backlog = backlog
    self.logger = logger
    self.deliver = deliver
    pool = UploadPool(limits: limits)
  }

  // MARK: From the socket

  func receive(_ delivery: BulkServer.Delivery) {
    backlog.taken(delivery.worker, bytes: delivery.byteCount)
    switch delivery.message {
    case .request(let request): answer(request, to: delivery.link)
    case .open(let header): opened(header, from: delivery.worker, link: delivery.link)
    case .chunk(let chunk):
      guard let payload = delivery.payload else { return }
      received(chunk, payload, from: delivery.worker)
    case .close(let trailer): closed(trailer, from: delivery.worker, link: delivery.link)
    }
  }

  private func answer(_ request: BlobRequest, to link: RoutingID) {
    switch shelf.answer(request, read: { try? store.blob($0) }) {
    case .send(let pieces):
      for piece in pieces { send(.chunk(piece.chunk), payload: piece.payload, to: link) }
    case .unavailable(let unavailable): send(.unavailable(unavailable), to: link)
    case .ignore(let fault):
      logger.warning("blob request ignored", metadata: ["digest": "\(request.digest.short)", "fault": "\(fault)"])
    }
  }

  private func opened(_ header: InputHeader, from worker: WorkerID, link: RoutingID) {
    guard let plan, header.transcript == plan.upload, plan.workers.contains(worker) else {
      send(.answer(UploadAnswer(upload: header.transcript, refusal: "not counted")), to: link)
      return
    }
    if var known = incoming[worker], known.header == header {
      known.link = link
      incoming[worker] = known
      // Without a spool the driver has not decided yet: it opens the pool.
      if known.spool != nil || known.isAdded { perform(pool.handle(.opened(key(worker), known.shape, at: .now))) }
      return
    }
    guard header.vectors == plan.vectors, let shape = UploadShape(header.vectors) else {
      send(.answer(UploadAnswer(upload: header.transcript, refusal: "other vectors than the attempt has")), to: link)
      return
    }
    incoming[worker] = Incoming(header: header, shape: shape, link: link)
    deliver(.uploadOpened(header, from: worker))
  }

  private func received(_ chunk: UploadChunk, _ payload: Frame, from worker: WorkerID) {
    guard let plan, chunk.upload == plan.upload, let upload = incoming[worker] else { return }
    let actions = pool.handle(
      .chunkReceived(key(worker), number: chunk.number, byteCount: payload.count, at: .now))
    for action in actions {
      guard case .deliver(_, let number, let piece) = action else { continue }
      payload.withUnsafeBytes { bytes in
        let digest = ChunkDigests.chunk(
          transcript: upload.header.transcript, worker: upload.header.worker,
          vector: upload.header.vectors[piece.vector].id, index: Int(piece.index), bytes: bytes)
        do {
          try upload.spool?.write(bytes, number: number, digest: digest)
        } catch {
          deliver(.failed(reason: "\(error)"))
        }
      }
    }
    perform(actions)
  }

  private func closed(_ trailer: InputTrailer, from worker: WorkerID, link: RoutingID) {
    guard let plan, trailer.transcript == plan.upload, var upload = incoming[worker] else {
      send(.answer(UploadAnswer(upload: trailer.transcript, refusal: "not counted")), to: link)
      return
    }
    upload.link = link
    incoming[worker] = upload
    // The pool knows whether a chunk is missing, and then grants it again instead of finishing.
    perform(pool.handle(.closed(key(worker), at: .now)))
    guard !upload.isClosed, let spool = upload.spool, let payload = spool.payloadDigest else { return }
    do {
      try sum?.check(from: worker) { try spool.read($0) }
    } catch {
      refuse(worker, reason: "\(error)")
      deliver(.inputRejected(from: worker, reason: "\(error)"))
      return
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
    } catch {
      deliver(.failed(reason: "no sum can be kept: \(error)"))
    }
  }

  func accept(_ worker: WorkerID) {
    guard var upload = incoming[worker] else { return }
    do {
      if upload.spool == nil { upload.spool = try Spool(shape: upload.shape, directory: spoolDirectory) }
      incoming[worker] = upload
      perform(pool.handle(.opened(key(worker), upload.shape, at: .now)))
    } catch {
      deliver(.failed(reason: "\(error)"))
    }
  }

  func refuse(_ worker: WorkerID, reason: String) {
    guard let upload = incoming.removeValue(forKey: worker) else { return }
    send(.answer(UploadAnswer(upload: upload.header.transcript, refusal: reason)), to: upload.link)
  }

  /// Adds a completed input and frees its spool.
  func add(_ worker: WorkerID) {
    guard let upload = incoming[worker], let spool = upload.spool, var sum else { return }
    self.sum = nil
    do {
      try sum.add(from: worker) { try spool.read($0) }
    } catch {
      deliver(.failed(reason: "cannot add the input of \(worker): \(error)"))
    }
    self.sum = sum
    incoming[worker]?.spool = nil
    incoming[worker]?.isAdded = true
    send(.answer(UploadAnswer(upload: upload.header.transcript, refusal: "")), to: upload.link)
  }

  /// No further input counts; the sum stays until it is opened.
  func closeUploads() {
    if let plan { perform(pool.handle(.cancelled(upload: plan.upload, at: .now))) }
    incoming = [:]
    plan = nil
  }

  func open(_ order: UnmaskingOrder, rosterCount: Int) {
    do {
      guard let sum else { return }
      deliver(.sumOpened(try sum.open(order, rosterCount: rosterCount)))
    } catch {
      deliver(.failed(reason: "cannot open the sum: \(error)"))
    }
    sum = nil
  }

  func openPlain() {
    do {
      guard let sum else { return }
      deliver(.sumOpened(try sum.openPlain()))
    } catch {
      deliver(.failed(reason: "cannot open the sum: \(error)"))
    }
    sum = nil
  }

  func lost(_ worker: WorkerID) { perform(pool.handle(.lost(worker, at: .now))) }

  func tick() { perform(pool.handle(.tick(at: .now))) }

  // MARK: Actions

  private func key(_ worker: WorkerID) -> UploadKey {
    UploadKey(upload: plan?.upload ?? Digest(unchecked: Array(repeating: 0, count: 32)), worker: worker)
  }

  private func perform(_ actions: [UploadPool.Action]) {
    for action in actions {
      switch action {
      case .grant(let key, let grant):
        if let link = incoming[key.worker]?.link { send(.grant(grant), to: link) }
      case .repeatAnswer(let key):
        // Silence until the driver has decided: the answer is sent then.
        if let upload = incoming[key.worker], upload.isAdded {
          let link = upload.link
          send(.answer(UploadAnswer(upload: key.upload, refusal: "")), to: link)
        }
      case .refuse(let key, let refusal):
        refuse(key.worker, reason: refusal.description)
        deliver(.inputRejected(from: key.worker, reason: refusal.description))
      case .refuseChunk(let key, let number, let why):
        logger.warning(
          "chunk refused", metadata: ["worker": "\(key.worker)", "number": "\(number)", "why": "\(why)"])
      case .deliver, .ignoreDuplicate, .finished: break
      }
    }
  }

  private func send(_ message: BulkToWorker, payload: Frame? = nil, to link: RoutingID) {
    server.loop.post(to: server) { $0.send(message, payload: payload, to: link) }
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
