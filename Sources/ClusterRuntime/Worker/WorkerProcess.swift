import ClusterConfiguration
import Cryptography
import Federation
import Logging
import Membership
import ModelRegistry
import Rounds
import SecureAggregation
import Training
import ZeroMQ

/// `murmur worker`: one participant, from its folder to its end.
package enum WorkerProcess {
  package struct Options: Sendable {
    package var home: String
    /// Addresses other than those of the federation file.
    package var endpointsFile: String?
    /// A data file other than the configuration's.
    package var data: String?
    package var threads: Int?
    /// Replaced by tests.
    var makeWork: @Sendable (WorkerID, Dataset, _ threads: Int) -> any LocalWorking = {
      LocalWork(worker: $0, dataset: $1, threads: $2)
    }
    package init(home: String) { self.home = home }
  }

  /// Frames that may wait for the driver; more are dropped and asked for again by the protocol's own repetitions.
  static let backlogMax = 1024

  /// Runs until asked to stop, superseded or refused.
  package static func run(_ options: Options, logger: Logger) async throws -> ExitCategory {
    try KillPoint.check(logger: logger)
    let (home, configuration) = try load(options.home)
    let dataset: Dataset
    do throws(DatasetError) {
      dataset = try examples(of: configuration, file: options.data)
    } catch {
      throw RuntimeError(.usage, error.description)
    }
    let endpoints = try home.federation.endpoints(replacedBy: options.endpointsFile)
    try DurableFile.createDirectory(configuration.stateDirectory, mode: 0o700)
    let ledger = try WorkerLedgerStore(path: configuration.stateDirectory + "/ledger.sqlite")
    let controls = ControlVariateStore(stateDirectory: configuration.stateDirectory)
    guard let coordinator = home.membership.members(role: .coordinator).first else {
      throw RuntimeError(.notFound, "\(home.path(FederationFile.name)): found no coordinator, expected one")
    }
    let threads = options.threads ?? configuration.threads ?? cores()
    let machine = WorkerStateMachine(
      certificate: home.certificate.certificate, membership: home.membership,
      coordinatorKey: coordinator.certificate.signingKey, policy: configuration.policy.law,
      signingKey: home.signingKey, secrets: SystemSecretSource(), ledger: try ledger.load(),
      computations: RememberedComputations(servesMany: false, runner: SharedThreadPool(threads: threads)))
    logger.info(
      "worker starts", metadata: ["worker": "\(home.name)", "examples": "\(dataset.count)"])
    return try await run(
      home, coordinator: coordinator.certificate, machine: machine, threads: threads, labels: configuration.labels,
      patience: configuration.trainingPatience, endpoints: endpoints, ledger: ledger, controls: controls,
      logger: logger
    ) { [name = home.name] in options.makeWork(name, dataset, threads) }
  }

  /// - Parameter file: in place of the configuration's.
  private static func examples(of configuration: WorkerConfiguration, file: String?) throws(DatasetError) -> Dataset {
    var source = configuration.examples
    source.path = file ?? source.path
    let examples = try DatasetFile.load(source)
    guard let path = configuration.normalisationFile else { return examples }
    return try Normalisation.load(path: path).applied(to: examples, file: source.path)
  }

  /// Training looks at every step whether it is still wanted; one that hangs looks no more.
  private static let trainingEndMax = Duration.seconds(5)

  private static func run(
    _ home: PartyHome, coordinator: Certificate, machine: WorkerStateMachine, threads: Int, labels: WorkerLabels,
    patience: Duration, endpoints: Endpoints, ledger: WorkerLedgerStore,
    controls: ControlVariateStore, logger: Logger, makeWork: @Sendable () -> any LocalWorking
  ) async throws -> ExitCategory {
    let (stream, ends) = AsyncStream.makeStream(of: ProcessEnd.self, bufferingPolicy: .bufferingOldest(8))
    let context = try Context(ioThreads: 2)
    let controlLoop = try IOLoop(name: "control"), bulkLoop = try IOLoop(name: "bulk")
    let core = try ComputeThread(name: "core"), deskThread = try ComputeThread(name: "bulk-desk")
    let training = try ComputeThread(name: "training")
    defer {
      for loop in [controlLoop, bulkLoop] { loop.stop() }
      if !training.stop(within: trainingEndMax) {
        logger.warning("training does not end", metadata: ["waited": "\(trainingEndMax)"])
      }
      for thread in [deskThread, core] { thread.stop() }
    }
    let keys = try home.curveKeyPair()
    guard let server = CurvePublicKey(coordinator.linkKey) else {
      throw RuntimeError(.failed, "the coordinator's certificate holds no CURVE key")
    }
    let backlog = Backlog(limit: backlogMax)
    var seed = SystemRandomNumberGenerator()
    let hello = Hello(
      version: .current, session: SessionID(seed.next()), software: Product.name, threads: UInt32(clamping: threads),
      labels: labels)
    let control = ControlClient(
      loop: controlLoop, socket: try link(.control(.connecting), keys, server, io: 0, in: context),
      endpoint: Endpoint(rawValue: endpoints.control), federation: home.membership.federation, hello: hello,
      backlog: backlog, logger: logger)
    let bulk = BulkClient(
      loop: bulkLoop, socket: try link(.bulk(.connecting), keys, server, io: 1, in: context),
      endpoint: Endpoint(rawValue: endpoints.bulk), logger: logger)
    let driver = WorkerDriver(
      thread: core, machine: machine, control: control, ledger: ledger,
      evidence: EvidenceStore(directory: home.path(EvidenceStore.folder)), watch: TrainingWatch(patience: patience),
      backlog: backlog, controls: controls, ends: ends, logger: logger)
    let desk = WorkerDesk(
      thread: deskThread, client: bulk, threads: threads, controls: controls, logger: logger
    ) { delivery in
      core.post(to: driver) { $0.receive(delivery) }
    }
    let trainer = Trainer(thread: training, makeWork: makeWork) { delivery in
      core.post(to: driver) { $0.receive(delivery) }
    }
    await driver.start(desk: desk, trainer: trainer)
    try await bulk.start { delivery in deskThread.post(to: desk) { $0.receive(delivery) } }
    try await control.start { delivery in core.post(to: driver) { $0.receive(delivery) } }
    bulkLoop.post(to: bulk) { client in
      client.loop.schedule(every: .milliseconds(500), for: client) { _ in deskThread.post(to: desk) { $0.tick() } }
    }
    controlLoop.post(to: control) { client in
      client.loop.schedule(every: WorkerDriver.watchInterval, for: client) { _ in
        core.post(to: driver) { $0.watchTraining() }
      }
    }
    let shutdown = Task {
      _ = await ShutdownSignal.wait(parentPipe: nil)
      ends.yield(.asked)
    }
    defer { shutdown.cancel() }
    var end = ProcessEnd.asked
    for await first in stream {
      end = first
      break
    }
    trainer.wanted.withLock { $0 = nil }
    await driver.stop()
    await control.stop()
    switch end {
    case .asked: return .ok
    case .failed(let reason): throw RuntimeError(.failed, "worker \(home.name): \(reason)")
    case .refused(let reason): throw RuntimeError(.notAuthorised, "worker \(home.name): \(reason)")
    }
  }

  private static func load(_ directory: String) throws(RuntimeError) -> (PartyHome, WorkerConfiguration) {
    let home: PartyHome
    do throws(HomeError) {
      home = try PartyHome.load(directory: directory, expecting: .worker, now: unixTime())
    } catch {
      throw RuntimeError(error)
    }
    do throws(ConfigurationError) {
      return (home, try WorkerConfiguration.load(path: home.path("worker.yaml")))
    } catch {
      throw RuntimeError(error)
    }
  }

  static func link(
    _ profile: SocketProfile, _ keys: CurveKeyPair, _ server: CurvePublicKey, io: Int, in context: Context
  ) throws(ZeroMQError) -> sending Socket {
    let socket = try Socket(profile, in: context)
    try socket.set(.ioThreads([io]))
    try socket.set(.curveClient(keyPair: keys, server: server))
    return socket
  }
}
