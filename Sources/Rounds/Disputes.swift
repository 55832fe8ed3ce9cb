import Federation

/// Pairs of workers of which one lies, though nobody can tell which: a complaint that no third worker confirmed.
///
/// Two who are in a dispute never meet again in a cohort, so that one liar cannot spoil attempt after attempt. Whoever
/// quarrels with most is left out first: a liar that picks new victims gathers disputes, its victims have one each.
struct Disputes: Sendable {
  private var opponents: [WorkerID: Set<WorkerID>] = [:]

  mutating func note(_ worker: WorkerID, with others: [WorkerID]) {
    for other in others where other != worker {
      opponents[worker, default: []].insert(other)
      opponents[other, default: []].insert(worker)
    }
  }

  /// `candidates` without any two in dispute, in the same order. Among equals the later candidate is left out; give them
  /// in a drawn order.
  func withoutOpponents(_ candidates: [WorkerID]) -> [WorkerID] {
    var left = candidates
    while true {
      let present = Set(left)
      let quarrels = left.map { opponents[$0, default: []].intersection(present).count }
      guard let most = quarrels.max(), most > 0, let place = quarrels.lastIndex(of: most) else { return left }
      left.remove(at: place)
    }
  }
}
