import CZeroMQ
import Glibc

/// One thread that polls ZeroMQ sockets, keeps timers, and is the executor of the actors that own the sockets.
///
/// Everything such an actor does happens on this thread, so a socket is used by one thread and its events enter the
/// actor without a hop:
///
///     actor Link {
///       private let loop: IOLoop
///       nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
///     }
///
/// A turn runs the waiting jobs, then the timers that are due, then takes from each readable socket at most its budget
/// of messages: a flood on one socket delays the others by a turn, not for ever. Handlers must be quick; long work
/// belongs on a ``ComputeThread``.
///
/// The thread runs until ``stop()``, and keeps the loop alive until then.
package final class IOLoop: SerialExecutor, @unchecked Sendable {
  private let mailbox = ExecutorMailbox()
  private let thread = Locked<PlatformThread?>(nil)
  private let wakeDescriptor: Int32
  // The rest belongs to the thread.
  private var watches: [SocketWatch] = []
  private var pollItems: [zmq_pollitem_t] = []
  private var isPollListStale = true
  private var timers = TimerQueue<() -> Void>()

  /// - Parameter name: as debuggers and top(1) show it; the kernel keeps 15 bytes.
  package init(name: String) throws(ZeroMQError) {
    wakeDescriptor = czmq_eventfd()
    guard wakeDescriptor >= 0 else { throw ZeroMQError(.createEventDescriptor, code: errno) }
    let started = try PlatformThread(name: name) { [self] in run() }
    thread.withLock { $0 = started }
  }

  deinit { Glibc.close(wakeDescriptor) }

  /// Runs what is waiting, drops all watches and timers, ends the thread and waits for its end.
  ///
  /// Not to be called on the loop itself. Actors of the loop go on working afterwards, on whatever thread brings them
  /// work, but get no events any longer.
  package func stop() {
    precondition(!mailbox.isCurrent, "a loop cannot wait for its own end")
    if mailbox.requestStop() { wake() }
    let ending = thread.withLock { thread in
      defer { thread = nil }
      return thread
    }
    ending?.join()
  }

  /// Runs `body` on the loop, after what is waiting there.
  package func perform(_ body: @escaping @Sendable () -> Void) {
    if mailbox.post(.block(body), executor: asUnownedSerialExecutor()) { wake() }
  }

  // MARK: Executor

  package func enqueue(_ job: consuming ExecutorJob) {
    if mailbox.post(.job(UnownedJob(job)), executor: asUnownedSerialExecutor()) { wake() }
  }

  package func isIsolatingCurrentContext() -> Bool? { mailbox.isCurrent }

  package func checkIsolated() {
    precondition(mailbox.isCurrent, "not on this I/O loop")
  }

  // MARK: Sockets

  /// Calls `handler` with what comes in at `socket`, until the watch is cancelled or the socket closes.
  ///
  /// Only on the loop. The loop keeps what `handler` captures: capture actors weakly, or use
  /// ``watch(_:for:messagesPerTurnMax:handler:)``.
  ///
  /// - Parameter messagesPerTurnMax: budget of messages before other sockets have their turn.
  package func watch(
    _ socket: borrowing Socket, messagesPerTurnMax: Int = 32, handler: @escaping (SocketEvent) -> Void
  ) -> SocketWatch {
    checkIsolated()
    precondition(socket.handle.loop == nil || socket.handle.loop === self, "a socket belongs to one loop")
    socket.handle.loop = self
    let watch = SocketWatch(socket.handle, on: self, messagesPerTurnMax: messagesPerTurnMax, handler: handler)
    watches.append(watch)
    isPollListStale = true
    return watch
  }

  /// Calls `handler` inside `owner`, an actor of this loop, with what comes in at its socket. Does not keep the owner.
  @discardableResult
  package func watch<Owner: Actor>(
    _ socket: borrowing Socket, for owner: Owner, messagesPerTurnMax: Int = 32,
    handler: @escaping @Sendable (isolated Owner, SocketEvent) -> Void
  ) -> SocketWatch {
    watch(socket, messagesPerTurnMax: messagesPerTurnMax) { [weak owner] event in
      owner?.assumeIsolated { handler($0, event) }
    }
  }

  func watchesChanged() { isPollListStale = true }

  /// Closes a socket that this loop polls or has polled; from any thread.
  func close(_ handle: SocketHandle) {
    perform { [self] in
      for watch in watches where watch.handle === handle { watch.end() }
      watches.removeAll { $0.handle === handle }
      isPollListStale = true
      handle.close()
    }
  }

  // MARK: Timers

  /// Calls `body` on the loop once `deadline` has passed; timers due together fire by deadline, then in the order they
  /// were set. Only on the loop.
  @discardableResult
  package func schedule(at deadline: ContinuousClock.Instant, _ body: @escaping () -> Void) -> LoopTimer {
    checkIsolated()
    return LoopTimer(id: timers.add(body, at: deadline), loop: self)
  }

  /// Calls `body` inside `owner`, an actor of this loop, once `deadline` has passed. Does not keep the owner.
  @discardableResult
  package func schedule<Owner: Actor>(
    at deadline: ContinuousClock.Instant, for owner: Owner, _ body: @escaping @Sendable (isolated Owner) -> Void
  ) -> LoopTimer {
    schedule(at: deadline) { [weak owner] in
      owner?.assumeIsolated { body($0) }
    }
  }

  /// Calls `body` inside `owner`, an actor of this loop, once `delay` has passed. Does not keep the owner.
  @discardableResult
  package func schedule<Owner: Actor>(
    after delay: Duration, for owner: Owner, _ body: @escaping @Sendable (isolated Owner) -> Void
  ) -> LoopTimer {
    schedule(at: ContinuousClock.now + delay, for: owner, body)
  }

  /// Calls `body` inside `owner` every `interval`, first after one, until it is cancelled or the owner is gone.
  ///
  /// Calls that a busy loop has missed are left out, not made up for.
  @discardableResult
  package func schedule<Owner: Actor>(
    every interval: Duration, for owner: Owner, _ body: @escaping @Sendable (isolated Owner) -> Void
  ) -> LoopTimer {
    precondition(interval > .zero, "a timer that repeats needs an interval")
    let timer = LoopTimer(loop: self)
    func arm(after previous: ContinuousClock.Instant) {
      let deadline = max(previous + interval, ContinuousClock.now)
      timer.id =
        schedule(at: deadline) { [weak owner] in
          guard let owner else { return }
          arm(after: deadline)
          owner.assumeIsolated { body($0) }
        }.id
    }
    arm(after: ContinuousClock.now)
    return timer
  }

  func cancel(_ timer: TimerQueue<() -> Void>.ID) {
    checkIsolated()
    timers.cancel(timer)
  }

  // MARK: Thread

  private func wake() {
    var one: UInt64 = 1
    // A full counter (EAGAIN) wakes as well.
    while write(wakeDescriptor, &one, MemoryLayout<UInt64>.size) < 0 && errno == EINTR {}
  }

  private func run() {
    mailbox.enter()
    let executor = asUnownedSerialExecutor()
    var batch: [ExecutorMailbox.Item] = []
    while true {
      let turn = mailbox.take(into: &batch)
      switch turn {
      case .run: ExecutorMailbox.run(&batch, executor: executor)
      case .idle: break
      case .stop:
        dropAll()
        if mailbox.finish() { return }
        continue
      }
      fireTimers()
      poll(canWait: turn == .idle)
    }
  }

  /// What handlers captured is released here, which may post the closing of sockets.
  private func dropAll() {
    for watch in watches { watch.end() }
    watches = []
    timers.removeAll()
  }

  private func fireTimers() {
    let now = ContinuousClock.now
    let boundary = timers.boundary
    while let body = timers.popDue(by: now, before: boundary) { body() }
  }

  private func poll(canWait: Bool) {
    if isPollListStale { rebuildPollList() }
    let timeout = canWait ? pollTimeout(until: timers.nextDeadline(), now: ContinuousClock.now) : 0
    let readyCount = zmq_poll(&pollItems, Int32(pollItems.count), timeout)
    mailbox.awake()
    guard readyCount > 0 else {
      precondition(readyCount == 0 || zmq_errno() == EINTR, "zmq_poll fails otherwise only for what is not a socket")
      return
    }
    if pollItems[0].revents != 0 {
      var count: UInt64 = 0
      _ = read(wakeDescriptor, &count, MemoryLayout<UInt64>.size)
    }
    let polled = watches
    for (index, item) in pollItems.dropFirst().enumerated() where item.revents != 0 {
      polled[index].serve(item.revents)
    }
  }

  private func rebuildPollList() {
    isPollListStale = false
    watches.removeAll { !$0.isActive }
    pollItems = [zmq_pollitem_t(socket: nil, fd: wakeDescriptor, events: Int16(ZMQ_POLLIN), revents: 0)]
    pollItems += watches.map { zmq_pollitem_t(socket: $0.handle.raw, fd: 0, events: $0.pollEvents, revents: 0) }
  }
}

/// A timer of an ``IOLoop``.
package final class LoopTimer: @unchecked Sendable {
  fileprivate var id: TimerQueue<() -> Void>.ID?
  private let loop: IOLoop

  fileprivate init(id: TimerQueue<() -> Void>.ID? = nil, loop: IOLoop) {
    self.id = id
    self.loop = loop
  }

  /// Takes the timer back, if it has not fired; a timer that repeats ends. Only on the loop.
  package func cancel() {
    guard let id else { return }
    self.id = nil
    loop.cancel(id)
  }
}
