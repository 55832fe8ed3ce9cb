import Federation

extension Dataset {
  /// Divides the examples at random, without regard to classes, into those to train on and those held out.
  ///
  /// - Parameter holdOut: the fraction held out, from 0 to below 1; rounded to whole examples.
  /// - Throws: `DatasetError.badFraction`; `.tooFewRows` if nothing would be left to train on.
  package func split(holdOut: Double, seed: UInt64) throws(DatasetError) -> (training: Dataset, holdOut: Dataset) {
    guard holdOut >= 0, holdOut < 1 else { throw .badFraction(holdOut) }
    let held = Int((Double(count) * holdOut).rounded())
    guard held < count else { throw .tooFewRows(found: count, needed: held + 1) }
    var order = Array(0..<count)
    var choices = SeededGenerator(seed: seed, stream: "hold-out")
    choices.shuffle(&order)
    return (subset(order[held...].sorted()), subset(order[..<held].sorted()))
  }

  /// Deals the examples out to `parts` so that their labels are skewed: the shares of each class are drawn from
  /// Dirichlet(α, …, α) (Hsu et al. 2019). Small α gives parts of few classes, large α nearly equal parts.
  ///
  /// Afterwards parts that are too small get examples of the then largest part, so that each has at least `minimum`.
  /// Every example is in exactly one part; within a part examples keep their order.
  ///
  /// - Throws: `DatasetError.tooFewRows` for fewer than `parts · minimum` examples.
  package func dirichletPartition(
    parts: Int, alpha: Double, minimum: Int = 1, seed: UInt64
  ) throws(DatasetError) -> [Dataset] {
    precondition(parts >= 1 && minimum >= 0, "examples are dealt out to at least one part")
    let (needed, overflow) = parts.multipliedReportingOverflow(by: minimum)
    guard !overflow, count >= needed else { throw .tooFewRows(found: count, needed: overflow ? .max : needed) }
    var choices = SeededGenerator(seed: seed, stream: "partition")
    var members = [[Int]](repeating: [], count: parts)
    for label in 0..<Int32(classCount) {
      var rows = labels.indices.filter { labels[$0] == label }
      choices.shuffle(&rows)
      let weights = (0..<parts).map { _ in choices.gamma(shape: alpha) }
      let total = weights.reduce(0, +)
      var running = 0.0
      var start = 0
      for part in 0..<parts {
        running += weights[part]
        // With a tiny α all weights can underflow to zero; the last part then gets the class.
        let share = part == parts - 1 ? 1 : total > 0 ? min(1, running / total) : 0
        let end = max(start, Int(Double(rows.count) * share))
        members[part].append(contentsOf: rows[start..<end])
        start = end
      }
    }
    for part in 0..<parts {
      while members[part].count < minimum {
        let largest = (0..<parts).reduce(0) { members[$1].count > members[$0].count ? $1 : $0 }
        members[part].append(members[largest].remove(at: choices.index(below: members[largest].count)))
      }
    }
    return members.map { subset($0.sorted()) }
  }
}
