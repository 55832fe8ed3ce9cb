import Glibc

/// Why a file could not be read or written: what was tried, on which path, and the system's reason.
package struct FileError: Error, Equatable, CustomStringConvertible, Sendable {
  package enum Operation: String, Sendable {
    case open, read, write, synchronise, rename, remove, create, list
  }

  package let operation: Operation
  package let path: String
  /// `errno` after the call; `EFBIG` for a file larger than its reader allows.
  package let code: Int32

  package init(operation: Operation, path: String, code: Int32) {
    self.operation = operation
    self.path = path
    self.code = code
  }

  package var isMissing: Bool { code == ENOENT || code == ENOTDIR }
  package var reason: String { String(cString: strerror(code)) }
  package var description: String { "\(path): cannot \(operation.rawValue): \(reason)" }
}

/// Files that are either complete or absent, also after a power failure.
///
/// A file is written under a temporary name in its folder, flushed (fsync(2)), renamed over its final name and the folder
/// flushed, so that no reader ever sees a part of it.
package enum DurableFile {
  /// Writes `bytes` as the file at `path`.
  ///
  /// - Parameters:
  ///   - mode: permission bits, whatever the process's umask.
  ///   - replacing: false to fail with `EEXIST` instead of replacing a file.
  /// - Throws: `FileError`; an older file at `path` is then unchanged.
  package static func write(_ bytes: [UInt8], to path: String, mode: UInt32 = 0o644, replacing: Bool = true)
    throws(FileError)
  {
    var writer = try DurableFileWriter(path: path, mode: mode)
    try writer.append(bytes)
    try writer.commit(replacing: replacing)
  }

  /// The whole file at `path`.
  ///
  /// - Throws: `FileError`; with code `EFBIG` if the file has more than `byteCountMax` bytes.
  package static func read(_ path: String, byteCountMax: Int) throws(FileError) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .init(operation: .open, path: path, code: errno) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .init(operation: .read, path: path, code: errno) }
    guard status.st_mode & S_IFMT != S_IFDIR else { throw .init(operation: .read, path: path, code: EISDIR) }
    guard status.st_size <= byteCountMax else { throw .init(operation: .read, path: path, code: EFBIG) }
    var out: [UInt8] = []
    out.reserveCapacity(Int(status.st_size))
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = Glibc.read(descriptor, &buffer, buffer.count)
      if count == 0 { return out }
      if count < 0 {
        if errno == EINTR { continue }
        throw .init(operation: .read, path: path, code: errno)
      }
      guard out.count + count <= byteCountMax else { throw .init(operation: .read, path: path, code: EFBIG) }
      out.append(contentsOf: buffer[..<count])
    }
  }

  /// A piece of the file at `path`.
  ///
  /// - Throws: `FileError`; with code `EIO` if the file ends before the piece does.
  package static func read(_ path: String, at offset: UInt64, count: Int) throws(FileError) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .init(operation: .open, path: path, code: errno) }
    defer { close(descriptor) }
    var code: Int32 = 0
    let out = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      while filled < count, let base = buffer.baseAddress {
        let found = pread(descriptor, base + filled, count - filled, Int(offset) + filled)
        if found < 0, errno == EINTR { continue }
        guard found > 0 else {
          code = found < 0 ? errno : EIO
          return
        }
        filled += found
      }
    }
    guard code == 0 else { throw .init(operation: .read, path: path, code: code) }
    return out
  }

  /// The bytes of a range, one piece after another in the same memory.
  ///
  /// - Throws: `FileError`; with code `EIO` if the file ends before the range does.
  package static func read(
    _ path: String, in range: Range<Int>, pieceBytes: Int, _ body: (UnsafeRawBufferPointer) -> Void
  ) throws(FileError) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .init(operation: .open, path: path, code: errno) }
    defer { close(descriptor) }
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: min(pieceBytes, max(1, range.count)), alignment: 64)
    defer { buffer.deallocate() }
    var position = range.lowerBound
    while position < range.upperBound {
      let found = pread(descriptor, buffer.baseAddress, min(buffer.count, range.upperBound - position), position)
      if found < 0, errno == EINTR { continue }
      guard found > 0 else { throw .init(operation: .read, path: path, code: found < 0 ? errno : EIO) }
      body(UnsafeRawBufferPointer(rebasing: buffer[..<found]))
      position += found
    }
  }

  /// Flushes a folder, so that the names created or renamed in it last.
  package static func synchronise(directory: String) throws(FileError) {
    let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .init(operation: .open, path: directory, code: errno) }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw .init(operation: .synchronise, path: directory, code: errno) }
  }

  /// Makes the folder and those above it that are missing. An existing folder keeps its mode.
  package static func createDirectory(_ path: String, mode: UInt32 = 0o755) throws(FileError) {
    var status = stat()
    if stat(path, &status) == 0 {
      guard status.st_mode & S_IFMT == S_IFDIR else { throw .init(operation: .create, path: path, code: ENOTDIR) }
      return
    }
    let parent = DurableFile.parent(of: path)
    if parent != path { try createDirectory(parent) }
    guard mkdir(path, mode) == 0 || errno == EEXIST else { throw .init(operation: .create, path: path, code: errno) }
    guard chmod(path, mode) == 0 else { throw .init(operation: .create, path: path, code: errno) }
    try synchronise(directory: parent)
  }

  /// Renames a finished folder or file and flushes the folder that holds it.
  ///
  /// A folder is never renamed over one that has anything in it (`ENOTEMPTY` or `EEXIST`, rename(2)).
  package static func rename(_ from: String, to path: String) throws(FileError) {
    guard Glibc.rename(from, path) == 0 else { throw .init(operation: .rename, path: path, code: errno) }
    try synchronise(directory: parent(of: path))
  }

  /// The names in a folder, sorted by their UTF-8 bytes, without `.` and `..`.
  package static func names(in directory: String) throws(FileError) -> [String] {
    guard let stream = opendir(directory) else { throw .init(operation: .list, path: directory, code: errno) }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = Glibc.readdir(stream) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { raw in
        String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  /// Whether something is at `path` (stat(2)).
  package static func exists(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0
  }

  /// A file as it is now: after a change of it, another one.
  package struct Stamp: Hashable, Sendable {
    package let byteCount: Int
    private let inode: UInt64
    private let seconds: Int
    private let nanoseconds: Int

    fileprivate init(_ status: stat) {
      byteCount = Int(status.st_size)
      inode = UInt64(status.st_ino)
      seconds = status.st_mtim.tv_sec
      nanoseconds = status.st_mtim.tv_nsec
    }
  }

  /// How the file at `path` is now; nil if there is none.
  package static func stamp(of path: String) -> Stamp? {
    var status = stat()
    return stat(path, &status) == 0 ? Stamp(status) : nil
  }

  /// Removes a file or a folder with all that is in it. Symbolic links are removed, not followed.
  package static func remove(_ path: String) throws(FileError) {
    var status = stat()
    guard lstat(path, &status) == 0 else {
      if errno == ENOENT { return }
      throw .init(operation: .remove, path: path, code: errno)
    }
    if status.st_mode & S_IFMT == S_IFDIR {
      for name in try names(in: path) { try remove(path + "/" + name) }
      guard rmdir(path) == 0 else { throw .init(operation: .remove, path: path, code: errno) }
    } else {
      guard unlink(path) == 0 else { throw .init(operation: .remove, path: path, code: errno) }
    }
  }

  /// The folder that holds `path`.
  package static func parent(of path: String) -> String {
    let trimmed = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    guard let slash = trimmed.lastIndex(of: "/") else { return "." }
    return slash == trimmed.startIndex ? "/" : String(trimmed[..<slash])
  }
}

/// A file on its way to be complete: appended piece by piece under a temporary name, then committed.
///
/// Dropped without `commit`, it leaves nothing behind.
package struct DurableFileWriter: ~Copyable {
  private let path: String
  private let temporaryPath: String
  private let descriptor: Int32

  /// Opens a temporary file beside `path`.
  package init(path: String, mode: UInt32 = 0o644) throws(FileError) {
    let folder = DurableFile.parent(of: path)
    let name = path.split(separator: "/").last.map(String.init) ?? "file"
    // mkstemp(3) picks a name that no other writer has and creates the file with mode 0600.
    var template = Array((folder + "/." + name + ".XXXXXX").utf8CString)
    let descriptor = mkstemp(&template)
    guard descriptor >= 0 else { throw .init(operation: .create, path: path, code: errno) }
    let temporaryPath = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    guard fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0, fchmod(descriptor, mode) == 0 else {
      let code = errno
      close(descriptor)
      unlink(temporaryPath)
      throw .init(operation: .create, path: path, code: code)
    }
    self.path = path
    self.descriptor = descriptor
    self.temporaryPath = temporaryPath
  }

  deinit {
    close(descriptor)
    unlink(temporaryPath)  // ENOENT after a commit.
  }

  /// Writes all of `bytes` behind what is already there.
  package mutating func append(_ bytes: [UInt8]) throws(FileError) {
    var written = 0
    while written < bytes.count {
      let count = bytes.withUnsafeBytes { raw -> Int in
        guard let base = raw.baseAddress else { return 0 }
        return Glibc.write(descriptor, base + written, raw.count - written)
      }
      if count < 0 {
        if errno == EINTR { continue }
        throw .init(operation: .write, path: path, code: errno)
      }
      written += count
    }
  }

  /// Flushes the file, gives it its name and flushes the folder.
  ///
  /// - Parameter replacing: false to fail with `EEXIST` where a file of that name exists.
  package mutating func commit(replacing: Bool = true) throws(FileError) {
    guard fsync(descriptor) == 0 else { throw .init(operation: .synchronise, path: path, code: errno) }
    if replacing {
      guard rename(temporaryPath, path) == 0 else { throw .init(operation: .rename, path: path, code: errno) }
    } else {
      // link(2) fails if the name is taken, where rename(2) would replace it.
      guard link(temporaryPath, path) == 0 else { throw .init(operation: .rename, path: path, code: errno) }
    }
    try DurableFile.synchronise(directory: DurableFile.parent(of: path))
  }
}
