/// Rows of features without anything to learn from them, as predictions are asked for: from CSV, NPY or IDX.
package struct FeatureTable: Equatable, Sendable {
  /// Shape [count, featureCount], row-major; all finite.
  package let features: [Float]
  package let featureCount: Int
  /// What a column of the file says that each row is; nil without such a column.
  package let labels: [Float]?

  package var count: Int { features.count / featureCount }

  /// - Precondition: whole rows, at least one, and one label a row.
  package init(features: [Float], featureCount: Int, labels: [Float]? = nil) {
    precondition(featureCount > 0 && !features.isEmpty && features.count % featureCount == 0, "rows are whole")
    precondition(labels.map { $0.count == features.count / featureCount } ?? true, "a row has one label")
    self.features = features
    self.featureCount = featureCount
    self.labels = labels
  }

  /// Reads a file: CSV, where a first line that is not all numbers names the columns; NPY or IDX, where one dimension is
  /// one row, and more are rows first.
  ///
  /// - Parameter label: the column of a CSV file that is no feature; nil if all are.
  /// - Throws: `DatasetError`.
  package static func load(path: String, label: String?) throws(DatasetError) -> FeatureTable {
    let file = try DatasetFile(path: path)
    switch file.format {
    case .csv: return try file.featureTable(label: label)
    case .npy, .idx:
      guard label == nil else {
        throw .badFile(file: path, found: "a label's column of format \(file.format.rawValue)", expected: "none")
      }
      return try FeatureTable(file.array())
    case .npz, .safetensors, .text:
      throw .badFile(file: path, found: "format \(file.format.rawValue)", expected: "rows of features: CSV, NPY or IDX")
    }
  }

  private init(_ array: NumericArray) throws(DatasetError) {
    let isOneRow = array.shape.count <= 1
    let featureCount = isOneRow ? array.rowCount : array.rowLength
    let count = isOneRow ? 1 : array.rowCount
    guard (1...DatasetFile.featureCountMax).contains(featureCount), count <= CSVDataset.rowCountMax,
      count * featureCount <= DatasetFile.valueCountMax
    else {
      throw .badFile(
        file: array.place, found: "shape \(array.shape)",
        expected: "at most \(CSVDataset.rowCountMax) rows of 1 to \(DatasetFile.featureCountMax) features")
    }
    guard count > 0 else { throw .noRows(file: array.place) }
    self.init(features: try array.floats(divisor: 1, named: "feature x"), featureCount: featureCount)
  }

  /// Reads the records of a CSV file.
  init(csv bytes: FileBytes, file: String, label: String?) throws(DatasetError) {
    guard bytes.count <= CSVDataset.fileByteCountMax else {
      throw .fileTooLarge(file: file, max: CSVDataset.fileByteCountMax)
    }
    var records = CSVRecords(bytes)
    var cells: [CSVCell] = []
    var rows = FeatureRows()
    var isFirst = true
    var blankLine: Int?
    while let record = records.next(into: &cells) {
      defer { isFirst = false }
      if case .blank = record {} else { rows.note(blank: &blankLine) }
      guard rows.count < CSVDataset.rowCountMax else { throw .tooManyRows(file: file, max: CSVDataset.rowCountMax) }
      switch record {
      case .blank(let line): blankLine = blankLine ?? line
      case .malformed(let line, let found, let expected): rows.note(line, nil, found, expected)
      case .cells(let line):
        let texts = cells.map { records.text($0) }
        if isFirst, try rows.hasTaken(header: texts, label: label, file: file) { continue }
        rows.take(texts, line)
      }
    }
    guard rows.problemCount == 0 else { throw .badRows(file: file, problems: rows.problems, total: rows.problemCount) }
    guard rows.count > 0 else { throw .noRows(file: file) }
    self.init(
      features: rows.features, featureCount: rows.featureCount, labels: rows.labelColumn == nil ? nil : rows.labels)
  }
}

/// Rows of a CSV file as they come, and what is wrong with them.
private struct FeatureRows {
  private(set) var features: [Float] = []
  private(set) var labels: [Float] = []
  private(set) var count = 0
  private(set) var problems: [DatasetError.RowProblem] = []
  private(set) var problemCount = 0
  /// Nil if all columns are features.
  private(set) var labelColumn: Int?
  private var names: [String]?
  private var columnCount: Int?

  var featureCount: Int { max(1, (columnCount ?? 1) - (labelColumn == nil ? 0 : 1)) }

  /// Whether the first line names the columns instead of being a row.
  mutating func hasTaken(header texts: [String], label: String?, file: String) throws(DatasetError) -> Bool {
    guard texts.count <= CSVDataset.columnCountMax else {
      throw .badHeader(
        file: file, found: "\(texts.count) columns", expected: "at most \(CSVDataset.columnCountMax)")
    }
    columnCount = texts.count
    let isHeader = texts.contains { CSVDataset.number($0) == nil }
    if let label {
      guard isHeader, let column = texts.firstIndex(of: label), texts.count > 1 else {
        throw .badHeader(
          file: file,
          found: isHeader ? "columns \(CSVDataset.shortened(texts.joined(separator: ",")))" : "only numbers",
          expected: "a line of column names, a label's column named \(label) and a feature among them")
      }
      labelColumn = column
    }
    if isHeader { names = texts }
    return isHeader
  }

  mutating func take(_ texts: [String], _ line: Int) {
    let expected = columnCount ?? texts.count
    guard texts.count == expected else { return note(line, nil, "\(texts.count) cells", "\(expected) cells") }
    count += 1
    for (column, text) in texts.enumerated() {
      let value = CSVDataset.number(text)
      if value == nil { note(line, column, "'\(CSVDataset.shortened(text))'", "a finite number") }
      if column == labelColumn { labels.append(value ?? 0) } else { features.append(value ?? 0) }
    }
  }

  /// A blank line is wrong if another line comes behind it.
  mutating func note(blank line: inout Int?) {
    guard let found = line else { return }
    note(found, nil, "a blank line", "a row")
    line = nil
  }

  mutating func note(_ line: Int, _ column: Int?, _ found: String, _ expected: String) {
    problemCount += 1
    guard problems.count < CSVDataset.problemsMax else { return }
    let name = column.map { names?[$0] ?? "\($0 + 1)" }
    problems.append(.init(line: line, column: name, found: found, expected: expected))
  }
}
