import ClusterRuntime
import Federation
import Foundation
import ModelRegistry
import Synchronization
import Wire
import ZeroMQ

/// Batches of events on a serving node's socket, a few in flight at any time, from one thread of this process.
final class EventLoad: Sendable {
  struct Result {
    let rowsPerSecond: Double
    /// Of one batch, from sending it to its answer, in milliseconds.
    let p50: Double
    let p99: Double
    let failures: Int
  }

  private let home: String
  private let endpoint: String
  private let rows: Int
  private let columns: Int
  private let element: EventBatch.Element

  init(consumer home: String, endpoint: String, rows: Int, columns: Int, element: EventBatch.Element) {
    self.home = home
    self.endpoint = endpoint
    self.rows = rows
    self.columns = columns
    self.element = element
  }

  /// - Parameter window: batches in flight.
  func run(seconds: Double, window: Int) throws -> Result {
    let keys = try ClientKeys(home: home, roles: [.consumer], server: .servingNode)
    let context = try Context()
    let loop = try IOLoop(name: "load")
    defer { loop.stop() }
    let socket = try Socket(.events(.connecting), in: context)
    try socket.set(.curveClient(keyPair: keys.own, server: keys.server))
    try socket.connect(Endpoint(rawValue: endpoint))
    let done = DispatchSemaphore(value: 0)
    let client = EventClient(
      loop: loop, socket: socket, header: try header(), payload: payload, window: window, warmUp: 0.5,
      seconds: seconds
    ) { done.signal() }
    Task { await client.start() }
    guard done.wait(timeout: .now() + seconds + 30) == .success else {
      throw BenchmarkFailure.refused("\(endpoint): the batches were not answered")
    }
    let (latencies, elapsed, failures) = client.result
    guard !latencies.isEmpty else { throw BenchmarkFailure.refused("\(endpoint): \(failures) batches were refused") }
    let sorted = latencies.sorted()
    return Result(
      rowsPerSecond: Double(rows * latencies.count) / elapsed, p50: sorted[sorted.count / 2] * 1_000,
      p99: sorted[sorted.count * 99 / 100] * 1_000, failures: failures)
  }

  private func header() throws -> EventBatch {
    EventBatch(model: ServingHome.model, rows: UInt32(rows), element: element)
  }

  private var payload: [UInt8] {
    switch element {
    case .uint8: (0..<rows * columns).map { UInt8($0 % 17) }
    case .float32: (0..<rows * columns).flatMap { withUnsafeBytes(of: Float($0 % 17)) { Array($0) } }
    }
  }
}

/// The client's end of the socket, on a loop of its own.
private actor EventClient {
  nonisolated let loop: IOLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  private let socket: Socket
  private let header: EventBatch
  private let payload: [UInt8]
  private let window: Int
  private let warmUp: Double
  private let seconds: Double
  private let finish: @Sendable () -> Void
  private var sentAt: [UInt64: MonotonicTime] = [:]
  private var next: UInt64 = 1
  private var began = MonotonicTime.now
  private var isOver = false
  private let outcome = Mutex<(latencies: [Double], elapsed: Double, failures: Int)>(([], 0, 0))

  init(
    loop: IOLoop, socket: consuming sending Socket, header: EventBatch, payload: [UInt8], window: Int, warmUp: Double,
    seconds: Double, finish: @escaping @Sendable () -> Void
  ) {
    self.loop = loop
    self.socket = socket
    self.header = header
    self.payload = payload
    self.window = window
    self.warmUp = warmUp
    self.seconds = seconds
    self.finish = finish
  }

  nonisolated var result: (latencies: [Double], elapsed: Double, failures: Int) { outcome.withLock { $0 } }

  func start() {
    loop.watch(socket, for: self) { client, event in client.receive(event) }
    began = .now
    fill()
  }

  private func fill() {
    while sentAt.count < window, !isOver {
      guard let frame = try? header.encoded(request: next),
        case .sent? = try? socket.send([Frame(copying: frame), Frame(copying: payload)])
      else {
        // Not connected yet: look again in a moment.
        _ = loop.schedule(after: .milliseconds(5), for: self) { $0.fill() }
        return
      }
      sentAt[next] = .now
      next += 1
    }
  }

  private func receive(_ event: SocketEvent) {
    guard case .message(let message) = event, let first = message.frames.first, !isOver else { return }
    let bytes = message.frames.count > 1 ? message.frames[1].count : nil
    guard let received = try? EventReply.receive(first.bytes, payloadBytes: bytes),
      let sent = sentAt.removeValue(forKey: received.request)
    else { return }
    let now = MonotonicTime.now
    let elapsed = Double(now.nanoseconds - began.nanoseconds) / 1e9
    if elapsed > warmUp {
      outcome.withLock { outcome in
        if case .predictions = received.message {
          outcome.latencies.append(Double(now.nanoseconds - sent.nanoseconds) / 1e9)
        } else {
          outcome.failures += 1
        }
        outcome.elapsed = elapsed - warmUp
      }
    }
    guard elapsed < warmUp + seconds else {
      isOver = true
      return finish()
    }
    fill()
  }
}
