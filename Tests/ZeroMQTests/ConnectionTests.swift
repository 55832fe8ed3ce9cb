import Testing

@testable import ZeroMQ

@Suite("Connections, options and errors", .timeLimit(.minutes(2)))
struct ConnectionTests {
  @Test("A client connects again after its server has restarted at the same endpoint, and messages flow")
  func reconnects() async throws {
    try await Stage.run { stage in
      let client = try await stage.open(.control(.connecting)) {
        try $0.set(.reconnect(initial: .milliseconds(20), longest: .milliseconds(100)))
      }
      var server: Station? = try await stage.open(.control(.binding))
      let endpoint = try #require(try await server?.bind())
      try await client.connect(endpoint)
      #expect(await client.becomes { $0.connections.filter { $0 == .handshakeSucceeded }.count == 1 })
      #expect(try await client.send(["before"]) == .sent)
      #expect(await server?.becomes { $0.texts == [["before"]] } == true)

      server = nil
      #expect(await client.becomes { $0.connections.contains(.disconnected) })
      #expect(try await client.send(["nobody there"]) == .wouldBlock)

      let successor = try await stage.open(.control(.binding))
      #expect(try await bindSoon(successor, at: endpoint, on: stage.loop) == endpoint)
      #expect(await client.becomes { $0.connections.filter { $0 == .handshakeSucceeded }.count == 2 })
      #expect(try await client.send(["after"]) == .sent)
      #expect(await successor.becomes { $0.texts == [["after"]] })
    }
  }

  /// Binds as soon as libzmq's reaper has closed the previous listener.
  private func bindSoon(_ station: Station, at endpoint: Endpoint, on loop: IOLoop) async throws -> Endpoint {
    let deadline = ContinuousClock.now + .seconds(20)
    while true {
      do {
        return try await station.bind(endpoint)
      } catch let error as ZeroMQError where error.isAddressInUse && ContinuousClock.now < deadline {
        await Task.yield()
      }
    }
  }

  @Test("Binding a taken port says what, where and why, and is recognised as an address in use")
  func addressInUse() throws {
    let context = try Context()
    let first = try Socket(.router, in: context)
    let endpoint = try first.bind(.tcpAtAnyPort(host: "127.0.0.1"))
    #expect(endpoint.port != nil)
    let second = try Socket(.router, in: context)
    do throws(ZeroMQError) {
      _ = try second.bind(endpoint)
      Issue.record("bound twice")
    } catch {
      #expect(error.isAddressInUse)
      #expect(error.description == "bind \(endpoint): Address already in use")
    }
  }

  @Test("An endpoint that makes no sense is an error that names it")
  func badEndpoint() throws {
    let context = try Context()
    let socket = try Socket(.dealer, in: context)
    do throws(ZeroMQError) {
      try socket.connect("carrier-pigeon://roof")
      Issue.record("connected")
    } catch {
      #expect(error.attempt == .connect("carrier-pigeon://roof"))
      #expect(!error.isAddressInUse)
    }
  }

  @Test(
    "Values that an option cannot hold are errors that name the option",
    arguments: [
      (.linger(.seconds(-1)), "ZMQ_LINGER"),
      (.handshakeInterval(.seconds(1 << 40)), "ZMQ_HANDSHAKE_IVL"),
      (.sendHighWaterMark(-1), "ZMQ_SNDHWM"),
      (.receiveHighWaterMark(1 << 40), "ZMQ_RCVHWM"),
      (.heartbeat(interval: .seconds(1), timeout: .seconds(3), timeToLive: .seconds(60)), "ZMQ_HEARTBEAT_TTL"),
      (.ioThreads([64]), "ZMQ_AFFINITY"),
      (.subscribe([1]), "ZMQ_SUBSCRIBE"),  // A DEALER has no subscriptions.
    ] as [(SocketOption, String)])
  func badOptions(option: SocketOption, name: String) throws {
    let context = try Context()
    let socket = try Socket(.dealer, in: context)
    do throws(ZeroMQError) {
      try socket.set(option)
      Issue.record("set")
    } catch {
      #expect(error.attempt == .setOption(name: name))
    }
  }

  @Test("Every profile can be opened at both ends", arguments: [SocketProfile.Side.binding, .connecting])
  func profiles(side: SocketProfile.Side) throws {
    let context = try Context(ioThreads: 2)
    for profile in [
      SocketProfile.control(side), .bulk(side), .state(side), .snapshot(side), .operator(side), .pull(side),
    ] {
      let socket = try Socket(profile, in: context)
      try socket.set(.ioThreads([1]))
      if side == .binding { #expect(try socket.bind(.tcpAtAnyPort(host: "127.0.0.1")).port != nil) }
    }
  }

  @Test(
    "Endpoints are written as libzmq reads them",
    arguments: [
      (.tcp(host: "example.org", port: 7700), "tcp://example.org:7700", 7700),
      (.tcp(host: "::1", port: 1), "tcp://[::1]:1", 1),
      (.tcpAtAnyPort(host: "127.0.0.1"), "tcp://127.0.0.1:*", nil),
      (.ipc(path: "/tmp/x:7"), "ipc:///tmp/x:7", nil),
      (.inproc(name: "a"), "inproc://a", nil),
    ] as [(Endpoint, String, UInt16?)])
  func endpoints(endpoint: Endpoint, text: String, port: UInt16?) {
    #expect(endpoint.rawValue == text)
    #expect(endpoint.port == port)
  }
}
