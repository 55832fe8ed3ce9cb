import Glibc

/// One process per state directory: held while the coordinator lives, let go by the system when it dies (flock(2)).
final class StateLock: Sendable {
  private let descriptor: Int32

  init(directory: String) throws {
    let path = directory + "/lock"
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      throw RuntimeError(.failed, "\(path): cannot open: \(String(cString: strerror(errno)))")
    }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      close(descriptor)
      throw RuntimeError(.failed, "\(directory): another coordinator is using this state directory")
    }
  }

  deinit { close(descriptor) }
}
