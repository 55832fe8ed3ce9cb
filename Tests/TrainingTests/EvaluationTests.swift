import Federation
import Foundation
import Testing
import Training

/// Metrics against values computed by hand, and against the plainest way to compute them.
@Suite struct EvaluationTests {
  private static func random(_ seed: UInt64) -> SeededGenerator { SeededGenerator(seed: seed, stream: "metrics") }

  /// Outputs with many ties, and labels.
  private static func batch(
    _ count: Int, classes: Int, outputs: Int, seed: UInt64
  ) -> (rows: [Float], labels: [Int32]) {
    var choices = random(seed)
    let rows = (0..<count * outputs).map { _ in Float(choices.index(below: 9)) / 2 - 2 }
    return (rows, (0..<count).map { _ in Int32(choices.index(below: classes)) })
  }

  @Test("Loss, accuracy and top-k are those computed by hand")
  func byHand() throws {
    var metrics = ClassificationMetrics(.logits(classCount: 3), topK: [2, 1, 3, 2])
    // Softmax of ln 1, ln 2, ln 5: an eighth, two and five of them.
    let row: [Float] = [0, Float(log(2.0)), Float(log(5.0))]
    try metrics.add(rows: row + row + row, labels: [2, 1, 0])
    #expect(metrics.count == 3 && metrics.correct == 1)
    #expect(metrics.accuracy == 1.0 / 3)
    #expect(metrics.ranks == [1, 2, 3])
    #expect(metrics.topKAccuracies == [1.0 / 3, 2.0 / 3, 1])
    let expected = (log(8.0 / 5) + log(8.0 / 2) + log(8.0)) / 3
    #expect(abs(try #require(metrics.loss) - expected) < 1e-7)
    #expect(abs(try #require(metrics.perplexity) - exp(expected)) < 1e-6)
  }

  @Test("Losses that are handed over are summed as they are")
  func ownLosses() throws {
    var metrics = ClassificationMetrics(.logits(classCount: 2))
    try metrics.add(rows: [1, 0, 0, 1], labels: [0, 0], losses: [0.25, 2])
    #expect(metrics.lossSum == 2.25 && metrics.correct == 1)
  }

  @Test("A model that knows nothing has the perplexity of the alphabet")
  func uniform() throws {
    var metrics = ClassificationMetrics(.logits(classCount: 65))
    try metrics.add(rows: [Float](repeating: 3, count: 650), labels: (0..<10).map { $0 })
    #expect(abs(try #require(metrics.perplexity) - 65) < 1e-10)
    #expect(abs(try #require(metrics.loss) - log(65.0)) < 1e-12)
    #expect(metrics.correct == 1)  // The lowest class wins a tie.
  }

  @Test("Large outputs neither overflow nor lose the loss", arguments: [Float(1e4), 3e38])
  func large(size: Float) throws {
    var many = ClassificationMetrics(.logits(classCount: 2))
    try many.add(rows: [size, 0, size, 0], labels: [0, 1])
    var one = ClassificationMetrics(.logit)
    try one.add(rows: [-size, -size], labels: [0, 1])
    #expect(many.lossSum == Double(size) && one.lossSum == Double(size))
    #expect(many.correct == 1 && one.correct == 1)
  }

  @Test("One logit is judged as two whose other is zero", arguments: UInt64(0)..<20)
  func logit(seed: UInt64) throws {
    let (rows, labels) = Self.batch(50, classes: 2, outputs: 1, seed: seed)
    var one = ClassificationMetrics(.logit, topK: [1, 2], confusion: true, rocArea: true)
    var two = ClassificationMetrics(.logits(classCount: 2), topK: [1, 2], confusion: true, rocArea: true)
    try one.add(rows: rows, labels: labels)
    try two.add(rows: rows.flatMap { [0, $0] }, labels: labels)
    #expect(abs(one.lossSum - two.lossSum) < 1e-12)
    #expect(one.correct == two.correct && one.correctWithin == two.correctWithin)
    #expect(one.confusion == two.confusion && one.rocArea == two.rocArea)
  }

