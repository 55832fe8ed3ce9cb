import Federation
import ModelRegistry
import Pulling
import Testing
import Transfer
import Wire
import ZeroMQ

@testable import ClusterRuntime

@Suite("Malformed frames", .timeLimit(.minutes(1)))
struct MalformedFrameTests {
  /// Messages that no honest peer sends; the last is longer than any socket here takes.
  static let messages: [[[UInt8]]] = [
    [[]], [[0]], [[0xff, 0xff, 0xff, 0xff]], [[UInt8]](repeating: [1, 2, 3], count: 2),
    [[UInt8]](repeating: [8, 1], count: 40),
    // Major 1, no body. Major 9. A request number, then a body that is cut short.
    [[8, 1]], [[8, 9]], [[8, 1, 24, 77, 0xba, 0x04, 0x7f]],
    (0..<2).map { (i: Int) -> [UInt8] in (0..<300).map { UInt8(truncatingIfNeeded: $0 * 37 + i * 11 + 5) } },
    [(0..<5000).map { UInt8(truncatingIfNeeded: $0 &* $0 + 3) }],
    [[UInt8](repeating: 8, count: 5 << 20)],
  ]

  /// Sends all of them; a connection that the other side closes opens again.
  static func send(from socket: borrowing Socket) throws {
    for message in messages {
      var outcome = SendOutcome.wouldBlock
      while outcome == .wouldBlock { outcome = try socket.send(message.map { Frame(copying: $0) }) }
    }
  }

  @Test("They do not stop the pull socket")
  func pull() async throws {
    let federation = try TestFederation()
    let parts = try await PullTests.serving(federation)
    let links = try TestLinks(federation)
    let socket = try links.connect(
      .pull(.connecting), as: "consumer", to: .servingNode, at: Endpoint(rawValue: parts.node.endpoint))
    try Self.send(from: socket)
    // What breaks the protocol in a well-formed message.
    for request in [(1, 1), (0, 0), (0, 9), (1 << 40, 1)] as [(UInt64, UInt32)] {
      let blob = BlobRequest(
        digest: try federation.version(0).artifact.manifestFile.digest, offset: request.0, chunks: request.1)
      if let header = try? PullRequest.blob(blob).encoded() { _ = try socket.send([Frame(copying: header)]) }
    }
    let client = try PullClient(home: federation.home("consumer"), from: [parts.node.endpoint])
    #expect(try await client.pull(reference: "digits@0", into: federation.root + "/pulled").manifest.version == 0)
  }

  @Test("They do not stop the snapshot socket")
  func snapshot() async throws {
    let federation = try TestFederation()
    try federation.store(0)
    let publisher = try await TestPublisher(federation, epoch: 1)
    let links = try TestLinks(federation)
    let endpoint = Endpoint(rawValue: try #require(publisher.endpoints.snapshot))
    let socket = try links.connect(.snapshot(.connecting), as: "serving", to: .coordinator, at: endpoint)
    try Self.send(from: socket)
    let node = try await TestNode(federation, following: publisher.endpoints)
    await node.offered(0)
  }

  @Test("They do not stop the operator's sockets")
  func operators() async throws {
    let federation = try TestFederation()
    let links = try TestLinks(federation)
    let server = try await OperatorTests.open(federation, links: links)
    let local = try #require(server.endpoints.first)
    let socket = try Socket(.operator(.connecting), in: links.context)
    try socket.connect(local)
    try Self.send(from: socket)
    let client = try OperatorClient(home: federation.home("coordinator"))
    #expect(try await client.runs() == [OperatorTests.row])
    withExtendedLifetime(server) {}
  }

  @Test("A request that cannot be read is answered under its number, if that can be")
  func answered() async throws {
    let federation = try TestFederation()
    let links = try TestLinks(federation)
    let server = try await OperatorTests.open(federation, links: links)
    let socket = try Socket(.operator(.connecting), in: links.context)
    try socket.connect(try #require(server.endpoints.first))
    // A pull request has a number, and no meaning here.
    let header = Frame(copying: try PullRequest.listModels.encoded(request: 77))
    while try socket.send([header]) != .sent {}
    #expect(try socket.waitUntilReadable(within: .seconds(10)))
    guard case .message(let message) = try socket.receive() else {
      Issue.record("no answer")
      return
    }
    let reply = try OperatorReply.receive(message.frames[0].array)
    #expect(reply.request == 77)
    #expect(reply.message.failure?.code == .invalid)
    withExtendedLifetime(server) {}
  }

  @Test("One peer's flood of requests is bounded, and does not keep others waiting")
  func flood() async throws {
    let federation = try TestFederation()
    let links = try TestLinks(federation)
    var endpoint: Endpoint = "tcp://127.0.0.1:*"
    let server = RequestServer<OperatorRequest, OperatorReply>(
      loop: links.loop, socket: try links.bind(.operator(.binding), .user, at: &endpoint), name: "operator",
      limits: .init(total: 8, perPeer: 4), logger: TestFederation.logger)
    let taken = Recorder<String>()
    // Nothing is ever answered: requests stay in hand.
    await server.start { taken.add($0.peer) }
    let greedy = try links.connect(.operator(.connecting), as: "consumer", to: .coordinator, at: endpoint)
    let header = Frame(copying: try OperatorRequest.listRuns.encoded(request: 1))
    for _ in 0..<10 { while try greedy.send([header]) != .sent {} }
    var refused = 0
    while refused < 6 {
      #expect(try greedy.waitUntilReadable(within: .seconds(10)))
      guard case .message(let message) = try greedy.receive() else { break }
      let reply = try OperatorReply.receive(message.frames[0].array)
      #expect(reply.message.failure?.code == .unavailable)
      refused += 1
    }
    let other = try links.connect(.operator(.connecting), as: "worker-1", to: .coordinator, at: endpoint)
    while try other.send([header]) != .sent {}
    await taken.wait { $0 == "worker-1" }
    #expect(taken.all == ["consumer", "consumer", "consumer", "consumer", "worker-1"])
  }
}
