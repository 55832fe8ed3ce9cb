import Testing

@testable import ZeroMQ

@Suite("CURVE links and their ZAP authenticator", .timeLimit(.minutes(2)))
struct CurveTests {
  let server: CurveKeyPair
  let worker: CurveKeyPair
  let stranger: CurveKeyPair

  init() throws {
    server = try .generate()
    worker = try .generate()
    stranger = try .generate()
  }

  private func client(_ keyPair: CurveKeyPair, server: CurvePublicKey? = nil, at stage: Stage) async throws -> Station {
    try await stage.open(.control(.connecting)) {
      try $0.set(.curveClient(keyPair: keyPair, server: server ?? self.server.publicKey))
    }
  }

  private func server(_ authenticator: ZAPAuthenticator, at stage: Stage) async throws -> Station {
    try await stage.open(.control(.binding)) {
      try $0.serveCurve(server, in: .worker, admittedBy: authenticator)
    }
  }

  @Test("An admitted key gets in, and every message carries its user id and address")
  func admits() async throws {
    try await Stage.run { stage in
      let authenticator = try ZAPAuthenticator(in: stage.context)
      authenticator.admit(worker.publicKey, as: "worker-7", in: .worker)
      let router = try await server(authenticator, at: stage)
      let dealer = try await client(worker, at: stage)
      try await dealer.connect(try await router.bind())
      #expect(await dealer.becomes { $0.connections.contains(.handshakeSucceeded) })
      #expect(try await dealer.send(["one"]) == .sent)
      #expect(try await dealer.send(["two", "parts"]) == .sent)
      #expect(await router.becomes { $0.messages.count == 2 })
      let messages = await router.messages
      #expect(messages.map(\.userID) == ["worker-7", "worker-7"])
      #expect(messages.map(\.peerAddress) == ["127.0.0.1", "127.0.0.1"])
      #expect(await router.texts == [["one"], ["two", "parts"]])
      #expect(authenticator.statistics.admissionCount == 1)
      #expect(try await router.send(["answer"], to: messages[0].origin) == .sent)
      #expect(await dealer.becomes { $0.texts == [["answer"]] })
    }
  }

