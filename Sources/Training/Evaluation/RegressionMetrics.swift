/// How far a model's numbers are from the right ones, batch by batch, in memory that does not grow with the examples.
///
/// Sums are taken in the order of the examples, so the result does not depend on how these are cut into batches.
package struct RegressionMetrics: Equatable, Sendable {
  /// Outputs, and targets, of one example.
  package let width: Int
  package private(set) var count = 0
  /// Of each target, the sum of squared differences.
  package private(set) var squaredSums: [Double]
  /// Of each target, the sum of absolute differences.
  package private(set) var absoluteSums: [Double]

  /// - Precondition: `width ≥ 1`.
  package init(width: Int) {
    precondition(width >= 1, "there is a number to predict")
    self.width = width
    squaredSums = [Double](repeating: 0, count: width)
    absoluteSums = squaredSums
  }

  /// Counts a batch.
  ///
  /// - Parameters:
  ///   - rows: the outputs, shape [n, width].
  ///   - targets: of the same shape.
  /// - Throws: `EvaluationError`; nothing of the batch is counted then.
  package mutating func add(
    rows: UnsafeBufferPointer<Float>, targets: UnsafeBufferPointer<Float>
  ) throws(EvaluationError) {
    let examples = targets.count / width
    guard targets.count == examples * width else {
      throw .wrongCount(of: "targets", found: targets.count, expected: examples * width)
    }
    guard rows.count == targets.count else {
      throw .wrongCount(of: "outputs", found: rows.count, expected: targets.count)
    }
    if let bad = rows.indices.first(where: { !rows[$0].isFinite || !targets[$0].isFinite }) {
      throw .notFinite(example: bad / width)
    }
    for i in rows.indices {
      let distance = Double(rows[i]) - Double(targets[i])
      squaredSums[i % width] += distance * distance
      absoluteSums[i % width] += abs(distance)
    }
    count += examples
  }

  /// As `add(rows:targets:)`.
  package mutating func add(rows: [Float], targets: [Float]) throws(EvaluationError) {
    let failure: EvaluationError? = rows.withUnsafeBufferPointer { rows in
      targets.withUnsafeBufferPointer { targets in
        do throws(EvaluationError) {
          try add(rows: rows, targets: targets)
          return nil
        } catch {
          return error
        }
      }
    }
    if let failure { throw failure }
  }

  // MARK: Results

  /// The mean squared difference over all targets of all examples; nil without examples.
  package var meanSquaredError: Double? { mean(squaredSums.reduce(0, +), of: width) }

  /// The root of the mean squared difference over all targets of all examples; nil without examples.
  package var rootMeanSquaredError: Double? { meanSquaredError.map { $0.squareRoot() } }

  /// The mean absolute difference over all targets of all examples; nil without examples.
  package var meanAbsoluteError: Double? { mean(absoluteSums.reduce(0, +), of: width) }

  /// Of each target; nil without examples.
  package var rootMeanSquaredErrors: [Double]? {
    count > 0 ? squaredSums.map { ($0 / Double(count)).squareRoot() } : nil
  }

  /// Of each target; nil without examples.
  package var meanAbsoluteErrors: [Double]? { count > 0 ? absoluteSums.map { $0 / Double(count) } : nil }

  private func mean(_ sum: Double, of width: Int) -> Double? { count > 0 ? sum / Double(count * width) : nil }
}
