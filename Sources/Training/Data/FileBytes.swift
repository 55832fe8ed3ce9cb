import Glibc

/// The bytes of a data file, read into memory or, where there are many, mapped into it (mmap(2)).
///
/// A mapped file takes memory only for the pages that are looked at, and the system can drop them again. Its bytes are
/// those on disk: a file that another program shortens while it is read ends this process with SIGBUS.
final class FileBytes: @unchecked Sendable {  // Never written to after its init.
  /// From this size on a file is mapped instead of read.
  static let mappedByteCountMin = 16 << 20
  /// Of what is read, whatever it is.
  static let readByteCountMax = 1 << 30

  /// Valid as long as the object.
  let raw: UnsafeRawBufferPointer
  let isMapped: Bool

  var count: Int { raw.count }

  /// A copy of these bytes.
  init(_ bytes: [UInt8]) {
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 16)
    copy.copyBytes(from: bytes)
    raw = UnsafeRawBufferPointer(copy)
    isMapped = false
  }

  /// The bytes of a file.
  ///
  /// - Throws: `DatasetError.unreadable`; `.fileTooLarge` for more than `byteCountMax` bytes, or `readByteCountMax` of a pipe.
  convenience init(path: String, byteCountMax: Int) throws(DatasetError) {
    if let mapping = try Self.map(path, byteCountMax: byteCountMax) {
      self.init(mapping: mapping)
    } else {
      // What cannot be mapped is no ordinary file or a small one: a device or a pipe must not fill the memory.
      self.init(try readFile(path, byteCountMax: min(byteCountMax, Self.readByteCountMax)))
    }
  }

  private init(mapping: UnsafeRawBufferPointer) {
    raw = mapping
    isMapped = true
  }

  deinit {
    if isMapped {
      munmap(UnsafeMutableRawPointer(mutating: raw.baseAddress), raw.count)
    } else {
      raw.deallocate()
    }
  }

  /// - Returns: nil for what is too small to be worth it, or no ordinary file.
  private static func map(_ path: String, byteCountMax: Int) throws(DatasetError) -> UnsafeRawBufferPointer? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .unreadable(file: path, reason: systemReason()) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .unreadable(file: path, reason: systemReason()) }
    guard status.st_mode & S_IFMT == S_IFREG, status.st_size >= mappedByteCountMin else { return nil }
    guard status.st_size <= byteCountMax else { throw .fileTooLarge(file: path, max: byteCountMax) }
    guard let start = mmap(nil, Int(status.st_size), PROT_READ, MAP_PRIVATE, descriptor, 0), start != MAP_FAILED else {
      throw .unreadable(file: path, reason: systemReason())
    }
    return UnsafeRawBufferPointer(start: start, count: Int(status.st_size))
  }

  /// Whether the bytes at `offset` are these.
  func has(_ bytes: [UInt8], at offset: Int = 0) -> Bool {
    guard offset >= 0, bytes.count <= count - offset else { return false }
    return bytes.indices.allSatisfy { raw[offset + $0] == bytes[$0] }
  }

  /// A copy of a part.
  ///
  /// - Precondition: the range is within the bytes.
  func bytes(_ range: Range<Int>) -> [UInt8] { Array(raw[range]) }

  /// A whole number of `byteCount` bytes, at most 8.
  ///
  /// - Precondition: these bytes are there.
  func unsigned(at offset: Int, byteCount: Int, bigEndian: Bool) -> UInt64 {
    var value: UInt64 = 0
    for i in 0..<byteCount { value = value << 8 | UInt64(raw[offset + (bigEndian ? i : byteCount - 1 - i)]) }
    return value
  }
}