  @Test("Everything is as the plainest way to compute it says", arguments: UInt64(0)..<20, [2, 3, 7])
  func reference(seed: UInt64, classes: Int) throws {
    let (rows, labels) = Self.batch(60, classes: classes, outputs: classes, seed: seed)
    var metrics = ClassificationMetrics(.logits(classCount: classes), topK: [1, 2], confusion: true)
    try metrics.add(rows: rows, labels: labels)
    var loss = 0.0
    var within = [0, 0]
    var matrix = [[Int]](repeating: [Int](repeating: 0, count: classes), count: classes)
    for (i, label) in labels.enumerated() {
      let row = Array(rows[i * classes..<(i + 1) * classes])
      loss -= log(exp(Double(row[Int(label)])) / row.map { exp(Double($0)) }.reduce(0, +))
      let order = row.indices.sorted { (row[$1], $0) < (row[$0], $1) }
      for k in 1...2 where order.prefix(k).contains(Int(label)) { within[k - 1] += 1 }
      matrix[Int(label)][order[0]] += 1
    }
    #expect(abs(metrics.lossSum - loss) < 1e-10)
    #expect(metrics.correctWithin == within && metrics.correct == within[0])
    let confusion = try #require(metrics.confusion)
    #expect(confusion.counts == matrix.flatMap { $0 })
    for label in 0..<classes {
      let column = matrix.map { $0[label] }.reduce(0, +)
      let row = matrix[label].reduce(0, +)
      #expect(confusion.precision(label) == (column == 0 ? nil : Double(matrix[label][label]) / Double(column)))
      #expect(confusion.recall(label) == (row == 0 ? nil : Double(matrix[label][label]) / Double(row)))
    }
  }

  @Test("Precision and recall are shares of a column and of a row, and none without examples")
  func confusion() throws {
    var metrics = ClassificationMetrics(.logits(classCount: 3), confusion: true)
    // Labels 0, 0, 0, 1 taken for 0, 0, 1, 1.
    try metrics.add(rows: [1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1, 0], labels: [0, 0, 0, 1])
    let confusion = try #require(metrics.confusion)
    #expect(confusion.precision(0) == 1 && confusion.recall(0) == 2.0 / 3)
    #expect(confusion.precision(1) == 0.5 && confusion.recall(1) == 1)
    #expect(confusion.precision(2) == nil && confusion.recall(2) == nil)
    #expect(confusion[label: 0, prediction: 1] == 1 && confusion[label: 1, prediction: 0] == 0)
  }

  @Test(
    "The area under the curve is the share of pairs in order, ties counting half",
    arguments: [
      ([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], 0.75), ([1, 1, 1, 1], [0, 1, 0, 1], 0.5), ([3, 1], [0, 1], 0),
      ([1, 3], [0, 1], 1), ([1, 2, 2, 3], [0, 0, 1, 1], 0.875), ([1, 2], [1, 1], nil), ([], [], nil),
    ] as [([Float], [Int32], Double?)])
  func rocArea(scores: [Float], labels: [Int32], area: Double?) throws {
    var metrics = ClassificationMetrics(.logit, rocArea: true)
    try metrics.add(rows: scores, labels: labels)
    #expect(metrics.rocArea == area)
  }

  @Test("The area is that of all pairs, in whatever batches they come", arguments: UInt64(0)..<30)
  func rocPairs(seed: UInt64) throws {
    let (scores, labels) = Self.batch(101, classes: 2, outputs: 1, seed: seed)
    var metrics = ClassificationMetrics(.logit, rocArea: true)
    for start in stride(from: 0, to: 101, by: 7) {
      let end = min(101, start + 7)
      try metrics.add(rows: Array(scores[start..<end]), labels: Array(labels[start..<end]))
    }
    var (wins, pairs) = (0.0, 0.0)
    for i in 0..<101 where labels[i] == 1 {
      for j in 0..<101 where labels[j] == 0 {
        pairs += 1
        wins += scores[i] > scores[j] ? 1 : scores[i] == scores[j] ? 0.5 : 0
      }
    }
    #expect(metrics.rocArea == wins / pairs)
  }

