import ClusterConfiguration
import Federation
import Hosting
import Logging
import ModelRegistry
import Observability
import Serving
import Wire
import ZeroMQ

/// A serving node as a process: follows the coordinator, verifies what it publishes, and answers consumers.
package enum ServingProcess {
  package struct Options: Sendable {
    /// The serving node's folder.
    package var home: String
    /// A file of addresses in place of those in the `federation` file; nil for those.
    package var endpointsFile: String?
    /// Bind a port of the loopback interface that the system chooses, whatever the configuration says.
    package var bindLoopbackAnyPort: Bool
    /// Let callers of HTTP in who bring no credential, as far as `access.yaml` says; without that file they may pull and
    /// predict.
    package var insecureAnonymous = false
    /// A descriptor whose end means that the parent is gone; nil for none.
    package var parentPipe: Int32?

    package init(
      home: String, endpointsFile: String? = nil, bindLoopbackAnyPort: Bool = false, parentPipe: Int32? = nil
    ) {
      self.home = home
      self.endpointsFile = endpointsFile
      self.bindLoopbackAnyPort = bindLoopbackAnyPort
      self.parentPipe = parentPipe
    }
  }

  /// Serves until SIGTERM, SIGINT, the end of the parent, or the cancellation of the task.
  ///
  /// The addresses that are bound are written to `HOME/state/endpoints.yaml`, keys `pull`, `events`, `http` and `grpc`.
  ///
  /// - Throws: `RuntimeError` for a folder, configuration or address that cannot be used, and if the coordinator does
  ///   not let this node in.
  package static func run(_ options: Options, logger: Logger) async throws(RuntimeError) -> ExitCategory {
    try KillPoint.check(logger: logger)
    let (failures, continuation) = AsyncStream.makeStream(of: RuntimeError.self, bufferingPolicy: .bufferingOldest(1))
    let server = try ServingServer(options, logger: logger) { continuation.yield($0) }
    do throws(RuntimeError) {
      try await server.start()
    } catch {
      server.stop()
      throw error
    }
    let failure = await withTaskGroup(of: RuntimeError?.self) { group in
      group.addTask {
        await ShutdownSignal.wait(parentPipe: options.parentPipe)
        return nil
      }
      group.addTask {
        for await failure in failures { return failure }
        return nil
      }
      let first = await group.next() ?? nil
      group.cancelAll()
      return first
    }
    await server.finish()
    if let failure { throw failure }
    logger.info("serving node stopped")
    return .ok
  }
}

/// The parts of a serving node in this process.
///
/// Four threads beside libzmq's: one for the coordinator's sockets, one for consumers', one that verifies and loads,
/// one that reads for consumers.
final class ServingServer: Sendable {
  /// Records and chunks on their way between threads.
  private static let recordsMax = 1024
  private static let chunksMax = 64

  /// Where consumers connect to.
  let endpoint: Endpoint
  /// Where clients of HTTP connect to; nil where there is no HTTP.
  var url: String? { http?.url }
  /// Where batches of events go to; nil where there is no such socket.
  var eventsEndpoint: Endpoint? { events?.endpoint }
  private let links: IOLoop
  private let front: IOLoop
  private let work: ComputeThread
  private let reading: ComputeThread
  private let subscriber: StateSubscriber
  private let client: ServingNode.SnapshotClient
  private let node: ServingNode
  private let desk: PullDesk
  private let server: PullDesk.Server
  private let chunks: Backlog
  private let access: AccessWatch
  private let http: HTTPFront?
  private let events: (desk: EventDesk, endpoint: Endpoint)?
  private let watching = Locked<Task<Void, Never>?>(nil)
  private let endpointsPath: String
  private let linkMetrics: LinkMetrics
  private let logger: Logger

