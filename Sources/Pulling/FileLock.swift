import Glibc
import ModelRegistry

/// The right to write what a file's name stands for (flock(2)), until it goes. A process that ends, however, gives it up.
final class FileLock {
  static let pollInterval = Duration.milliseconds(100)
  /// Time without growth of what is waited for after which waiting ends.
  static let patience = Duration.seconds(60)

  private let path: String
  private let descriptor: Int32

  /// - Returns: nil while another process, or another user in this one, has it.
  private init?(_ path: String) throws(PullError) {
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
    guard descriptor >= 0 else { throw PullError(FileError(operation: .open, path: path, code: errno)) }
    // Whoever had the lock removed the file with it: between open and flock the name may have gone to another file.
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0, Self.isNamed(descriptor, path) else {
      close(descriptor)
      return nil
    }
    self.path = path
    self.descriptor = descriptor
  }

  deinit {
    unlink(path)
    close(descriptor)
  }

  private static func isNamed(_ descriptor: Int32, _ path: String) -> Bool {
    var opened = stat()
    var named = stat()
    return fstat(descriptor, &opened) == 0 && stat(path, &named) == 0 && opened.st_ino == named.st_ino
      && opened.st_dev == named.st_dev
  }

  /// Waits for the lock while whoever has it gets on.
  ///
  /// - Parameters:
  ///   - size: of what the other one writes, in bytes.
  ///   - waiting: called with it again and again while there is somebody to wait for.
  /// - Throws: `PullError.failed` if the size has not changed for `patience`; `.interrupted`.
  static func acquire(
    _ path: String, patience: Duration = FileLock.patience, size: () -> UInt64, waiting: (UInt64) -> Void
  ) async throws(PullError) -> FileLock {
    var last = size()
    var changedAt = ContinuousClock.now
    while true {
      if let lock = try FileLock(path) { return lock }
      let now = size()
      if now != last { (last, changedAt) = (now, .now) }
      guard ContinuousClock.now - changedAt < patience else {
        throw PullError(
          .failed, "\(path): found another process that has written nothing for \(patience), expected it to get on")
      }
      waiting(now)
      do {
        try await Task.sleep(for: pollInterval)
      } catch {
        throw PullError(.interrupted, "interrupted")
      }
    }
  }
}
