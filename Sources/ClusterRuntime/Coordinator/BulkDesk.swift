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
/// sums. Runs on a compute thread of its own.
///
/// One attempt of each run at a time, several on models of different age in an asynchronous run, or one for each group of a
/// divided cohort; all of them share one pool of credit, and no worker is in two of them.
actor BulkDesk {
  /// What the driver hears.
  enum Delivery: Sendable {
    case ofAttempt(RunID, upload: Digest, News)
    /// What is on disk under this digest does not have it.
    case blobDamaged(Digest, reason: String)
  }

  enum News: Sendable {
    case uploadOpened(InputHeader, from: WorkerID)
    case uploadCompleted(InputTrailer, payloadDigest: Digest, from: WorkerID)
    case inputRejected(from: WorkerID, reason: String)
    case inputMeasured(RoundMetrics, from: WorkerID)
    case sumOpened(RoundSum.Opened)
    case sumRefused(reason: String)
    /// The attempt cannot go on: the disk does not take or give what it needs.
    case diskFailed(reason: String)
    case failed(reason: String)
  }

  /// The uploads of one attempt, and their sum.
  private struct Attempt {
    let run: RunID
    var sum: RoundSum?
    /// Those in the sum whose content is needed again when it opens.
    var kept: [WorkerID: Spool] = [:]
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
  private var downloads: DownloadDesk
  /// Of the version that each run in hand trains on; those of other versions nobody may train with.
  private var controls: [RunID: ControlBlob] = [:]
  /// By upload, until the sum is open or the next attempt of the run takes the place.
  private var attempts: [Digest: Attempt] = [:]
  /// The upload of each worker's attempt, and of each run's newest.
  private var uploads: [WorkerID: Digest] = [:]
  private var latest: [RunID: Digest] = [:]
  private var spools: [WorkerID: Spool] = [:]

  init(
    thread: ComputeThread, server: BulkServer, store: DirectoryModelStore, spoolDirectory: String,
    limits: UploadPool.Limits, downloadLimits: DownloadPool<RoutingID>.Limits, threads: Int, backlog: PeerBacklog,
    logger: Logger,
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
    downloads = DownloadDesk(limits: downloadLimits, logger: logger)
    pool = ThreadPool(threads: threads, flushesSubnormals: false)
  }

  // MARK: From the socket

  func receive(_ delivery: BulkServer.Delivery) {
    backlog.taken(delivery.worker, bytes: delivery.byteCount)
    KillPoint.reached(.coordinator, .afterReceive, delivery.message.kind)
    switch delivery.message {
    case .request(let request):
      send(downloads.receive(request, from: delivery.worker, link: delivery.link, at: .now, read: read))
    case .open(let header): feed(.opened(header, from: delivery.worker, link: delivery.link, at: .now))
    case .chunk(let chunk):
      guard let payload = delivery.payload else { return }
      feed(
        .chunkReceived(chunk, byteCount: payload.count, from: delivery.worker, at: .now), payload: payload)
    case .close(let trailer): feed(.closed(trailer, from: delivery.worker, link: delivery.link, at: .now))
    }
  }

  /// A damaged blob is neither sent nor trained on: the runs that need it are told.
  private func read(_ digest: Digest) -> [UInt8]? {
    if let control = controls.values.first(where: { $0.reference.tensor.digest == digest }) { return control.bytes }
    do throws(RegistryError) {
      return try store.blob(digest)
    } catch {
      logger.error("blob unavailable", metadata: ["digest": "\(digest.short)", "error": "\(error)"])
      if case .corruptedBlob = error { deliver(.blobDamaged(digest, reason: error.description)) }
      return nil
    }
  }

  // MARK: From the driver

  /// What the next offers of a run name as the server's control variate; nil for none.
  func serve(_ control: ControlBlob?, of run: RunID) { controls[run] = control }

  func openUploads(_ plan: RunStateMachine.UploadPlan, of run: RunID) {
    forget(run, except: Set(plan.beside))
    latest[run] = plan.upload
    for worker in plan.workers { uploads[worker] = plan.upload }
    attempts[plan.upload] = Attempt(run: run)
    feed(.planned(upload: plan.upload, vectors: plan.vectors, workers: plan.workers, at: .now))
    do {
      attempts[plan.upload]?.sum = try RoundSum(plan)
    } catch {
      tell(plan.upload, .failed(reason: "no sum can be kept: \(error)"))
    }
  }

  func admit(_ worker: WorkerID, to upload: Digest) {
    uploads[worker] = upload
    feed(.admitted(worker, upload: upload, at: .now))
  }

  func accept(_ worker: WorkerID) { feed(.accepted(worker, at: .now)) }

  func refuse(_ worker: WorkerID, reason: String) { feed(.refused(worker, reason: reason, at: .now)) }

  func add(_ worker: WorkerID) { feed(.counted(worker)) }

  /// No further input counts; the sum stays until it is opened.
  func closeUploads(of run: RunID) {
    for upload in uploads(of: run) { feed(.planEnded(upload: upload, at: .now)) }
  }

  /// No further input of this upload counts; those beside it go on.
  func closeUpload(_ upload: Digest) { feed(.planEnded(upload: upload, at: .now)) }

  private func uploads(of run: RunID) -> [Digest] { attempts.filter { $0.value.run == run }.keys.sorted() }

  func open(_ order: UnmaskingOrder, rosterCount: Int, of run: RunID) {
    open(run) { try $0.open(order, rosterCount: rosterCount, on: pool) }
  }

  func openPlain(of run: RunID) {
    let kept = latest[run].flatMap { attempts[$0]?.kept } ?? [:]
    open(run) { try $0.openPlain(keeping: kept) }
  }

  private func open(_ run: RunID, _ body: (RoundSum) throws -> RoundSum.Opened) {
    guard let upload = latest[run], let sum = attempts[upload]?.sum else { return }
    tellResult(of: upload) { try body(sum) }
    forget(run)
  }

  func open(_ order: GroupsOrder, of run: RunID) {
    guard let upload = latest[run] else { return }
    let sums = order.groups.compactMap { attempts[$0.upload]?.sum }
    tellResult(of: upload) {
      guard sums.count == order.groups.count else { throw Refusal.fieldValue }
      return try RoundSum.open(order, sums: sums, on: pool)
    }
    forget(run)
  }

  /// The sums of the groups are empty then, and take what comes for the next buffer.
  func open(_ order: BufferOrder, of run: RunID) {
    guard let upload = latest[run] else { return }
    let groups = order.groups.compactMap { group in attempts[group.upload]?.sum.map { (sum: $0, group: group) } }
    tellResult(of: upload) {
      guard groups.count == order.groups.count else { throw Refusal.fieldValue }
      return try RoundSum.open(groups)
    }
    for group in order.groups { attempts[group.upload]?.sum?.empty() }
  }

  private func tellResult(of upload: Digest, _ open: () throws -> RoundSum.Opened) {
    do {
      tell(upload, .sumOpened(try open()))
    } catch let error as AggregationError {
      tell(upload, .sumRefused(reason: error.description))
    } catch let error as FileError {
      tell(upload, .diskFailed(reason: "an input cannot be read: \(error)"))
    } catch {
      tell(upload, .failed(reason: "cannot open the sum: \(error)"))
    }
  }

  /// The run's attempt has its result, or the run has ended: its sum is dropped, and what was kept for it.
  func forget(_ run: RunID, except others: Set<Digest> = []) {
    latest[run] = nil
    for upload in uploads(of: run) where !others.contains(upload) {
      feed(.planEnded(upload: upload, at: .now))
      uploads = uploads.filter { $0.value != upload }
      attempts[upload] = nil
    }
  }

  private func tell(_ upload: Digest, _ news: News) {
    if let run = attempts[upload]?.run { deliver(.ofAttempt(run, upload: upload, news)) }
  }

  private func tell(_ worker: WorkerID, _ news: News) {
    if let upload = uploads[worker] { tell(upload, news) }
  }

  func lost(_ worker: WorkerID) {
    feed(.lost(worker, at: .now))
    send(downloads.lost(worker, at: .now, read: read))
  }

  func tick() {
    feed(.tick(at: .now))
    send(downloads.tick(at: .now, read: read))
  }

  // MARK: Actions

  private func feed(_ event: UploadIntake<RoutingID>.Event, payload: Frame? = nil) {
    var failed: Set<WorkerID> = []
    for action in intake.handle(event) {
      // What depends on a spool that failed must not happen; what other uploads are owed must.
      if let worker = action.worker, failed.contains(worker) { continue }
      do {
        try perform(action, payload: payload)
      } catch {
        guard let worker = action.worker else { continue }
        failed.insert(worker)
        tell(worker, .diskFailed(reason: "the input of \(worker) cannot be kept: \(error)"))
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
    case .add(let worker, let header): addInput(of: worker, to: header.transcript)
    case .freeSpool(let worker): spools[worker] = nil
    case .uploadOpened(let header, let worker): tell(worker, .uploadOpened(header, from: worker))
    case .uploadCompleted(let trailer, let payloadDigest, let worker):
      tell(worker, .uploadCompleted(trailer, payloadDigest: payloadDigest, from: worker))
    case .inputRejected(let worker, let reason): tell(worker, .inputRejected(from: worker, reason: reason))
    case .chunkRefused(let worker, let number, let why):
      logger.warning("chunk refused", metadata: ["worker": "\(worker)", "number": "\(number)", "why": "\(why)"])
    }
  }

  private func verify(_ worker: WorkerID) {
    guard let spool = spools[worker], let payload = spool.payloadDigest, let upload = uploads[worker] else { return }
    do {
      if let metrics = try attempts[upload]?.sum?.check(from: worker, chunk: { try spool.read($0) }) {
        tell(upload, .inputMeasured(metrics, from: worker))
      }
    } catch let error as FileError {
      return tell(upload, .diskFailed(reason: "the input of \(worker) cannot be read: \(error)"))
    } catch {
      return feed(.broken(worker, reason: "\(error)", at: .now))
    }
    feed(.verified(worker, payloadDigest: payload))
  }

  private func addInput(of worker: WorkerID, to upload: Digest) {
    guard let spool = spools[worker], var sum = attempts[upload]?.sum else { return }
    // Owned once, or every input would copy it.
    attempts[upload]?.sum = nil
    do {
      try sum.add(from: worker) { try spool.read($0) }
      if sum.keepsInputs { attempts[upload]?.kept[worker] = spool }
    } catch let error as FileError {
      tell(upload, .diskFailed(reason: "the input of \(worker) cannot be read: \(error)"))
    } catch {
      tell(upload, .failed(reason: "cannot add the input of \(worker): \(error)"))
    }
    attempts[upload]?.sum = sum
  }

  private func send(_ sendings: [DownloadDesk.Sending]) {
    for sending in sendings { send(sending.message, payload: sending.payload, to: sending.link) }
  }

  private func send(_ message: BulkToWorker, payload: Frame? = nil, to link: RoutingID) {
    server.loop.post(to: server) { $0.send(message, payload: payload, to: link) }
  }
}

extension UploadIntake.Action {
  /// Whose upload it is about; nil for what goes to a link.
  fileprivate var worker: WorkerID? {
    switch self {
    case .grant, .answer: nil
    case .openSpool(let worker, _, _), .store(let worker, _, _), .verify(let worker), .add(let worker, _),
      .freeSpool(let worker), .uploadOpened(_, let worker), .uploadCompleted(_, _, let worker),
      .inputRejected(let worker, _), .chunkRefused(let worker, _, _):
      worker
    }
  }
}
