import Testing

@testable import ZeroMQ

/// An actor that owns one socket and remembers what happens to it, as the drivers' actors do.
actor Station {
  private let loop: IOLoop
  private let socket: Socket
  private var watch: SocketWatch?
  private var waiters: [Waiter] = []
  private var echoes = false

  private(set) var messages: [Message] = []
  private(set) var refused: [RefusedMessage] = []
  private(set) var connections: [ConnectionEvent.Kind] = []
  private(set) var writableCount = 0

  private struct Waiter {
    let condition: @Sendable (isolated Station) -> Bool
    let continuation: CheckedContinuation<Bool, Never>
    let deadline: LoopTimer
  }

  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  init(_ socket: consuming sending Socket, on loop: IOLoop) {
    self.socket = socket
    self.loop = loop
  }

  /// A station whose socket is watched and monitored.
  static func open(
    _ profile: SocketProfile, in context: Context, on loop: IOLoop,
    configure: (borrowing Socket) throws -> Void = { _ in }
  ) async throws -> Station {
    let socket = try Socket(profile, in: context)
    try configure(socket)
    let station = Station(socket, on: loop)
    try await station.start(messagesPerTurnMax: profile.messagesPerTurnMax)
    return station
  }

  private func start(messagesPerTurnMax: Int) throws {
    try socket.monitor(on: loop, for: self) { station, event in
      station.connections.append(event.kind)
      station.settle()
    }
    watch = loop.watch(socket, for: self, messagesPerTurnMax: messagesPerTurnMax) { station, event in
      station.handle(event)
    }
  }

  private func handle(_ event: SocketEvent) {
    switch event {
    case .message(let message):
      messages.append(message)
      if echoes { _ = try? socket.send(message.frames, to: message.origin) }
    case .refused(let message): refused.append(message)
    case .writable: writableCount += 1
    case .failed(let error): Issue.record(error)
    }
    settle()
  }

  private func settle() {
    let met = waiters.filter { $0.condition(self) }
    guard !met.isEmpty else { return }
    waiters.removeAll { $0.condition(self) }
    for waiter in met {
      waiter.deadline.cancel()
      waiter.continuation.resume(returning: true)
    }
  }

  /// False if the condition has not come true within the limit; looked at after every event of the socket.
  func becomes(
    within limit: Duration = .seconds(20), _ condition: @escaping @Sendable (isolated Station) -> Bool
  ) async -> Bool {
    if condition(self) { return true }
    return await withCheckedContinuation { continuation in
      let deadline = loop.schedule(after: limit, for: self) { station in station.giveUp() }
      waiters.append(Waiter(condition: condition, continuation: continuation, deadline: deadline))
    }
  }

  /// Waiters have the same limit in these tests, so all of them are over.
  private func giveUp() {
    for waiter in waiters {
      waiter.deadline.cancel()
      waiter.continuation.resume(returning: false)
    }
    waiters = []
  }

  func bind(_ endpoint: Endpoint = .tcpAtAnyPort(host: "127.0.0.1")) throws -> Endpoint { try socket.bind(endpoint) }
  func connect(_ endpoint: Endpoint) throws { try socket.connect(endpoint) }
  func send(_ texts: [String], to route: RoutingID? = nil) throws -> SendOutcome {
    try socket.send(texts.map { Frame($0) }, to: route)
  }
  func send(frames: [Frame], to route: RoutingID? = nil) throws -> SendOutcome { try socket.send(frames, to: route) }
  /// Sends numbered messages until one is not taken, in one go: a peer that does not read for longer than a heartbeat
  /// may take is cut off, and between two turns of a busy machine's tasks that time may pass.
  func flood(with payload: [UInt8], to route: RoutingID, countMax: Int) throws -> (count: Int, last: SendOutcome) {
    for count in 0..<countMax {
      let outcome = try socket.send([Frame("\(count)"), Frame(copying: payload)], to: route)
      guard outcome == .sent else { return (count, outcome) }
    }
    return (countMax, .sent)
  }
  func echo() { echoes = true }
  func pause() { watch?.pause() }
  func resume() { watch?.resume() }
  func unwatch() { watch?.cancel() }
  func notifyWhenWritable() { watch?.notifyWhenWritable() }
  func receiveDirectly() throws -> Reception { try socket.receive() }

  var texts: [[String]] { messages.map { $0.frames.map(\.text) } }
}

/// A context and a loop for one test.
struct Stage {
  let context: Context
  let loop: IOLoop

  /// Runs `body` and ends the loop, whatever happens.
  static func run(_ body: (Stage) async throws -> Void) async throws {
    let stage = Stage(context: try Context(), loop: try IOLoop(name: "test"))
    do {
      try await body(stage)
    } catch {
      stage.loop.stop()
      throw error
    }
    stage.loop.stop()
  }

  func open(
    _ profile: SocketProfile, configure: (borrowing Socket) throws -> Void = { _ in }
  ) async throws -> Station {
    try await Station.open(profile, in: context, on: loop, configure: configure)
  }
}
