import ClusterConfiguration
import Cryptography
import Federation
import Logging
import Membership
import ModelRegistry
import Observability
import Rounds
import Training
import Transfer
import Wire
import ZeroMQ

/// `murmur coordinator`: sockets, state directory and runs of one federation, from its folder to its end.
package enum CoordinatorProcess {
  package struct Options: Sendable {
    package var home: String
    /// All parties are on this machine: a worker's readable secret is no reason to refuse.
    package var local = false
    /// Addresses other than those of the federation file.
    package var endpointsOverride: String?
    package var bindLoopbackAnyPort = false
    /// A run to submit at the start.
    package var runFile: String?
    package init(home: String) { self.home = home }
  }

  /// What may wait for the driver: an honest worker has a handful of messages under way, of at most a frame's length.
  private static let backlogLimits = PeerBacklog.Limits(messages: 256, bytes: 2 << 20, totalBytes: 64 << 20)
  /// What may wait for the desk: two windows of the longest chunks, and what asks for them.
  private static let bulkBacklogLimits = PeerBacklog.Limits(messages: 64, bytes: 8 << 20, totalBytes: 128 << 20)

  /// Runs until asked to stop.
  package static func run(_ options: Options, logger: Logger) async throws -> ExitCategory {
    try KillPoint.check(logger: logger)
    OpenFiles.raiseLimit()
    let home = try load(options.home)
    if !options.local, let secret = PartyHome.foreignSecrets(near: options.home).first {
      throw RuntimeError(
        .notAuthorised,
        "\(secret): a coordinator that can read this could read updates; move it to its owner, or say --local")
    }
    let configuration = try configuration(of: home)
    try DurableFile.createDirectory(configuration.stateDirectory, mode: 0o700)
    let lock = try StateLock(directory: configuration.stateDirectory)
    defer { withExtendedLifetime(lock) {} }
    let repository: SQLiteRepository
    do throws(RepositoryError) {
      repository = try SQLiteRepository(path: configuration.stateDirectory + "/coordinator.sqlite")
    } catch {
      throw RuntimeError(.failed, error.description)
    }
    let models = try DirectoryModelStore(root: configuration.modelDirectory)
    var bindings = try home.federation.endpoints(replacedBy: options.endpointsOverride)
    if options.bindLoopbackAnyPort {
      let any = Endpoint.tcpAtAnyPort(host: "127.0.0.1").rawValue
      bindings = Endpoints(control: any, bulk: any, state: any, snapshot: any, pull: bindings.pull)
    } else if options.endpointsOverride == nil {
      bindings.control = configuration.bindControl ?? bindings.control
      bindings.bulk = configuration.bindBulk ?? bindings.bulk
      bindings.state = configuration.bindState ?? bindings.state
      bindings.snapshot = configuration.bindSnapshot ?? bindings.snapshot
    }
    return try await run(
      options, home: home, configuration: configuration, repository: repository, models: models, bindings: bindings,
      logger: logger)
  }

  private static func run(
    _ options: Options, home: PartyHome, configuration: CoordinatorConfiguration,
    repository: any CoordinatorRepository, models: DirectoryModelStore, bindings: Endpoints, logger: Logger
  ) async throws -> ExitCategory {
    let registry = MetricsRegistry()
    let metrics = CoordinatorMetrics(in: registry), links = LinkMetrics(in: registry)
    ProcessMetrics.register(in: registry, reading: ProcessFigures.now)
    let context = try Context(ioThreads: 2)
    // Before the first bind, and nobody gets in whom it does not know.
    let authenticator = try ZAPAuthenticator(in: context) { peer in
      links.authenticationFailures.add()
      logger.warning(
        "connection refused",
        metadata: ["reason": "\(peer.reason)", "domain": "\(peer.domain)", "address": "\(peer.address)"])
    }
    authenticator.admit(home.membership, in: [.worker, .serve, .operator], now: unixTime())
    let controlLoop = try IOLoop(name: "control"), bulkLoop = try IOLoop(name: "bulk")
    let serviceLoop = try IOLoop(name: "service")
    let core = try ComputeThread(name: "core"), deskThread = try ComputeThread(name: "bulk-desk")
    let serviceThread = try ComputeThread(name: "service-desk")
    let evaluationThread = try ComputeThread(name: "evaluation")
    defer {
      for loop in [controlLoop, bulkLoop, serviceLoop] { loop.stop() }
      for thread in [evaluationThread, deskThread, serviceThread, core] { thread.stop() }
    }
    let keys = try home.curveKeyPair()
    let traffic = TrafficLedger()
    let backlog = PeerBacklog(backlogLimits), bulkBacklog = PeerBacklog(bulkBacklogLimits)

    var bound = EndpointsFile()
    func bind(
      _ profile: SocketProfile, _ endpoint: String, _ domain: ZAPDomain, io: Int, note: (String) -> Void
    ) throws(RuntimeError) -> sending Socket {
      do throws(ZeroMQError) {
        let socket = try Socket(profile, in: context)
        try socket.set(.ioThreads([io]))
        try socket.serveCurve(keys, in: domain, admittedBy: authenticator)
        note(try socket.bind(Endpoint(rawValue: endpoint)).withoutMappedAddress.rawValue)
        return socket
      } catch {
        throw RuntimeError(error)
      }
    }
    let control = ControlServer(
      loop: controlLoop,
      socket: try bind(.control(.binding), bindings.control, .worker, io: 0) { bound.control = $0 },
      membership: home.membership,
      timing: SessionTiming(
        heartbeatInterval: configuration.heartbeat.interval, missedHeartbeats: configuration.heartbeat.missed),
      traffic: traffic, backlog: backlog, links: links, logger: logger)
    let bulk = BulkServer(
      loop: bulkLoop, socket: try bind(.bulk(.binding), bindings.bulk, .worker, io: 1) { bound.bulk = $0 },
      traffic: traffic, backlog: bulkBacklog, metrics: links, logger: logger)
    let publisher = StatePublisher(
      loop: serviceLoop, state: try bind(.state(.binding), bindings.state, .serve, io: 0) { bound.state = $0 },
      snapshot: try bind(.snapshot(.binding), bindings.snapshot, .serve, io: 1) { bound.snapshot = $0 },
      models: models, thread: serviceThread,
      epoch: try PublisherEpoch.begin(stateDirectory: configuration.stateDirectory), links: links, logger: logger)

    let signer = ModelSigner(key: try modelSigningKey(of: home), endorsedBy: home.signingKey)
    let driver = CoordinatorDriver(
      thread: core, home: home, repository: repository, models: models, control: control, traffic: traffic,
      backlog: backlog, evaluator: try evaluator(configuration, on: evaluationThread),
      pace: PaceSteering(rules: configuration.pace),
      strategyStates: StrategyStateStore(stateDirectory: configuration.stateDirectory), signer: signer,
      metrics: metrics, logger: logger)
    var limits = UploadPool.Limits()
    limits.poolBytes = Int(clamping: configuration.bulkCredit)
    limits.uploadsAtOnce = configuration.uploadsAtOnce
    var downloadLimits = DownloadPool<RoutingID>.Limits()
    downloadLimits.poolBytes = Int(clamping: configuration.downloadCredit)
    let desk = BulkDesk(
      thread: deskThread, server: bulk, store: models, spoolDirectory: configuration.stateDirectory,
      limits: limits, downloadLimits: downloadLimits, threads: cores(), backlog: bulkBacklog, logger: logger
    ) { delivery in core.post(to: driver) { $0.receive(delivery) } }
    try await driver.start(desk: desk) { news in
      serviceLoop.post(to: publisher) { $0.publish(news) }
    }
    await bulk.start { delivery in deskThread.post(to: desk) { $0.receive(delivery) } }
    await control.start { delivery in core.post(to: driver) { $0.receive(delivery) } }
    await publisher.start()
    bulkLoop.post(to: bulk) { server in
      server.loop.schedule(every: .seconds(1), for: server) { _ in deskThread.post(to: desk) { $0.tick() } }
    }
    let operators = try OperatorServer(
      stateDirectory: configuration.stateDirectory, remote: nil, home: home, loop: serviceLoop, context: context,
      authenticator: authenticator, logger: logger)
    await operators.start { request, peer in await driver.answer(request, from: peer) }
    let http = try await metricsFront(options, configuration, registry: registry, logger: logger)
    bound.http = http?.front.url
    try bound.write(path: configuration.stateDirectory + "/endpoints.yaml")
    logger.info(
      "coordinator ready", metadata: ["control": "\(bound.control ?? "")", "bulk": "\(bound.bulk ?? "")"])
    if let runFile = options.runFile {
      let text = try ConfigurationFile(path: runFile, expected: "a run configuration").text
      do throws(Failure) {
        _ = try await driver.submit(yaml: text)
      } catch {
        throw RuntimeError(error.code == .invalid ? .usage : .failed, "\(runFile): \(error.text)")
      }
    }
    _ = await ShutdownSignal.wait(parentPipe: nil)
    logger.info("coordinator stops")
    http?.watching.cancel()
    await http?.front.stop()
    await control.goodbye()
    return .ok
  }

  /// Answers scrapers of metrics, if the coordinator's owner wants that.
  private static func metricsFront(
    _ options: Options, _ configuration: CoordinatorConfiguration, registry: MetricsRegistry, logger: Logger
  ) async throws(RuntimeError) -> (front: HTTPFront, watching: Task<Void, Never>)? {
    guard let http = configuration.http else { return nil }
    // All parties are on this machine: so is who looks at them.
    let access = try AccessWatch(home: options.home, insecureAnonymous: options.local, logger: logger)
    let front = HTTPFront(
      http, anyPort: options.bindLoopbackAnyPort, access: access, registry: registry, logger: logger)
    _ = try await front.start()
    return (front, Task { await access.run() })
  }

  /// Reads the coordinator's own data, if it has any.
  private static func evaluator(
    _ configuration: CoordinatorConfiguration, on thread: ComputeThread
  ) throws(RuntimeError) -> CentralEvaluator? {
    guard let file = configuration.evaluationData else { return nil }
    do throws(DatasetError) {
      return CentralEvaluator(thread: thread, dataset: try DatasetFile.load(file), threads: cores())
    } catch {
      throw RuntimeError(.usage, error.description)
    }
  }

  private static func load(_ directory: String) throws(RuntimeError) -> PartyHome {
    do throws(HomeError) {
      return try PartyHome.load(directory: directory, expecting: .coordinator, now: unixTime())
    } catch {
      throw RuntimeError(error)
    }
  }

  private static func modelSigningKey(of home: PartyHome) throws(RuntimeError) -> P256SigningKey {
    do throws(HomeError) {
      return try ModelSigningKeyFile.load(directory: home.directory, secrets: SystemSecretSource())
    } catch {
      throw RuntimeError(error)
    }
  }

  private static func configuration(of home: PartyHome) throws(RuntimeError) -> CoordinatorConfiguration {
    do throws(ConfigurationError) {
      return try CoordinatorConfiguration.load(path: home.path("coordinator.yaml"))
    } catch {
      throw RuntimeError(error)
    }
  }
}
