import Glibc

/// The reading end of a pipe whose only writing end the supervisor holds.
///
/// Nothing is ever written to it. It reaches its end when the supervisor closes it or is gone, whatever ended it,
/// signal 9 included: the system closes a dead process's descriptors.
enum ParentPipe {
  /// How long a process may take to end by itself after its supervisor is gone, in seconds.
  static let graceSeconds: UInt32 = 5

  /// Ends this process when the pipe does: by SIGTERM, which every command answers as it would a supervisor's, then for
  /// certain.
  static func watch(_ descriptor: Int32) {
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    detachThread {
      var byte: UInt8 = 0
      while true {
        let count = read(descriptor, &byte, 1)
        if count > 0 || (count < 0 && errno == EINTR) { continue }
        break
      }
      kill(getpid(), SIGTERM)
      sleep(graceSeconds)
      _exit(1)
    }
  }
}

/// Runs `body` on a thread of its own, for calls that block.
func detachThread(_ body: @escaping @Sendable () -> Void) {
  final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }
  let boxed = Unmanaged.passRetained(Body(body))
  var thread = pthread_t()
  let code = pthread_create(
    &thread, nil,
    { argument in
      if let argument { Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run() }
      return nil
    }, boxed.toOpaque())
  guard code == 0 else {
    boxed.release()
    Terminal.complain("cannot start a thread: \(String(cString: strerror(code)))")
    exit(1)
  }
  pthread_detach(thread)
}
