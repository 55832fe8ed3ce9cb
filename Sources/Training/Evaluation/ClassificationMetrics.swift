import Federation

/// How well a model tells classes apart, from its raw outputs, batch by batch.
///
/// An example is one prediction: each character of a sequence is one. Sums are taken in the order of the examples, so the
/// result does not depend on how these are cut into batches. Memory does not grow with the examples, but for the scores of
/// `rocArea`.
package struct ClassificationMetrics: Equatable, Sendable {
  /// What the outputs of one example are.
  package enum Outputs: Equatable, Sendable {
    /// One logit a class: the probabilities are their softmax.
    case logits(classCount: Int)
    /// One logit for two classes: the probability of class 1 is its logistic function.
    case logit
  }

  /// Most classes that get a confusion matrix.
  package static let confusionClassCountMax = 4096
  /// Most examples whose scores are kept for the area under the curve: 512 MiB.
  package static let scoreCountMax = 1 << 26

  package let outputs: Outputs
  /// Ascending: `k` of each top-k accuracy.
  package let ranks: [Int]
  package private(set) var count = 0
  /// In nats.
  package private(set) var lossSum = 0.0
  package private(set) var correct = 0
  /// Of each of `ranks`, the examples whose class is among the `k` best.
  package private(set) var correctWithin: [Int]
  /// Nil if it was not asked for.
  package private(set) var confusion: ConfusionMatrix?
  private var curve: ROCCurve?

  package var classCount: Int {
    switch outputs {
    case .logits(let classCount): classCount
    case .logit: 2
    }
  }

  /// Of one example.
  package var outputCount: Int {
    switch outputs {
    case .logits(let classCount): classCount
    case .logit: 1
    }
  }

  /// - Parameters:
  ///   - topK: each from 1 to the number of classes.
  ///   - confusion: whether to keep a confusion matrix.
  ///   - rocArea: whether to keep what the area under the ROC curve needs; only for two classes.
  /// - Precondition: at least two classes; at most `confusionClassCountMax` with a matrix.
  package init(_ outputs: Outputs, topK: [Int] = [], confusion: Bool = false, rocArea: Bool = false) {
    self.outputs = outputs
    ranks = Set(topK).sorted()
    correctWithin = ranks.map { _ in 0 }
    let classCount = if case .logits(let classCount) = outputs { classCount } else { 2 }
    precondition(classCount >= 2, "there are classes to tell apart")
    precondition(ranks.allSatisfy { (1...classCount).contains($0) }, "k is from 1 to the number of classes")
    precondition(!confusion || classCount <= Self.confusionClassCountMax, "the matrix is bounded")
    precondition(!rocArea || classCount == 2, "the curve is for two classes")
    self.confusion = confusion ? ConfusionMatrix(classCount: classCount) : nil
    curve = rocArea ? ROCCurve() : nil
  }

  /// Counts a batch.
  ///
  /// - Parameters:
  ///   - rows: the raw outputs, shape [n, outputCount].
  ///   - labels: shape [n].
  ///   - losses: shape [n], in nats; nil to compute the cross-entropy from the outputs.
  /// - Throws: `EvaluationError`; nothing of the batch is counted then.
  package mutating func add(
    rows: UnsafeBufferPointer<Float>, labels: UnsafeBufferPointer<Int32>, losses: UnsafeBufferPointer<Float>? = nil
  ) throws(EvaluationError) {
    try check(rows: rows, labels: labels, losses: losses)
    for (example, label) in labels.enumerated() {
      let row = UnsafeBufferPointer(rebasing: rows[example * outputCount..<(example + 1) * outputCount])
      let judgement = judge(row, label: Int(label))
      count += 1
      lossSum += losses.map { Double($0[example]) } ?? judgement.loss
      if judgement.rank == 0 { correct += 1 }
      for (i, k) in ranks.enumerated() where judgement.rank < k { correctWithin[i] += 1 }
      confusion?.add(label: Int(label), prediction: judgement.prediction)
      let score = score(row)
      curve?.add(score: score, isPositive: label == 1)
    }
  }

  /// As `add(rows:labels:losses:)`.
  package mutating func add(rows: [Float], labels: [Int32], losses: [Float]? = nil) throws(EvaluationError) {
    // Typed errors do not pass through the closures of `withUnsafeBufferPointer` of an optional.
    let spare = losses ?? []
    let failure: EvaluationError? = rows.withUnsafeBufferPointer { rows in
      labels.withUnsafeBufferPointer { labels in
        spare.withUnsafeBufferPointer { spare in
          do throws(EvaluationError) {
            try add(rows: rows, labels: labels, losses: losses == nil ? nil : spare)
            return nil
          } catch {
            return error
          }
        }
      }
    }
    if let failure { throw failure }
  }

  // MARK: Results

  /// Mean loss of an example in nats; nil without examples. Of a sequence: nats per character.
  package var loss: Double? { count > 0 ? lossSum / Double(count) : nil }

  package var accuracy: Double? { count > 0 ? Double(correct) / Double(count) : nil }

  /// The share of examples whose class is among the `k` best, of each of `ranks`; nil without examples.
  package var topKAccuracies: [Double]? { count > 0 ? correctWithin.map { Double($0) / Double(count) } : nil }

  /// e to the mean loss: of how many equally likely characters the next one is a choice.
  package var perplexity: Double? { loss.map(PortableMath.exp) }

  /// The probability that an example of class 1 has a higher score than one of class 0, ties counting half; nil if it was
  /// not asked for, or if there are no examples of one of the classes.
  package var rocArea: Double? { curve?.area }

  // MARK: Parts

  private struct Judgement {
    /// The cross-entropy in nats.
    let loss: Double
    let prediction: Int
    /// Classes that come before the right one: larger outputs, and equal ones of lower classes.
    let rank: Int
  }

  private func check(
    rows: UnsafeBufferPointer<Float>, labels: UnsafeBufferPointer<Int32>, losses: UnsafeBufferPointer<Float>?
  ) throws(EvaluationError) {
    guard rows.count == labels.count * outputCount else {
      throw .wrongCount(of: "outputs", found: rows.count, expected: labels.count * outputCount)
    }
    if let losses {
      guard losses.count == labels.count else {
        throw .wrongCount(of: "losses", found: losses.count, expected: labels.count)
      }
      if let bad = losses.firstIndex(where: { !$0.isFinite }) { throw .notFinite(example: bad) }
    }
    if let bad = labels.firstIndex(where: { $0 < 0 || $0 >= classCount }) {
      throw .wrongLabel(example: bad, found: Int(labels[bad]), classCount: classCount)
    }
    if let bad = rows.firstIndex(where: { !$0.isFinite }) { throw .notFinite(example: bad / outputCount) }
    guard curve == nil || labels.count <= Self.scoreCountMax - count else {
      throw .tooManyScores(max: Self.scoreCountMax)
    }
  }

  private func judge(_ row: UnsafeBufferPointer<Float>, label: Int) -> Judgement {
    switch outputs {
    case .logit:
      // Class 1 where its probability is above a half.
      let prediction = row[0] > 0 ? 1 : 0
      let margin = Double(label == 1 ? row[0] : -row[0])
      return Judgement(
        loss: Self.softplus(-margin), prediction: prediction, rank: prediction == label ? 0 : 1)
    case .logits:
      var prediction = 0
      var rank = 0
      for (other, value) in row.enumerated() {
        if value > row[prediction] { prediction = other }
        if value > row[label] || value == row[label] && other < label { rank += 1 }
      }
      // The largest is taken out first: e to a large output would overflow.
      let largest = Double(row[prediction])
      let sum = row.reduce(0.0) { $0 + PortableMath.exp(Double($1) - largest) }
      return Judgement(
        loss: largest - Double(row[label]) + PortableMath.log(sum), prediction: prediction, rank: rank)
    }
  }

  /// ln(1 + eˣ), without overflow.
  private static func softplus(_ x: Double) -> Double {
    max(x, 0) + PortableMath.log(1 + PortableMath.exp(-abs(x)))
  }

  /// What grows with the probability of class 1.
  private func score(_ row: UnsafeBufferPointer<Float>) -> Double {
    switch outputs {
    case .logit: Double(row[0])
    case .logits: Double(row[1]) - Double(row[0])
    }
  }
}
