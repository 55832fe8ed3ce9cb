import Federation

/// Tells workers that are here in vain when to return (Bonawitz et al. 2019, §2.3): a coordinator of many workers and
/// small cohorts keeps a few times as many sessions as it draws from, the others rest and come back at times that are
/// spread.
package struct PaceSteering: Sendable {
  package struct Rules: Hashable, Sendable {
    /// So many times the workers that are drawn stay.
    package var surplus: Double
    /// And never fewer than so many: a session costs little.
    package var floor: Int
    package var shortest: Duration
    package var longest: Duration

    package init(
      surplus: Double = 4, floor: Int = 1000, shortest: Duration = .seconds(10), longest: Duration = .seconds(600)
    ) {
      self.surplus = surplus
      self.floor = floor
      self.shortest = shortest
      self.longest = longest
    }
  }

  package let rules: Rules

  package init(rules: Rules = Rules()) { self.rules = rules }

  /// Who may go when a cohort has been drawn, and for how long.
  ///
  /// A worker that is one of many is drawn every `present ÷ wanted` rounds on average: it rests for half to one and a
  /// half of that time, so that those who are sent away together do not return together.
  ///
  /// - Parameters:
  ///   - idle: those of the `present` workers that have nothing in hand.
  ///   - wanted: how many are drawn in a round.
  ///   - period: from one round to the next.
  package func dismissals(
    present: Int, idle: [WorkerID], wanted: Int, period: Duration, using generator: inout SeededGenerator
  ) -> [(worker: WorkerID, rest: Duration)] {
    let kept = max(rules.floor, Int((rules.surplus * Double(max(wanted, 1))).rounded(.up)))
    let spare = min(idle.count, present - kept)
    guard spare > 0 else { return [] }
    var pool = idle.sorted()
    for i in 0..<spare { pool.swapAt(i, Int.random(in: i..<pool.count, using: &generator)) }
    let mean = period * (Double(present) / Double(max(wanted, 1)))
    return pool.prefix(spare).map { worker in
      let rest = mean * Double.random(in: 0.5...1.5, using: &generator)
      return (worker, min(max(rest, rules.shortest), rules.longest))
    }
  }
}