  @Test("The result does not depend on how examples are cut into batches", arguments: [1, 3, 50, 200])
  func batches(size: Int) throws {
    let (rows, labels) = Self.batch(200, classes: 4, outputs: 4, seed: 5)
    var whole = ClassificationMetrics(.logits(classCount: 4), topK: [3], confusion: true)
    try whole.add(rows: rows, labels: labels)
    var cut = ClassificationMetrics(.logits(classCount: 4), topK: [3], confusion: true)
    for start in stride(from: 0, to: 200, by: size) {
      let end = min(200, start + size)
      try cut.add(rows: Array(rows[4 * start..<4 * end]), labels: Array(labels[start..<end]))
    }
    #expect(cut == whole)
  }

  @Test("What cannot be judged is refused by name, and nothing of it is counted")
  func refusals() throws {
    var metrics = ClassificationMetrics(.logits(classCount: 2), confusion: true, rocArea: true)
    try metrics.add(rows: [1, 0], labels: [0])
    let before = metrics
    for (rows, labels, losses, error) in [
      ([1, 2, 3], [0, 1], nil, .wrongCount(of: "outputs", found: 3, expected: 4)),
      ([1, 2, 3, 4], [0, 2], nil, .wrongLabel(example: 1, found: 2, classCount: 2)),
      ([1, 2, 3, 4], [-1, 0], nil, .wrongLabel(example: 0, found: -1, classCount: 2)),
      ([1, 2, 3, .nan], [0, 1], nil, .notFinite(example: 1)),
      ([1, .infinity], [0], nil, .notFinite(example: 0)),
      ([1, 2], [0], [.nan], .notFinite(example: 0)),
      ([1, 2], [0], [1, 2], .wrongCount(of: "losses", found: 2, expected: 1)),
    ] as [([Float], [Int32], [Float]?, EvaluationError)] {
      #expect(throws: error) { try metrics.add(rows: rows, labels: labels, losses: losses) }
      #expect(metrics == before)
    }
  }

  @Test("Without examples there are no means")
  func empty() {
    let metrics = ClassificationMetrics(.logits(classCount: 2), topK: [1], rocArea: true)
    #expect(metrics.loss == nil && metrics.accuracy == nil && metrics.topKAccuracies == nil)
    #expect(metrics.perplexity == nil && metrics.rocArea == nil && metrics.confusion == nil)
    #expect(RegressionMetrics(width: 1).rootMeanSquaredError == nil)
    #expect(RegressionMetrics(width: 1).meanAbsoluteErrors == nil)
  }

  @Test("Errors of regression are those computed by hand, of each target and of all")
  func regression() throws {
    var metrics = RegressionMetrics(width: 2)
    try metrics.add(rows: [1, 10], targets: [4, 10])  // Differences 3 and 0.
    try metrics.add(rows: [0, 2, 5, 5], targets: [4, 0, 5, 4])  // 4 and 2, 0 and 1.
    #expect(metrics.count == 3)
    #expect(metrics.rootMeanSquaredErrors == [(25.0 / 3).squareRoot(), (5.0 / 3).squareRoot()])
    #expect(metrics.meanAbsoluteErrors == [7.0 / 3, 1])
    #expect(metrics.meanSquaredError == 5)
    #expect(metrics.rootMeanSquaredError == 5.0.squareRoot())
    #expect(metrics.meanAbsoluteError == 10.0 / 6)
  }

  @Test("Numbers that do not belong together are refused, and nothing of them is counted")
  func badRegression() throws {
    var metrics = RegressionMetrics(width: 2)
    #expect(throws: EvaluationError.wrongCount(of: "targets", found: 3, expected: 2)) {
      try metrics.add(rows: [1, 2, 3], targets: [1, 2, 3])
    }
    #expect(throws: EvaluationError.wrongCount(of: "outputs", found: 4, expected: 2)) {
      try metrics.add(rows: [1, 2, 3, 4], targets: [1, 2])
    }
    #expect(throws: EvaluationError.notFinite(example: 1)) {
      try metrics.add(rows: [1, 2, 3, 4], targets: [1, 2, .nan, 4])
    }
    #expect(metrics == RegressionMetrics(width: 2))
  }
}
