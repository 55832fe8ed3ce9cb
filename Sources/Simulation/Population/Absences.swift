import ClusterConfiguration

/// Whom nothing gets through to, and why: a worker is reached again when the last cause is gone.
struct Absences {
  enum Cause: Hashable {
    /// A planned or random partition of this worker.
    case partition
    /// Its process is gone; at the fast fidelity, where there is no process that could be.
    case crash
    /// Its owner has it elsewhere: its availability, or its group has not joined.
    case away
    /// A partition of its region, by its place in the scenario's list.
    case region(Int)
  }

  private var causes: [Int: Set<Cause>] = [:]

  func isAway(_ worker: Int) -> Bool { causes[worker] != nil }

  func contains(_ worker: Int, _ cause: Cause) -> Bool { causes[worker]?.contains(cause) == true }

  /// - Returns: whether the worker could be reached until now.
  @discardableResult
  mutating func begin(_ cause: Cause, of worker: Int) -> Bool {
    defer { causes[worker, default: []].insert(cause) }
    return causes[worker] == nil
  }

  /// - Returns: whether the worker can be reached from now on.
  mutating func end(_ cause: Cause, of worker: Int) -> Bool {
    causes[worker]?.remove(cause)
    if causes[worker]?.isEmpty == true { causes[worker] = nil }
    return causes[worker] == nil
  }
}
