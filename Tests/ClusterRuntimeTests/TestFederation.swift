import ClusterConfiguration
import Cryptography
import Federation
import Glibc
import GradientKernel
import Logging
import ModelRegistry
import Serving
import Tensors
import Testing
import Training
import ZeroMQ

@testable import ClusterRuntime

/// A federation in a temporary folder, with the models that its coordinator publishes.
final class TestFederation: Sendable {
  static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

  let root: String
  let coordinator: PartyHome
  let models: DirectoryModelStore
  let architecture: ModelArchitecture

  init(architecture: String = "mlp 4-3") throws {
    var template = Array("/tmp/murmur-XXXXXX".utf8CString)
    try #require(mkdtemp(&template) != nil)
    root = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let secrets = SystemSecretSource()
    let plan = FederationPlan(federation: "test", workers: [("worker-1", "org-1")], now: unixTime())
    try FederationHome.initialise(directory: root + "/f", plan: plan, secrets: secrets) {
      FederationHome.linkKeyPair(from: secrets)
    }
    coordinator = try PartyHome.load(directory: root + "/f/coordinator", expecting: .coordinator, now: unixTime())
    models = try DirectoryModelStore(root: root + "/f/coordinator/models")
    self.architecture = try ModelArchitecture(parsing: architecture)
  }

  deinit { try? DurableFile.remove(root) }

  func home(_ party: String) -> String { "\(root)/f/\(party)" }
  var membership: MembershipList { coordinator.membership }

  /// Makes and signs a version of "digits" with parameters of its own.
  func version(_ number: ModelVersion, seed: UInt64? = nil, parameters: ParameterSet? = nil) throws -> (
    signed: SignedManifest, artifact: ModelArtifact
  ) {
    let parameters = parameters ?? architecture.initialParameters(seed: seed ?? number.value + 1)
    let artifact = try ModelArtifact(tensors: parameters.tensors, model: "digits", version: number)
    let isFirst = number == 0
    let manifest = Manifest(
      federation: "test", model: "digits", version: number,
      parent: isFirst ? nil : Digest(unchecked: [UInt8](repeating: 9, count: 32)), run: "run-1",
      round: RoundNumber(number.value), attempt: 0, aggregation: .secure,
      configurationDigest: isFirst ? nil : Digest(unchecked: [UInt8](repeating: 8, count: 32)),
      cohortSize: isFirst ? 0 : 8, parentMetrics: nil, architecture: architecture.description, dataScale: 16,
      modelDigest: artifact.modelDigest, tensors: artifact.manifestTensors, file: artifact.manifestFile,
      createdAt: unixTime(), signer: coordinator.name)
    return (try SignedManifest(signing: manifest, key: coordinator.signingKey), artifact)
  }

  /// The coordinator's signer for foreign tools.
  func signer() throws -> ModelSigner {
    let key = try ModelSigningKeyFile.load(directory: coordinator.directory, secrets: SystemSecretSource())
    return ModelSigner(key: key, endorsedBy: coordinator.signingKey)
  }

  /// Puts a version into the coordinator's folder of models.
  @discardableResult
  func store(
    _ number: ModelVersion, parameters: ParameterSet? = nil, signedBy signer: ModelSigner? = nil
  ) throws -> StoredVersion {
    let (signed, artifact) = try version(number, parameters: parameters)
    try models.publish(signed, artifact: artifact, attachments: signer?.attachments(for: signed))
    return try models.find(ModelReference(model: "digits", selector: .version(number)))
  }

  /// Takes a member out of one party's membership list.
  func forget(_ name: WorkerID, in party: String) throws {
    let file = coordinator.federation
    let members = membership.members.filter { $0.certificate.name != name }
    let list = MembershipList(federation: "test", authorityKey: membership.authorityKey, members: members)
    try DurableFile.write(
      Array(FederationFile(endpoints: file.endpoints, membership: list).text.utf8),
      to: "\(home(party))/\(FederationFile.name)")
  }
}

/// Threads and sockets of a coordinator, as far as serving nodes and operators see it.
final class TestLinks: Sendable {
  let context: Context
  let authenticator: ZAPAuthenticator
  let loop: IOLoop
  let thread: ComputeThread
  private let federation: TestFederation

  init(_ federation: TestFederation) throws {
    self.federation = federation
    context = try Context()
    authenticator = try ZAPAuthenticator(in: context)
    authenticator.admit(federation.membership, in: [.serve, .operator, .user], now: unixTime())
    loop = try IOLoop(name: "test")
    thread = try ComputeThread(name: "test-desk")
  }

  deinit {
    loop.stop()
    thread.stop()
  }

