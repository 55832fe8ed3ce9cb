/// Examples in comma-separated files: a header of column names, then one example a line, every cell a number.
///
/// Cells are not quoted. Lines end in LF or CRLF; a byte-order mark and blank lines at the end are ignored.
package enum CSVDataset {
  package static let fileByteCountMax = 1 << 30
  package static let columnCountMax = 65_536
  package static let rowCountMax = 1 << 26
  package static let classCountMax = 65_536
  /// Wrong cells that an error lists.
  package static let problemsMax = 20

  /// Reads a file.
  ///
  /// - Parameters:
  ///   - labelColumn: its name; the last column if nil. All others are features, in the file's order.
  ///   - classCount: labels are whole numbers from 0 to below it; one more than the largest label if nil.
  ///   - divisor: every feature is divided by it.
  /// - Throws: `DatasetError`; wrong cells come together as `.badRows`.
  package static func load(
    path: String, labelColumn: String? = nil, classCount: Int? = nil, divisor: Float = 1
  ) throws(DatasetError) -> Dataset {
    let bytes = try readFile(path, byteCountMax: fileByteCountMax)
    return try parse(bytes, file: path, labelColumn: labelColumn, classCount: classCount, divisor: divisor)
  }

  /// Reads a file's bytes; `file` only names it in errors.
  package static func parse(
    _ bytes: [UInt8], file: String, labelColumn: String? = nil, classCount: Int? = nil, divisor: Float = 1
  ) throws(DatasetError) -> Dataset {
    precondition(divisor > 0 && divisor.isFinite, "features are divided by a positive number")
    var lines = CSVLines(bytes)
    guard let headerLine = lines.next() else {
      throw .badHeader(file: file, found: "an empty file", expected: "a line of column names")
    }
    let header = try self.header(bytes[headerLine], file: file)
    let labelIndex: Int
    if let labelColumn {
      guard let index = header.firstIndex(of: labelColumn) else {
        throw .badHeader(
          file: file, found: "columns \(shortened(header.joined(separator: ",")))",
          expected: "a label column named \(labelColumn)")
      }
      labelIndex = index
    } else {
      labelIndex = header.count - 1
    }
    var reader = CSVRowReader(
      header: header, labelIndex: labelIndex, classCountMax: min(classCount ?? classCountMax, classCountMax),
      divisor: divisor)
    var line = 1
    var blankLine: Int?
    while let range = lines.next() {
      line += 1
      if range.isEmpty {
        blankLine = blankLine ?? line
        continue
      }
      if let blank = blankLine {
        reader.note(.init(line: blank, column: nil, found: "a blank line", expected: "\(header.count) cells"))
        blankLine = nil
      }
      guard reader.labels.count < rowCountMax else { throw .tooManyRows(file: file, max: rowCountMax) }
      reader.read(bytes[range], line: line)
    }
    guard reader.problemCount == 0 else {
      throw .badRows(file: file, problems: reader.problems, total: reader.problemCount)
    }
    guard let largest = reader.labels.max() else { throw .noRows(file: file) }
    var names = header
    names.remove(at: labelIndex)
    return Dataset(
      unchecked: reader.features, labels: reader.labels, featureCount: names.count,
      classCount: classCount ?? Int(largest) + 1, featureNames: names, labelName: header[labelIndex])
  }

  private static func header(_ line: ArraySlice<UInt8>, file: String) throws(DatasetError) -> [String] {
    let cells = line.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
    guard cells.count <= columnCountMax else {
      throw .badHeader(file: file, found: "\(cells.count) columns", expected: "at most \(columnCountMax)")
    }
    var names: [String] = []
    var seen: Set<String> = []
    for cell in cells {
      let name = text(trimmed(cell))
      guard !name.isEmpty, !name.contains("\"") else {
        throw .badHeader(file: file, found: "column name '\(shortened(name))'", expected: "a name without quotes")
      }
      guard seen.insert(name).inserted else {
        throw .badHeader(file: file, found: "two columns named \(shortened(name))", expected: "different names")
      }
      names.append(name)
    }
    guard names.count >= 2 else {
      throw .badHeader(file: file, found: "one column", expected: "at least one feature and a label")
    }
    guard names.contains(where: { Double($0) == nil }) else {
      throw .badHeader(file: file, found: "only numbers", expected: "a line of column names")
    }
    return names
  }

  /// The file's bytes as `write` writes them: features in order, then the label.
  package static func encode(_ dataset: Dataset) -> [UInt8] {
    var out = Array((dataset.featureNames + [dataset.labelName]).joined(separator: ",").utf8)
    out.append(0x0A)
    for row in 0..<dataset.count {
      for value in dataset.features[row * dataset.featureCount..<(row + 1) * dataset.featureCount] {
        // Whole numbers without a fraction; others in the shortest form that reads back as the same bits.
        let whole = Int(exactly: value).flatMap { abs($0) < 1 << 24 ? $0 : nil }
        out.append(contentsOf: (whole.map(String.init) ?? value.description).utf8)
        out.append(UInt8(ascii: ","))
      }
      out.append(contentsOf: String(dataset.labels[row]).utf8)
      out.append(0x0A)
    }
    return out
  }

  /// Writes a file that `load` reads back as the same examples; an older file of the name is replaced at once or not
  /// at all.
  ///
  /// - Throws: `DatasetError.unwritable`.
  package static func write(_ dataset: Dataset, to path: String) throws(DatasetError) {
    try replaceFile(path, with: encode(dataset))
  }

  static func trimmed(_ cell: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    var cell = cell
    while let first = cell.first, first == 0x20 || first == 0x09 { cell.removeFirst() }
    while let last = cell.last, last == 0x20 || last == 0x09 { cell.removeLast() }
    return cell
  }

  static func text(_ cell: ArraySlice<UInt8>) -> String { String(decoding: cell, as: UTF8.self) }

  /// What an error shows of a file's text: a bounded piece on one line.
  static func shortened(_ text: String) -> String {
    let line = text.prefix(40).map { $0.isNewline ? " " : $0 }
    return String(line) + (text.count > 40 ? "…" : "")
  }
}

