import Glibc

/// Small files that hold keys: read with a bound, written whole and with their final mode.
enum CertificateFile {
  static func read(_ path: String) throws(CurveCertificateError) -> (text: String, mode: UInt32) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .unreadable(file: path, reason: reason(errno)) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .unreadable(file: path, reason: reason(errno)) }
    var bytes = [UInt8](repeating: 0, count: CurveCertificate.fileBytesMax + 1)
    defer { wipe(&bytes) }
    var count = 0
    while count < bytes.count {
      let result = bytes.withUnsafeMutableBytes { buffer in
        Glibc.read(descriptor, buffer.baseAddress?.advanced(by: count), buffer.count - count)
      }
      if result == 0 { break }
      if result < 0 {
        if errno == EINTR { continue }
        throw .unreadable(file: path, reason: reason(errno))
      }
      count += result
    }
    guard count < bytes.count else { throw .tooLong(file: path, bytesMax: CurveCertificate.fileBytesMax) }
    return (String(decoding: bytes[..<count], as: UTF8.self), status.st_mode & 0o7777)
  }

  /// Writes beside the final name, then moves into place: rename(2) replaces, link(2) refuses to.
  static func write(_ text: String, to path: String, mode: mode_t, replacing: Bool) throws(CurveCertificateError) {
    let temporary = "\(path).\(getpid()).new"
    func failure(_ code: Int32) -> CurveCertificateError { .unwritable(file: path, reason: reason(code)) }
    unlink(temporary)  // Left behind by a process of the same number that crashed here.
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
    guard descriptor >= 0 else { throw failure(errno) }
    defer { unlink(temporary) }
    var bytes = Array(text.utf8)
    defer { wipe(&bytes) }
    let code = writeAll(bytes, to: descriptor, mode: mode)
    close(descriptor)
    guard code == 0 else { throw failure(code) }
    if replacing {
      guard rename(temporary, path) == 0 else { throw failure(errno) }
    } else {
      guard link(temporary, path) == 0 else { throw errno == EEXIST ? .alreadyExists(file: path) : failure(errno) }
    }
  }

  /// Takes back a file that this process has just written.
  static func remove(_ path: String) { unlink(path) }

  /// 0 or errno.
  private static func writeAll(_ bytes: [UInt8], to descriptor: Int32, mode: mode_t) -> Int32 {
    var written = 0
    while written < bytes.count {
      let result = bytes.withUnsafeBytes { buffer in
        Glibc.write(descriptor, buffer.baseAddress?.advanced(by: written), buffer.count - written)
      }
      if result < 0 {
        if errno == EINTR { continue }
        return errno
      }
      written += result
    }
    // open(2) has applied the umask; the mode of a public file must not depend on it.
    return fchmod(descriptor, mode) == 0 && fsync(descriptor) == 0 ? 0 : errno
  }

  private static func reason(_ code: Int32) -> String { String(cString: strerror(code)) }
}
