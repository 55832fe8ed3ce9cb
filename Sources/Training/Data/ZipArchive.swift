import Compression

/// The files of a ZIP archive, as `numpy.savez` and `numpy.savez_compressed` write them: stored or deflated.
///
/// Sizes are those of the central directory (PKWARE APPNOTE 4.3.12), compared with the archive before anything is
/// allocated. Encrypted archives, those over several disks and ZIP64 sizes (4 GiB and more) are refused by name.
struct ZipArchive {
  static let entryCountMax = 1024
  /// Deflate makes at most 1032 bytes of one (zlib, "Technical Details").
  static let ratioMax = 1032

  struct Entry {
    let name: String
    let isDeflated: Bool
    let checkSum: UInt32
    let compressedByteCount: Int
    let byteCount: Int
    /// Of its local header.
    fileprivate let offset: Int
  }

  let entries: [Entry]
  private let file: FileBytes
  private let name: String

  /// - Parameter name: of the archive, in errors.
  /// - Throws: `DatasetError.badFile`.
  init(_ file: FileBytes, name: String) throws(DatasetError) {
    self.file = file
    self.name = name
    let directory = try Self.directory(of: file, name: name)
    var entries: [Entry] = []
    var position = directory.start
    for _ in 0..<directory.entryCount {
      let (entry, next) = try Self.entry(of: file, at: position, end: directory.end, name: name)
      guard !entries.contains(where: { $0.name == entry.name }) else {
        throw .badFile(file: name, found: "two files named \(CSVDataset.shortened(entry.name))", expected: "one")
      }
      entries.append(entry)
      position = next
    }
    guard position == directory.end else {
      throw .badFile(file: name, found: "\(directory.end - position) bytes behind the directory", expected: "none")
    }
    self.entries = entries
  }

  /// The bytes of a file of the archive: a range of the archive's own if it is stored, else inflated.
  ///
  /// - Parameter byteCountMax: of an inflated file.
  /// - Throws: `DatasetError.badFile`, also for a wrong check sum.
  func bytes(of entry: Entry, byteCountMax: Int) throws(DatasetError) -> (file: FileBytes, range: Range<Int>) {
    let place = "\(name): \(CSVDataset.shortened(entry.name))"
    let start = try dataStart(of: entry, place: place)
    let range = start..<start + entry.compressedByteCount
    guard entry.isDeflated else {
      try check(UnsafeRawBufferPointer(rebasing: file.raw[range]), against: entry, place: place)
      return (file, range)
    }
    guard entry.byteCount <= byteCountMax else {
      throw .badFile(file: place, found: "\(entry.byteCount) bytes", expected: "at most \(byteCountMax)")
    }
    let out: [UInt8]
    do {
      out = try Inflation.inflate(
        UnsafeRawBufferPointer(rebasing: file.raw[range]), .none, byteCountMax: entry.byteCount)
    } catch {
      throw .badFile(file: place, found: "\(error.found)", expected: "\(entry.byteCount) deflated bytes")
    }
    let inflated = FileBytes(out)
    try check(inflated.raw, against: entry, place: place)
    return (inflated, 0..<inflated.count)
  }

  private func check(_ bytes: UnsafeRawBufferPointer, against entry: Entry, place: String) throws(DatasetError) {
    guard bytes.count == entry.byteCount else {
      throw .badFile(file: place, found: "\(bytes.count) bytes", expected: "\(entry.byteCount)")
    }
    let found = Inflation.crc32(bytes)
    guard found == entry.checkSum else {
      throw .badFile(
        file: place, found: "CRC-32 \(String(found, radix: 16))", expected: String(entry.checkSum, radix: 16))
    }
  }

  /// Behind the local header, whose name and extra field may be longer than the directory's.
  private func dataStart(of entry: Entry, place: String) throws(DatasetError) -> Int {
    let offset = entry.offset
    guard offset <= file.count - 30, file.has([0x50, 0x4B, 3, 4], at: offset) else {
      throw .badFile(file: place, found: "no local header at byte \(offset)", expected: "one")
    }
    let start =
      offset + 30 + Int(file.unsigned(at: offset + 26, byteCount: 2, bigEndian: false))
      + Int(file.unsigned(at: offset + 28, byteCount: 2, bigEndian: false))
    guard start <= file.count, entry.compressedByteCount <= file.count - start else {
      throw .badFile(
        file: place, found: "\(entry.compressedByteCount) bytes from byte \(start)",
        expected: "bytes within the archive's \(file.count)")
    }
    return start
  }