/// The lines of a file without their ends, as ranges of its bytes.
private struct CSVLines {
  private let bytes: [UInt8]
  private var position: Int

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
    position = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
  }

  mutating func next() -> Range<Int>? {
    guard position < bytes.count else { return nil }
    let start = position
    var end = start
    while end < bytes.count, bytes[end] != 0x0A { end += 1 }
    position = end + 1
    return start..<(end > start && bytes[end - 1] == 0x0D ? end - 1 : end)
  }
}

/// Turns lines into examples, and collects what is wrong with them.
private struct CSVRowReader {
  let header: [String]
  let labelIndex: Int
  let classCountMax: Int
  let divisor: Float
  private(set) var features: [Float] = []
  private(set) var labels: [Int32] = []
  private(set) var problems: [DatasetError.RowProblem] = []
  private(set) var problemCount = 0

  init(header: [String], labelIndex: Int, classCountMax: Int, divisor: Float) {
    self.header = header
    self.labelIndex = labelIndex
    self.classCountMax = classCountMax
    self.divisor = divisor
  }

  mutating func note(_ problem: DatasetError.RowProblem) {
    problemCount += 1
    if problems.count < CSVDataset.problemsMax { problems.append(problem) }
  }

  mutating func read(_ row: ArraySlice<UInt8>, line: Int) {
    let cellCount = row.reduce(1) { $0 + ($1 == UInt8(ascii: ",") ? 1 : 0) }
    guard cellCount == header.count else {
      return note(.init(line: line, column: nil, found: "\(cellCount) cells", expected: "\(header.count) cells"))
    }
    var start = row.startIndex
    for column in 0..<cellCount {
      let end = row[start...].firstIndex(of: UInt8(ascii: ",")) ?? row.endIndex
      let cell = CSVDataset.trimmed(row[start..<end])
      start = end + 1
      if column == labelIndex {
        if let label = Self.wholeNumber(cell), label < classCountMax {
          labels.append(Int32(label))
        } else {
          labels.append(0)
          note(cell, line, column, expected: "a class from 0 to \(classCountMax - 1)")
        }
      } else if let value = Self.number(cell) {
        features.append(value / divisor)
      } else {
        note(cell, line, column, expected: "a finite number")
      }
    }
  }

  private mutating func note(_ cell: ArraySlice<UInt8>, _ line: Int, _ column: Int, expected: String) {
    let found = "'\(CSVDataset.shortened(CSVDataset.text(cell)))'"
    note(.init(line: line, column: header[column], found: found, expected: expected))
  }

  /// Up to nine digits.
  private static func wholeNumber(_ cell: ArraySlice<UInt8>) -> Int? {
    guard (1...9).contains(cell.count) else { return nil }
    var value = 0
    for byte in cell {
      guard (0x30...0x39).contains(byte) else { return nil }
      value = 10 * value + Int(byte - 0x30)
    }
    return value
  }

  private static func number(_ cell: ArraySlice<UInt8>) -> Float? {
    if cell.count <= 7, let whole = wholeNumber(cell) { return Float(whole) }
    // Only the decimal form: `Float` would also read "nan", "inf" and hexadecimal.
    let allowed = cell.allSatisfy { byte in
      (0x30...0x39).contains(byte) || byte == 0x2B || byte == 0x2D || byte == 0x2E || byte == 0x45 || byte == 0x65
    }
    guard allowed, cell.count <= 64, let value = Float(CSVDataset.text(cell)), value.isFinite else { return nil }
    return value
  }
}