  /// Loads the folder and binds the pull socket; nothing is read until `start`.
  init(
    _ options: ServingProcess.Options, logger: Logger, observe: @escaping @Sendable (ServingAction) -> Void = { _ in },
    fail: @escaping @Sendable (RuntimeError) -> Void
  ) throws(RuntimeError) {
    let home: PartyHome
    let configuration: ServingConfiguration
    do throws(HomeError) {
      home = try PartyHome.load(directory: options.home, expecting: .servingNode, now: unixTime())
    } catch {
      throw RuntimeError(error)
    }
    do throws(ConfigurationError) {
      configuration = try ServingConfiguration.load(path: home.path("serving.yaml"))
    } catch {
      throw RuntimeError(error)
    }
    let models: DirectoryModelStore
    do throws(RegistryError) {
      models = try DirectoryModelStore(root: configuration.modelDirectory)
    } catch {
      throw RuntimeError(error)
    }
    let endpoints = try home.federation.endpoints(replacedBy: options.endpointsFile)
    let registry = MetricsRegistry()
    let metrics = ServingMetrics(in: registry), counts = LinkMetrics(in: registry)
    ProcessMetrics.register(in: registry, reading: ProcessFigures.now)
    let sockets = try ServingSockets(home: home, links: counts, logger: logger)
    // Whoever waits for the file must not read where an earlier process listened.
    try? DurableFile.remove(EndpointsFile.path(home: options.home))
    let address = options.bindLoopbackAnyPort ? "tcp://127.0.0.1:*" : configuration.bindPull ?? endpoints.pull
    self.logger = logger
    endpointsPath = EndpointsFile.path(home: options.home)
    let meter = ServingMeter(metrics)
    linkMetrics = counts
    let host = ModelHost(
      options: .init(
        memoryMax: configuration.inference.memoryBytes, threads: 2 * cores(),
        defaultAliases: configuration.inference.defaultAliases), metrics: metrics)
    let shelf = VersionShelf(models: models)
    let access = try AccessWatch(home: options.home, insecureAnonymous: options.insecureAnonymous, logger: logger)
    self.access = access
    http = try configuration.http.map { http throws(RuntimeError) in
      try HTTPFront(
        http, grpc: configuration.grpc, inference: configuration.inference, anyPort: options.bindLoopbackAnyPort,
        host: host, shelf: shelf,
        access: access, metrics: metrics, registry: registry, logger: logger)
    }
    let eventsAddress = configuration.bindEvents.map { options.bindLoopbackAnyPort ? "tcp://127.0.0.1:*" : $0 }
    let records = Backlog(limit: Self.recordsMax)
    chunks = Backlog(limit: Self.chunksMax)
    do throws(ZeroMQError) {
      let pull = try sockets.pull()
      endpoint = try pull.bind(Endpoint(rawValue: address)).withoutMappedAddress
      links = try IOLoop(name: "links")
      front = try IOLoop(name: "pull")
      work = try ComputeThread(name: "serving")
      reading = try ComputeThread(name: "pull-desk")
      server = PullDesk.Server(
        loop: front, socket: pull, name: "pull", unsent: counts.full(on: .pull), logger: logger)
      desk = PullDesk(
        thread: reading, server: server, models: models, membership: home.membership, shelf: shelf,
        pulledBytes: metrics.pulledBytes, logger: logger)
      client = RequestClient(
        loop: links, socket: try sockets.snapshot(), endpoint: Endpoint(rawValue: endpoints.snapshot),
        server: "the coordinator", isRefusalFinal: false)
      subscriber = StateSubscriber(
        loop: links, socket: try sockets.state(), endpoint: Endpoint(rawValue: endpoints.state), backlog: records,
        links: counts, logger: logger)
      node = ServingNode(
        thread: work, membership: home.membership, models: models, client: client, desk: desk, host: host,
        records: records, chunks: chunks, fetchedBytes: metrics.fetchedBytes, logger: logger, fail: fail
      ) { action in
        meter.note(action)
        observe(action)
      }
      events = try eventsAddress.map { address throws(ZeroMQError) in
        let socket = try sockets.events()
        let bound = try socket.bind(Endpoint(rawValue: address)).withoutMappedAddress
        let server = EventDesk.Server(
          loop: try IOLoop(name: "events"), socket: socket, name: "events",
          unreadable: { metrics.answeredByNone(.zeromq, code: 400) }, logger: logger)
        let desk = EventDesk(
          server: server, host: host, limiter: access.limiter, metrics: metrics,
          federation: home.membership.federation)
        return (desk, bound)
      }
    } catch {
      throw RuntimeError(error)
    }
  }

