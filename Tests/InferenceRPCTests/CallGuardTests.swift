#if GRPC
  import Gateway
  import NIOCore
  import NIOEmbedded
  import NIOHPACK
  import NIOHTTP2
  import Observability
  import Testing

  @testable import InferenceRPC

  @Suite("What a call may bring")
  struct CallGuardTests {
    private let registry = MetricsRegistry()
    private let channel: EmbeddedChannel

    init() throws {
      let limits = HTTPLimits()
      channel = EmbeddedChannel(
        handler: CallGuard(limits: limits, budget: HTTPBudget(limits: limits), metrics: ServingMetrics(in: registry)))
      try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    }

    private func receive(_ payload: HTTP2Frame.FramePayload) throws { _ = try channel.writeInbound(payload) }

    private func receive(_ bytes: [UInt8], endStream: Bool) throws {
      try receive(.data(.init(data: .byteBuffer(ByteBuffer(bytes: bytes)), endStream: endStream)))
    }

    private var givenUp: Bool {
      registry.render(.text).contains(#"murmur_throttle_rejects_total{reason="deadline"} 1"#)
    }

    @Test("A call that does not come to its end within the patience is given up")
    func slow() throws {
      try receive(.headers(.init(headers: ["grpc-encoding": "identity"])))
      try receive([0, 0, 0, 0, 9, 1], endStream: false)
      channel.embeddedEventLoop.advanceTime(by: .seconds(74))
      #expect(channel.isActive && !givenUp)
      channel.embeddedEventLoop.advanceTime(by: .seconds(2))
      #expect(!channel.isActive && givenUp)
    }

    @Test("A call that has come may take its time")
    func whole() throws {
      try receive(.headers(.init(headers: [:])))
      try receive([0, 0, 0, 0, 1, 1], endStream: true)
      channel.embeddedEventLoop.advanceTime(by: .hours(1))
      #expect(channel.isActive && !givenUp)
      _ = try channel.finish()
    }
  }
#endif