  /// What the end record says (APPNOTE 4.3.16), which stands at the end, before a comment of up to 65,535 bytes.
  private static func directory(
    of file: FileBytes, name: String
  ) throws(DatasetError) -> (start: Int, end: Int, entryCount: Int) {
    var position = file.count - 22
    let first = max(0, position - 65_535)
    while position >= first, !file.has([0x50, 0x4B, 5, 6], at: position) { position -= 1 }
    guard position >= first else {
      throw .badFile(file: name, found: "no end record of a ZIP archive", expected: "one within its last 65,557 bytes")
    }
    func number(_ offset: Int, _ byteCount: Int) -> Int {
      Int(file.unsigned(at: position + offset, byteCount: byteCount, bigEndian: false))
    }
    let (count, byteCount, start) = (number(10, 2), number(12, 4), number(16, 4))
    guard number(4, 2) == 0, number(6, 2) == 0, number(8, 2) == count else {
      throw .badFile(file: name, found: "an archive over several disks", expected: "one file")
    }
    guard count <= entryCountMax else {
      throw .badFile(file: name, found: "\(count) files in the archive", expected: "at most \(entryCountMax)")
    }
    guard start <= position, byteCount <= position - start else {
      throw .badFile(
        file: name, found: "a directory of \(byteCount) bytes from byte \(start)",
        expected: "one before the end record at byte \(position)")
    }
    return (start, start + byteCount, count)
  }

  private static func entry(
    of file: FileBytes, at position: Int, end: Int, name: String
  ) throws(DatasetError) -> (Entry, next: Int) {
    guard position <= end - 46, file.has([0x50, 0x4B, 1, 2], at: position) else {
      throw .badFile(file: name, found: "no directory entry at byte \(position)", expected: "one")
    }
    func number(_ offset: Int, _ byteCount: Int) -> Int {
      Int(file.unsigned(at: position + offset, byteCount: byteCount, bigEndian: false))
    }
    let nameByteCount = number(28, 2)
    let next = position + 46 + nameByteCount + number(30, 2) + number(32, 2)
    guard next <= end else {
      throw .badFile(
        file: name, found: "a directory entry of \(next - position) bytes", expected: "one that ends in it")
    }
    let entryName = String(decoding: file.bytes(position + 46..<position + 46 + nameByteCount), as: UTF8.self)
    let place = "\(name): \(CSVDataset.shortened(entryName))"
    guard number(8, 2) & 1 == 0 else {
      throw .badFile(file: place, found: "an encrypted file", expected: "one in clear")
    }
    let method = number(10, 2)
    guard method == 0 || method == 8 else {
      throw .badFile(file: place, found: "compression method \(method)", expected: "0 (stored) or 8 (deflated)")
    }
    let (compressed, byteCount) = (number(20, 4), number(24, 4))
    guard compressed != 0xFFFF_FFFF, byteCount != 0xFFFF_FFFF else {
      throw .badFile(file: place, found: "a ZIP64 size", expected: "less than 4 GiB")
    }
    guard method == 8 ? byteCount <= compressed * ratioMax : byteCount == compressed else {
      throw .badFile(
        file: place, found: "\(byteCount) bytes from \(compressed)",
        expected: method == 8 ? "at most \(ratioMax) times as many" : "as many, for a stored file")
    }
    let entry = Entry(
      name: entryName, isDeflated: method == 8, checkSum: UInt32(number(16, 4)), compressedByteCount: compressed,
      byteCount: byteCount, offset: number(42, 4))
    return (entry, next)
  }
}

extension Inflation.Failure {
  /// In the words of an error.
  var found: String {
    switch self {
    case .tooLong: "more"
    case .truncated: "an end in the middle"
    case .damaged(let reason): "damaged bytes (\(reason))"
    case .trailingBytes(let count): "\(count) bytes behind the end"
    }
  }
}
