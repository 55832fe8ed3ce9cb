/// Examples to learn from: features, and what a model is to make of them.
package struct Dataset: Equatable, Sendable {
  /// What a model is to make of the examples.
  package enum Targets: Equatable, Sendable {
    /// A class for each example, or, of sequences, one for each place. The labels have shape [count, perExample], each in
    /// `0 ..< classCount`.
    case classes([Int32], classCount: Int, perExample: Int)
    /// Numbers, shape [count, width]; all finite.
    case values([Float], width: Int)
  }

  /// Shape [count, featureCount], row-major; all finite. Of a text, the numbers of its characters.
  package let features: [Float]
  package let targets: Targets
  package let featureCount: Int
  /// The names of the columns of `features`.
  package let featureNames: [String]
  /// One for classes, or one for each column of values.
  package let targetNames: [String]
  /// Which examples belong together; nil if nothing says so.
  package let groups: Groups?
  /// What the features of a text are numbers of, and its classes; nil where features are quantities.
  package let vocabulary: CharacterVocabulary?

  package var count: Int { features.count / featureCount }

  /// The classes; empty where targets are values.
  package var labels: [Int32] { if case .classes(let labels, _, _) = targets { labels } else { [] } }

  /// 0 where targets are values.
  package var classCount: Int { if case .classes(_, let classCount, _) = targets { classCount } else { 0 } }

  /// Whether every example has exactly one class.
  package var hasOneClass: Bool { if case .classes(_, _, perExample: 1) = targets { true } else { false } }

  /// The name of the only target, or of the first one.
  package var labelName: String { targetNames[0] }

  /// Examples of one class each.
  ///
  /// - Parameter featureNames: `x0`, `x1` … if nil.
  /// - Throws: as `init(features:targets:)`.
  package init(
    features: [Float], labels: [Int32], featureCount: Int, classCount: Int, featureNames: [String]? = nil,
    labelName: String = "label"
  ) throws(DatasetError) {
    try self.init(
      features: features, targets: .classes(labels, classCount: classCount, perExample: 1), featureCount: featureCount,
      featureNames: featureNames, targetNames: [labelName])
  }

  /// Examples of any targets.
  ///
  /// - Parameters:
  ///   - featureNames: `x0`, `x1` … if nil.
  ///   - targetNames: `label` for classes, `y0`, `y1` … for values, if nil.
  /// - Throws: `DatasetError.inconsistent` for counts that do not fit, a label out of range, or a feature or value that is
  ///   not finite.
  package init(
    features: [Float], targets: Targets, featureCount: Int, featureNames: [String]? = nil, targetNames: [String]? = nil
  ) throws(DatasetError) {
    guard featureCount >= 1, features.count % featureCount == 0 else {
      throw .inconsistent(reason: "\(features.count) features, expected \(featureCount) an example")
    }
    let names = featureNames ?? (0..<featureCount).map { "x\($0)" }
    guard names.count == featureCount else {
      throw .inconsistent(reason: "\(names.count) feature names for \(featureCount) features")
    }
    let count = features.count / featureCount
    try Self.check(targets, count: count)
    if let bad = features.firstIndex(where: { !$0.isFinite }) {
      throw .inconsistent(reason: "example \(bad / featureCount) has a \(names[bad % featureCount]) that is not finite")
    }
    let targetNames = targetNames ?? targets.standardNames
    guard targetNames.count == targets.standardNames.count else {
      throw .inconsistent(reason: "\(targetNames.count) names for \(targets.standardNames.count) targets")
    }
    self.init(
      unchecked: features, targets: targets, featureCount: featureCount, featureNames: names, targetNames: targetNames)
  }

  private static func check(_ targets: Targets, count: Int) throws(DatasetError) {
    switch targets {
    case .classes(let labels, let classCount, let perExample):
      guard classCount >= 1, perExample >= 1, labels.count == count * perExample else {
        throw .inconsistent(reason: "\(labels.count) labels for \(count) examples, expected \(perExample) an example")
      }
      for (i, label) in labels.enumerated() where label < 0 || label >= classCount {
        throw .inconsistent(reason: "example \(i / perExample) has label \(label), expected 0…\(classCount - 1)")
      }
    case .values(let values, let width):
      guard width >= 1, values.count == count * width else {
        throw .inconsistent(reason: "\(values.count) target values for \(count) examples, expected \(width) an example")
      }
      if let bad = values.firstIndex(where: { !$0.isFinite }) {
        throw .inconsistent(reason: "example \(bad / width) has a target that is not finite")
      }
    }
  }

  init(
    unchecked features: [Float], targets: Targets, featureCount: Int, featureNames: [String], targetNames: [String],
    groups: Groups? = nil, vocabulary: CharacterVocabulary? = nil
  ) {
    self.features = features
    self.targets = targets
    self.featureCount = featureCount
    self.featureNames = featureNames
    self.targetNames = targetNames
    self.groups = groups
    self.vocabulary = vocabulary
  }

  /// The given rows, in the given order.
  ///
  /// - Precondition: every row is in `0 ..< count`.
  package func subset(_ rows: [Int]) -> Dataset {
    Dataset(
      unchecked: Self.choose(rows, of: features, width: featureCount), targets: targets.subset(rows),
      featureCount: featureCount, featureNames: featureNames, targetNames: targetNames, groups: groups?.subset(rows),
      vocabulary: vocabulary)
  }

  /// Rows of a row-major table.
  fileprivate static func choose<Element>(_ rows: [Int], of table: [Element], width: Int) -> [Element] {
    var chosen: [Element] = []
    chosen.reserveCapacity(rows.count * width)
    for row in rows { chosen.append(contentsOf: table[row * width..<(row + 1) * width]) }
    return chosen
  }

  /// The examples of parts of one data set, one after another, without their groups.
  ///
  /// - Precondition: at least one part; all have the same columns and kinds of targets.
  package init(joining parts: [Dataset]) {
    precondition(parts.allSatisfy { $0.featureNames == parts[0].featureNames }, "parts have the same columns")
    self.init(
      unchecked: parts.flatMap(\.features), targets: Targets(joining: parts.map(\.targets)),
      featureCount: parts[0].featureCount, featureNames: parts[0].featureNames, targetNames: parts[0].targetNames,
      vocabulary: parts[0].vocabulary)
  }

  /// Every feature divided by `divisor`: pixels from 0 to 16 come into [0, 1] by 16. The numbers of characters stay.
  ///
  /// - Precondition: the divisor is positive and finite.
  package func scaled(by divisor: Float) -> Dataset {
    precondition(divisor > 0 && divisor.isFinite, "features are divided by a positive number")
    return vocabulary == nil ? replacing(features: features.map { $0 / divisor }) : self
  }

  /// The same examples with other features.
  ///
  /// - Precondition: as many, all finite.
  func replacing(features: [Float]) -> Dataset {
    precondition(features.count == self.features.count, "every feature has one successor")
    return Dataset(
      unchecked: features, targets: targets, featureCount: featureCount, featureNames: featureNames,
      targetNames: targetNames, groups: groups, vocabulary: vocabulary)
  }

  /// How many labels each class has; empty where targets are values.
  package var classCounts: [Int] {
    var counts = [Int](repeating: 0, count: classCount)
    for label in labels { counts[Int(label)] += 1 }
    return counts
  }
}

extension Dataset.Targets {
  fileprivate var standardNames: [String] {
    switch self {
    case .classes: ["label"]
    case .values(_, let width): (0..<width).map { "y\($0)" }
    }
  }

  fileprivate func subset(_ rows: [Int]) -> Dataset.Targets {
    switch self {
    case .classes(let labels, let classCount, let perExample):
      .classes(
        Dataset.choose(rows, of: labels, width: perExample), classCount: classCount, perExample: perExample)
    case .values(let values, let width): .values(Dataset.choose(rows, of: values, width: width), width: width)
    }
  }

  /// - Precondition: at least one; all of one kind and width.
  fileprivate init(joining parts: [Dataset.Targets]) {
    switch parts[0] {
    case .classes(_, let classCount, let perExample):
      self = .classes(
        parts.flatMap { part in
          guard case .classes(let labels, classCount, perExample) = part else { Self.differ() }
          return labels
        },
        classCount: classCount, perExample: perExample)
    case .values(_, let width):
      self = .values(
        parts.flatMap { part in
          guard case .values(let values, width) = part else { Self.differ() }
          return values
        }, width: width)
    }
  }
  private static func differ() -> Never { preconditionFailure("parts of one data set have one kind of targets") }
}
