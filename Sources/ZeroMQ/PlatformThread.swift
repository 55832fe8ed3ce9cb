import CZeroMQ
import Glibc

/// One named POSIX thread, to be joined exactly once.
struct PlatformThread: Sendable {
  private let thread: pthread_t

  /// Starts a thread that runs `body`.
  ///
  /// All signals are blocked on it, so that SIGINT and SIGTERM reach the thread that expects them.
  ///
  /// - Parameter name: as debuggers and top(1) show it; the kernel keeps 15 bytes.
  init(name: String, _ body: @escaping @Sendable () -> Void) throws(ZeroMQError) {
    let start = Unmanaged.passRetained(Start(name: name, body: body))
    var thread = pthread_t()
    let code = pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
        var signals = sigset_t()
        sigfillset(&signals)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        czmq_thread_name(start.name)
        start.body()
        return nil
      }, start.toOpaque())
    guard code == 0 else {
      start.release()
      throw ZeroMQError(.startThread(name: name), code: code)
    }
    self.thread = thread
  }

  /// Waits for the end of the thread. Never from the thread itself.
  func join() {
    pthread_join(thread, nil)
  }

  /// Waits so long for the end of the thread; a thread that has not ended by then goes on. Never from the thread itself.
  ///
  /// - Returns: whether it has ended.
  func join(within duration: Duration) -> Bool {
    var deadline = timespec()
    clock_gettime(CLOCK_REALTIME, &deadline)
    let (seconds, attoseconds) = duration.components
    let nanoseconds = deadline.tv_nsec + Int(attoseconds / 1_000_000_000)
    deadline.tv_sec += Int(seconds) + nanoseconds / 1_000_000_000
    deadline.tv_nsec = nanoseconds % 1_000_000_000
    return czmq_thread_join(thread, &deadline) == 0
  }

  private final class Start: Sendable {
    let name: String
    let body: @Sendable () -> Void

    init(name: String, body: @escaping @Sendable () -> Void) {
      self.name = name
      self.body = body
    }
  }
}
