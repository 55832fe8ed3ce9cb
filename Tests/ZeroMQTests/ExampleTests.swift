import Testing

@testable import ZeroMQ

// The two actors of the module's front page, word for word.

actor Server {
  private let loop: IOLoop
  private let socket: Socket
  nonisolated let endpoint: Endpoint
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  init(
    at endpoint: Endpoint, keyPair: CurveKeyPair, admittedBy authenticator: ZAPAuthenticator, in context: Context,
    on loop: IOLoop
  ) throws(ZeroMQError) {
    self.loop = loop
    socket = try Socket(.control(.binding), in: context)
    try socket.serveCurve(keyPair, in: .worker, admittedBy: authenticator)
    self.endpoint = try socket.bind(endpoint)
  }

  func start() {
    loop.watch(socket, for: self, messagesPerTurnMax: 64) { server, event in server.handle(event) }
  }

  private func handle(_ event: SocketEvent) {
    guard case .message(let message) = event, let name = message.userID else { return }
    switch try? socket.send([Frame("hello \(name)")] + message.frames, to: message.origin) {
    case .sent: break
    case .wouldBlock, .unreachable, nil: print("\(name) does not take answers")
    }
  }
}

actor Client {
  private let loop: IOLoop
  private let socket: Socket
  private var answer: CheckedContinuation<[String], Never>?
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  init(
    to endpoint: Endpoint, of server: CurvePublicKey, as keyPair: CurveKeyPair, in context: Context, on loop: IOLoop
  ) throws(ZeroMQError) {
    self.loop = loop
    socket = try Socket(.control(.connecting), in: context)
    try socket.set(.curveClient(keyPair: keyPair, server: server))
    try socket.connect(endpoint)
  }

  /// Asks every 100 ms until there is an answer; gives up with an empty one after the limit.
  func ask(_ question: String, within limit: Duration) async -> [String] {
    let watch = loop.watch(socket, for: self) { client, event in
      if case .message(let message) = event { client.finish(message.frames.map(\.text)) }
    }
    let retry = loop.schedule(every: .milliseconds(100), for: self) { client in
      _ = try? client.socket.send([Frame(question)])
    }
    let deadline = loop.schedule(after: limit, for: self) { $0.finish([]) }
    defer {
      watch.cancel()
      retry.cancel()
      deadline.cancel()
    }
    return await withCheckedContinuation { answer = $0 }
  }

  private func finish(_ texts: [String]) {
    answer?.resume(returning: texts)
    answer = nil
  }
}

@Suite("The example of the front page", .timeLimit(.minutes(2)))
struct ExampleTests {
  @Test("The client is greeted by the name that its key has at the server")
  func greets() async throws {
    let serverKeys = try CurveKeyPair.generate()
    let clientKeys = try CurveKeyPair.generate()

    let context = try Context(ioThreads: 2)
    let loop = try IOLoop(name: "control")
    let authenticator = try ZAPAuthenticator(in: context)
    authenticator.admit(clientKeys.publicKey, as: "worker-1", in: .worker)
    let server = try Server(
      at: .tcpAtAnyPort(host: "127.0.0.1"), keyPair: serverKeys, admittedBy: authenticator, in: context, on: loop)
    await server.start()
    let client = try Client(
      to: server.endpoint, of: serverKeys.publicKey, as: clientKeys, in: context, on: loop)
    #expect(await client.ask("ready?", within: .seconds(20)) == ["hello worker-1", "ready?"])
    loop.stop()
  }

  @Test("A client that nobody answers gives up at its deadline")
  func givesUp() async throws {
    let context = try Context()
    let loop = try IOLoop(name: "control")
    let client = try Client(
      to: "tcp://127.0.0.1:1", of: try CurveKeyPair.generate().publicKey, as: .generate(), in: context, on: loop)
    #expect(await client.ask("anyone?", within: .milliseconds(20)) == [])
    loop.stop()
  }
}
