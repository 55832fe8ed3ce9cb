import Aggregation
import Federation
import GradientKernel
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
    case sumRefused(reason: String)
    case failed(reason: String)
  }

  nonisolated let thread: ComputeThread
  nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

  private let server: BulkServer
  private let store: DirectoryModelStore
  private let spoolDirectory: String
  private let logger: Logger
  private let backlog: PeerBacklog
  private let deliver: @Sendable (Delivery) -> Void
  /// Opens sums.
  private let pool: ThreadPool
  private var intake: UploadIntake<RoutingID>
  private var shelf = BlobShelf()
  private var sum: RoundSum?
  private var spools: [WorkerID: Spool] = [:]
  /// Those in the sum whose content is needed again when it opens.
  private var kept: [WorkerID: Spool] = [:]

  init(
    thread: ComputeThread, server: BulkServer, store: DirectoryModelStore, spoolDirectory: String,
    limits: UploadPool.Limits, threads: Int, backlog: PeerBacklog, logger: Logger,
    deliver: @escaping @Sendable (Delivery) -> Void
  ) {
    self.thread = thread
    self.server = server
    self.store = store
    self.spoolDirectory = spoolDirectory
    self.backlog = backlog
    self.logger = logger
    self.deliver = deliver
    intake = UploadIntake(limits: limits)
    pool = ThreadPool(threads: threads, flushesSubnormals: false)
  }

  // MARK: From the socket

  func receive(_ delivery: BulkServer.Delivery) {
    backlog.taken(delivery.worker, bytes: delivery.byteCount)
    KillPoint.reached(.coordinator, .afterReceive, delivery.message.kind)
    switch delivery.message {
    case .request(let request): answer(request, to: delivery.link)
    case .open(let header): feed(.opened(header, from: delivery.worker, link: delivery.link, at: .now))
    case .chunk(let chunk):
      guard let payload = delivery.payload else { return }
      feed(
        .chunkReceived(chunk, byteCount: payload.count, from: delivery.worker, at: .now), payload: payload)
    case .close(let trailer): feed(.closed(trailer, from: delivery.worker, link: delivery.link, at: .now))
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

  // MARK: From the driver

  func openUploads(_ plan: RunStateMachine.UploadPlan) {
    kept = [:]
    feed(.planned(upload: plan.upload, vectors: plan.vectors, workers: plan.workers, at: .now))
    do {
      sum = try RoundSum(plan)
    } catch {
      deliver(.failed(reason: "no sum can be kept: \(error)"))
    }
  }

  func accept(_ worker: WorkerID) { feed(.accepted(worker, at: .now)) }

  func refuse(_ worker: WorkerID, reason: String) { feed(.refused(worker, reason: reason, at: .now)) }

  func add(_ worker: WorkerID) { feed(.counted(worker)) }

  /// No further input counts; the sum stays until it is opened.
  func closeUploads() { feed(.planEnded(at: .now)) }

  func open(_ order: UnmaskingOrder, rosterCount: Int) {
    do {
      guard let sum else { return }
      deliver(.sumOpened(try sum.open(order, rosterCount: rosterCount, on: pool)))
    } catch {
      deliver(.failed(reason: "cannot open the sum: \(error)"))
    }
    sum = nil
  }

  func openPlain() {
    do {
      guard let sum else { return }
      deliver(.sumOpened(try sum.openPlain(keeping: kept)))
    } catch let error as AggregationError {
      deliver(.sumRefused(reason: error.description))
    } catch {
      deliver(.failed(reason: "cannot open the sum: \(error)"))
    }
    sum = nil
    kept = [:]
  }

  func lost(_ worker: WorkerID) { feed(.lost(worker, at: .now)) }

  func tick() { feed(.tick(at: .now)) }

  // MARK: Actions

  private func feed(_ event: UploadIntake<RoutingID>.Event, payload: Frame? = nil) {
    for action in intake.handle(event) {
      do {
        try perform(action, payload: payload)
      } catch {
        // What depends on a spool that failed must not happen.
        return deliver(.failed(reason: "\(error)"))
      }
    }
  }

  private func perform(_ action: UploadIntake<RoutingID>.Action, payload: Frame?) throws(FileError) {
    switch action {
    case .grant(let grant, let link): send(.grant(grant), to: link)
    case .answer(let answer, let link): send(.answer(answer), to: link)
    case .openSpool(let worker, let header, let shape):
      spools[worker] = try Spool(header: header, shape: shape, directory: spoolDirectory)
    case .store(let worker, let number, let piece):
      if let payload { try spools[worker]?.write(payload, number: number, piece) }
    case .verify(let worker): verify(worker)
    case .add(let worker, _): addInput(of: worker)
    case .freeSpool(let worker): spools[worker] = nil
    case .uploadOpened(let header, let worker): deliver(.uploadOpened(header, from: worker))
    case .uploadCompleted(let trailer, let payloadDigest, let worker):
      deliver(.uploadCompleted(trailer, payloadDigest: payloadDigest, from: worker))
    case .inputRejected(let worker, let reason): deliver(.inputRejected(from: worker, reason: reason))
    case .chunkRefused(let worker, let number, let why):
      logger.warning("chunk refused", metadata: ["worker": "\(worker)", "number": "\(number)", "why": "\(why)"])
    }
  }

  private func verify(_ worker: WorkerID) {
    guard let spool = spools[worker], let payload = spool.payloadDigest else { return }
    do {
      try sum?.check(from: worker) { try spool.read($0) }
    } catch {
      return feed(.broken(worker, reason: "\(error)", at: .now))
    }
    feed(.verified(worker, payloadDigest: payload))
  }

  private func addInput(of worker: WorkerID) {
    guard let spool = spools[worker], var sum else { return }
    self.sum = nil
    do {
      try sum.add(from: worker) { try spool.read($0) }
      if sum.keepsInputs { kept[worker] = spool }
    } catch {
      deliver(.failed(reason: "cannot add the input of \(worker): \(error)"))
    }
    self.sum = sum
  }

  private func send(_ message: BulkToWorker, payload: Frame? = nil, to link: RoutingID) {
    server.loop.post(to: server) { $0.send(message, payload: payload, to: link) }
  }
}
