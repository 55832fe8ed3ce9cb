import Federation
import Glibc
import ModelRegistry
import Testing
import Wire
import ZeroMQ

@testable import ClusterRuntime

@Suite("Batches of events")
struct EventTests {
  /// A consumer's end of the events socket.
  private actor Consumer {
    nonisolated let loop: IOLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
    private let socket: Socket
    private let answers: Recorder<(request: UInt64, reply: EventReply, payload: [UInt8])>

    init(
      loop: IOLoop, socket: consuming sending Socket,
      answers: Recorder<(request: UInt64, reply: EventReply, payload: [UInt8])>
    ) {
      self.loop = loop
      self.socket = socket
      self.answers = answers
    }

    func start() {
      loop.watch(socket, for: self) { consumer, event in
        guard case .message(let message) = event, let header = message.frames.first,
          let received = try? EventReply.receive(
            header.bytes, payloadBytes: message.frames.count > 1 ? message.frames[1].count : nil)
        else { return }
        consumer.answers.add(
          (received.request, received.message, message.frames.count > 1 ? message.frames[1].array : []))
      }
    }

    /// Sends until the socket is connected and takes it.
    func send(_ frames: [[UInt8]]) async throws {
      while try socket.send(frames.map { Frame(copying: $0) }) != .sent { await Task.yield() }
    }
  }

  @Test(
    "Rows come back as the version's predictions; what is no batch for the model is refused, and the next is answered")
  func predicts() async throws {
    let federation = try TestFederation(architecture: "features 4 > dense 3 : mean-squared-error")
    try DurableFile.write(
      Array("model-directory: models\nbind: {events: \"tcp://127.0.0.1:*\"}\n".utf8),
      to: federation.home("serving") + "/serving.yaml")
    let publisher = try await TestPublisher(federation, epoch: 1)
    await publisher.publish(try federation.store(0))
    let node = try await TestNode(federation, following: publisher.endpoints)
    await node.offered(0)
    let links = try TestLinks(federation)
    let answers = Recorder<(request: UInt64, reply: EventReply, payload: [UInt8])>()
    let endpoint = try #require(node.events)
    let consumer = Consumer(
      loop: links.loop,
      socket: try links.connect(.events(.connecting), as: "consumer", to: .servingNode, at: endpoint), answers: answers)
    await consumer.start()

    let bytes: [UInt8] = [0, 16, 32, 48, 64, 80, 96, 112]
    let floats = bytes.flatMap { withUnsafeBytes(of: Float($0)) { Array($0) } }
    let batches: [(batch: EventBatch, rows: [UInt8])] = [
      (EventBatch(model: "digits", rows: 2, element: .uint8), bytes),
      (EventBatch(model: "digits", rows: 2, element: .uint8), bytes + [1]),
      (EventBatch(model: "other", rows: 2, element: .uint8), bytes),
      (EventBatch(model: "digits", version: .alias(.latest), rows: 2, element: .float32), floats),
    ]
    for (index, item) in batches.enumerated() {
      try await consumer.send([try item.batch.encoded(request: UInt64(index + 1)), item.rows])
      await answers.wait { $0.request == UInt64(index + 1) }
    }
    let replies = answers.all.map(\.reply)
    #expect(replies[0] == .predictions(version: 0, rows: 2, width: 3))
    #expect(replies[3] == replies[0])
    #expect(answers.all[0].payload == answers.all[3].payload && answers.all[0].payload.count == 24)
    for (reply, code) in [(replies[1], Failure.Code.invalid), (replies[2], .notFound)] {
      guard case .failed(let failure) = reply else {
        Issue.record("found \(reply), expected a failure")
        continue
      }
      #expect(failure.code == code)
    }
  }
}
