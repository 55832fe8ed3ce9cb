import Federation

/// How the workers of a cohort are drawn from those who are here.
package enum CohortSampling: String, Hashable, Sendable, CaseIterable {
  /// Each with the same chance.
  case uniform
  /// Those who are seldom here with a greater chance when they are: each in proportion to one over the share of draws at
  /// which it was here, so that in the long run nobody's data is left out for its owner's hours.
  case availability
  /// Those whose data the model fits worst with a greater chance, in proportion to the mean loss they last reported
  /// (Cho et al. 2022, "Towards Understanding Biased Client Selection"). Needs every worker's loss: plain mode only.
  case loss
}

/// What is known of workers for drawing cohorts, in this process.
struct SamplingHistory: Sendable {
  private var draws: UInt64 = 0
  private var presence: [WorkerID: UInt64] = [:]
  private var losses: [WorkerID: Double] = [:]

  /// These were here when a cohort was drawn.
  mutating func drawn(from present: [WorkerID]) {
    draws += 1
    for worker in present { presence[worker, default: 0] += 1 }
  }

  mutating func reported(_ loss: Double, by worker: WorkerID) { losses[worker] = loss }

  /// The candidates in the order of a draw without replacement, each drawn with a chance in proportion to its weight
  /// among those that are left.
  func ordered(
    _ candidates: [WorkerID], by sampling: CohortSampling, using generator: inout SeededGenerator
  ) -> [WorkerID] {
    switch sampling {
    case .uniform:
      var pool = candidates
      for i in pool.indices.dropLast() { pool.swapAt(i, Int.random(in: i..<pool.count, using: &generator)) }
      return pool
    case .availability, .loss:
      var urn = WeightedUrn(weights: candidates.map { weight(of: $0, sampling) })
      return candidates.indices.map { _ in candidates[urn.draw(using: &generator)] }
    }
  }

  private func weight(of worker: WorkerID, _ sampling: CohortSampling) -> Double {
    switch sampling {
    case .uniform: return 1
    case .availability: return Double(draws + 1) / Double((presence[worker] ?? 0) + 1)
    case .loss:
      // Who never reported goes before everybody else does twice.
      let known = losses.values.max() ?? 1
      return max(losses[worker] ?? known, .leastNormalMagnitude)
    }
  }
}

/// Draws indices without replacement by weight, each in logarithmic time: a binary tree of sums.
struct WeightedUrn: Sendable {
  /// The sum of node i is at i, its parts at 2i and 2i + 1; the weights begin at `leaves`.
  private var sums: [Double]
  private let leaves: Int

  /// - Parameter weights: positive and finite.
  init(weights: [Double]) {
    precondition(weights.allSatisfy { $0 > 0 && $0.isFinite }, "weights are positive numbers")
    var leaves = 1
    while leaves < weights.count { leaves *= 2 }
    self.leaves = leaves
    sums = Array(repeating: 0, count: 2 * leaves)
    for (index, weight) in weights.enumerated() { sums[leaves + index] = weight }
    for node in stride(from: leaves - 1, to: 0, by: -1) { sums[node] = sums[2 * node] + sums[2 * node + 1] }
  }

  /// - Precondition: something is left.
  mutating func draw(using generator: inout SeededGenerator) -> Int {
    precondition(sums[1] > 0, "the urn is empty")
    var point = Double.random(in: 0..<sums[1], using: &generator)
    var node = 1
    while node < leaves {
      let left = sums[2 * node]
      // A side without weight is never entered, whatever rounding did to the point.
      if sums[2 * node + 1] == 0 || (point < left && left > 0) {
        node = 2 * node
      } else {
        point -= left
        node = 2 * node + 1
      }
    }
    let drawn = node - leaves
    sums[node] = 0
    // Summed anew, not subtracted: what is empty is exactly 0.
    while node > 1 {
      node /= 2
      sums[node] = sums[2 * node] + sums[2 * node + 1]
    }
    return drawn
  }
}
