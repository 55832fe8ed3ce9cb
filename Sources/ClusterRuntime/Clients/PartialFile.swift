import Cryptography
import Federation
import Glibc
import ModelRegistry

/// A download on its way to a folder: `DIR/.partial-DIGEST`, kept when the download stops, renamed when it is verified.
///
/// One process at a time may have it open (flock(2)).
final class PartialFile {
  let path: String
  private let descriptor: Int32

  /// Opens what an interrupted download left, or a new file.
  init(directory: String, digest: Digest) throws(RuntimeError) {
    let path = "\(directory)/.partial-\(digest)"
    do throws(FileError) {
      descriptor = try Self.open(path)
    } catch {
      throw RuntimeError(error)
    }
    self.path = path
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0, Self.isSame(descriptor, path) else {
      throw RuntimeError(.failed, "\(path): found another process that writes the file, expected none")
    }
  }

  deinit { close(descriptor) }

  private static func open(_ path: String) throws(FileError) -> Int32 {
    let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
    guard descriptor >= 0 else { throw FileError(operation: .open, path: path, code: errno) }
    return descriptor
  }

  /// Whether the path still names the open file: the process that had it may have renamed it meanwhile.
  private static func isSame(_ descriptor: Int32, _ path: String) -> Bool {
    var opened = stat()
    var named = stat()
    return fstat(descriptor, &opened) == 0 && stat(path, &named) == 0 && opened.st_ino == named.st_ino
      && opened.st_dev == named.st_dev
  }

  /// Bytes that are there.
  var byteCount: UInt64 {
    var status = stat()
    return fstat(descriptor, &status) == 0 ? UInt64(max(0, status.st_size)) : 0
  }

  func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(FileError) {
    var done = 0
    while done < bytes.count {
      let count = pwrite(
        descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done, off_t(offset) + off_t(done))
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw FileError(operation: .write, path: path, code: errno) }
      done += count
    }
  }

  /// SHA-256 of the first `count` bytes.
  func digest(count: UInt64) throws(FileError) -> Digest {
    var hash = SHA256()
    var buffer = [UInt8](repeating: 0, count: 1 << 18)
    var done: UInt64 = 0
    while done < count {
      let wanted = Int(min(UInt64(buffer.count), count - done))
      let found = pread(descriptor, &buffer, wanted, off_t(done))
      if found < 0 && errno == EINTR { continue }
      guard found > 0 else { throw FileError(operation: .read, path: path, code: found == 0 ? EIO : errno) }
      buffer.withUnsafeBytes { hash.update(UnsafeRawBufferPointer(rebasing: $0[..<found])) }
      done += UInt64(found)
    }
    return Digest(unchecked: hash.finalize())
  }

  /// Cuts the file to its length, flushes it and gives it its name, whatever had that name before.
  func commit(byteCount: UInt64, as final: String) throws(FileError) {
    guard ftruncate(descriptor, off_t(byteCount)) == 0 else {
      throw FileError(operation: .write, path: path, code: errno)
    }
    guard fsync(descriptor) == 0 else { throw FileError(operation: .synchronise, path: path, code: errno) }
    try DurableFile.rename(path, to: final)
  }
}
