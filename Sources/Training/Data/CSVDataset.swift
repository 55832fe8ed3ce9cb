/// Examples in comma-separated files (RFC 4180): a header of column names, then one example a line, every cell a number. One
/// column has the class, or some have the values that are to be predicted.
///
/// Lines end in LF or CRLF; quotes around cells, a byte-order mark and blank lines at the end do not count.
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
  ///   - targetColumns: the names of columns of values to predict, in the order in which they are wanted; there is no label
  ///     then, and the last column is a feature like others.
  ///   - groupColumn: a column whose texts say which examples belong together; no feature. Nil for none.
  ///   - classCount: labels are whole numbers from 0 to below it; one more than the largest label if nil.
  ///   - divisor: every feature is divided by it.
  /// - Throws: `DatasetError`; wrong cells come together as `.badRows`.
  package static func load(
    path: String, labelColumn: String? = nil, targetColumns: [String] = [], groupColumn: String? = nil,
    classCount: Int? = nil, divisor: Float = 1
  ) throws(DatasetError) -> Dataset {
    try parse(
      FileBytes(path: path, byteCountMax: fileByteCountMax), file: path, labelColumn: labelColumn,
      targetColumns: targetColumns, groupColumn: groupColumn, classCount: classCount, divisor: divisor)
  }

  /// Reads a file's bytes; `file` only names it in errors.
  package static func parse(
    _ bytes: [UInt8], file: String, labelColumn: String? = nil, targetColumns: [String] = [],
    groupColumn: String? = nil, classCount: Int? = nil, divisor: Float = 1
  ) throws(DatasetError) -> Dataset {
    try parse(
      FileBytes(bytes), file: file, labelColumn: labelColumn, targetColumns: targetColumns, groupColumn: groupColumn,
      classCount: classCount, divisor: divisor)
  }

  static func parse(
    _ bytes: FileBytes, file: String, labelColumn: String?, targetColumns: [String], groupColumn: String?,
    classCount: Int?, divisor: Float
  ) throws(DatasetError) -> Dataset {
    precondition(divisor > 0 && divisor.isFinite, "features are divided by a positive number")
    var records = CSVRecords(bytes)
    var cells: [CSVCell] = []
    let header = try header(&records, &cells, file: file)
    let columns = try CSVColumns(header, label: labelColumn, targets: targetColumns, group: groupColumn, file: file)
    var reader = CSVRowReader(
      columns: columns, classCountMax: min(classCount ?? classCountMax, classCountMax), divisor: divisor)
    var blankLine: Int?
    while let record = records.next(into: &cells) {
      if case .blank(let line) = record {
        blankLine = blankLine ?? line
        continue
      }
      if let blank = blankLine {
        reader.note(.init(line: blank, column: nil, found: "a blank line", expected: "\(header.count) cells"))
        blankLine = nil
      }
      guard reader.rowCount < rowCountMax else { throw .tooManyRows(file: file, max: rowCountMax) }
      reader.read(record, cells, of: records)
    }
    guard reader.problemCount == 0 else {
      throw .badRows(file: file, problems: reader.problems, total: reader.problemCount)
    }
    guard reader.rowCount > 0 else { throw .noRows(file: file) }
    return Dataset(
      unchecked: reader.features, targets: reader.targets(classCount: classCount),
      featureCount: columns.featureNames.count, featureNames: columns.featureNames, targetNames: columns.targetNames,
      groups: try reader.groups(file: file))
  }

  private static func header(
    _ records: inout CSVRecords, _ cells: inout [CSVCell], file: String
  ) throws(DatasetError) -> [String] {
    switch records.next(into: &cells) {
    case nil: throw .badHeader(file: file, found: "an empty file", expected: "a line of column names")
    case .blank: throw .badHeader(file: file, found: "column name ''", expected: "a name")
    case .malformed(_, let found, let expected): throw .badHeader(file: file, found: found, expected: expected)
    case .cells: break
    }
    guard cells.count <= columnCountMax else {
      throw .badHeader(file: file, found: "\(cells.count) columns", expected: "at most \(columnCountMax)")
    }
    var names: [String] = []
    var seen: Set<String> = []
    for cell in cells {
      let name = records.text(cell)
      guard !name.isEmpty else { throw .badHeader(file: file, found: "column name ''", expected: "a name") }
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

  /// The file's bytes as `write` writes them: features in order, then the label or the values to predict.
  ///
  /// - Precondition: no text.
  package static func encode(_ dataset: Dataset) -> [UInt8] {
    precondition(dataset.vocabulary == nil, "a text stays a text")
    var out = Array((dataset.featureNames + dataset.targetNames).map(quotedIfNeeded).joined(separator: ",").utf8)
    out.append(0x0A)
    for row in 0..<dataset.count {
      for value in dataset.features[row * dataset.featureCount..<(row + 1) * dataset.featureCount] {
        out.append(contentsOf: text(value).utf8)
        out.append(UInt8(ascii: ","))
      }
      let last =
        switch dataset.targets {
        case .classes(let labels, _, let perExample):
          labels[row * perExample..<(row + 1) * perExample].map { String($0) }
        case .values(let values, let width): values[row * width..<(row + 1) * width].map(text)
        }
      out.append(contentsOf: last.joined(separator: ",").utf8)
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

  /// Whole numbers without a fraction; others in the shortest form that reads back as the same bits.
  private static func text(_ value: Float) -> String {
    Int(exactly: value).flatMap { abs($0) < 1 << 24 ? String($0) : nil } ?? value.description
  }

  /// A name as a cell.
  private static func quotedIfNeeded(_ name: String) -> String {
    let needs = name.utf8.contains { [0x22, 0x2C, 0x0A, 0x0D].contains($0) } || name.first == " " || name.last == " "
    return needs ? "\"" + name.replacing("\"", with: "\"\"") + "\"" : name
  }

  /// The finite number that a cell is, in decimal form; nil for anything else.
  static func number(_ text: String) -> Float? {
    Array(text.utf8).withUnsafeBytes { CSVRowReader.number($0) }
  }

  /// What an error shows of a file's text: a bounded piece on one line.
  static func shortened(_ text: String) -> String {
    let line = text.prefix(40).map { $0.isNewline ? " " : $0 }
    return String(line) + (text.count > 40 ? "…" : "")
  }
}

/// Which column is what.
private struct CSVColumns {
  enum Role: Equatable {
    case feature
    case label
    /// A place among the values to predict.
    case target(Int)
    case group
  }

  let header: [String]
  /// Of each column.
  let roles: [Role]
  let featureNames: [String]
  /// Of the label, or of the values to predict.
  let targetNames: [String]
  let groupName: String?
  /// Values to predict; 0 for a label.
  let width: Int

  init(
    _ header: [String], label: String?, targets: [String], group: String?, file: String
  ) throws(DatasetError) {
    precondition(label == nil || targets.isEmpty, "an example has a class or values")
    var roles = [Role](repeating: .feature, count: header.count)
    func take(_ index: Int, _ role: Role) throws(DatasetError) {
      guard roles[index] == .feature else {
        throw .badHeader(
          file: file, found: "column \(header[index]) as \(Self.word(roles[index])) and as \(Self.word(role))",
          expected: "different columns")
      }
      roles[index] = role
    }
    func take(_ name: String, _ role: Role) throws(DatasetError) {
      guard let index = header.firstIndex(of: name) else {
        throw .badHeader(
          file: file, found: "columns \(CSVDataset.shortened(header.joined(separator: ",")))",
          expected: "a \(Self.word(role)) column named \(name)")
      }
      try take(index, role)
    }
    if let label {
      try take(label, .label)
    } else if targets.isEmpty {
      try take(header.count - 1, .label)
    }
    for (place, name) in targets.enumerated() { try take(name, .target(place)) }
    if let group { try take(group, .group) }
    self.header = header
    self.roles = roles
    featureNames = header.indices.filter { roles[$0] == .feature }.map { header[$0] }
    targetNames = targets.isEmpty ? header.indices.filter { roles[$0] == .label }.map { header[$0] } : targets
    groupName = group
    width = targets.count
    guard !featureNames.isEmpty else {
      throw .badHeader(file: file, found: "no feature", expected: "at least one beside label and group")
    }
  }

  private static func word(_ role: Role) -> String {
    switch role {
    case .feature: "feature"
    case .label: "label"
    case .target: "target"
    case .group: "group"
    }
  }
}

/// Turns records into examples, and collects what is wrong with them.
private struct CSVRowReader {
  let columns: CSVColumns
  let classCountMax: Int
  let divisor: Float
  private(set) var features: [Float] = []
  private var labels: [Int32] = []
  private var values: [Float] = []
  private var groupNames: [String] = []
  private(set) var problems: [DatasetError.RowProblem] = []
  private(set) var problemCount = 0

  init(columns: CSVColumns, classCountMax: Int, divisor: Float) {
    self.columns = columns
    self.classCountMax = classCountMax
    self.divisor = divisor
  }

  var rowCount: Int { columns.width == 0 ? labels.count : values.count / columns.width }

  /// What the rows say is to be predicted.
  func targets(classCount: Int?) -> Dataset.Targets {
    guard columns.width == 0 else { return .values(values, width: columns.width) }
    return .classes(labels, classCount: classCount ?? Int(labels.max() ?? 0) + 1, perExample: 1)
  }

  mutating func note(_ problem: DatasetError.RowProblem) {
    problemCount += 1
    if problems.count < CSVDataset.problemsMax { problems.append(problem) }
  }

  mutating func read(_ record: CSVRecords.Record, _ cells: [CSVCell], of records: CSVRecords) {
    switch record {
    case .blank: preconditionFailure("blank lines are the caller's")
    case .malformed(let line, let found, let expected):
      note(.init(line: line, column: nil, found: found, expected: expected))
    case .cells(let line):
      let expected = columns.header.count
      guard cells.count == expected else {
        return note(.init(line: line, column: nil, found: "\(cells.count) cells", expected: "\(expected) cells"))
      }
      values.append(contentsOf: repeatElement(0, count: columns.width))
      for column in cells.indices { read(cells[column], column, records) }
    }
  }

  /// What the group column says of all rows; nil without one.
  func groups(file: String) throws(DatasetError) -> Dataset.Groups? {
    guard let name = columns.groupName else { return nil }
    return try Dataset.Groups(column: name, of: groupNames, file: file)
  }

  private mutating func read(_ cell: CSVCell, _ column: Int, _ records: CSVRecords) {
    let bytes = UnsafeRawBufferPointer(rebasing: records.file.raw[cell.start..<cell.end])
    switch columns.roles[column] {
    case .label:
      let label = Self.wholeNumber(bytes).flatMap { $0 < classCountMax ? $0 : nil }
      labels.append(Int32(label ?? 0))
      if label == nil { note(cell, column, records, expected: "a class from 0 to \(classCountMax - 1)") }
    case .group:
      groupNames.append(records.text(cell))
      if bytes.isEmpty { note(cell, column, records, expected: "the name of a group") }
    case .target(let place):
      guard let value = Self.number(bytes) else {
        return note(cell, column, records, expected: "a finite number")
      }
      values[values.count - columns.width + place] = value
    case .feature:
      guard let value = Self.number(bytes) else {
        return note(cell, column, records, expected: "a finite number")
      }
      features.append(value / divisor)
    }
  }

  private mutating func note(_ cell: CSVCell, _ column: Int, _ records: CSVRecords, expected: String) {
    let found = "'\(CSVDataset.shortened(records.text(cell)))'"
    note(.init(line: cell.line, column: columns.header[column], found: found, expected: expected))
  }

  /// Up to nine digits.
  private static func wholeNumber(_ cell: UnsafeRawBufferPointer) -> Int? {
    guard (1...9).contains(cell.count) else { return nil }
    var value = 0
    for byte in cell {
      guard (0x30...0x39).contains(byte) else { return nil }
      value = 10 * value + Int(byte - 0x30)
    }
    return value
  }

  fileprivate static func number(_ cell: UnsafeRawBufferPointer) -> Float? {
    if cell.count <= 7, let whole = wholeNumber(cell) { return Float(whole) }
    // Only the decimal form: `Float` would also read "nan", "inf" and hexadecimal.
    let allowed = cell.allSatisfy { byte in
      (0x30...0x39).contains(byte) || byte == 0x2B || byte == 0x2D || byte == 0x2E || byte == 0x45 || byte == 0x65
    }
    guard allowed, cell.count <= 64, let value = Float(String(decoding: cell, as: UTF8.self)), value.isFinite else {
      return nil
    }
    return value
  }
}
