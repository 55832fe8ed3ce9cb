import Compression
import Tensors

/// A data file of any format that is read, recognised by its content and, where that says nothing, by its name.
///
///     gzip ──▶ its content is looked at in the same way
///     magic number of IDX, NPY, ZIP (NPZ) or safetensors ──▶ that format
///     a name that ends in .txt ──▶ text for language models, otherwise CSV
package struct DatasetFile {
  package enum Format: String, CaseIterable, Sendable {
    case csv, idx, npy, npz, safetensors, text

    /// What ends the name of such a file.
    fileprivate var endings: [String] {
      switch self {
      case .csv: [".csv"]
      case .idx: [".idx", "-ubyte"]
      case .npy: [".npy"]
      case .npz: [".npz"]
      case .safetensors: [".safetensors"]
      case .text: [".txt", ".text"]
      }
    }
  }

  /// How the examples of a file are to be understood.
  package struct Reading: Sendable {
    /// CSV: the label's column, the last one if nil. NPZ and safetensors: the array of the labels, `y` or `labels` if nil.
    /// IDX and NPY: how the label is called, `label` if nil.
    package var label: String?
    /// In place of a label, what is to be predicted as numbers. CSV: columns. NPZ and safetensors: one array. IDX and NPY:
    /// how the one array in the label file is called. Empty for a label.
    package var targets: [String]
    /// IDX and NPY: the file of the labels. Nil for the one beside an IDX file whose name has `labels-idx1` where this one
    /// has `images-idx3`.
    package var labelFile: String?
    /// CSV: the column that says which examples belong together; it is no feature then. Text: `role`.
    package var groupColumn: String?
    /// Labels are whole numbers from 0 to below it; one more than the largest label if nil.
    package var classCount: Int?
    /// Every feature is divided by it, but for the characters of a text.
    package var divisor: Float
    /// Text: the characters of an example. Nil for other formats.
    package var sequenceLength: Int?
    /// Text: that of the run; the text's own if nil.
    package var vocabulary: CharacterVocabulary?

    package init(
      label: String? = nil, targets: [String] = [], labelFile: String? = nil, groupColumn: String? = nil,
      classCount: Int? = nil, divisor: Float = 1, sequenceLength: Int? = nil, vocabulary: CharacterVocabulary? = nil
    ) {
      self.label = label
      self.targets = targets
      self.labelFile = labelFile
      self.groupColumn = groupColumn
      self.classCount = classCount
      self.divisor = divisor
      self.sequenceLength = sequenceLength
      self.vocabulary = vocabulary
    }
  }

  /// Of a file on disk.
  package static let byteCountMax = 8 << 30
  /// Of what comes out of compression.
  package static let inflatedByteCountMax = 1 << 30
  /// Features of one example in a file of arrays.
  package static let featureCountMax = 1 << 20
  /// All features of all examples: 8 GiB in memory.
  package static let valueCountMax = 1 << 31

  package let path: String
  package let format: Format
  package let isCompressed: Bool
  /// After decompression.
  package var byteCount: Int { bytes.count }
  /// Whether the file is mapped into memory instead of read.
  package var isMapped: Bool { bytes.isMapped }
  private let bytes: FileBytes

  /// Opens a file and recognises its format.
  ///
  /// - Throws: `DatasetError.unreadable`, `.fileTooLarge`; `.badFile` for damaged gzip, for more than
  ///   `inflatedByteCountMax` inflated bytes, and for a name that promises another content.
  package init(path: String) throws(DatasetError) {
    let stored = try FileBytes(path: path, byteCountMax: Self.byteCountMax)
    let isCompressed = stored.has([0x1F, 0x8B])
    let bytes = isCompressed ? try Self.inflated(stored, path: path) : stored
    self.path = path
    self.isCompressed = isCompressed
    self.bytes = bytes
    format = try Self.format(of: bytes, path: path)
  }

  /// The examples of a file, in one call.
  ///
  /// - Throws: `DatasetError`.
  package static func load(path: String, _ reading: Reading = Reading()) throws(DatasetError) -> Dataset {
    try DatasetFile(path: path).dataset(reading)
  }

  /// The examples.
  ///
  /// - Throws: `DatasetError`, with the place of what is wrong.
  package func dataset(_ reading: Reading = Reading()) throws(DatasetError) -> Dataset {
    if reading.labelFile != nil, format != .idx, format != .npy {
      throw .badFile(file: path, found: "a label file beside format \(format.rawValue)", expected: "none")
    }
    guard format == .csv || format == .text || reading.groupColumn == nil else {
      throw .badFile(file: path, found: "format \(format.rawValue)", expected: "a CSV file with a column of groups")
    }
    guard reading.label == nil || reading.targets.isEmpty else {
      throw .badFile(file: path, found: "a label and targets", expected: "one of them")
    }
    guard format == .text || reading.sequenceLength == nil && reading.vocabulary == nil else {
      throw .badFile(file: path, found: "sequences of format \(format.rawValue)", expected: "a text")
    }
    switch format {
    case .csv:
      guard bytes.count <= CSVDataset.fileByteCountMax else {
        throw .fileTooLarge(file: path, max: CSVDataset.fileByteCountMax)
      }
      return try CSVDataset.parse(
        bytes, file: path, labelColumn: reading.label, targetColumns: reading.targets, groupColumn: reading.groupColumn,
        classCount: reading.classCount, divisor: reading.divisor)
    case .idx, .npy:
      let labelPath = if let given = reading.labelFile { given } else { try impliedLabelFile() }
      let labels = try DatasetFile(path: labelPath)
      return try examples(
        array(), labels: labels.array(), name: try oneTarget(reading) ?? reading.label ?? "label", reading)
    case .npz, .safetensors:
      let (features, labels, name) = try namedArrays(label: oneTarget(reading) ?? reading.label)
      return try examples(features, labels: labels, name: name, reading)
    case .text: return try sequences(reading)
    }
  }

  private func sequences(_ reading: Reading) throws(DatasetError) -> Dataset {
    guard let length = reading.sequenceLength else {
      throw .badFile(
        file: path, found: "a text",
        expected: "labelled examples: CSV, IDX, NPY, NPZ or safetensors; or a length of sequences")
    }
    guard reading.targets.isEmpty else {
      throw .badFile(file: path, found: "targets of a text", expected: "none: the next character is what is predicted")
    }
    if let column = reading.groupColumn, column != CharacterText.roleColumn { throw .noGroups(column: column) }
    return try text().dataset(
      sequenceLength: length, vocabulary: reading.vocabulary, byRole: reading.groupColumn != nil, file: path)
  }

  /// The array of values to predict; nil for a label.
  private func oneTarget(_ reading: Reading) throws(DatasetError) -> String? {
    guard reading.targets.count <= 1 else {
      throw .badFile(
        file: path, found: "\(reading.targets.count) targets", expected: "one array of format \(format.rawValue)")
    }
    return reading.targets.first
  }

  /// The text of a file for language models.
  ///
  /// - Throws: `DatasetError.badFile` for another format and for bytes that are no UTF-8.
  package func text() throws(DatasetError) -> CharacterText {
    guard format == .text else {
      throw .badFile(file: path, found: "format \(format.rawValue)", expected: "a text, with a name that ends in .txt")
    }
    guard bytes.count <= Self.inflatedByteCountMax else {
      throw .fileTooLarge(file: path, max: Self.inflatedByteCountMax)
    }
    return try CharacterText(bytes.bytes(0..<bytes.count), file: path)
  }

  /// The rows of a CSV file, all columns but the label's as features.
  func featureTable(label: String?) throws(DatasetError) -> FeatureTable {
    try FeatureTable(csv: bytes, file: path, label: label)
  }

  // MARK: Recognition

  private static func inflated(_ stored: FileBytes, path: String) throws(DatasetError) -> FileBytes {
    do throws(Inflation.Failure) {
      return FileBytes(try Inflation.inflate(stored.raw, .gzip, byteCountMax: inflatedByteCountMax))
    } catch {
      let expected = error == .tooLong ? "at most \(inflatedByteCountMax) bytes" : "gzip members and nothing else"
      throw .badFile(file: path, found: error.found, expected: expected)
    }
  }

  private static func format(of bytes: FileBytes, path: String) throws(DatasetError) -> Format {
    if bytes.has(NPYFile.magic) { return .npy }
    if bytes.has([0x50, 0x4B, 3, 4]) || bytes.has([0x50, 0x4B, 5, 6]) { return .npz }
    if IDXFile.isRecognised(bytes) { return .idx }
    if SafetensorsArrays.isRecognised(bytes) { return .safetensors }
    let name = path.hasSuffix(".gz") ? path.dropLast(3) : path[...]
    let promised = Format.allCases.first { format in format.endings.contains { name.hasSuffix($0) } }
    switch promised {
    case .csv, nil: return .csv
    case .text: return .text
    case .idx, .npy, .npz, .safetensors:
      let found = bytes.bytes(0..<min(8, bytes.count)).map { String($0, radix: 16) }.joined(separator: " ")
      throw .badFile(
        file: path, found: "a beginning of '\(found)'",
        expected: "that of a file of format \(promised?.rawValue ?? ""), as the name says")
    }
  }

  /// Beside `train-images-idx3-ubyte.gz`, `train-labels-idx1-ubyte.gz`, or the same without `.gz`.
  private func impliedLabelFile() throws(DatasetError) -> String {
    let slash = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
    let name = String(path[slash...])
    let labels = name.replacing("images-idx3", with: "labels-idx1")
    guard labels != name else {
      throw .badFile(file: path, found: "no labels", expected: "a label file given beside it")
    }
    let candidates = [labels, labels.hasSuffix(".gz") ? String(labels.dropLast(3)) : labels + ".gz"]
    guard let found = candidates.map({ path[..<slash] + $0 }).first(where: fileExists) else {
      throw .badFile(file: path, found: "no labels beside it", expected: "a file \(labels), or another one given")
    }
    return found
  }

  // MARK: Arrays

  /// The one array of an IDX or NPY file.
  func array() throws(DatasetError) -> NumericArray {
    switch format {
    case .idx: return try IDXFile.parse(bytes, name: path)
    case .npy: return try NPYFile.parse(bytes, 0..<bytes.count, place: path)
    case .csv, .npz, .safetensors, .text:
      throw .badFile(file: path, found: "format \(format.rawValue)", expected: "one array: IDX or NPY")
    }
  }

  private func namedArrays(
    label: String?
  ) throws(DatasetError) -> (features: NumericArray, labels: NumericArray, labelName: String) {
    let suffix = ".npy"
    if format == .npz {
      let archive = try ZipArchive(bytes, name: path)
      let names = archive.entries.map { $0.name.hasSuffix(suffix) ? String($0.name.dropLast(suffix.count)) : $0.name }
      let chosen = try Self.choose(from: names, label: label, file: path)
      func read(_ index: Int) throws(DatasetError) -> NumericArray {
        let (file, range) = try archive.bytes(
          of: archive.entries[index], byteCountMax: Self.inflatedByteCountMax)
        return try NPYFile.parse(file, range, place: "\(path): array \(names[index])")
      }
      return (try read(chosen.features), try read(chosen.labels), names[chosen.labels])
    }
    let tensors = try SafetensorsArrays.read(bytes, name: path).tensors
    let chosen = try Self.choose(from: tensors.map(\.name), label: label, file: path)
    func read(_ index: Int) throws(DatasetError) -> NumericArray {
      try SafetensorsArrays.array(tensors[index], place: "\(path): tensor \(tensors[index].name)")
    }
    return (try read(chosen.features), try read(chosen.labels), tensors[chosen.labels].name)
  }

  /// Which arrays are features (`x` or `features`) and labels.
  private static func choose(
    from names: [String], label: String?, file: String
  ) throws(DatasetError) -> (features: Int, labels: Int) {
    func index(_ wanted: [String], _ role: String) throws(DatasetError) -> Int {
      let found = names.indices.filter { wanted.contains(names[$0]) }
      guard found.count == 1 else {
        throw .badFile(
          file: file, found: "arrays \(CSVDataset.shortened(names.sorted().joined(separator: ", ")))",
          expected: "one array of \(role) named \(wanted.joined(separator: " or "))")
      }
      return found[0]
    }
    return (
      try index(["x", "features"], "features"), try index(label.map { [$0] } ?? ["y", "labels"], "labels")
    )
  }

  private func examples(
    _ features: NumericArray, labels: NumericArray, name: String, _ reading: Reading
  ) throws(DatasetError) -> Dataset {
    guard !features.shape.isEmpty, features.rowLength >= 1, features.rowLength <= Self.featureCountMax,
      features.rowCount <= CSVDataset.rowCountMax, features.rowCount * features.rowLength <= Self.valueCountMax
    else {
      throw .badFile(
        file: features.place, found: "features of shape \(features.shape)",
        expected: "at most \(CSVDataset.rowCountMax) examples of 1 to \(Self.featureCountMax) features, "
          + "\(Self.valueCountMax) in all")
    }
    guard features.rowCount == labels.rowCount else {
      throw .badFile(
        file: labels.place, found: "\(labels.rowCount) \(reading.targets.isEmpty ? "labels" : "targets")",
        expected: "\(features.rowCount), one an example")
    }
    guard features.rowCount > 0 else { throw .noRows(file: features.place) }
    let targets = try targets(labels, reading)
    return Dataset(
      unchecked: try features.floats(divisor: reading.divisor, named: "feature x"), targets: targets,
      featureCount: features.rowLength, featureNames: (0..<features.rowLength).map { "x\($0)" },
      targetNames: labels.rowLength == 1 ? [name] : (0..<labels.rowLength).map { "\(name)\($0)" })
  }

  private func targets(_ array: NumericArray, _ reading: Reading) throws(DatasetError) -> Dataset.Targets {
    guard reading.targets.isEmpty else {
      guard (1...Self.featureCountMax).contains(array.rowLength) else {
        throw .badFile(
          file: array.place, found: "targets of shape \(array.shape)",
          expected: "1 to \(Self.featureCountMax) values an example")
      }
      return .values(try array.floats(divisor: 1, named: "value "), width: array.rowLength)
    }
    let bound = min(reading.classCount ?? CSVDataset.classCountMax, CSVDataset.classCountMax)
    let labels = try array.labels(classCountMax: bound)
    return .classes(labels, classCount: reading.classCount ?? Int(labels.max() ?? 0) + 1, perExample: 1)
  }
}
