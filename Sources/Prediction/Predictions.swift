import Training

/// What a model says of rows of features.
package struct Predictions: Equatable, Sendable {
  package enum Meaning: Hashable, Sendable {
    /// Of each class; of one number, the probability of class 1.
    case probabilities
    /// The values of a regression.
    case values
  }

  package let meaning: Meaning
  /// Shape [count, width], row-major.
  package private(set) var numbers: [Float]
  package let width: Int
  package var count: Int { numbers.count / width }

  /// - Precondition: whole rows.
  package init(_ meaning: Meaning, _ numbers: [Float], width: Int) {
    precondition(width > 0 && numbers.count % width == 0, "rows are whole")
    self.meaning = meaning
    self.numbers = numbers
    self.width = width
  }

  /// Adds the rows of the next batch.
  ///
  /// - Precondition: the same meaning and width.
  mutating func append(_ other: Predictions) {
    precondition(other.meaning == meaning && other.width == width, "batches are of one model")
    numbers += other.numbers
  }

  package func row(_ index: Int) -> ArraySlice<Float> { numbers[index * width..<(index + 1) * width] }

  /// The class that the model says; the first of equal ones. Nil for values.
  package func label(of index: Int) -> Int? {
    guard meaning == .probabilities else { return nil }
    let row = row(index)
    guard width > 1 else { return row[row.startIndex] > 0.5 ? 1 : 0 }
    var best = row.startIndex
    for place in row.indices where row[place] > row[best] { best = place }
    return best - row.startIndex
  }

  /// The probability of that class.
  package func probability(of index: Int) -> Float? {
    guard let label = label(of: index) else { return nil }
    let row = row(index)
    guard width > 1 else { return label == 1 ? row[row.startIndex] : 1 - row[row.startIndex] }
    return row[row.startIndex + label]
  }

  /// Rows whose class is the label that the file has for them, of all rows with a label; nil for values.
  ///
  /// - Parameter labels: one a row.
  package func correct(_ labels: [Float]) -> Int? {
    guard meaning == .probabilities else { return nil }
    return labels.indices.count { label(of: $0).map(Float.init) == labels[$0] }
  }
}
