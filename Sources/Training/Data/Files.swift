import Glibc

/// The bytes of a file, if there are not more of them than allowed.
func readFile(_ path: String, byteCountMax: Int) throws(DatasetError) -> [UInt8] {
  let descriptor = open(path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else { throw .unreadable(file: path, reason: systemReason()) }
  defer { close(descriptor) }
  var bytes: [UInt8] = []
  var piece = [UInt8](repeating: 0, count: 1 << 16)
  while true {
    let count = read(descriptor, &piece, piece.count)
    if count == 0 { return bytes }
    guard count > 0 else {
      if errno == EINTR { continue }
      throw .unreadable(file: path, reason: systemReason())
    }
    guard count <= byteCountMax - bytes.count else { throw .fileTooLarge(file: path, max: byteCountMax) }
    bytes.append(contentsOf: piece[..<count])
  }
}

/// Writes a file beside `path` and moves it there, so that nobody sees half of it.
func replaceFile(_ path: String, with bytes: [UInt8]) throws(DatasetError) {
  let draft = "\(path).\(getpid()).partial"
  let descriptor = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
  guard descriptor >= 0 else { throw .unwritable(file: path, reason: systemReason()) }
  var offset = 0
  while offset < bytes.count {
    let count = bytes.withUnsafeBytes { raw in
      write(descriptor, raw.baseAddress.map { $0 + offset }, raw.count - offset)
    }
    if count < 0, errno == EINTR { continue }
    guard count > 0 else {
      let reason = systemReason()
      close(descriptor)
      unlink(draft)
      throw .unwritable(file: path, reason: reason)
    }
    offset += count
  }
  let isFlushed = fsync(descriptor) == 0
  let reasonNotFlushed = systemReason()
  let isClosed = close(descriptor) == 0
  guard isFlushed, isClosed, rename(draft, path) == 0 else {
    let reason = isFlushed ? systemReason() : reasonNotFlushed
    unlink(draft)
    throw .unwritable(file: path, reason: reason)
  }
}

/// What the last failed system call says.
func systemReason() -> String { strerror(errno).map { String(cString: $0) } ?? "error \(errno)" }

/// Whether something is at `path` (stat(2)).
func fileExists(_ path: String) -> Bool {
  var status = stat()
  return stat(path, &status) == 0
}
