/// How often examples of one class were taken for another.
package struct ConfusionMatrix: Equatable, Sendable {
  package let classCount: Int
  /// Shape [classCount, classCount]: a row is a label, a column a prediction.
  package private(set) var counts: [Int]

  init(classCount: Int) {
    self.classCount = classCount
    counts = [Int](repeating: 0, count: classCount * classCount)
  }

  mutating func add(label: Int, prediction: Int) { counts[label * classCount + prediction] += 1 }

  /// Examples of class `label` that were taken for `prediction`.
  package subscript(label label: Int, prediction prediction: Int) -> Int { counts[label * classCount + prediction] }

  /// Examples of a class.
  package func labelled(_ label: Int) -> Int { (0..<classCount).reduce(0) { $0 + self[label: label, prediction: $1] } }

  /// Examples that were taken for a class.
  package func predicted(_ prediction: Int) -> Int {
    (0..<classCount).reduce(0) { $0 + self[label: $1, prediction: prediction] }
  }

  /// Of the examples taken for a class, the share that are of it; nil if there are none.
  package func precision(_ label: Int) -> Double? { share(of: label, in: predicted(label)) }

  /// Of the examples of a class, the share that were taken for it; nil if there are none.
  package func recall(_ label: Int) -> Double? { share(of: label, in: labelled(label)) }

  private func share(of label: Int, in total: Int) -> Double? {
    total > 0 ? Double(self[label: label, prediction: label]) / Double(total) : nil
  }
}
