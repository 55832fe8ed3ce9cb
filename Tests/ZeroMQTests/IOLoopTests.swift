import Glibc
import Testing

@testable import ZeroMQ

/// What an actor on a loop saw, in order.
private actor Recorder {
  private let loop: IOLoop
  private(set) var facts: [String] = []
  private var repeating: LoopTimer?

  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  init(on loop: IOLoop) { self.loop = loop }

  func note(_ fact: String) { facts.append(fact) }

  func isOnLoop() -> Bool { loop.isIsolatingCurrentContext() == true }

  /// Returns after the last of the timers has fired.
  func runTimers() async {
    await withCheckedContinuation { continuation in
      let start = ContinuousClock.now
      loop.schedule(at: start + .milliseconds(30)) { [weak self] in
        self?.assumeIsolated { $0.note("30") }
        continuation.resume()
      }
      loop.schedule(after: .milliseconds(10), for: self) { $0.note("10") }
      loop.schedule(at: start) { [weak self] in self?.assumeIsolated { $0.note("0a") } }
      loop.schedule(at: start) { [weak self] in self?.assumeIsolated { $0.note("0b") } }
      loop.schedule(after: .milliseconds(5), for: self) { $0.note("never") }.cancel()
    }
  }

  func countBeats(_ count: Int) async {
    await withCheckedContinuation { continuation in
      repeating = loop.schedule(every: .milliseconds(1), for: self) { recorder in
        recorder.note("beat")
        if recorder.facts.count == count {
          recorder.repeating?.cancel()
          continuation.resume()
        }
      }
    }
  }
}

