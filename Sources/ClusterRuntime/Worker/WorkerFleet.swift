import ClusterConfiguration
import Cryptography
import Federation
import Glibc
import Logging
import Membership
import Rounds
import SecureAggregation
import Tensors
import Training
import ZeroMQ

/// Many workers in one process, to load a coordinator: each with its own key, connections, session and machine, as in
/// `murmur worker`, but on few threads.
///
/// They share what a machine full of workers could not hold a thousand times: the model's bytes, what one of them has
/// checked already, and one update, which nobody computed. Their ledgers live in memory.
package final class WorkerFleet {
  package struct Options: Sendable {
    /// Folders `worker-1` and so on, of one federation.
    package var directory: String
    package var endpointsFile: String
    package var workers: Int
    /// Threads of each kind: of sockets, of desks.
    package var threads: Int

    package init(directory: String, endpointsFile: String, workers: Int, threads: Int) {
      self.directory = directory
      self.endpointsFile = endpointsFile
      self.workers = workers
      self.threads = threads
    }
  }

  /// Open sockets of a worker: control and bulk, and the two ends of a monitor of each.
  private static let socketsPerWorker = 6
  /// Sockets that one loop polls do not answer faster for being more.
  private static let workersPerLoop = 125

  private let context: Context
  private let controlLoops: [IOLoop]
  private let bulkLoops: [IOLoop]
  private let deskThreads: [ComputeThread]
  private let core: ComputeThread
  private let training: ComputeThread
  private var members: [Member] = []
  private let blobs = SharedBlobs()
  private let ends: AsyncStream<ProcessEnd>.Continuation

  private struct Member {
    let control: ControlClient
    let bulk: BulkClient
    let driver: WorkerDriver
    let desk: WorkerDesk
    let trainer: Trainer
  }

  package init(_ options: Options, logger: Logger) throws {
    OpenFiles.raiseLimit()
    let loops = max(1, options.workers / Self.workersPerLoop)
    context = try Context(
      ioThreads: 2 * max(1, options.threads), socketsMax: Self.socketsPerWorker * options.workers + 64)
    controlLoops = try (0..<loops).map { _ in try IOLoop(name: "control") }
    bulkLoops = try (0..<loops).map { _ in try IOLoop(name: "bulk") }
    deskThreads = try (0..<max(1, options.threads)).map { _ in try ComputeThread(name: "bulk-desk") }
    core = try ComputeThread(name: "core")
    training = try ComputeThread(name: "training")
    let (stream, ends) = AsyncStream.makeStream(of: ProcessEnd.self, bufferingPolicy: .bufferingOldest(8))
    self.ends = ends
    Task {
      for await end in stream { logger.error("a worker ends", metadata: ["why": "\(end)"]) }
    }
    let homes = try PartyHome.load(
      directories: (1...options.workers).map { "\(options.directory)/worker-\($0)" }, expecting: .worker,
      now: unixTime())
    guard let first = homes.first, let coordinator = first.membership.members(role: .coordinator).first,
      let server = CurvePublicKey(coordinator.certificate.linkKey)
    else { throw RuntimeError(.notFound, "\(options.directory): found no coordinator, expected one") }
    let endpoints = try first.federation.endpoints(replacedBy: options.endpointsFile)
    let law = try ClusterConfiguration.WorkerPolicy.load(path: first.path("policy.yaml")).law
    let computations = RememberedComputations(servesMany: true, claimsMax: 1 << 18)
    for (number, home) in homes.enumerated() {
      let machine = WorkerStateMachine(
        certificate: home.certificate.certificate, membership: first.membership,
        coordinatorKey: coordinator.certificate.signingKey, policy: law, signingKey: home.signingKey,
        secrets: SystemSecretSource(), ledger: WorkerLedger(), computations: computations)
      members.append(
        try member(number, home, machine, federation: first.membership.federation, server, endpoints, logger))
    }
  }

  private func member(
    _ number: Int, _ home: PartyHome, _ machine: WorkerStateMachine, federation: FederationID,
    _ server: CurvePublicKey, _ endpoints: Endpoints, _ logger: Logger
  ) throws -> Member {
    let keys = try home.curveKeyPair()
    let backlog = Backlog(limit: WorkerProcess.backlogMax)
    var seed = SystemRandomNumberGenerator()
    let hello = Hello(version: .current, session: SessionID(seed.next()), software: Product.name, threads: 1)
    let half = max(1, deskThreads.count)
    let control = ControlClient(
      loop: controlLoops[number % controlLoops.count],
      socket: try WorkerProcess.link(.control(.connecting), keys, server, io: number % half, in: context),
      endpoint: Endpoint(rawValue: endpoints.control), federation: federation, hello: hello, backlog: backlog,
      logger: logger)
    let bulk = BulkClient(
      loop: bulkLoops[number % bulkLoops.count],
      socket: try WorkerProcess.link(.bulk(.connecting), keys, server, io: half + number % half, in: context),
      endpoint: Endpoint(rawValue: endpoints.bulk), logger: logger)
    let core = core
    let driver = WorkerDriver(
      thread: core, machine: machine, control: control, ledger: ForgottenLedger(),
      evidence: EvidenceStore(directory: home.path(EvidenceStore.folder)), watch: TrainingWatch(), backlog: backlog,
      controls: ForgottenControls(), ends: ends, logger: logger)
    let desk = WorkerDesk(
      thread: deskThreads[number % deskThreads.count], client: bulk, threads: 1, controls: ForgottenControls(),
      sharing: blobs, logger: logger
    ) { delivery in core.post(to: driver) { $0.receive(delivery) } }
    let trainer = Trainer(thread: training, makeWork: { NoWork() }) { delivery in
      core.post(to: driver) { $0.receive(delivery) }
    }
    return Member(control: control, bulk: bulk, driver: driver, desk: desk, trainer: trainer)
  }

  /// Connects all workers.
  package func start() async throws {
    let core = core
    for member in members {
      let (driver, desk) = (member.driver, member.desk)
      await driver.start(desk: desk, trainer: member.trainer)
      try await member.bulk.start { delivery in desk.thread.post(to: desk) { $0.receive(delivery) } }
      try await member.control.start { delivery in core.post(to: driver) { $0.receive(delivery) } }
      let bulk = member.bulk
      bulk.loop.post(to: bulk) { client in
        client.loop.schedule(every: .seconds(2), for: client) { _ in desk.thread.post(to: desk) { $0.tick() } }
      }
    }
  }

  /// Ends all threads; connections close with the last reference.
  package func stop() {
    for loop in controlLoops + bulkLoops { loop.stop() }
    for thread in deskThreads + [training, core] { thread.stop() }
    ends.finish()
  }
}