  /// Answers consumers, writes down where, and follows the coordinator.
  ///
  /// - Throws: `RuntimeError` for an address that cannot be bound.
  func start() async throws(RuntimeError) {
    let stored = await desk.takeUpStored()
    await node.remember(stored)
    await server.start { [weak desk] inquiry in
      guard let desk else { return }
      desk.thread.post(to: desk) { $0.answer(inquiry) }
    }
    watching.withLock { $0 = Task { [access] in await access.run() } }
    let url = try await http?.start()
    await events?.desk.start()
    do throws(FileError) {
      try EndpointsFile(pull: endpoint.rawValue, events: events?.endpoint.rawValue, http: url, grpc: http?.rpcAddress)
        .write(
          path: endpointsPath)
    } catch {
      throw RuntimeError(error)
    }
    logger.info("serving node listens", metadata: ["endpoint": "\(endpoint)", "http": "\(url ?? "none")"])
    await client.start { [weak node, chunks, linkMetrics] event in
      guard let node else { return }
      if case .reply = event, !chunks.enter() { return linkMetrics.dropped(on: .snapshot).add() }
      node.thread.post(to: node) { $0.receive(event) }
    }
    do {
      try await subscriber.start { [node] record in
        node.thread.post(to: node) { $0.receive(record) }
      }
      await node.start()
    } catch {
      logger.critical("cannot subscribe", metadata: ["error": "\(error)"])
    }
  }

  /// Answers what is under way over HTTP, and ends.
  func finish() async {
    await http?.stop()
    stop()
  }

  /// Ends all threads; consumers are no longer answered.
  func stop() {
    watching.withLock { $0 }?.cancel()
    Task { [http] in await http?.stop() }
    front.stop()
    events?.desk.server.loop.stop()
    links.stop()
    work.stop()
    reading.stop()
  }
}

/// The sockets of a serving node, with their keys.
private struct ServingSockets {
  private let context: Context
  private let authenticator: ZAPAuthenticator
  private let keys: CurveKeyPair
  private let coordinator: CurvePublicKey

  init(home: PartyHome, links: LinkMetrics, logger: Logger) throws(RuntimeError) {
    keys = try home.curveKeyPair()
    guard let member = home.membership.members(role: .coordinator).first,
      let key = CurvePublicKey(member.certificate.linkKey)
    else {
      throw RuntimeError(.usage, "\(home.path(FederationFile.name)): found no coordinator, expected one")
    }
    coordinator = key
    do throws(ZeroMQError) {
      context = try Context(ioThreads: 2)
      authenticator = try ZAPAuthenticator(in: context) { peer in
        links.authenticationFailures.add()
        logger.warning("connection refused", metadata: ["address": "\(peer.address)", "reason": "\(peer.reason)"])
      }
    } catch {
      throw RuntimeError(error)
    }
    authenticator.admit(home.membership, in: [.user], now: unixTime())
  }

  func pull() throws(ZeroMQError) -> Socket {
    let socket = try Socket(.pull(.binding), in: context)
    try socket.set(.linger(.milliseconds(500)))  // The process has two seconds to end.
    try socket.serveCurve(keys, in: .user, admittedBy: authenticator)
    return socket
  }

  func events() throws(ZeroMQError) -> Socket {
    let socket = try Socket(.events(.binding), in: context)
    try socket.set(.linger(.milliseconds(500)))
    try socket.serveCurve(keys, in: .user, admittedBy: authenticator)
    return socket
  }

  func snapshot() throws(ZeroMQError) -> Socket {
    let socket = try Socket(.snapshot(.connecting), in: context)
    try socket.set(.frameBytesMax(FrameLimits.snapshot.frameBytesMax))  // A snapshot is one frame.
    return try connecting(socket)
  }

  func state() throws(ZeroMQError) -> Socket { try connecting(Socket(.state(.connecting), in: context)) }

  private func connecting(_ socket: consuming Socket) throws(ZeroMQError) -> Socket {
    // Nodes are few: none has to wait half a minute for a coordinator that is back.
    try socket.set(.reconnect(initial: .milliseconds(250), longest: .seconds(4)))
    try socket.set(.curveClient(keyPair: keys, server: coordinator))
    return socket
  }
}