/// Two ROUTERs of one loop whose messages wait before the loop looks at either.
private actor Crossroads {
  private let loop: IOLoop
  private let floodRouter: Socket
  private let trickleRouter: Socket
  private let floodDealer: Socket
  private let trickleDealer: Socket
  private var arrivals: [String] = []
  private var done: (count: Int, continuation: CheckedContinuation<Void, Never>)?

  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  init(in context: Context, on loop: IOLoop) throws {
    self.loop = loop
    floodRouter = try Socket(.router, in: context)
    trickleRouter = try Socket(.router, in: context)
    floodDealer = try Socket(.dealer, in: context)
    trickleDealer = try Socket(.dealer, in: context)
    // Sent over inproc, a message is readable at once.
    _ = try floodRouter.bind(.inproc(name: "flood"))
    _ = try trickleRouter.bind(.inproc(name: "trickle"))
    try floodDealer.connect(.inproc(name: "flood"))
    try trickleDealer.connect(.inproc(name: "trickle"))
  }

  func fill(flood: Int, trickle: Int) throws {
    for index in 0..<flood { #expect(try floodDealer.send([Frame("flood \(index)")]) == .sent) }
    for index in 0..<trickle { #expect(try trickleDealer.send([Frame("trickle \(index)")]) == .sent) }
    loop.watch(floodRouter, for: self, messagesPerTurnMax: 4) { $0.note($1) }
    loop.watch(trickleRouter, for: self, messagesPerTurnMax: 4) { $0.note($1) }
  }

  private func note(_ event: SocketEvent) {
    guard case .message(let message) = event else { return }
    arrivals.append(message.frames[0].text)
    if let done, arrivals.count == done.count { done.continuation.resume() }
  }

  func arrivals(of count: Int) async -> [String] {
    if arrivals.count < count { await withCheckedContinuation { done = (count, $0) } }
    return arrivals
  }
}

@Suite("I/O loop", .timeLimit(.minutes(2)))
struct IOLoopTests {
  @Test("Timers fire inside their actor in the order of their deadlines, and a cancelled one does not")
  func timers() async throws {
    try await Stage.run { stage in
      let recorder = Recorder(on: stage.loop)
      await recorder.runTimers()
      #expect(await recorder.facts == ["0a", "0b", "10", "30"])
    }
  }

  @Test("A repeating timer beats until it is cancelled from within")
  func beats() async throws {
    try await Stage.run { stage in
      let recorder = Recorder(on: stage.loop)
      await recorder.countBeats(5)
      #expect(await recorder.facts.count == 5)
    }
  }

  @Test("An actor of a loop runs on it, and an actor of another does not")
  func isolation() async throws {
    try await Stage.run { stage in
      let other = try IOLoop(name: "other")
      let recorder = Recorder(on: stage.loop)
      #expect(await recorder.isOnLoop())
      #expect(stage.loop.isIsolatingCurrentContext() == false)
      #expect(await Recorder(on: other).isOnLoop())
      other.stop()
    }
  }

  @Test("Two sockets with messages waiting take turns by their budgets, so a flood delays the other by one turn")
  func isFair() async throws {
    let context = try Context()
    let loop = try IOLoop(name: "fair")
    let crossroads = try Crossroads(in: context, on: loop)
    try await crossroads.fill(flood: 12, trickle: 6)
    // Budgets of 4: four of the flood, four of the trickle, and so on until both are empty.
    #expect(
      await crossroads.arrivals(of: 18)
        == (0..<4).map { "flood \($0)" } + (0..<4).map { "trickle \($0)" } + (4..<8).map { "flood \($0)" }
        + (4..<6).map { "trickle \($0)" } + (8..<12).map { "flood \($0)" })
    loop.stop()
  }

  @Test("No event comes after a watch is cancelled; what was sent stays in the socket")
  func unwatches() async throws {
    try await Stage.run { stage in
      let router = try await stage.open(.control(.binding))
      let dealer = try await stage.open(.control(.connecting))
      try await dealer.connect(try await router.bind())
      await router.unwatch()
      #expect(await dealer.becomes { $0.connections.contains(.handshakeSucceeded) })
      #expect(try await dealer.send(["hello"]) == .sent)
      let deadline = ContinuousClock.now + .seconds(20)
      var received: [String] = []
      while received.isEmpty, ContinuousClock.now < deadline {
        if case .message(let message) = try await router.receiveDirectly() { received = message.frames.map(\.text) }
        await Task.yield()
      }
      #expect(received == ["hello"])
      #expect(await router.messages.isEmpty)
    }
  }

  @Test("An actor that is dropped on another thread closes its socket, and the peer sees it go")
  func dropsElsewhere() async throws {
    try await Stage.run { stage in
      let dealer = try await stage.open(.control(.connecting))
      for index in 1...20 {
        let router = try await stage.open(.control(.binding))
        try await dealer.connect(try await router.bind())
        #expect(await dealer.becomes { $0.connections.filter { $0 == .handshakeSucceeded }.count == index })
      }
      #expect(await dealer.becomes { $0.connections.filter { $0 == .disconnected }.count == 20 })
    }
  }

  @Test("Actors of a stopped loop still run, alone, and no task waits for ever")
  func worksAfterStop() async throws {
    let loop = try IOLoop(name: "short-lived")
    let recorder = Recorder(on: loop)
    loop.stop()
    loop.stop()
    await withTaskGroup { group in
      for index in 0..<50 { group.addTask { await recorder.note("\(index)") } }
    }
    #expect(await recorder.facts.count == 50)
    #expect(await recorder.isOnLoop())
  }

  @Test("What was handed over before a stop is done before it returns")
  func drains() throws {
    let loop = try IOLoop(name: "drained")
    let count = Locked(0)
    for _ in 0..<100 { loop.perform { count.withLock { $0 += 1 } } }
    loop.stop()
    #expect(count.withLock { $0 } == 100)
  }

  @Test("Loops, compute threads and authenticators leave no thread behind")
  func joinsItsThread() throws {
    for _ in 0..<20 {
      let loop = try IOLoop(name: "leak-check")
      let compute = try ComputeThread(name: "leak-check")
      loop.stop()
      compute.stop()
    }
    #expect(threadNames().filter { $0 == "leak-check" }.isEmpty)
  }

  /// Names of this process's threads, as the kernel has them.
  private func threadNames() -> [String] {
    guard let folder = opendir("/proc/self/task") else { return [] }
    defer { closedir(folder) }
    var names: [String] = []
    while let entry = readdir(folder) {
      let thread = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      guard let file = fopen("/proc/self/task/\(thread)/comm", "r") else { continue }
      defer { fclose(file) }
      var name = [CChar](repeating: 0, count: 32)
      guard fgets(&name, 32, file) != nil else { continue }
      names.append(String(decoding: name.prefix { $0 != 10 && $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }
    return names
  }
}

@Suite("Compute thread", .timeLimit(.minutes(2)))
struct ComputeThreadTests {
  private actor Counter {
    private let thread: ComputeThread
    private var count = 0
    nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }
    init(on thread: ComputeThread) { self.thread = thread }

    func increase() -> Bool {
      count += 1
      return thread.isIsolatingCurrentContext() == true
    }
    func value() -> Int { count }
  }

  @Test("Actors run on the thread, one at a time, also after it has stopped")
  func runsActors() async throws {
    let thread = try ComputeThread(name: "compute")
    let counter = Counter(on: thread)
    for round in 1...2 {
      let results = await withTaskGroup(of: Bool.self) { group in
        for _ in 0..<200 { group.addTask { await counter.increase() } }
        return await group.reduce(into: []) { $0.append($1) }
      }
      #expect(results == [Bool](repeating: true, count: 200))
      #expect(await counter.value() == 200 * round)
      thread.stop()
    }
  }
}
