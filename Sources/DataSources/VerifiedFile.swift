import Cryptography
import Foundation
import ModelRegistry

/// A file that is hashed while it is written and gets its name only with the right SHA-256. Until then it stands beside it
/// as `NAME.partial`, which one process at a time writes to.
///
/// A download leaves it there when it ends early, so that the next one can go on; nobody takes it for the file.
final class VerifiedFile {
  private let file: DataSource.File
  /// What the bytes come from, in errors.
  private let place: String
  private let path: String
  private let partialPath: String
  private let descriptor: Int32
  /// Whether an unfinished file stays.
  private let isKept: Bool
  private var hash = SHA256()
  private(set) var byteCount = 0

  /// - Parameters:
  ///   - path: the file's name in the end.
  ///   - resuming: whether to go on behind what is there, and to leave what there will be.
  /// - Throws: `DataSourceError.busy`, `.file`.
  init(_ file: DataSource.File, from place: String, to path: String, resuming: Bool) throws(DataSourceError) {
    self.file = file
    self.place = place
    self.path = path
    partialPath = path + ".partial"
    isKept = resuming
    descriptor = open(partialPath, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
    guard descriptor >= 0 else { throw .file(FileError(operation: .create, path: path, code: errno)) }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else { throw .busy(path: partialPath) }
    // Between open and flock another process may have given the file its name.
    var (own, named) = (stat(), stat())
    guard fstat(descriptor, &own) == 0, stat(partialPath, &named) == 0, own.st_ino == named.st_ino else {
      throw .busy(path: partialPath)
    }
    isLocked = true
    if resuming { try readBack() } else { try restart() }
  }

  private var isLocked = false
  private var isDone = false

  deinit {
    if isLocked, !isDone, !isKept || byteCount == 0 { unlink(partialPath) }
    if descriptor >= 0 { close(descriptor) }
  }

  var expectedByteCount: Int { file.byteCount }
  var isComplete: Bool { byteCount == file.byteCount }

  /// Hashes what an earlier download left; starts over if it is more than the file has.
  private func readBack() throws(DataSourceError) {
    var piece = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = read(descriptor, &piece, piece.count)
      if count == 0 { return }
      if count < 0 {
        if errno == EINTR { continue }
        throw .file(FileError(operation: .read, path: partialPath, code: errno))
      }
      guard count <= file.byteCount - byteCount else { return try restart() }
      hash.update(Array(piece[..<count]))
      byteCount += count
    }
  }

  /// Forgets all bytes.
  ///
  /// - Throws: `DataSourceError.file`.
  func restart() throws(DataSourceError) {
    guard ftruncate(descriptor, 0) == 0, lseek(descriptor, 0, SEEK_SET) == 0 else {
      throw .file(FileError(operation: .write, path: partialPath, code: errno))
    }
    hash = SHA256()
    byteCount = 0
  }

  /// - Throws: `DataSourceError.tooLong` before a byte more than the file has is written; `.file`.
  func append(_ bytes: [UInt8]) throws(DataSourceError) {
    guard bytes.count <= file.byteCount - byteCount else {
      try restart()
      throw .tooLong(place: place, expected: file.byteCount)
    }
    var written = 0
    while written < bytes.count {
      let count = bytes.withUnsafeBytes { raw in
        write(descriptor, raw.baseAddress.map { $0 + written }, raw.count - written)
      }
      if count < 0 {
        if errno == EINTR { continue }
        throw .file(FileError(operation: .write, path: partialPath, code: errno))
      }
      written += count
    }
    hash.update(bytes)
    byteCount += bytes.count
  }

  /// Gives the file its name.
  ///
  /// - Throws: `DataSourceError.truncated`; `.wrongDigest`, after which all bytes are forgotten; `.file`.
  func commit() throws(DataSourceError) {
    guard isComplete else { throw .truncated(url: place, found: byteCount, expected: file.byteCount) }
    let found = hexadecimal(hash.finalize())
    guard found == file.digest else {
      try restart()
      throw .wrongDigest(place: place, found: found, expected: file.digest)
    }
    guard fsync(descriptor) == 0 else {
      throw .file(FileError(operation: .synchronise, path: partialPath, code: errno))
    }
    do throws(FileError) {
      try DurableFile.rename(partialPath, to: path)
    } catch {
      throw .file(error)
    }
    isDone = true
  }
}

extension DataSource.File {
  /// Whether the file is at `path` already.
  ///
  /// - Throws: `DataSourceError.occupied` if another one is; `.file`.
  package func isThere(at path: String) throws(DataSourceError) -> Bool {
    guard DurableFile.exists(path) else { return false }
    let bytes: [UInt8]
    do throws(FileError) {
      bytes = try DurableFile.read(path, byteCountMax: byteCount)
    } catch {
      guard error.code == EFBIG else { throw .file(error) }
      throw .occupied(path: path, found: "a longer file", expected: digest)
    }
    let found = hexadecimal(SHA256.hash(bytes))
    guard found == digest else { throw .occupied(path: path, found: found, expected: digest) }
    return true
  }

  /// Copies the file from a path on this machine, with the same check as a download.
  ///
  /// - Parameter source: the file itself, or a folder that has it under one of its names.
  /// - Throws: `DataSourceError.missing`, `.wrongLength`, `.wrongDigest`, `.file`.
  package func copy(from source: String, to path: String) throws(DataSourceError) {
    let candidates = [source, "\(source)/\(name)", "\(source)/\(localName)"]
    guard let found = candidates.first(where: Self.isOrdinaryFile) else {
      throw .missing(path: "\(source)/\(localName)")
    }
    let bytes: [UInt8]
    do throws(FileError) {
      bytes = try DurableFile.read(found, byteCountMax: byteCount)
    } catch {
      throw error.code == EFBIG ? .tooLong(place: found, expected: byteCount) : .file(error)
    }
    guard bytes.count == byteCount else { throw .wrongLength(path: found, found: bytes.count, expected: byteCount) }
    let copy = try VerifiedFile(self, from: found, to: path, resuming: false)
    try copy.append(bytes)
    try copy.commit()
  }

  private static func isOrdinaryFile(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
  }
}