  @Test("A key that is not in the table is refused, delivers nothing, and is reported with its address")
  func refusesUnknownKey() async throws {
    try await Stage.run { stage in
      let refusals = Locked<[ZAPAuthenticator.RefusedPeer]>([])
      let authenticator = try ZAPAuthenticator(in: stage.context) { peer in refusals.withLock { $0.append(peer) } }
      authenticator.admit(worker.publicKey, as: "worker-7", in: .worker)
      let router = try await server(authenticator, at: stage)
      let dealer = try await client(stranger, at: stage)
      try await dealer.connect(try await router.bind())
      #expect(await dealer.becomes { $0.connections.contains(.handshakeRefused(status: 400)) })
      #expect(try await dealer.send(["let me in"]) == .wouldBlock)
      #expect(await router.messages.isEmpty)
      #expect(
        refusals.withLock { $0.first }
          == .init(reason: .unknownKey, domain: .worker, address: "127.0.0.1", publicKey: stranger.publicKey))
      #expect(authenticator.statistics.refusalCounts[.unknownKey, default: 0] >= 1)
      #expect(authenticator.statistics.admissionCount == 0)
    }
  }

  @Test("A key of one domain does not open another")
  func refusesOtherDomain() async throws {
    try await Stage.run { stage in
      let authenticator = try ZAPAuthenticator(in: stage.context)
      authenticator.replace(with: [.serve: [worker.publicKey: "serving"], .worker: [:]])
      let router = try await server(authenticator, at: stage)
      let dealer = try await client(worker, at: stage)
      try await dealer.connect(try await router.bind())
      #expect(await dealer.becomes { $0.connections.contains(.handshakeRefused(status: 400)) })
      #expect(authenticator.statistics.refusalCounts[.unknownKey, default: 0] >= 1)
    }
  }

  @Test("An authenticator without a table refuses everybody")
  func failsClosed() async throws {
    try await Stage.run { stage in
      let authenticator = try ZAPAuthenticator(in: stage.context)
      let router = try await server(authenticator, at: stage)
      let dealer = try await client(worker, at: stage)
      try await dealer.connect(try await router.bind())
      #expect(await dealer.becomes { $0.connections.contains(.handshakeRefused(status: 400)) })
      #expect(authenticator.statistics.refusalCounts[.unknownDomain, default: 0] >= 1)
    }
  }

  @Test("A server keeps its authenticator alive: letting go of it opens no door")
  func outlivesItsReference() async throws {
    try await Stage.run { stage in
      let router = try await server(try ZAPAuthenticator(in: stage.context), at: stage)
      let dealer = try await client(worker, at: stage)
      try await dealer.connect(try await router.bind())
      #expect(await dealer.becomes { $0.connections.contains(.handshakeRefused(status: 400)) })
    }
  }

  @Test("Should anybody get past the handshake unnamed, the messages are refused")
  func refusesUnnamed() throws {
    let context = try Context()
    let router = try Socket(.router, in: context)
    router.handle.authenticator = try ZAPAuthenticator(in: context)  // And yet without CURVE, so that nobody is asked.
    let dealer = try Socket(.dealer, in: context)
    try dealer.connect(try router.bind(.tcpAtAnyPort(host: "127.0.0.1")))
    #expect(try dealer.send([Frame("it is me")]) == .sent)
    #expect(try router.waitUntilReadable(within: .seconds(20)))
    guard case .refused(let message) = try router.receive() else {
      Issue.record("not refused")
      return
    }
    #expect(message.reason == .unauthenticated)
    #expect(message.peerAddress == "127.0.0.1")
  }

  @Test("A peer without CURVE, and one that expects another server, do not get through the handshake")
  func refusesOtherMechanism() async throws {
    try await Stage.run { stage in
      let authenticator = try ZAPAuthenticator(in: stage.context)
      authenticator.admit(worker.publicKey, as: "worker-7", in: .worker)
      let router = try await server(authenticator, at: stage)
      let endpoint = try await router.bind()
      let plain = try await stage.open(.control(.connecting))
      try await plain.connect(endpoint)
      let misled = try await client(worker, server: stranger.publicKey, at: stage)
      try await misled.connect(endpoint)
      #expect(await plain.becomes { $0.connections.contains(where: \.isHandshakeFailure) || $0.wasDropped })
      #expect(await misled.becomes { $0.connections.contains(where: \.isHandshakeFailure) || $0.wasDropped })
      #expect(try await plain.send(["hello"]) == .wouldBlock)
      #expect(try await misled.send(["hello"]) == .wouldBlock)
      #expect(await router.messages.isEmpty)
      #expect(authenticator.statistics.admissionCount == 0)
    }
  }

  @Test("A key admitted while the server runs gets in at its next attempt; a revoked one does not come back")
  func changesAtRunTime() async throws {
    try await Stage.run { stage in
      let authenticator = try ZAPAuthenticator(in: stage.context)
      authenticator.replace(with: [.worker: [:]])
      let router = try await server(authenticator, at: stage)
      let endpoint = try await router.bind()
      let dealer = try await client(worker, at: stage)
      try await dealer.connect(endpoint)
      #expect(await dealer.becomes { $0.connections.contains(.handshakeRefused(status: 400)) })
      authenticator.admit(worker.publicKey, as: "worker-7", in: .worker)
      let second = try await client(worker, at: stage)
      try await second.connect(endpoint)
      #expect(await second.becomes { $0.connections.contains(.handshakeSucceeded) })
      authenticator.revoke(worker.publicKey, in: .worker)
      let third = try await client(worker, at: stage)
      try await third.connect(endpoint)
      #expect(await third.becomes { $0.connections.contains(.handshakeRefused(status: 400)) })
    }
  }

  @Test("A context has one authenticator: the second says that the address is in use")
  func oneAuthenticator() throws {
    let context = try Context()
    let first = try ZAPAuthenticator(in: context)
    let error = #expect(throws: ZeroMQError.self) { try ZAPAuthenticator(in: context) }
    #expect(error?.isAddressInUse == true)
    #expect(error?.description == "bind inproc://zeromq.zap.01: Address already in use")
    withExtendedLifetime(first) {}
  }

  @Test("The derived public key is the generated one, and secrets do not print")
  func derivesPublicKey() throws {
    let derived = try CurveKeyPair(secretKey: worker.secretKey)
    #expect(derived.publicKey == worker.publicKey)
    #expect(worker.publicKey != stranger.publicKey)
    var dumped = ""
    dump(worker, to: &dumped)
    for text in ["\(worker)", "\(SocketOption.curveClient(keyPair: worker, server: server.publicKey))", dumped] {
      #expect(!text.contains(worker.secretKey.z85()))
      #expect(text.contains("CURVE secret key of 32 bytes"))
    }
  }
}

extension ConnectionEvent.Kind {
  fileprivate var isHandshakeFailure: Bool {
    switch self {
    case .handshakeViolatedProtocol, .handshakeRefused, .handshakeFailed: true
    default: false
    }
  }
}

extension Station {
  fileprivate var wasDropped: Bool { connections.contains(.disconnected) && !connections.contains(.handshakeSucceeded) }
}
