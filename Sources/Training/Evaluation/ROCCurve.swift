/// The area under the ROC curve from scores, which are all kept until it is asked for.
///
/// It is the statistic U of Mann and Whitney 1947 divided by the number of pairs: exact, in whole numbers, with the middle
/// rank for scores that are equal.
struct ROCCurve: Equatable, Sendable {
  /// Of class 1 and of class 0.
  private var positives: [Double] = []
  private var negatives: [Double] = []

  mutating func add(score: Double, isPositive: Bool) {
    if isPositive { positives.append(score) } else { negatives.append(score) }
  }

  /// Nil without examples of one of the classes.
  var area: Double? {
    guard !positives.isEmpty, !negatives.isEmpty else { return nil }
    let (high, low) = (positives.sorted(), negatives.sorted())
    // Twice U: 2 for each pair in order, 1 for each tie. At most 2⁵³, as there are at most 2²⁶ scores.
    var doubled = 0
    var below = 0
    var notAbove = 0
    for score in high {
      while below < low.count, low[below] < score { below += 1 }
      while notAbove < low.count, low[notAbove] <= score { notAbove += 1 }
      doubled += below + notAbove
    }
    return Double(doubled) / (2 * Double(high.count) * Double(low.count))
  }
}
