/// What a round says of the model it trained on: sums over the hold-outs of the workers in it.
package struct RoundMetrics: Hashable, Sendable, Codable {
  /// Sum of the loss over `evaluated` examples, in nats.
  package var lossSum: Double
  package var correct: UInt64
  package var evaluated: UInt64

  package init(lossSum: Double, correct: UInt64, evaluated: UInt64) {
    self.lossSum = lossSum
    self.correct = correct
    self.evaluated = evaluated
  }

  /// Mean loss; nil if no worker evaluated anything.
  package var loss: Double? { evaluated > 0 ? lossSum / Double(evaluated) : nil }
  /// Fraction of examples classified correctly; nil if no worker evaluated anything.
  package var accuracy: Double? { evaluated > 0 ? Double(correct) / Double(evaluated) : nil }
}
