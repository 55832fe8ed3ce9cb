/// NumPy's NPY format, versions 1 to 3 (numpy.lib.format): a magic number, a header that is a Python dictionary, the
/// elements.
///
/// Little-endian numbers in C order only, as NumPy writes them unless told otherwise.
enum NPYFile {
  static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)
  /// Bytes of the dictionary.
  static let headerByteCountMax = 1 << 16
  static let rankMax = 32
  private static let elements: KeyValuePairs<String, NumericArray.Element> = [
    "<f4": .f32, "<f8": .f64, "|u1": .u8, "<i4": .i32, "<i8": .i64,
  ]

  /// - Parameters:
  ///   - range: of the NPY file within `file`.
  ///   - place: what it is called in errors.
  /// - Throws: `DatasetError.badFile`; nothing is allocated by what the header says.
  static func parse(_ file: FileBytes, _ range: Range<Int>, place: String) throws(DatasetError) -> NumericArray {
    let start = range.lowerBound
    guard range.count >= 10, file.has(magic, at: start) else {
      throw .badFile(file: place, found: "another beginning", expected: "the magic number of an NPY file")
    }
    let major = file.raw[start + 6]
    guard (1...3).contains(major), file.raw[start + 7] == 0 else {
      throw .badFile(
        file: place, found: "NPY version \(major).\(file.raw[start + 7])", expected: "version 1.0, 2.0 or 3.0")
    }
    let lengthByteCount = major == 1 ? 2 : 4
    let headerStart = start + 8 + lengthByteCount
    guard headerStart <= range.upperBound else {
      throw .badFile(file: place, found: "\(range.count) bytes", expected: "a header's length")
    }
    let length = Int(file.unsigned(at: start + 8, byteCount: lengthByteCount, bigEndian: false))
    guard length <= headerByteCountMax, length <= range.upperBound - headerStart else {
      throw .badFile(
        file: place, found: "a header of \(length) bytes",
        expected: "at most \(min(headerByteCountMax, range.upperBound - headerStart))")
    }
    var parser = NPYHeaderParser(file.bytes(headerStart..<headerStart + length), place: place)
    let header = try parser.parse()
    guard let element = elements.first(where: { $0.key == header.descr })?.value else {
      throw .badFile(
        file: place, found: "elements of type '\(CSVDataset.shortened(header.descr))'",
        expected: "one of \(elements.map { "'\($0.key)'" }.joined(separator: ", "))")
    }
    guard !header.isFortranOrder else {
      throw .badFile(file: place, found: "'fortran_order': True", expected: "False, that is C order")
    }
    let elementsStart = headerStart + length
    return try NumericArray(
      place: place, element: element, isBigEndian: false, shape: header.shape, in: file, at: elementsStart,
      byteCount: range.upperBound - elementsStart)
  }
}

/// Reads the dictionary `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`: these keys, each once, in any order.
private struct NPYHeaderParser {
  private let bytes: [UInt8]
  private let place: String
  private var position = 0

  init(_ bytes: [UInt8], place: String) {
    self.bytes = bytes
    self.place = place
  }

  mutating func parse() throws(DatasetError) -> (descr: String, isFortranOrder: Bool, shape: [Int]) {
    var descr: String?
    var isFortranOrder: Bool?
    var shape: [Int]?
    try expect("{")
    while !accept("}") {
      let key = try string()
      try expect(":")
      switch key {
      case "descr" where descr == nil: descr = try string()
      case "fortran_order" where isFortranOrder == nil: isFortranOrder = try truth()
      case "shape" where shape == nil: shape = try tuple()
      default: throw wrong("key '\(CSVDataset.shortened(key))'", "'descr', 'fortran_order' and 'shape', each once")
      }
      if !accept(",") {
        try expect("}")
        break
      }
    }
    skipBlanks()
    guard position == bytes.count, bytes.last == 0x0A else {
      throw wrong("\(bytes.count - position) bytes behind the dictionary", "spaces and a line feed")
    }
    guard let descr, let isFortranOrder, let shape else {
      throw wrong("a dictionary without one of its keys", "'descr', 'fortran_order' and 'shape'")
    }
    return (descr, isFortranOrder, shape)
  }

  private mutating func string() throws(DatasetError) -> String {
    skipBlanks()
    guard position < bytes.count, bytes[position] == 0x27 || bytes[position] == 0x22 else {
      throw wrong(next, "a text in quotes")
    }
    let quote = bytes[position]
    guard let end = bytes[(position + 1)...].firstIndex(of: quote) else { throw wrong(next, "a text that ends") }
    defer { position = end + 1 }
    return String(decoding: bytes[(position + 1)..<end], as: UTF8.self)
  }

  private mutating func truth() throws(DatasetError) -> Bool {
    for (word, value) in [("True", true), ("False", false)] where accept(word) { return value }
    throw wrong(next, "True or False")
  }

  private mutating func tuple() throws(DatasetError) -> [Int] {
    var out: [Int] = []
    try expect("(")
    while !accept(")") {
      guard out.count < NPYFile.rankMax else { throw wrong("more dimensions", "at most \(NPYFile.rankMax)") }
      out.append(try wholeNumber())
      if !accept(",") {
        try expect(")")
        break
      }
    }
    return out
  }

  private mutating func wholeNumber() throws(DatasetError) -> Int {
    skipBlanks()
    let digits = bytes[position...].prefix { (0x30...0x39).contains($0) }
    guard let value = Int(String(decoding: digits, as: UTF8.self)) else { throw wrong(next, "a dimension") }
    position += digits.count
    return value
  }

  private mutating func expect(_ word: String) throws(DatasetError) {
    guard accept(word) else { throw wrong(next, "'\(word)'") }
  }

  private mutating func accept(_ word: String) -> Bool {
    skipBlanks()
    guard bytes[position...].starts(with: word.utf8) else { return false }
    position += word.utf8.count
    return true
  }

  private mutating func skipBlanks() {
    while position < bytes.count, bytes[position] == 0x20 || bytes[position] == 0x0A { position += 1 }
  }

  /// What stands at the position.
  private var next: String {
    "'" + CSVDataset.shortened(String(decoding: bytes[position...].prefix(41), as: UTF8.self)) + "'"
  }

  private func wrong(_ found: String, _ expected: String) -> DatasetError {
    .badFile(file: place, found: "\(found) at byte \(position) of the header", expected: expected)
  }
}
