import Glibc
import ZeroMQ

/// The wish that this process ends: SIGTERM, SIGINT, or the end of the process that started it.
///
/// A signal's handler does nothing but write to a pipe of that signal, which all who wait poll. After the first
/// signal the system's own handling returns, so that a second one ends a process that does not end by itself.
package enum ShutdownSignal {
  package enum Cause: Hashable, Sendable {
    case signal(Int32)
    /// The other end of the parent's pipe has closed.
    case parentEnded
    /// The waiting task was cancelled.
    case cancelled
  }

  /// Waits for the first cause, on a thread of its own that is gone when this returns.
  ///
  /// - Parameter parentPipe: a descriptor that becomes readable with no bytes when the parent ends; nil for none.
  @discardableResult
  package static func wait(parentPipe: Int32?, signals: [Int32] = [SIGTERM, SIGINT]) async -> Cause {
    let wake = pipe()
    guard let thread = try? ComputeThread(name: "shutdown") else {
      preconditionFailure("no thread is left at the start of a process")
    }
    let sources = listen(for: signals).map { (cause: Cause.signal($0), descriptor: $1) }
    let cause = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        thread.perform {
          continuation.resume(returning: poll(sources + [(.cancelled, wake.reading)], parentPipe: parentPipe))
        }
      }
    } onCancel: {
      note(wake.writing)
    }
    for signal in signals { Glibc.signal(signal, SIG_DFL) }
    thread.stop()
    close(wake.reading)
    close(wake.writing)
    return cause
  }

  /// From now on these signals are noted instead of ending the process; where they can be read.
  @discardableResult
  static func listen(for signals: [Int32]) -> [(signal: Int32, descriptor: Int32)] {
    signals.map { signal in
      let end = descriptor(for: signal)
      Glibc.signal(signal, handler)
      return (signal, end)
    }
  }

  private static func poll(_ sources: [(cause: Cause, descriptor: Int32)], parentPipe: Int32?) -> Cause {
    var items = sources.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
    if let parentPipe { items.append(pollfd(fd: parentPipe, events: Int16(POLLIN), revents: 0)) }
    while true {
      let count = Glibc.poll(&items, nfds_t(items.count), -1)
      if count < 0 && errno == EINTR { continue }
      precondition(count > 0, "poll without a limit fails only for what is not a descriptor")
      for (source, item) in zip(sources, items) where item.revents != 0 { return source.cause }
      guard let parentPipe, items[sources.count].revents != 0 else { continue }
      // Bytes on the pipe mean nothing; its end does.
      var byte: UInt8 = 0
      let result = read(parentPipe, &byte, 1)
      if result == 0 || result < 0 && errno != EINTR && errno != EAGAIN { return .parentEnded }
    }
  }

  // MARK: Handler

  /// The writing ends, by signal; 0 where there is none yet. Set before the handler that reads them.
  private nonisolated(unsafe) static let writingEnds: UnsafeMutablePointer<Int32> = {
    let table = UnsafeMutablePointer<Int32>.allocate(capacity: 65)
    table.initialize(repeating: 0, count: 65)
    return table
  }()
  /// The reading ends, by signal. They stay readable: a process is asked to end once.
  private static let readingEnds = Locked<[Int32: Int32]>([:])

  private static func descriptor(for signal: Int32) -> Int32 {
    readingEnds.withLock { ends in
      if let end = ends[signal] { return end }
      let made = pipe()
      writingEnds[Int(signal)] = made.writing
      ends[signal] = made.reading
      return made.reading
    }
  }

  private static func pipe() -> (reading: Int32, writing: Int32) {
    var ends: [Int32] = [0, 0]
    let result = Glibc.pipe(&ends)
    precondition(result == 0, "no descriptor is left at the start of a process")
    for end in ends {
      _ = fcntl(end, F_SETFD, FD_CLOEXEC)
      _ = fcntl(end, F_SETFL, O_NONBLOCK)
    }
    return (ends[0], ends[1])
  }

  /// Async-signal-safe: write(2) alone, with errno as it was.
  private static let handler: @convention(c) (Int32) -> Void = { signal in
    let saved = errno
    note(writingEnds[Int(signal)])
    errno = saved
  }

  /// A full pipe says the same already.
  private static func note(_ descriptor: Int32) {
    var byte: UInt8 = 1
    _ = write(descriptor, &byte, 1)
  }
}
