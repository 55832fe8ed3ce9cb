import Cryptography
import Foundation
import ModelRegistry

/// A file that is hashed while it is written and gets its name only with the right SHA-256. Until then it stands beside it
/// under a temporary name, and is gone if this value goes.
final class VerifiedFile {
  private let file: DataSource.File
  /// What the bytes come from, in errors.
  private let place: String
  private var hash = SHA256()
  private var writer: DurableFileWriter
  private(set) var byteCount = 0

  /// - Parameter path: the file's name in the end.
  init(_ file: DataSource.File, from place: String, to path: String) throws(DataSourceError) {
    self.file = file
    self.place = place
    do throws(FileError) {
      writer = try DurableFileWriter(path: path)
    } catch {
      throw .file(error)
    }
  }

  /// - Throws: `DataSourceError.tooLong` before a byte more than the file has is written; `.file`.
  func append(_ bytes: [UInt8]) throws(DataSourceError) {
    guard bytes.count <= file.byteCount - byteCount else { throw .tooLong(place: place, expected: file.byteCount) }
    do throws(FileError) {
      try writer.append(bytes)
    } catch {
      throw .file(error)
    }
    hash.update(bytes)
    byteCount += bytes.count
  }

  /// Gives the file its name.
  ///
  /// - Throws: `DataSourceError.truncated`, `.wrongDigest`, `.file`.
  func commit() throws(DataSourceError) {
    guard byteCount == file.byteCount else {
      throw .truncated(url: place, found: byteCount, expected: file.byteCount)
    }
    let found = hexadecimal(hash.finalize())
    guard found == file.digest else { throw .wrongDigest(place: place, found: found, expected: file.digest) }
    do throws(FileError) {
      try writer.commit()
    } catch {
      throw .file(error)
    }
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
    let copy = try VerifiedFile(self, from: found, to: path)
    try copy.append(bytes)
    try copy.commit()
  }

  private static func isOrdinaryFile(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
  }
}
