import Cryptography
import Federation
import Glibc
import ModelRegistry
import SecureAggregation

/// How a file that is kept somewhere gets another name.
enum FilePlacement: Sendable {
  /// The one file goes there.
  case moving
  /// One file under two names, where the file system has that, else a copy. For names that nobody writes to.
  case linking
  /// A file of its own, checked against the digest while it is copied.
  case copying

  private static let pieceByteCount = 1 << 20

  /// Gives the file at `source` the name `path`, whatever had that name before: at once or not at all.
  ///
  /// - Parameters:
  ///   - path: on the same file system, but for a copy.
  ///   - digest: of the file; checked by a copy only.
  func place(_ source: String, at path: String, digest: Digest) throws(PullError) {
    switch self {
    case .moving: try filed { () throws(FileError) in try DurableFile.rename(source, to: path) }
    case .linking:
      if !hasLinked(source, to: path) { try Self.copy(source, to: path, digest: digest, mode: 0o444) }
    case .copying: try Self.copy(source, to: path, digest: digest, mode: 0o644)
    }
  }

  private func hasLinked(_ source: String, to path: String) -> Bool {
    let temporary = "\(DurableFile.parent(of: path))/.link-\(getpid())-\(Digest.sha256(of: Array(path.utf8)).short)"
    unlink(temporary)
    guard link(source, temporary) == 0 else { return false }
    // rename(2) of two names of one file does nothing and leaves both.
    defer { unlink(temporary) }
    return rename(temporary, path) == 0
  }

  private static func copy(_ source: String, to path: String, digest: Digest, mode: UInt32) throws(PullError) {
    let descriptor = open(source, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw PullError(FileError(operation: .open, path: source, code: errno)) }
    defer { close(descriptor) }
    do throws(FileError) {
      var writer = try DurableFileWriter(path: path, mode: mode)
      let found = try copyBytes(of: descriptor, source, into: &writer)
      if found == digest { return try writer.commit() }
    } catch {
      throw PullError(error)
    }
    throw PullError(.verificationFailed, "\(source): found bytes of another digest, expected those of \(digest)")
  }

  private static func copyBytes(
    of descriptor: Int32, _ source: String, into writer: inout DurableFileWriter
  ) throws(FileError) -> Digest {
    var hash = SHA256()
    var piece = [UInt8](repeating: 0, count: pieceByteCount)
    while true {
      let count = read(descriptor, &piece, piece.count)
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw FileError(operation: .read, path: source, code: errno) }
      guard count > 0 else { return Digest(unchecked: hash.finalize()) }
      let bytes = count == piece.count ? piece : Array(piece[..<count])
      hash.update(bytes)
      try writer.append(bytes)
    }
  }
}
