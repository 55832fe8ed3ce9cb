/// Why examples could not be read, written or divided.
package enum DatasetError: Error, Equatable, Sendable, CustomStringConvertible {
  case unreadable(file: String, reason: String)
  case unwritable(file: String, reason: String)
  case fileTooLarge(file: String, max: Int)
  case badHeader(file: String, found: String, expected: String)
  /// The first rows that are wrong, at most `CSVDataset.problemsMax`, and how many cells are wrong in all.
  case badRows(file: String, problems: [RowProblem], total: Int)
  /// Something else than rows that is wrong with a file: `file` may go on with the place in it.
  case badFile(file: String, found: String, expected: String)
  case noRows(file: String)
  case tooManyRows(file: String, max: Int)
  /// Features and labels that do not belong together.
  case inconsistent(reason: String)
  case badFraction(Double)
  case tooFewRows(found: Int, needed: Int)
  /// A column with fewer groups than there are parts to deal them to.
  case tooFewGroups(column: String, found: Int, needed: Int)
  /// Examples that are to be dealt by a column and were read without one.
  case noGroups(column: String)
  /// Groups are dealt whole, and this part has got too few examples.
  case smallPart(part: Int, found: Int, needed: Int)

  /// One wrong cell of a file.
  package struct RowProblem: Hashable, Sendable {
    /// From 1; the header is line 1.
    package var line: Int
    /// The column's name; nil if the row as a whole is wrong.
    package var column: String?
    package var found: String
    package var expected: String

    package init(line: Int, column: String?, found: String, expected: String) {
      self.line = line
      self.column = column
      self.found = found
      self.expected = expected
    }
  }

  package var description: String {
    switch self {
    case .unreadable(let file, let reason): return "\(file): cannot be read: \(reason)"
    case .unwritable(let file, let reason): return "\(file): cannot be written: \(reason)"
    case .fileTooLarge(let file, let max): return "\(file): larger than \(max) bytes"
    case .badHeader(let file, let found, let expected):
      return "\(file):1: found \(found), expected \(expected)"
    case .badRows(let file, let problems, let total):
      let lines = problems.map { problem in
        "\(file):\(problem.line): \(problem.column.map { "column \($0): " } ?? "")found \(problem.found), "
          + "expected \(problem.expected)"
      }
      let rest = total > problems.count ? ["… and \(total - problems.count) more"] : []
      return (lines + rest).joined(separator: "\n")
    case .badFile(let file, let found, let expected): return "\(file): found \(found), expected \(expected)"
    case .noRows(let file): return "\(file): a header and no examples"
    case .tooManyRows(let file, let max): return "\(file): more than \(max) examples"
    case .inconsistent(let reason): return reason
    case .badFraction(let value): return "a hold-out fraction of \(value), expected one from 0 to below 1"
    case .tooFewRows(let found, let needed): return "\(found) examples, expected at least \(needed)"
    case .tooFewGroups(let column, let found, let needed):
      return "\(found) groups in column \(column), expected at least \(needed), one a part"
    case .noGroups(let column): return "no groups, expected a column \(column) of names"
    case .smallPart(let part, let found, let needed):
      return "part \(part) gets \(found) examples of whole groups, expected at least \(needed)"
    }
  }
}

/// Labelled examples for classification.
package struct Dataset: Equatable, Sendable {
  /// Shape [count, featureCount], row-major; all finite.
  package let features: [Float]
  /// Shape [count], each in `0 ..< classCount`.
  package let labels: [Int32]
  package let featureCount: Int
  package let classCount: Int
  /// The names of the columns of `features`.
  package let featureNames: [String]
  package let labelName: String
  /// Which examples belong together; nil if nothing says so.
  package let groups: Groups?

  package var count: Int { labels.count }

  /// - Parameter featureNames: `x0`, `x1` … if nil.
  /// - Throws: `DatasetError.inconsistent` for counts that do not fit, a label out of range or a feature that is not
  ///   finite.
  package init(
    features: [Float], labels: [Int32], featureCount: Int, classCount: Int, featureNames: [String]? = nil,
    labelName: String = "label"
  ) throws(DatasetError) {
    guard featureCount >= 1, classCount >= 1, features.count == labels.count * featureCount else {
      throw .inconsistent(
        reason: "\(features.count) features for \(labels.count) labels, expected \(featureCount) a label")
    }
    let names = featureNames ?? (0..<featureCount).map { "x\($0)" }
    guard names.count == featureCount else {
      throw .inconsistent(reason: "\(names.count) feature names for \(featureCount) features")
    }
    for (row, label) in labels.enumerated() where label < 0 || label >= classCount {
      throw .inconsistent(reason: "example \(row) has label \(label), expected 0…\(classCount - 1)")
    }
    if let bad = features.firstIndex(where: { !$0.isFinite }) {
      throw .inconsistent(reason: "example \(bad / featureCount) has a \(names[bad % featureCount]) that is not finite")
    }
    self.init(
      unchecked: features, labels: labels, featureCount: featureCount, classCount: classCount, featureNames: names,
      labelName: labelName)
  }

  init(
    unchecked features: [Float], labels: [Int32], featureCount: Int, classCount: Int, featureNames: [String],
    labelName: String, groups: Groups? = nil
  ) {
    self.features = features
    self.labels = labels
    self.featureCount = featureCount
    self.classCount = classCount
    self.featureNames = featureNames
    self.labelName = labelName
    self.groups = groups
  }

  /// The given rows, in the given order.
  ///
  /// - Precondition: every row is in `0 ..< count`.
  package func subset(_ rows: [Int]) -> Dataset {
    var chosen: [Float] = []
    chosen.reserveCapacity(rows.count * featureCount)
    for row in rows { chosen.append(contentsOf: features[row * featureCount..<(row + 1) * featureCount]) }
    return Dataset(
      unchecked: chosen, labels: rows.map { labels[$0] }, featureCount: featureCount, classCount: classCount,
      featureNames: featureNames, labelName: labelName, groups: groups?.subset(rows))
  }

  /// The examples of parts of one data set, one after another, without their groups.
  ///
  /// - Precondition: at least one part; all have the same columns.
  init(joining parts: [Dataset]) {
    precondition(parts.allSatisfy { $0.featureNames == parts[0].featureNames }, "parts have the same columns")
    self.init(
      unchecked: parts.flatMap(\.features), labels: parts.flatMap(\.labels), featureCount: parts[0].featureCount,
      classCount: parts[0].classCount, featureNames: parts[0].featureNames, labelName: parts[0].labelName)
  }

  /// Every feature divided by `divisor`: pixels from 0 to 16 come into [0, 1] by 16.
  ///
  /// - Precondition: the divisor is positive and finite.
  package func scaled(by divisor: Float) -> Dataset {
    precondition(divisor > 0 && divisor.isFinite, "features are divided by a positive number")
    return replacing(features: features.map { $0 / divisor })
  }

  /// The same examples with other features.
  ///
  /// - Precondition: as many, all finite.
  func replacing(features: [Float]) -> Dataset {
    precondition(features.count == self.features.count, "every feature has one successor")
    return Dataset(
      unchecked: features, labels: labels, featureCount: featureCount, classCount: classCount,
      featureNames: featureNames, labelName: labelName, groups: groups)
  }

  /// How many examples each class has.
  package var classCounts: [Int] {
    var counts = [Int](repeating: 0, count: classCount)
    for label in labels { counts[Int(label)] += 1 }
    return counts
  }
}
