import ClusterRuntime
import Glibc

/// How a process ended.
enum ProcessEnding: Hashable, Sendable, CustomStringConvertible {
  case exited(code: Int32)
  case killed(signal: Int32)

  /// From what waitpid(2) reports.
  init(status: Int32) {
    let signal = status & 0x7F
    self = signal == 0 ? .exited(code: (status >> 8) & 0xFF) : .killed(signal: signal)
  }

  var description: String {
    switch self {
    case .exited(let code): "ended with exit code \(code)"
    case .killed(let signal): "was ended by signal \(signal)"
    }
  }
}

/// A process that this one started, in a process group of its own: a terminal's Ctrl-C reaches the supervisor alone,
/// which then stops its children in order.
final class ChildProcess: Sendable {
  /// What the supervisor calls it: `coordinator`, `worker-3`.
  let name: String
  let process: pid_t
  let logPath: String
  private let state = Guarded(State())

  private struct State {
    /// Until then the number is this child's: nobody else reaps it.
    var ending: ProcessEnding?
    var waiters: [CheckedContinuation<ProcessEnding, Never>] = []
  }

  /// Starts this program with other arguments.
  ///
  /// - Parameters:
  ///   - lifeline: the reading end of the supervisor's pipe; becomes descriptor 3, named by `--parent-pipe`.
  ///   - outputPath: for standard output; nil for the log, where standard error goes.
  ///   - ended: called once, on a thread of its own, after the process has been reaped.
  init(
    name: String, arguments: [String], lifeline: Int32, logPath: String, outputPath: String? = nil,
    ended: @escaping @Sendable (ChildProcess, ProcessEnding) -> Void = { _, _ in }
  ) throws {
    self.name = name
    self.logPath = logPath
    process = try Self.spawn(
      ["murmur"] + arguments + ["--parent-pipe", "\(Self.lifelineDescriptor)"], lifeline: lifeline, logPath: logPath,
      outputPath: outputPath)
    detachThread {
      self.reap()
      ended(self, self.state.with { $0.ending ?? .exited(code: 0) })
    }
  }

  private static let lifelineDescriptor: Int32 = 3

  private static func spawn(_ arguments: [String], lifeline: Int32, logPath: String, outputPath: String?) throws
    -> pid_t
  {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    let flags = O_WRONLY | O_CREAT | O_TRUNC
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, logPath, flags | O_APPEND, 0o644)
    if let outputPath {
      posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, outputPath, flags, 0o644)
    } else {
      posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO)
    }
    // Also clears the close-on-exec flag, even where both numbers are one (posix_spawn(3), glibc 2.29).
    posix_spawn_file_actions_adddup2(&actions, lifeline, lifelineDescriptor)

    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    sigemptyset(&none)
    var all = sigset_t()
    sigfillset(&all)
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &all)
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

    var process = pid_t()
    let copies = arguments.map { strdup($0) }
    defer { for copy in copies { free(copy) } }
    let code = posix_spawn(&process, "/proc/self/exe", &actions, &attributes, copies + [nil], environ)
    guard code == 0 else {
      throw CommandFailure(.failed, "cannot start murmur \(arguments[1]): \(String(cString: strerror(code)))")
    }
    return process
  }

  /// Blocks until the process has ended.
  private func reap() {
    var information = siginfo_t()
    while waitid(P_PID, id_t(process), &information, WEXITED | WNOWAIT) != 0, errno == EINTR {}
    let waiters = state.with { state in
      // Reaped under the lock that `send` takes, so that no signal can go to a stranger with the same number.
      var status: Int32 = 0
      while waitpid(process, &status, 0) < 0, errno == EINTR {}
      let ending = ProcessEnding(status: status)
      state.ending = ending
      defer { state.waiters = [] }
      return state.waiters.map { (waiter: $0, ending: ending) }
    }
    for (waiter, ending) in waiters { waiter.resume(returning: ending) }
  }

  var ending: ProcessEnding? { state.with { $0.ending } }

  /// Returns when the process has been reaped.
  func wait() async -> ProcessEnding {
    await withCheckedContinuation { continuation in
      let ending: ProcessEnding? = state.with { state in
        if state.ending == nil { state.waiters.append(continuation) }
        return state.ending
      }
      if let ending { continuation.resume(returning: ending) }
    }
  }

  /// Sends a signal, if the process has not ended.
  func send(_ signal: Int32) {
    state.with { state in
      if state.ending == nil { kill(process, signal) }
    }
  }

  /// The last lines of the log; few for a log that is still empty or gone.
  func lastLogLines(_ count: Int) -> [String] {
    let descriptor = open(logPath, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return [] }
    defer { close(descriptor) }
    let window = 16_384
    let size = lseek(descriptor, 0, SEEK_END)
    lseek(descriptor, max(0, size - window), SEEK_SET)
    var bytes = [UInt8](repeating: 0, count: window)
    let read = Glibc.read(descriptor, &bytes, window)
    let lines = String(decoding: bytes.prefix(max(0, read)), as: UTF8.self).split(separator: "\n")
    return lines.suffix(count).map(String.init)
  }
}

/// A value under a lock (pthread_mutex_lock(3)).
final class Guarded<Value>: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private var value: Value

  init(_ value: Value) {
    self.value = value
    pthread_mutex_init(mutex, nil)
  }

  deinit {
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  func with<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return try body(&value)
  }
}
