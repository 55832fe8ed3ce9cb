import ClusterConfiguration
import Federation
import Glibc
import ModelRegistry
import Pulling
import Testing
import Transfer
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
    let client = try PullClient(home: federation.home("consumer"), from: [parts.node.endpoint])
    let stopped = Locked<UInt64>(0)
    let first = Task {
      try await client.pull(reference: "digits@0", into: folder) { received, _ in
        guard received > 1 << 20 else { return }
        stopped.withLock { $0 = received }
        withUnsafeCurrentTask { $0?.cancel() }
      }
    }
    await #expect(throws: RuntimeError.self) { try await first.value }
    #expect(!DurableFile.exists(folder))
    #expect(try DurableFile.names(in: federation.root).filter { $0.hasPrefix(".pulled.partial-") }.count == 1)
    let starts = Recorder<UInt64>()
    let model = try await client.pull(reference: "digits@0", into: folder) { received, _ in starts.add(received) }
    #expect(try #require(starts.all.first) >= stopped.withLock { $0 })
    #expect(starts.all.last == model.manifest.file.byteCount)
    #expect(try DurableFile.names(in: folder) == ["README.md", "manifest.json", "manifest.sig", "model.safetensors"])
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
    let client = try PullClient(home: federation.home("consumer"), from: [parts.node.endpoint])
    let starts = Recorder<UInt64>()
    let model = try await client.pull(reference: "digits@0", into: folder) { received, _ in starts.add(received) }
    #expect(starts.all.first == 600_000)
    #expect(starts.all.contains(262_144))
    #expect(try PulledModel.verify(directory: folder, home: federation.home("consumer")) == model)
    withExtendedLifetime(parts) {}
  }

  @Test("Bytes that a serving node changed are refused, and nothing of them stays")
  func hostileNode() async throws {
    let federation = try TestFederation()
    let (signed, artifact) = try federation.version(0)
    var file = artifact.file
    file[file.count - 1] ^= 1
    let wrong = file
    let other = try SignedManifest(
      signing: Manifest(bytes: signed.bytes),
      key: PartyHome.load(directory: federation.home("worker-1"), expecting: .worker, now: unixTime()).signingKey)
    let node = try await ScriptedNode(federation) { request in
      switch request {
      case .listModels: []
      case .resolve(let reference): [.init(message: .resolved(reference == "digits@0" ? signed : other, nil))]
      case .blob(let request): ScriptedNode.chunks(of: wrong, request)
      }
    }
    let folder = federation.root + "/pulled"
    let client = try PullClient(home: federation.home("consumer"), from: [node.endpoint])
    #expect(
      await Self.category { () throws(RuntimeError) in _ = try await client.pull(reference: "digits@0", into: folder) }
        == .verificationFailed)
    #expect(!DurableFile.exists(folder))
    #expect(try DurableFile.names(in: federation.root).allSatisfy { !$0.hasPrefix(".pulled") })
    // Signed by a worker; another version than asked for.
    for reference in ["digits@latest", "digits@1"] {
      #expect(
        await Self.category { () throws(RuntimeError) in _ = try await client.manifest(of: reference) }
          == .verificationFailed)
    }
  }

  @Test("A node that falls silent in the middle gives way to the next one, which goes on from there")
  func failover() async throws {
    let federation = try TestFederation(architecture: Self.large)
    let parts = try await Self.serving(federation)
    let stored = try federation.models.find(ModelReference(model: "digits", selector: .version(0)))
    let file = try federation.models.artifact(of: stored).file
    let fading = try await ScriptedNode(federation) { request in
      switch request {
      case .listModels: []
      case .resolve: [.init(message: .resolved(stored.signed, nil))]
      case .blob(let request): request.offset < 1 << 20 ? ScriptedNode.chunks(of: file, request) : []
      }
    }
    let client = try PullClient(
      home: federation.home("consumer"), from: [fading.endpoint, parts.node.endpoint], deadline: .seconds(1))
    let counts = Recorder<UInt64>()
    let folder = federation.root + "/pulled"
    let model = try await client.pull(reference: "digits", into: folder) { received, _ in counts.add(received) }
    #expect(try PulledModel.verify(directory: folder, home: federation.home("consumer")) == model)
    #expect(counts.all.contains(1 << 20))
    // Never begun anew.
    #expect(zip(counts.all, counts.all.dropFirst()).allSatisfy { $0 <= $1 })
    withExtendedLifetime(parts) {}
  }

  @Test("The error of several nodes names each and what was wrong with it")
  func allFail() async throws {
    let federation = try TestFederation()
    let parts = try await Self.serving(federation)
    let client = try PullClient(
      home: federation.home("consumer"), from: ["tcp://127.0.0.1:9", parts.node.endpoint], deadline: .milliseconds(300))
    await #expect {
      try await client.pull(reference: "letters", into: federation.root + "/pulled")
    } throws: {
      guard let error = $0 as? RuntimeError else { return false }
      return error.category == .network && error.message.contains("tcp://127.0.0.1:9: no answer")
        && error.message.contains("\(parts.node.endpoint): ") && error.message.contains("letters")
    }
  }

  @Test("What one command pulled into the cache another one has without a network")
  func cached() async throws {
    let federation = try TestFederation(architecture: Self.large)
    let parts = try await Self.serving(federation)
    let cache = PullCache(root: federation.root + "/cache")
    let client = try PullClient(home: federation.home("consumer"), from: [parts.node.endpoint])
    let reference = try ModelReference(orLatest: "digits")
    let model = try await client.puller.pull(reference, into: cache)
    parts.node.server.stop()
    #expect(try cache.find(reference, membership: client.membership) == model)
    let copy = try await cache.copy(
      model, into: federation.root + "/pulled", membership: client.membership)
    #expect(try PulledModel.verify(directory: copy.directory, home: federation.home("consumer")) == copy)
  }

  @Test("A follower has each version when the node offers it, and keeps the last when the node is gone")
  func follows() async throws {
    let federation = try TestFederation()
    let parts = try await Self.serving(federation)
    let client = try PullClient(
      home: federation.home("consumer"), from: [parts.node.endpoint], deadline: .milliseconds(500))
    let folder = FollowFolder(federation.root + "/served", keep: 2)
    let events = Recorder<ModelFollower.Event>()
    let following = Task {
      var choices = SeededGenerator(seed: 1)
      let follower = ModelFollower(client.puller, into: folder, through: nil, interval: .milliseconds(50))
      try await follower.run(ModelReference(orLatest: "digits"), choices: &choices) { events.add($0) }
    }
    for number in [0, 1] as [ModelVersion] {
      if number > 0 { await parts.publisher.publish(try federation.store(number)) }
      await events.wait { if case .arrived(let model, _) = $0 { model.manifest.version == number } else { false } }
      #expect(folder.current == number)
    }
    parts.node.server.stop()
    await events.wait { if case .troubled = $0 { true } else { false } }
    #expect(folder.current == 1)
    following.cancel()
    try await following.value
  }

  @Test("Errors of a pull have the category that scripts act on")
  func categories() async throws {
    let federation = try TestFederation()
    try federation.forget("operator", in: "serving")
    let parts = try await Self.serving(federation)
    let endpoint = parts.node.endpoint
    let folder = federation.root + "/pulled"
    let client = try PullClient(home: federation.home("consumer"), from: [endpoint])
    let cases: [(String, ExitCategory)] = [
      ("digits@5", .notFound), ("letters@latest", .notFound), ("digits@champion", .notFound),
      ("digits@sha256:\(String(repeating: "0", count: 64))", .notFound), ("digits@", .usage), ("digits@@1", .usage),
    ]
    for (reference, expected) in cases {
      #expect(
        await Self.category { () throws(RuntimeError) in _ = try await client.pull(reference: reference, into: folder) }
          == expected, "\(reference)")
    }
    #expect(!DurableFile.exists(folder))
    // A member that the serving node does not know.
    let stranger = try PullClient(home: federation.home("operator"), from: [endpoint])
    #expect(
      await Self.category { () throws(RuntimeError) in _ = try await stranger.models() } == .notAuthorised)
    // Nobody listens.
    let lonely = try PullClient(
      home: federation.home("consumer"), from: ["tcp://127.0.0.1:9"], deadline: .milliseconds(300))
    await #expect { try await lonely.models() } throws: {
      guard let error = $0 as? RuntimeError else { return false }
      return error.category == .network && error.message.contains("tcp://127.0.0.1:9")
    }
    // Somebody listens who is not the serving node of this consumer's federation.
    let others = try TestFederation()
    let foreign = try PullClient(
      home: others.home("consumer"), from: [endpoint], deadline: .milliseconds(500))
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
    let client = try PullClient(home: federation.home("consumer"), from: [parts.node.endpoint])
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

