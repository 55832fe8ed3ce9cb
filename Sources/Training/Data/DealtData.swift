import Federation

/// What each worker of a federation on one machine, real or simulated, gets of one file, and what is held out.
package struct DealtData: Sendable {
  /// Of each worker, as it reads its own file.
  package let parts: [Dataset]
  package let heldOut: Dataset
  /// How a part in a worker's folder is read, and what is held out in the consumer's; paths are relative to the folder.
  package let partFile: ExampleFile
  package let heldOutFile: ExampleFile
  private let source: Source

  private enum Source {
    case table(DataDivision, Normalisation?)
    case text(TextDivision, CharacterVocabulary)
  }

  /// The name of the vocabulary beside each part of a text.
  package static let vocabularyName = "vocabulary.json"
  /// The name of the statistics beside what is held out of a table that was normalised.
  package static let normalisationName = "normalisation.json"

  /// Reads a file and deals it out.
  ///
  /// - Parameters:
  ///   - features: that every example has to have.
  ///   - classCount: of the run; nil for what the data say.
  ///   - model: what needs so many features, in errors.
  /// - Throws: `DatasetError`, which names a file.
  package init(
    _ plan: DataPlan, parts count: Int, features: Int, classCount: Int?, model: String
  ) throws(DatasetError) {
    do throws(DatasetError) {
      try self.init(dealing: plan, parts: count, features: features, classCount: classCount, model: model)
    } catch {
      throw error.located(in: plan.examples.path)
    }
  }

  private init(
    dealing plan: DataPlan, parts count: Int, features: Int, classCount: Int?, model: String
  ) throws(DatasetError) {
    let file = try DatasetFile(path: plan.examples.path)
    if file.format == .text {
      self = try Self.text(file, plan, parts: count, features: features, classCount: classCount, model: model)
      return
    }
    var reading = try DatasetFile.Reading(plan.examples, classCount: classCount)
    reading.groupColumn = plan.partition.groupColumn
    let examples = try file.dataset(reading)
    try Self.check(examples.featureCount, features, model: model, file: file.path)
    var division = try DataDivision(
      examples, parts: count, partition: plan.partition, heldOut: plan.heldOut, copies: plan.copies, seed: plan.seed)
    var normalisation: Normalisation?
    switch plan.normalisation {
    case .computed(let method, let scope)?: normalisation = try division.normalise(method, scope, file: file.path)
    case .file(let path)?:
      let statistics = try Normalisation.load(path: path)
      try division.apply(statistics, file: file.path)
      normalisation = statistics
    case nil: break
    }
    let targets: [String] = if case .values = examples.targets { examples.targetNames } else { [] }
    let label = targets.isEmpty ? examples.labelName : nil
    parts = division.parts
    heldOut = division.heldOut
    partFile = ExampleFile(path: "data.csv", label: label, targets: targets)
    heldOutFile = ExampleFile(path: "held-out.csv", label: label, targets: targets)
    source = .table(division, normalisation)
  }

  /// A table that needs no normalisation.
  init(division: DataDivision) {
    let label = division.heldOut.labelName
    self.init(
      parts: division.parts, heldOut: division.heldOut, partFile: ExampleFile(path: "data.csv", label: label),
      heldOutFile: ExampleFile(path: "held-out.csv", label: label), source: .table(division, nil))
  }

  private init(
    parts: [Dataset], heldOut: Dataset, partFile: ExampleFile, heldOutFile: ExampleFile, source: Source
  ) {
    self.parts = parts
    self.heldOut = heldOut
    self.partFile = partFile
    self.heldOutFile = heldOutFile
    self.source = source
  }

  private static func text(
    _ file: DatasetFile, _ plan: DataPlan, parts count: Int, features: Int, classCount: Int?, model: String
  ) throws(DatasetError) -> DealtData {
    guard let length = plan.examples.sequenceLength else {
      throw .badFile(file: file.path, found: "a text", expected: "labelled examples, or a length of sequences")
    }
    guard plan.normalisation == nil, plan.copies == 1, case .fraction(let fraction) = plan.heldOut else {
      throw .badFile(
        file: file.path, found: "a text",
        expected: "a table for what is normalised, copied or held out by numbers of rows")
    }
    try check(length, features, model: model, file: file.path)
    let text = try file.text()
    let vocabulary =
      if let path = plan.examples.vocabularyFile { try CharacterVocabulary.load(path: path) } else { text.vocabulary }
    if let classCount, vocabulary.count > classCount {
      throw .badFile(
        file: file.path, found: "a vocabulary of \(vocabulary.count) characters",
        expected: "at most \(classCount), the classes of the run")
    }
    // A stranger is named by its place in the whole text, not in a part.
    _ = try vocabulary.numbers(of: text.characters, file: file.path)
    let byRole = plan.partition.groupColumn != nil
    let division = try TextDivision(
      text, parts: count, partition: plan.partition, heldOut: fraction, seed: plan.seed, file: file.path)
    var parts: [Dataset] = []
    for (i, part) in division.parts.enumerated() {
      let name = "\(file.path): part \(i + 1)"
      parts.append(
        try CharacterText(Array(part.text.utf8), file: name).dataset(
          sequenceLength: length, vocabulary: vocabulary, byRole: byRole, file: name))
    }
    let name = "\(file.path): what is held out"
    let heldOut =
      division.heldOut.passages == 0
      ? parts[0].subset([])
      : try CharacterText(Array(division.heldOut.text.utf8), file: name).dataset(
        sequenceLength: length, vocabulary: vocabulary, byRole: byRole, file: name)
    let partFile = ExampleFile(
      path: "data.txt", column: byRole ? CharacterText.roleColumn : nil, sequenceLength: length,
      vocabularyFile: vocabularyName)
    var heldOutFile = partFile
    heldOutFile.path = "held-out.txt"
    return DealtData(
      parts: parts, heldOut: heldOut, partFile: partFile, heldOutFile: heldOutFile,
      source: .text(division, vocabulary))
  }

  private static func check(_ found: Int, _ expected: Int, model: String, file: String) throws(DatasetError) {
    guard found == expected else {
      throw .badFile(file: file, found: "\(found) features", expected: "\(expected) for '\(model)'")
    }
  }

  /// Writes each part, what is held out, and the vocabulary or statistics that they need.
  ///
  /// - Parameters:
  ///   - folders: of the workers; they are there.
  ///   - shared: for what is held out.
  /// - Throws: `DatasetError.unwritable`.
  package func write(to folders: [String], shared: String) throws(DatasetError) {
    let path = "\(shared)/\(heldOutFile.path)"
    switch source {
    case .table(let division, let normalisation):
      try division.write(to: folders, heldOut: path)
      try normalisation?.write(to: "\(shared)/\(Self.normalisationName)")
    case .text(let division, let vocabulary):
      try division.write(to: folders, heldOut: path)
      for folder in folders + [shared] { try vocabulary.write(to: "\(folder)/\(Self.vocabularyName)") }
    }
  }
}

extension DatasetFile.Reading {
  /// As a description says.
  ///
  /// - Throws: `DatasetError` of the vocabulary's file.
  package init(_ file: ExampleFile, classCount: Int? = nil) throws(DatasetError) {
    self.init(
      label: file.label, targets: file.targets, labelFile: file.labelFile, groupColumn: file.column,
      classCount: classCount, sequenceLength: file.sequenceLength)
    if let path = file.vocabularyFile { vocabulary = try CharacterVocabulary.load(path: path) }
  }
}

extension DatasetFile {
  /// The examples of a file, as a description says.
  ///
  /// - Throws: `DatasetError`.
  package static func load(_ file: ExampleFile, classCount: Int? = nil) throws(DatasetError) -> Dataset {
    try load(path: file.path, Reading(file, classCount: classCount))
  }
}
