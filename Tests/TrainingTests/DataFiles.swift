/// Data files as other programs write them, built byte by byte from the formats' own pages.
enum DataFiles {
  static func little(_ value: Int, _ byteCount: Int) -> [UInt8] {
    (0..<byteCount).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }

  static func big(_ value: Int, _ byteCount: Int) -> [UInt8] { little(value, byteCount).reversed() }

  static func f32(_ values: [Float]) -> [UInt8] { values.flatMap { little(Int($0.bitPattern), 4) } }

  static func f64(_ values: [Double]) -> [UInt8] {
    values.flatMap { little(Int(bitPattern: UInt($0.bitPattern)), 8) }
  }

  static func i64(_ values: [Int]) -> [UInt8] { values.flatMap { little($0, 8) } }

  /// numpy.lib.format, version 1.0 by default; the dictionary is padded so that the elements begin at a multiple of 64.
  static func npy(_ header: String, _ elements: [UInt8], major: Int = 1) -> [UInt8] {
    let lengthByteCount = major == 1 ? 2 : 4
    var text = Array(header.utf8)
    while (8 + lengthByteCount + text.count + 1) % 64 != 0 { text.append(0x20) }
    text.append(0x0A)
    let version: [UInt8] = [UInt8(major), 0]
    let length: [UInt8] = little(text.count, lengthByteCount)
    return npyStart(version + length + text + elements)
  }

  /// The magic number, and what stands behind it.
  static func npyStart(_ rest: [UInt8]) -> [UInt8] { [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59] + rest }

  static func npy(_ descr: String, _ shape: String, _ elements: [UInt8]) -> [UInt8] {
    npy("{'descr': '\(descr)', 'fortran_order': False, 'shape': \(shape), }", elements)
  }

  /// IDX: `00 00 type rank`, big-endian dimensions, elements.
  static func idx(_ type: UInt8, _ shape: [Int], _ elements: [UInt8]) -> [UInt8] {
    let dimensions: [UInt8] = shape.flatMap { big($0, 4) }
    return [0, 0, type, UInt8(shape.count)] + dimensions + elements
  }

  struct ZipEntry {
    var name: String
    var bytes: [UInt8]
    /// Deflated as one stored block (RFC 1951, 3.2.4), which any inflater reads.
    var isDeflated = false
    var method: Int?
    var flags = 0
    var checkSum: UInt32?
    var byteCount: Int?
    /// numpy.savez writes local headers with a ZIP64 extra field.
    var localExtra: [UInt8] = []
  }

  /// PKWARE APPNOTE: local headers and data, the central directory, the end record.
  static func zip(_ entries: [ZipEntry], comment: String = "") -> [UInt8] {
    var out: [UInt8] = []
    var directory: [UInt8] = []
    for entry in entries {
      let stored = entry.bytes
      let data =
        entry.isDeflated
        ? storedBlock(stored) : stored
      let method = entry.method ?? (entry.isDeflated ? 8 : 0)
      let sum = Int(entry.checkSum ?? crc32(stored))
      var common: [UInt8] = little(20, 2) + little(entry.flags, 2) + little(method, 2) + little(0, 4)
      common += little(sum, 4) + little(data.count, 4) + little(entry.byteCount ?? stored.count, 4)
      common += little(entry.name.utf8.count, 2)
      let offset = out.count
      out += [0x50, 0x4B, 3, 4] + common + little(entry.localExtra.count, 2)
      out += Array(entry.name.utf8) + entry.localExtra + data
      directory += [0x50, 0x4B, 1, 2] + little(20, 2) + common
      directory += [UInt8](repeating: 0, count: 12) + little(offset, 4) + Array(entry.name.utf8)
    }
    let start = out.count
    out += directory
    out += [0x50, 0x4B, 5, 6] + little(0, 4) + little(entries.count, 2) + little(entries.count, 2)
    out += little(directory.count, 4) + little(start, 4)
    out += little(comment.utf8.count, 2) + Array(comment.utf8)
    return out
  }

  /// Deflate's last block of bytes as they are (RFC 1951, 3.2.4).
  private static func storedBlock(_ bytes: [UInt8]) -> [UInt8] {
    let lengths: [UInt8] = little(bytes.count, 2) + little(~bytes.count & 0xFFFF, 2)
    return [1] + lengths + bytes
  }

  /// A gzip member (RFC 1952) with one stored block; at most 65,535 bytes.
  static func gzip(_ bytes: [UInt8]) -> [UInt8] {
    let header: [UInt8] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255]
    let checks: [UInt8] = little(Int(crc32(bytes)), 4) + little(bytes.count, 4)
    return header + storedBlock(bytes) + checks
  }

  /// CRC-32 bit by bit, as RFC 1952 defines it.
  static func crc32(_ bytes: [UInt8]) -> UInt32 {
    var sum = ~UInt32(0)
    for byte in bytes {
      sum ^= UInt32(byte)
      for _ in 0..<8 { sum = sum & 1 == 1 ? (sum >> 1) ^ 0xEDB8_8320 : sum >> 1 }
    }
    return ~sum
  }
}
