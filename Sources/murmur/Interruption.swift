import ClusterRuntime
import Glibc

/// Ctrl-C, SIGTERM and a closed terminal, as calls on an ordinary thread instead of the end of the process.
enum Interruption {
  /// Written by the signal handler, which may do nothing but call async-signal-safe functions (signal-safety(7)).
  nonisolated(unsafe) private static var writingEnd: Int32 = -1

  /// - Parameter body: called with the signal for each one that arrives, on a thread of its own. Call once.
  static func handle(_ body: @escaping @Sendable (Int32) -> Void) throws {
    let (readingEnd, writingEnd) = try Pipe.make()
    Self.writingEnd = writingEnd
    detachThread {
      var byte: UInt8 = 0
      while true {
        let count = read(readingEnd, &byte, 1)
        if count == 1 { body(Int32(byte)) } else if count == 0 || errno != EINTR { return }
      }
    }
    for number in [SIGINT, SIGTERM, SIGHUP] {
      signal(number) { number in
        let saved = errno
        var byte = UInt8(truncatingIfNeeded: number)
        _ = write(Interruption.writingEnd, &byte, 1)
        errno = saved
      }
    }
  }
}

/// Pipes that no child inherits unless it is given one end.
enum Pipe {
  static func make() throws -> (reading: Int32, writing: Int32) {
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0, ends.allSatisfy({ fcntl($0, F_SETFD, FD_CLOEXEC) == 0 }) else {
      throw CommandFailure(.failed, "cannot make a pipe: \(String(cString: strerror(errno)))")
    }
    return (ends[0], ends[1])
  }
}