/// Training that is none: the same small update for everybody.
private final class NoWork: LocalWorking {
  private static let updates = Locked<[UInt64: [Float]]>([:])

  func perform(
    _ task: TrainingTask, configuration: RoundConfiguration, attempt: AttemptID, parameters: [NamedTensor],
    controls: ControlVariates, progress: (Double) -> Void, isCancelled: () -> Bool
  ) throws(LocalWorkError) -> LocalResult {
    let difference = Self.updates.withLock { updates in
      if let shared = updates[configuration.vectorLength] { return shared }
      let made = [Float](repeating: 1e-6, count: Int(configuration.vectorLength))
      updates = [configuration.vectorLength: made]
      return made
    }
    progress(1)
    return LocalResult(
      update: ClientUpdate(
        difference: difference, exampleCount: 1, metrics: RoundMetrics(lossSum: 0, correct: 0, evaluated: 0)))
  }
}

/// A ledger of workers that no crash can make contribute twice, because they do not outlive their process.
private struct ForgottenLedger: LedgerKeeping {
  func record(_ entry: WorkerLedger.Entry) {}
}

/// Control variates of workers that nobody trains: zeros.
private struct ForgottenControls: ControlVariateKeeping {
  func own(in run: RunID, since: RoundNumber, count: Int) -> [Float]? { nil }
  func keep(_ control: [Float], of attempt: AttemptID) {}
}

/// One copy of each blob for all workers of a process.
final class SharedBlobs: Sendable {
  private let blobs = Locked<[Digest: [UInt8]]>([:])

  func keep(_ digest: Digest, in own: inout ModelBlobs) {
    var blobsOfOne = own
    own = ModelBlobs()
    blobs.withLock { blobsOfOne.keep(digest, sharing: &$0) }
    own = blobsOfOne
  }

  /// Those that forget a blob are followed by all others soon.
  func forget(_ digest: Digest) { blobs.withLock { $0[digest] = nil } }
}
