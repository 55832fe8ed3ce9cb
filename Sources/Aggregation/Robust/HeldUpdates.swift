/// Updates in memory: each of shape `[d]`, in an order that does not depend on their arrival.
package struct HeldUpdates: RoundUpdates {
  private let values: [[Float]]
  package let weights: [UInt64]

  /// - Precondition: all have the same length, and a weight each.
  package init(values: [[Float]], weights: [UInt64]) {
    precondition(values.count == weights.count, "\(values.count) updates and \(weights.count) weights")
    precondition(values.allSatisfy { $0.count == values[0].count }, "updates of different lengths")
    self.values = values
    self.weights = weights
  }

  package var count: Int { values.count }
  package var elementCount: Int { values.first?.count ?? 0 }
  package func read(_ update: Int, _ elements: Range<Int>) -> [Float] { Array(values[update][elements]) }
}
