import ClusterConfiguration
import Federation
import Glibc
import ModelRegistry
import Testing
import Wire
import ZeroMQ

@testable import ClusterRuntime

@Suite("Pulling models", .timeLimit(.minutes(2)))
struct PullTests {
  /// Two layers of 2.4 MB together: more than one window of chunks.
  static let large = "mlp 64-1024-512-10"

  /// A serving node that offers version 0, and all that keeps it so.
  static func serving(_ federation: TestFederation) async throws -> (publisher: TestPublisher, node: TestNode) {
    try federation.store(0)
    let publisher = try await TestPublisher(federation, epoch: 1)
    let node = try await TestNode(federation, following: publisher.endpoints)
    await node.offered(0)
    return (publisher, node)
  }

  static func category(_ body: () async throws(RuntimeError) -> Void) async -> ExitCategory {
    do throws(RuntimeError) {
      try await body()
      return .ok
    } catch {
      return error.category
    }
  }

  @Test("A pull that is interrupted leaves nothing under a final name, and goes on where it stopped")
  func resumes() async throws {
    let federation = try TestFederation(architecture: Self.large)
    let parts = try await Self.serving(federation)
    let folder = federation.root + "/pulled"
    let client = try PullClient(home: federation.home("consumer"), endpoint: parts.node.endpoint)
    let stopped = Locked<UInt64>(0)
    let first = Task {
      try await client.pull(reference: "digits@0", into: folder) { received, _ in
        guard received > 1 << 20 else { return }
        stopped.withLock { $0 = received }
        withUnsafeCurrentTask { $0?.cancel() }
      }
    }
    await #expect(throws: RuntimeError.self) { try await first.value }
    let left = try DurableFile.names(in: folder)
    #expect(left.count == 1 && left[0].hasPrefix(".partial-"))
    let starts = Recorder<UInt64>()
    let model = try await client.pull(reference: "digits@0", into: folder) { received, _ in starts.add(received) }
    #expect(try #require(starts.all.first) >= stopped.withLock { $0 })
    #expect(starts.all.last == model.manifest.file.byteCount)
    #expect(try DurableFile.names(in: folder) == ["manifest.json", "manifest.sig", "model.safetensors"])
    #expect(try PulledModel.verify(directory: folder, home: federation.home("consumer")) == model)
    withExtendedLifetime(parts) {}
  }

  @Test("What an interrupted download left is not trusted: if it is wrong, all of it is fetched again")
  func wrongPartial() async throws {
    let federation = try TestFederation(architecture: Self.large)
    let parts = try await Self.serving(federation)
    let folder = federation.root + "/pulled"
    let digest = try federation.version(0).artifact.manifestFile.digest
    try DurableFile.createDirectory(folder)
    try DurableFile.write([UInt8](repeating: 7, count: 600_000), to: "\(folder)/.partial-\(digest)")
    let client = try PullClient(home: federation.home("consumer"), endpoint: parts.node.endpoint)
    let starts = Recorder<UInt64>()
    let model = try await client.pull(reference: "digits@0", into: folder) { received, _ in starts.add(received) }
    #expect(starts.all.first == 524_288)
    #expect(starts.all.contains(262_144))
    #expect(try PulledModel.verify(directory: folder, home: federation.home("consumer")) == model)
    withExtendedLifetime(parts) {}
  }

