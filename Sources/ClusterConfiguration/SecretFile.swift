import Cryptography
import Federation
import Glibc
import ModelRegistry

/// A small text file that nobody but its owner can read. Neither the text nor what is parsed of it ever lies on the
/// ordinary heap, where a core dump would find it.
struct SecretFile {
  private static let byteCountMax = 4096

  let bytes: SecretBytes

  /// - Parameter expected: what it should hold, for the error of a missing one.
  /// - Throws: `missingFile`, `exposedSecret` if its group or others have access, or `file` with the system's reason.
  init(path: String, expected: String) throws(HomeError) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      if errno == ENOENT || errno == ENOTDIR { throw .missingFile(path, expected: expected) }
      throw .file(FileError(operation: .open, path: path, code: errno))
    }
    defer { close(descriptor) }
    func unread(_ code: Int32) -> HomeError { .file(FileError(operation: .read, path: path, code: code)) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw unread(errno) }
    guard status.st_mode & 0o077 == 0 else { throw .exposedSecret(path: path, mode: status.st_mode & 0o7777) }
    guard status.st_size <= Self.byteCountMax else { throw unread(EFBIG) }
    bytes = try SecretBytes(count: Int(status.st_size)) { (buffer) throws(HomeError) in
      var filled = 0
      while filled < buffer.count {
        let count = read(descriptor, buffer.baseAddress.map { $0 + filled }, buffer.count - filled)
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { throw unread(count < 0 ? errno : EIO) }  // Shorter than it was a moment ago.
        filled += count
      }
    }
  }

  /// The bytes that the file's only line writes in hexadecimal; nil if it is anything else.
  func hexadecimalLine(byteCount: Int) -> SecretBytes? {
    bytes.withUnsafeBytes { text in
      guard text.count == 2 * byteCount + 1, text[2 * byteCount] == 0x0A else { return nil }
      var isValid = true
      let value = SecretBytes(count: byteCount) { out in
        for i in 0..<byteCount {
          guard let high = Self.digit(text[2 * i]), let low = Self.digit(text[2 * i + 1]) else {
            isValid = false
            return
          }
          out[i] = high << 4 | low
        }
      }
      return isValid ? value : nil
    }
  }

  private static func digit(_ character: UInt8) -> UInt8? {
    switch character {
    case 0x30...0x39: character - 0x30
    case 0x41...0x46: character - 0x41 + 10
    case 0x61...0x66: character - 0x61 + 10
    default: nil
    }
  }

  /// The bytes of a ZPL line `name = "…"` (RFC 4) whose value is Z85; nil without such a line of that length.
  func z85Value(of name: String, byteCount: Int) -> SecretBytes? {
    bytes.withUnsafeBytes { text in
      for line in text.split(separator: 0x0A) {
        let parts = line.split(separator: 0x22, omittingEmptySubsequences: false)
        guard parts.count == 3 else { continue }
        let words = parts[0].split(separator: 0x20)
        guard words.count == 2, words[0].elementsEqual(name.utf8), words[1].elementsEqual("=".utf8) else { continue }
        var isValid = false
        let value = SecretBytes(count: byteCount) { out in
          isValid = Z85.decode(UnsafeRawBufferPointer(rebasing: parts[1]), into: out)
        }
        return isValid ? value : nil
      }
      return nil
    }
  }
}