  /// A bound socket; `endpoint` is where it is then.
  func bind(_ profile: SocketProfile, _ domain: ZAPDomain, at endpoint: inout Endpoint) throws -> sending Socket {
    let socket = try Socket(profile, in: context)
    try socket.set(.linger(.zero))
    try socket.serveCurve(federation.coordinator.curveKeyPair(), in: domain, admittedBy: authenticator)
    endpoint = try socket.bind(endpoint).withoutMappedAddress
    return socket
  }

  /// A socket that connects as one party to another.
  func connect(_ profile: SocketProfile, as party: String, to server: Role, at endpoint: Endpoint) throws
    -> sending Socket
  {
    let keys = try ClientKeys(
      home: federation.home(party), roles: [.consumer, .operator, .worker, .servingNode], server: server)
    let socket = try Socket(profile, in: context)
    try socket.set(.curveClient(keyPair: keys.own, server: keys.server))
    try socket.connect(endpoint)
    return socket
  }
}

/// The coordinator's own publisher, on ports of the system's choice or on those of an earlier one.
final class TestPublisher: Sendable {
  let endpoints: EndpointsFile
  private let links: TestLinks
  private let publisher: StatePublisher

  init(_ federation: TestFederation, epoch: UInt64, at old: EndpointsFile? = nil) async throws {
    links = try TestLinks(federation)
    var state = Endpoint(rawValue: old?.state ?? "tcp://127.0.0.1:*")
    var snapshot = Endpoint(rawValue: old?.snapshot ?? "tcp://127.0.0.1:*")
    publisher = StatePublisher(
      loop: links.loop, state: try links.bind(.state(.binding), .serve, at: &state),
      snapshot: try links.bind(.snapshot(.binding), .serve, at: &snapshot), models: federation.models,
      thread: links.thread, epoch: epoch, logger: TestFederation.logger)
    endpoints = EndpointsFile(state: state.rawValue, snapshot: snapshot.rawValue)
    await publisher.start()
  }

  func publish(_ version: StoredVersion) async { await publisher.publish(.published(version)) }

  /// Tells of what a coordinator's operators had done.
  func publish(_ news: StatePublisher.News) async { await publisher.publish(news) }
}

/// A serving node in this process, and what it has done.
final class TestNode: Sendable {
  let server: ServingServer
  private let actions: Recorder<ServingAction>

  init(_ federation: TestFederation, following endpoints: EndpointsFile, name: String = "serving") async throws {
    let file = "\(federation.root)/endpoints-\(name).yaml"
    try endpoints.write(path: file)
    let actions = Recorder<ServingAction>()
    self.actions = actions
    var options = ServingProcess.Options(home: federation.home(name), endpointsFile: file, bindLoopbackAnyPort: true)
    options.insecureAnonymous = true
    server = try ServingServer(
      options, logger: TestFederation.logger, observe: { actions.add($0) }, fail: { _ in })
    try await server.start()
  }

  deinit { server.stop() }

  var endpoint: String { server.endpoint.rawValue }
  /// Of HTTP.
  var url: String? { server.url }
  /// Of the socket for batches of events.
  var events: Endpoint? { server.eventsEndpoint }

  /// Waits until the node has done something, before or after this call.
  func did(_ matches: @escaping @Sendable (ServingAction) -> Bool) async { await actions.wait(for: matches) }

  func offered(_ version: ModelVersion, as alias: Alias = .latest) async {
    await did { $0 == .offer(VersionName("digits", version), alias) }
  }

  func hasDone(_ matches: (ServingAction) -> Bool) -> Bool { actions.all.contains(where: matches) }
}

/// Remembers what happened, and lets a test wait for what has not happened yet.
final class Recorder<Item: Sendable>: Sendable {
  private typealias Waiter = (matches: @Sendable (Item) -> Bool, continuation: CheckedContinuation<Void, Never>)

  private let state = Locked<(items: [Item], waiters: [Waiter])>(([], []))

  var all: [Item] { state.withLock { $0.items } }

  func add(_ item: Item) {
    let ready = state.withLock { state in
      state.items.append(item)
      let ready = state.waiters.filter { $0.matches(item) }
      state.waiters.removeAll { $0.matches(item) }
      return ready
    }
    for waiter in ready { waiter.continuation.resume() }
  }

  /// Returns when there is such an item, or when the test is over its time.
  func wait(for matches: @escaping @Sendable (Item) -> Bool) async {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isThere = state.withLock { state in
          if Task.isCancelled || state.items.contains(where: matches) { return true }
          state.waiters.append((matches, continuation))
          return false
        }
        if isThere { continuation.resume() }
      }
    } onCancel: {
      let waiters = state.withLock { state in
        defer { state.waiters = [] }
        return state.waiters
      }
      for waiter in waiters { waiter.continuation.resume() }
    }
  }
}
