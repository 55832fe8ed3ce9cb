import Federation

/// How long a coordinator waits for updates: as long as the workers of this run have been seen to need, so that a
/// deadline decides and not the slowest (Bonawitz et al. 2019, §2.2).
package struct ReportDeadline: Hashable, Sendable {
  /// The share of workers that are to make it.
  package var quantile: Double
  /// The deadline is so many times what that share of them needed.
  package var margin: Double
  /// No derived deadline is shorter.
  package var shortest: Duration

  package init(quantile: Double = 0.95, margin: Double = 2, shortest: Duration = .seconds(5)) {
    self.quantile = quantile
    self.margin = margin
    self.shortest = shortest
  }
}

/// The times that workers took to report in past attempts of a run, and the deadline that follows from them.
///
/// A worker that did not make it counts as one that would have needed twice as long: otherwise each deadline would be
/// cut to fit those who met the last one.
struct ReportTimes: Sendable {
  /// The newest.
  static let timesMax = 256
  /// With fewer observations the configuration's deadline stands.
  static let timesMin = 8

  private var times: [Duration] = []
  private var startedAt: MonotonicTime?
  private var awaited: Set<WorkerID> = []

  /// Updates of these workers are taken from now on.
  ///
  /// - Parameter isGroup: whether they are a group of a cohort, whose others are awaited beside them; the time is then
  ///   counted from the first group on.
  mutating func begin(_ workers: [WorkerID], at time: MonotonicTime, asGroup isGroup: Bool = false) {
    guard isGroup, startedAt != nil else {
      startedAt = time
      awaited = Set(workers)
      return
    }
    awaited.formUnion(workers)
  }

  mutating func reported(_ worker: WorkerID, at time: MonotonicTime) {
    guard let startedAt, awaited.remove(worker) != nil else { return }
    note(time.since(startedAt))
  }

  /// A worker is not waited for any more, for another reason than its slowness.
  mutating func excuse(_ worker: WorkerID) { awaited.remove(worker) }

  /// The deadline has passed.
  mutating func expired(at time: MonotonicTime) {
    guard let startedAt else { return }
    let late = time.since(startedAt) * 2
    for _ in awaited { note(late) }
    end()
  }

  /// Enough have reported: who has not was not needed.
  mutating func end() {
    startedAt = nil
    awaited = []
  }

  private mutating func note(_ time: Duration) {
    times.append(time)
    if times.count > Self.timesMax { times.removeFirst() }
  }

  /// The deadline of the next attempt in milliseconds, never above `longest`.
  func deadline(_ rule: ReportDeadline, longest: UInt64) -> UInt64 {
    guard times.count >= Self.timesMin else { return longest }
    // Nearest rank: the smallest time within which that share has reported.
    let rank = max(1, Int((Double(times.count) * rule.quantile).rounded(.up)))
    let needed = max(times.sorted()[min(rank, times.count) - 1] * rule.margin, rule.shortest)
    let (seconds, attoseconds) = needed.components
    return min(longest, UInt64(clamping: seconds * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000))
  }
}
