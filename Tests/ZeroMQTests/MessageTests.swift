import Testing

@testable import ZeroMQ

@Suite("Messages, routing and bounds", .timeLimit(.minutes(2)))
struct MessageTests {
  private func pair(
    _ server: SocketProfile = .control(.binding), _ client: SocketProfile = .control(.connecting), at stage: Stage
  ) async throws -> (Station, Station) {
    let router = try await stage.open(server)
    let dealer = try await stage.open(client)
    try await dealer.connect(try await router.bind())
    #expect(await dealer.becomes { $0.connections.contains(.handshakeSucceeded) })
    return (router, dealer)
  }

  @Test("A route that is nobody's is unreachable, and the next message is not affected")
  func unknownRoute() async throws {
    try await Stage.run { stage in
      let (router, dealer) = try await pair(at: stage)
      #expect(try await dealer.send(["hello"]) == .sent)
      #expect(await router.becomes { $0.messages.count == 1 })
      let origin = try #require(await router.messages.first?.origin)
      #expect(try await router.send(["to", "nobody"], to: RoutingID(bytes: [0, 1, 2, 3, 4])) == .unreachable)
      #expect(try await router.send(["to", "you"], to: origin) == .sent)
      #expect(await dealer.becomes { $0.texts == [["to", "you"]] })
    }
  }

  @Test("A peer that does not read fills its queue: the sender is told, loses nothing, and the rest arrives in order")
  func fullQueue() async throws {
    try await Stage.run { stage in
      let (router, dealer) = try await pair(
        .bulk(.binding, chunkBytesMax: 1 << 18, creditWindow: 4),
        .bulk(.connecting, chunkBytesMax: 1 << 18, creditWindow: 4), at: stage)
      #expect(try await dealer.send(["hello"]) == .sent)
      #expect(await router.becomes { $0.messages.count == 1 })
      let origin = try #require(await router.messages.first?.origin)
      await dealer.pause()
      let payload = [UInt8](repeating: 1, count: 1 << 18)
      let (sentCount, outcome) = try await router.flood(with: payload, to: origin, countMax: 1000)
      #expect(outcome == .wouldBlock)
      #expect(sentCount >= 4)
      await dealer.resume()
      #expect(await dealer.becomes { $0.messages.count == sentCount })
      #expect(await dealer.messages.map { $0.frames[0].text } == (0..<sentCount).map { "\($0)" })
      #expect(await dealer.messages.allSatisfy { $0.frames[1].array == payload })
    }
  }

  @Test("A dealer without a connection would block, and hears when it can send")
  func writable() async throws {
    try await Stage.run { stage in
      let router = try await stage.open(.control(.binding))
      let dealer = try await stage.open(.control(.connecting))
      #expect(try await dealer.send(["too early"]) == .wouldBlock)
      await dealer.notifyWhenWritable()
      try await dealer.connect(try await router.bind())
      #expect(await dealer.becomes { $0.writableCount == 1 })
      #expect(try await dealer.send(["now"]) == .sent)
      #expect(await router.becomes { $0.texts == [["now"]] })
    }
  }

  @Test("A frame over the bound costs the sender its connection, and the server goes on with others")
  func oversizeFrame() async throws {
    try await Stage.run { stage in
      let (router, offender) = try await pair(at: stage)
      let other = try await stage.open(.control(.connecting))
      #expect(try await offender.send(frames: [Frame(copying: [UInt8](repeating: 0, count: 1 << 21))]) == .sent)
      #expect(await router.becomes { $0.connections.contains(.disconnected) })
      #expect(await offender.becomes { $0.connections.contains(.disconnected) })
      try await other.connect(try await router.bind())
      #expect(await other.becomes { $0.connections.contains(.handshakeSucceeded) })
      #expect(try await other.send(["still here?"]) == .sent)
      #expect(await router.becomes { $0.texts == [["still here?"]] })
    }
  }