  @Test("Bytes that a serving node changed are refused, and nothing of them stays")
  func hostileNode() async throws {
    let federation = try TestFederation()
    let (signed, artifact) = try federation.version(0)
    let links = try TestLinks(federation)
    var endpoint: Endpoint = "tcp://127.0.0.1:*"
    // The coordinator's key signs for the serving node here: only the listening side's key matters.
    let socket = try Socket(.pull(.binding), in: links.context)
    let home = try PartyHome.load(directory: federation.home("serving"), expecting: .servingNode, now: unixTime())
    try socket.serveCurve(home.curveKeyPair(), in: .user, admittedBy: links.authenticator)
    endpoint = try socket.bind(endpoint).withoutMappedAddress
    let server = PullDesk.Server(loop: links.loop, socket: socket, name: "pull", logger: TestFederation.logger)
    var file = artifact.file
    file[file.count - 1] ^= 1
    let wrong = file
    let other = try SignedManifest(
      signing: Manifest(bytes: signed.bytes),
      key: PartyHome.load(directory: federation.home("worker-1"), expecting: .worker, now: unixTime()).signingKey)
    await server.start { [weak server] inquiry in
      var shelf = BlobShelf()
      var pieces: [PullDesk.Server.Piece] = []
      switch inquiry.request {
      case .listModels: break
      case .resolve(let reference):
        pieces = [.init(message: .resolved(reference == "digits@0" ? signed : other))]
      case .blob(let request):
        if case .send(let chunks) = shelf.answer(request, at: .now, read: { _ in wrong }) {
          pieces = chunks.map { .init(message: .chunk($0.chunk), payload: $0.payload) }
        }
      }
      guard let server else { return }
      server.loop.post(to: server) { [pieces] in $0.reply(to: inquiry, pieces) }
    }
    let folder = federation.root + "/pulled"
    let client = try PullClient(home: federation.home("consumer"), endpoint: endpoint.rawValue)
    #expect(
      await Self.category { () throws(RuntimeError) in _ = try await client.pull(reference: "digits@0", into: folder) }
        == .verificationFailed)
    #expect(try DurableFile.names(in: folder).isEmpty)
    // Signed by a worker; another version than asked for.
    for reference in ["digits@latest", "digits@1"] {
      #expect(
        await Self.category { () throws(RuntimeError) in _ = try await client.manifest(of: reference) }
          == .verificationFailed)
    }
  }

  @Test("Errors of a pull have the category that scripts act on")
  func categories() async throws {
    let federation = try TestFederation()
    try federation.forget("operator", in: "serving")
    let parts = try await Self.serving(federation)
    let endpoint = parts.node.endpoint
    let folder = federation.root + "/pulled"
    let client = try PullClient(home: federation.home("consumer"), endpoint: endpoint)
    let cases: [(String, ExitCategory)] = [
      ("digits@5", .notFound), ("letters@latest", .notFound), ("digits@champion", .notFound),
      ("digits@sha256:\(String(repeating: "0", count: 64))", .notFound), ("digits", .usage), ("digits@", .usage),
    ]
    for (reference, expected) in cases {
      #expect(
        await Self.category { () throws(RuntimeError) in _ = try await client.pull(reference: reference, into: folder) }
          == expected, "\(reference)")
    }
    #expect(!DurableFile.exists(folder))
    // A member that the serving node does not know.
    let stranger = try PullClient(home: federation.home("operator"), endpoint: endpoint)
    #expect(
      await Self.category { () throws(RuntimeError) in _ = try await stranger.models() } == .notAuthorised)
    // Nobody listens.
    let lonely = try PullClient(
      home: federation.home("consumer"), endpoint: "tcp://127.0.0.1:9", deadline: .milliseconds(300))
    await #expect { try await lonely.models() } throws: {
      guard let error = $0 as? RuntimeError else { return false }
      return error.category == .network && error.message.contains("tcp://127.0.0.1:9")
    }
    // Somebody listens who is not the serving node of this consumer's federation.
    let others = try TestFederation()
    let foreign = try PullClient(
      home: others.home("consumer"), endpoint: endpoint, deadline: .milliseconds(500))
    #expect(await Self.category { () throws(RuntimeError) in _ = try await foreign.models() } == .network)
    #expect(
      await Self.category { () throws(RuntimeError) in _ = try PullClient(home: federation.root + "/nowhere") }
        == .notFound)
    withExtendedLifetime(parts) {}
  }

  @Test("An offline check finds every file that is missing or changed")
  func verifies() async throws {
    let federation = try TestFederation()
    let parts = try await Self.serving(federation)
    let folder = federation.root + "/pulled"
    let client = try PullClient(home: federation.home("consumer"), endpoint: parts.node.endpoint)
    let digest = try await client.pull(reference: "digits@0", into: folder).digest
    #expect(try await client.pull(reference: "digits@sha256:\(digest)", into: folder).digest == digest)
    func check() async -> ExitCategory {
      await Self.category { () throws(RuntimeError) in
        _ = try PulledModel.verify(directory: folder, home: federation.home("consumer"))
      }
    }
    for name in ["manifest.json", "manifest.sig", "model.safetensors"] {
      let path = "\(folder)/\(name)"
      let bytes = try DurableFile.read(path, byteCountMax: 1 << 20)
      var changed = bytes
      changed[changed.count / 2] ^= 1
      try DurableFile.write(changed, to: path)
      #expect(await check() == .verificationFailed, "\(name)")
      try DurableFile.remove(path)
      #expect(await check() == .notFound, "\(name)")
      try DurableFile.write(bytes, to: path)
      #expect(await check() == .ok)
    }
    let others = try TestFederation()
    #expect(
      await Self.category { () throws(RuntimeError) in
        _ = try PulledModel.verify(directory: folder, home: others.home("consumer"))
      } == .verificationFailed)
    withExtendedLifetime(parts) {}
  }
}