/// A pull socket that answers as a test says. The coordinator's membership stands for the serving node's: only the
/// listening side's key matters.
final class ScriptedNode: Sendable {
  typealias Piece = PullDesk.Server.Piece

  let endpoint: String
  private let links: TestLinks
  private let server: PullDesk.Server

  init(_ federation: TestFederation, answer: @escaping @Sendable (PullRequest) -> [Piece]) async throws {
    links = try TestLinks(federation)
    let socket = try Socket(.pull(.binding), in: links.context)
    let home = try PartyHome.load(directory: federation.home("serving"), expecting: .servingNode, now: unixTime())
    try socket.serveCurve(home.curveKeyPair(), in: .user, admittedBy: links.authenticator)
    endpoint = try socket.bind("tcp://127.0.0.1:*").withoutMappedAddress.rawValue
    server = PullDesk.Server(loop: links.loop, socket: socket, name: "pull", logger: TestFederation.logger)
    await server.start { [weak server] inquiry in
      guard let server else { return }
      let pieces = answer(inquiry.request)
      server.loop.post(to: server) { $0.reply(to: inquiry, pieces) }
    }
  }

  /// What a node that has the file sends for a request.
  static func chunks(of file: [UInt8], _ request: BlobRequest) -> [Piece] {
    var shelf = BlobShelf()
    guard case .send(let chunks) = shelf.answer(request, at: .now, read: { _ in file }) else { return [] }
    return chunks.map { Piece(message: .chunk($0.chunk), payload: $0.payload) }
  }
}
