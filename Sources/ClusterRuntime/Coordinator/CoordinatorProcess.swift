import ClusterConfiguration
import Federation
import Logging
import ModelRegistry
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

  /// Messages that may wait for the driver, and for the desk.
  private static let backlogMax = 8192

  /// Runs until asked to stop.
  package static func run(_ options: Options, logger: Logger) async throws -> ExitCategory {
    let home = try PartyHome.load(directory: options.home, expecting: .coordinator, now: unixTime())
    if !options.local, let secret = PartyHome.foreignSecrets(near: options.home).first {
      throw RuntimeError(
        .notAuthorised,
        "\(secret): a coordinator that can read this could read updates; move it to its owner, or say --local")
    }
    let configuration = try CoordinatorConfiguration.load(path: home.path("coordinator.yaml"))
    try DurableFile.createDirectory(configuration.stateDirectory, mode: 0o700)
    let lock = try StateLock(directory: configuration.stateDirectory)
    defer { withExtendedLifetime(lock) {} }
    let store = try CoordinatorStore(path: configuration.stateDirectory + "/coordinator.sqlite")
    let models = try DirectoryModelStore(root: configuration.modelDirectory)
    var bindings = try EndpointsFile.endpoints(of: home, override: options.endpointsOverride)
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
      options, home: home, configuration: configuration, store: store, models: models, bindings: bindings,
      logger: logger)
  }

  private static func run(
    _ options: Options, home: PartyHome, configuration: CoordinatorConfiguration, store: CoordinatorStore,
    models: DirectoryModelStore, bindings: Endpoints, logger: Logger
  ) async throws -> ExitCategory {
    let context = try Context(ioThreads: 2)
    // Before the first bind, and nobody gets in whom it does not know.
    let authenticator = try ZAPAuthenticator(in: context) { peer in
      logger.warning(
        "connection refused",
        metadata: ["reason": "\(peer.reason)", "domain": "\(peer.domain)", "address": "\(peer.address)"])
    }
    authenticator.replace(with: [
      .worker: home.admitted([.worker]), .serve: home.admitted([.servingNode]),
      .operator: home.admitted([.operator]),
    ])
    let controlLoop = try IOLoop(name: "control"), bulkLoop = try IOLoop(name: "bulk")
    let serviceLoop = try IOLoop(name: "service")
    let core = try ComputeThread(name: "core"), deskThread = try ComputeThread(name: "bulk-desk")
    let serviceThread = try ComputeThread(name: "service-desk")
    defer {
      for loop in [controlLoop, bulkLoop, serviceLoop] { loop.stop() }
      for thread in [deskThread, serviceThread, core] { thread.stop() }
    }
    let keys = try home.curveKeys()
    let traffic = TrafficLedger()
    let backlog = Backlog(limit: backlogMax), bulkBacklog = Backlog(limit: backlogMax)

    var bound = bindings
    let controlSocket = try server(.control(.binding), keys, .worker, authenticator, io: 0, in: context)
    bound.control = try controlSocket.bind(Endpoint(rawValue: bindings.control)).withoutMappedAddress.rawValue
    let bulkSocket = try server(.bulk(.binding), keys, .worker, authenticator, io: 1, in: context)
    bound.bulk = try bulkSocket.bind(Endpoint(rawValue: bindings.bulk)).withoutMappedAddress.rawValue
    let control = ControlServer(
      loop: controlLoop, socket: controlSocket, membership: home.membership, traffic: traffic, backlog: backlog,
      logger: logger)
    let bulk = BulkServer(
      loop: bulkLoop, socket: bulkSocket, traffic: traffic, backlog: bulkBacklog, logger: logger)
    let publisher = try StatePublisher(
      loop: serviceLoop, desk: serviceThread, context: context, keys: keys, authenticator: authenticator,
      state: Endpoint(rawValue: bindings.state), snapshot: Endpoint(rawValue: bindings.snapshot), store: models,
      logger: logger)
    bound.state = publisher.stateEndpoint.withoutMappedAddress.rawValue
    bound.snapshot = publisher.snapshotEndpoint.withoutMappedAddress.rawValue

    let driver = CoordinatorDriver(
      thread: core, home: home, store: store, models: models, control: control, traffic: traffic,
      backlog: backlog, logger: logger)
    var limits = UploadPool.Limits()
    limits.poolBytes = Int(clamping: configuration.bulkCredit)
    limits.uploadsAtOnce = configuration.uploadsAtOnce
    let desk = BulkDesk(
      thread: deskThread, server: bulk, store: models, spoolDirectory: configuration.stateDirectory,
      limits: limits, backlog: bulkBacklog, logger: logger
    ) { delivery in core.post(to: driver) { $0.receive(delivery) } }
    try await driver.start(desk: desk) { stored in
      serviceLoop.post(to: publisher) { $0.publish(stored) }
    }
    await bulk.start { delivery in deskThread.post(to: desk) { $0.receive(delivery) } }
    await control.start { delivery in core.post(to: driver) { $0.receive(delivery) } }
    await publisher.start()
    bulkLoop.post(to: bulk) { server in
      server.loop.schedule(every: .seconds(1), for: server) { _ in deskThread.post(to: desk) { $0.tick() } }
    }
    let operators = try OperatorServer(
      loop: serviceLoop, context: context, path: configuration.stateDirectory + "/operator.sock", logger: logger
    ) { request in await driver.answer(request) }
    await operators.start()
    try EndpointsFile(bound).write(to: configuration.stateDirectory + "/endpoints.yaml")
    logger.info(
      "coordinator ready", metadata: ["control": "\(bound.control)", "bulk": "\(bound.bulk)"])
    if let runFile = options.runFile {
      let text = try ConfigurationFile(path: runFile, expected: "a run configuration").text
      do throws(Failure) {
        _ = try await driver.submit(yaml: text)
      } catch {
        throw RuntimeError(error.code == .invalid ? .usage : .failed, "\(runFile): \(error.text)")
      }
    }
    await ShutdownSignal.wait(parentPipe: nil)
    logger.info("coordinator stops")
    await control.goodbye()
    return .ok
  }

  private static func server(
    _ profile: SocketProfile, _ keys: CurveKeyPair, _ domain: ZAPDomain, _ authenticator: ZAPAuthenticator,
    io: Int, in context: Context
  ) throws(ZeroMQError) -> sending Socket {
    let socket = try Socket(profile, in: context)
    try socket.set(.ioThreads([io]))
    try socket.serveCurve(keys, in: domain, admittedBy: authenticator)
    return socket
  }
}
