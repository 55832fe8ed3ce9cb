import Glibc

/// One thread that is the executor of the actors that compute for long: hashing, adding, disk, signatures.
///
/// Such work on an ``IOLoop`` would delay heartbeats, and on Swift's shared threads everything else. An actor moves
/// here with `nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }`.
/// The thread runs until ``stop()``.
package final class ComputeThread: SerialExecutor, @unchecked Sendable {
  private let mailbox = ExecutorMailbox()
  private let signal = ThreadSignal()
  private let thread = Locked<PlatformThread?>(nil)

  /// - Parameter name: as debuggers and top(1) show it; the kernel keeps 15 bytes.
  package init(name: String) throws(ZeroMQError) {
    let started = try PlatformThread(name: name) { [self] in run() }
    thread.withLock { $0 = started }
  }

  package func enqueue(_ job: consuming ExecutorJob) {
    if mailbox.post(.job(UnownedJob(job)), executor: asUnownedSerialExecutor()) { signal.wake() }
  }

  /// Runs `body` on the thread, after what is waiting there.
  package func perform(_ body: @escaping @Sendable () -> Void) {
    if mailbox.post(.block(body), executor: asUnownedSerialExecutor()) { signal.wake() }
  }

  package func isIsolatingCurrentContext() -> Bool? { mailbox.isCurrent }

  package func checkIsolated() {
    precondition(mailbox.isCurrent, "not on this compute thread")
  }

  /// Runs what is waiting, ends the thread and waits for its end. Not to be called on the thread itself.
  package func stop() {
    precondition(!mailbox.isCurrent, "a thread cannot wait for its own end")
    if mailbox.requestStop() { signal.wake() }
    let ending = thread.withLock { thread in
      defer { thread = nil }
      return thread
    }
    ending?.join()
  }

  /// As `stop`, but a thread that is caught in a piece of work is left to it after so long: it ends with the process.
  ///
  /// - Returns: whether it has ended.
  package func stop(within duration: Duration) -> Bool {
    precondition(!mailbox.isCurrent, "a thread cannot wait for its own end")
    if mailbox.requestStop() { signal.wake() }
    let ending = thread.withLock { thread in
      defer { thread = nil }
      return thread
    }
    return ending?.join(within: duration) ?? true
  }

  private func run() {
    mailbox.enter()
    let executor = asUnownedSerialExecutor()
    var batch: [ExecutorMailbox.Item] = []
    while true {
      switch mailbox.take(into: &batch) {
      case .run: ExecutorMailbox.run(&batch, executor: executor)
      case .idle: signal.wait()
      case .stop: if mailbox.finish() { return }
      }
    }
  }
}

/// Lets one thread sleep until another wakes it; a wake that comes first is remembered.
final class ThreadSignal: @unchecked Sendable {
  private let mutex: UnsafeMutablePointer<pthread_mutex_t> = .allocate(capacity: 1)
  private let condition: UnsafeMutablePointer<pthread_cond_t> = .allocate(capacity: 1)
  private var isSet = false

  init() {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  func wake() {
    pthread_mutex_lock(mutex)
    isSet = true
    pthread_cond_signal(condition)
    pthread_mutex_unlock(mutex)
  }

  func wait() {
    pthread_mutex_lock(mutex)
    while !isSet { pthread_cond_wait(condition, mutex) }
    isSet = false
    pthread_mutex_unlock(mutex)
  }
}
