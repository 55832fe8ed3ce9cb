import Cryptography
import Federation
import Glibc
import ModelRegistry

/// A download on its way: kept when the download stops, at whatever byte, and renamed when it is verified.
///
/// Whoever opens it holds the lock of what it will be.
final class PartialFile {
  let path: String
  private let descriptor: Int32
  /// Bytes that are there.
  private(set) var byteCount: UInt64
  /// Of what was written, as it came; nil where it did not come in order, from the first byte on.
  private var running: (hash: SHA256, byteCount: UInt64)?

  /// Opens what an interrupted download left, or a new file.
  init(_ path: String) throws(PullError) {
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
    guard descriptor >= 0 else { throw PullError(FileError(operation: .open, path: path, code: errno)) }
    self.path = path
    var status = stat()
    byteCount = fstat(descriptor, &status) == 0 ? UInt64(max(0, status.st_size)) : 0
    running = byteCount == 0 ? (SHA256(), 0) : nil
  }

  /// Bytes of what stands at a path; 0 for nothing.
  static func byteCount(at path: String) -> UInt64 {
    var status = stat()
    return stat(path, &status) == 0 ? UInt64(max(0, status.st_size)) : 0
  }

  /// What has no byte is not worth keeping.
  deinit {
    if byteCount == 0 { unlink(path) }
    close(descriptor)
  }

  /// - Parameter offset: at most `byteCount`.
  func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(FileError) {
    precondition(offset <= byteCount, "a file grows without gaps")
    if running?.byteCount == offset {
      running?.hash.update(bytes)
      running?.byteCount += UInt64(bytes.count)
    } else {
      running = nil
    }
    var done = 0
    while done < bytes.count {
      let count = pwrite(
        descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done, off_t(offset) + off_t(done))
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw FileError(operation: .write, path: path, code: errno) }
      done += count
      byteCount = max(byteCount, offset + UInt64(done))
    }
  }

  /// Forgets what is behind the first `count` bytes.
  func cut(to count: UInt64) throws(FileError) {
    guard ftruncate(descriptor, off_t(count)) == 0 else {
      throw FileError(operation: .write, path: path, code: errno)
    }
    byteCount = count
    running = count == 0 ? (SHA256(), 0) : nil
  }

  /// SHA-256 of all bytes.
  func digest() throws(FileError) -> Digest {
    if var running, running.byteCount == byteCount { return Digest(unchecked: running.hash.finalize()) }
    var hash = SHA256()
    try DurableFile.read(path, in: 0..<Int(byteCount), pieceBytes: 1 << 18) { hash.update($0) }
    return Digest(unchecked: hash.finalize())
  }

  /// Flushes the file, which then takes another name by the hand of somebody else.
  func finish(mode: UInt32) throws(FileError) {
    guard fchmod(descriptor, mode) == 0, fsync(descriptor) == 0 else {
      throw FileError(operation: .synchronise, path: path, code: errno)
    }
  }

  /// Flushes the file and gives it its name, whatever had that name before.
  func commit(as final: String, mode: UInt32) throws(FileError) {
    try finish(mode: mode)
    try DurableFile.rename(path, to: final)
  }
}
