import Dispatch
import Foundation
import GradientKernel
import ZeroMQ

/// What this machine's loopback and disk can do at best, measured with the sockets that a round uses and nothing else.
struct LinkLimits {
  /// Seconds of one small message there and back.
  private(set) var roundTrip = 0.0
  /// Bytes a second from one socket into another, sealed and opened by CURVE, in chunks of a model's length.
  private(set) var transfer = 0.0
  /// Seconds of writing 4 KiB to a file so that it survives a power cut, median.
  let durableWrite: Double

  static let chunkBytes = 262_144
  private static let window = 16

  init(directory: String, isQuick: Bool) throws {
    durableWrite = try Self.measureDurableWrite(in: directory)
    let echo = try EchoServer()
    let client = try EchoClient(to: echo)
    roundTrip = try client.secondsPerRoundTrip(times: isQuick ? 300 : 2_000)
    transfer = try client.bytesPerSecond(volume: isQuick ? 128 << 20 : 512 << 20, window: Self.window)
    try client.finish()
    echo.thread.stop()
  }

  private static func measureDurableWrite(in directory: String) throws -> Double {
    let path = "\(directory)/murmur-bench-\(UUID().uuidString)"
    let descriptor = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw BenchmarkFailure.system(path, errno) }
    defer {
      close(descriptor)
      unlink(path)
    }
    let block = [UInt8](repeating: 7, count: 4096)
    var seconds: [Double] = []
    for _ in 0..<41 {
      guard write(descriptor, block, block.count) == block.count else { throw BenchmarkFailure.system(path, errno) }
      let start = wallSeconds()
      fsync(descriptor)
      seconds.append(wallSeconds() - start)
    }
    return seconds.sorted()[seconds.count / 2]
  }

  func report(to report: inout Report, directory: String) {
    let section = "limits of this machine's links (folder \(directory))"
    report.add(Figure(section: section, name: "loopback round trip, CURVE", value: roundTrip * 1e6, unit: "µs"))
    report.add(
      Figure(section: section, name: "loopback transfer, CURVE, 256 KiB chunks", value: transfer / 1e9, unit: "GB/s"))
    report.add(Figure(section: section, name: "durable write of 4 KiB", value: durableWrite * 1e6, unit: "µs"))
  }
}

/// A socket that sends small messages back and answers a window of chunks with one word.
private final class EchoServer {
  let thread: ComputeThread
  let endpoint: Endpoint
  let keys: CurveKeyPair
  let clientKeys: CurveKeyPair

  init() throws {
    let keys = try CurveKeyPair.generate(), clientKeys = try CurveKeyPair.generate()
    let thread = try ComputeThread(name: "echo")
    let bound = Locked<Endpoint?>(nil)
    let ready = DispatchSemaphore(value: 0)
    thread.perform {
      // A socket stays on the thread that opened it.
      try? Self.serve(keys: keys, client: clientKeys.publicKey) { endpoint in
        bound.withLock { $0 = endpoint }
        ready.signal()
      }
      ready.signal()
    }
    ready.wait()
    guard let endpoint = bound.withLock({ $0 }) else { throw BenchmarkFailure.refused("no echo on loopback") }
    (self.thread, self.endpoint, self.keys, self.clientKeys) = (thread, endpoint, keys, clientKeys)
  }

  /// What ends the server; it is sent back first.
  static let end: [UInt8] = [0]

  private static func serve(keys: CurveKeyPair, client: CurvePublicKey, onBound: (Endpoint) -> Void) throws {
    let context = try Context()
    let authenticator = try ZAPAuthenticator(in: context)
    authenticator.admit(client, as: "client", in: .worker)
    let socket = try Socket(.bulk(.binding), in: context)
    try socket.set(.linger(.zero))
    try socket.serveCurve(keys, in: .worker, admittedBy: authenticator)
    onBound(try socket.bind(.tcpAtAnyPort(host: "127.0.0.1")).withoutMappedAddress)
    while true {
      _ = try socket.waitUntilReadable(within: .seconds(60))
      while case .message(let message) = try socket.receive() {
        guard let origin = message.origin, let frame = message.frames.first else { return }
        let isEnd = frame.count == end.count && frame.array == end
        _ = try socket.send([Frame(copying: frame.count < 1024 ? frame.array : [1])], to: origin)
        if isEnd { return try socket.set(.linger(.seconds(1))) }
      }
    }
  }
}

private final class EchoClient {
  private let socket: Socket

  init(to server: EchoServer) throws {
    socket = try Socket(.bulk(.connecting), in: Context())
    try socket.set(.curveClient(keyPair: server.clientKeys, server: server.keys.publicKey))
    try socket.connect(server.endpoint)
    // Sent only once there is a connection: the first exchange waits for it.
    let deadline = ContinuousClock.now + .seconds(10)
    while try socket.send([Frame(copying: [1])]) != .sent {
      guard ContinuousClock.now < deadline else { throw BenchmarkFailure.refused("no connection on loopback") }
      usleep(1000)
    }
    try takeAnswer()
  }

  func finish() throws {
    _ = try socket.send([Frame(copying: EchoServer.end)])
    try takeAnswer()
  }

  private func takeAnswer() throws {
    while true {
      if case .message = try socket.receive() { return }
      guard try socket.waitUntilReadable(within: .seconds(10)) else {
        throw BenchmarkFailure.refused("no answer on loopback")
      }
    }
  }

  func secondsPerRoundTrip(times: Int) throws -> Double {
    let start = wallSeconds()
    for _ in 0..<times {
      _ = try socket.send([Frame(copying: [1, 2, 3])])
      try takeAnswer()
    }
    return (wallSeconds() - start) / Double(times)
  }

  func bytesPerSecond(volume: Int, window: Int) throws -> Double {
    let block = OwnedBlock(byteCount: LinkLimits.chunkBytes)
    block.bytes.initializeMemory(as: UInt8.self, repeating: 3)
    let chunks = volume / LinkLimits.chunkBytes
    var answered = 0
    let start = wallSeconds()
    for sent in 0..<chunks {
      if sent - answered >= window {
        try takeAnswer()
        answered += 1
      }
      while try socket.send([Frame(sharing: block)]) != .sent { usleep(50) }
    }
    while answered < chunks {
      try takeAnswer()
      answered += 1
    }
    return Double(chunks * LinkLimits.chunkBytes) / (wallSeconds() - start)
  }
}