  @Test("A message of too many frames is refused whole, and the connection goes on", arguments: [17, 1000])
  func tooManyFrames(count: Int) async throws {
    try await Stage.run { stage in
      let (router, dealer) = try await pair(at: stage)
      #expect(try await dealer.send((0..<count).map { "\($0)" }) == .sent)
      #expect(try await dealer.send((0..<16).map { "\($0)" }) == .sent)
      #expect(await router.becomes { $0.messages.count == 1 })
      #expect(await router.refused.map(\.reason) == [.tooManyFrames(count)])
      #expect(await router.refused.first?.peerAddress == "127.0.0.1")
      #expect(await router.texts == [(0..<16).map { "\($0)" }])
    }
  }

  @Test("A subscriber receives its topic; the publisher learns of the subscription")
  func publishes() async throws {
    try await Stage.run { stage in
      let publisher = try await stage.open(.state(.binding))
      let subscriber = try await stage.open(.state(.connecting)) { try $0.set(.subscribe(Array("state".utf8))) }
      try await subscriber.connect(try await publisher.bind())
      #expect(await publisher.becomes { $0.messages.count == 1 })
      let subscription = try #require(await publisher.messages.first?.subscription)
      #expect(subscription == (true, Array("state".utf8)))
      #expect(try await publisher.send(["other", "1"]) == .sent)
      #expect(try await publisher.send(["state", "2"]) == .sent)
      #expect(await subscriber.becomes { $0.texts == [["state", "2"]] })
    }
  }

  @Test("A block is sent without a copy and released once, after every peer has it")
  func sharesBlocks() async throws {
    try await Stage.run { stage in
      let releases = Locked(0)
      let (router, dealer) = try await pair(.bulk(.binding), .bulk(.connecting), at: stage)
      func sendTwice() async throws {
        let block = OwnedBlock(byteCount: 1 << 18) { releases.withLock { $0 += 1 } }
        block.bytes.initializeMemory(as: UInt8.self, repeating: 9)
        let frame = Frame(sharing: block)
        #expect(frame.withUnsafeBytes { $0.baseAddress } == UnsafeRawPointer(block.bytes.baseAddress))
        #expect(try await dealer.send(frames: [Frame("a"), frame]) == .sent)
        #expect(try await dealer.send(frames: [Frame("b"), frame]) == .sent)
        #expect(releases.withLock { $0 } == 0)
      }
      try await sendTwice()
      #expect(await router.becomes { $0.messages.count == 2 })
      #expect(await router.messages.allSatisfy { $0.frames[1].array == [UInt8](repeating: 9, count: 1 << 18) })
      // libzmq lets go of a sent message when it takes the next one.
      #expect(try await dealer.send(["c"]) == .sent)
      #expect(await router.becomes { $0.messages.count == 3 })
      #expect(releases.withLock { $0 } == 1)
    }
  }

  @Test("Frames hold what was put into them", arguments: [0, 1, 33, 34, 65_536])
  func frames(count: Int) {
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
    let frame = Frame(copying: bytes)
    #expect(frame.count == count)
    #expect(frame.isEmpty == (count == 0))
    #expect(frame.array == bytes)
    #expect(frame.bytes.byteCount == count)
    #expect(bytes.withUnsafeBytes { Frame(copying: $0) }.array == bytes)
    #expect(frame.userID == nil)
    #expect(frame.peerAddress == nil)
  }

  @Test("A link over ipc has no user id and works by the same rules")
  func ipc() async throws {
    try await Stage.run { stage in
      let folder = try TemporaryFolder()
      let router = try await stage.open(.operator(.binding))
      let dealer = try await stage.open(.operator(.connecting))
      try await dealer.connect(try await router.bind(.ipc(path: folder.path + "/operator")))
      #expect(await dealer.becomes { $0.connections.contains(.handshakeSucceeded) })
      #expect(try await dealer.send(["status"]) == .sent)
      #expect(await router.becomes { $0.texts == [["status"]] })
      #expect(await router.messages.first?.userID == nil)
    }
  }
}
