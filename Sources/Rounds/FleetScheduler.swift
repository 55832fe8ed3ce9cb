import Federation

/// Which of several runs may take which workers of one fleet.
///
/// A worker serves at most one attempt at a time: it is *leased* to the run from the offer to the end of the attempt. Runs
/// that wait for workers are served in the order of least service first, where one worker in one attempt is one unit of
/// service, divided by the run's weight. Service is counted in attempts and not in seconds, so that a run is offered
/// workers again after a bounded number of attempts of the others, however long each of them takes. A run that joins, or
/// comes back after it wanted nothing, starts where the run that was served last stood, and catches up nothing (start-time
/// fair queueing: Goyal, Vin and Cheng 1996).
///
/// A run that could work if its workers were not in other attempts has those that are free *kept* for it: runs behind it
/// cannot take them one by one and leave it waiting for ever. Once it had all of them and still offered nothing, nothing
/// is kept for it until other workers are there.
///
/// Runs that do not wait (in an attempt, paused, blocked, at an end) are not named in a pass, and hold nothing but the
/// lease of an attempt that has not ended.
///
/// An asynchronous run takes workers one by one: each one's lease begins with its own offer, and ends when its update is
/// in the buffer or it leaves. Nothing is kept for such a run, because any worker that is free will do.
package struct FleetScheduler: Sendable {
  private struct Entry: Sendable {
    let weight: UInt32
    let arrival: UInt64
    var service: Double
    /// In an attempt, or kept from one by those of others.
    var isContending = false
    var cohort: Set<WorkerID> = []
    /// All the workers that suited it when it had every one of them and offered nothing.
    var sufficedNot: Set<WorkerID>?
  }

  private var runs: [RunID: Entry] = [:]
  private var leases: [WorkerID: RunID] = [:]
  private var arrivals: UInt64 = 0
  /// The service that the run served last had before.
  private var clock = 0.0
  /// In the pass in hand.
  private var kept: Set<WorkerID> = []

  package init() {}

  // MARK: Runs

  /// - Precondition: `weight ≥ 1`.
  package mutating func add(_ run: RunID, weight: UInt32) {
    precondition(weight > 0, "a weight of 0")
    guard runs[run] == nil else { return }
    arrivals += 1
    runs[run] = Entry(weight: weight, arrival: arrivals, service: clock)
  }

  /// The run has ended or is set aside; its lease ends.
  package mutating func remove(_ run: RunID) {
    release(run)
    runs[run] = nil
  }

  // MARK: Leases

  /// The run's attempt has begun, or more workers were asked for it.
  ///
  /// - Precondition: the run is known, and every worker is free.
  package mutating func lease(_ workers: [WorkerID], to run: RunID) {
    guard let entry = runs[run] else { preconditionFailure("a lease of \(run), which is not known") }
    precondition(workers.allSatisfy { leases[$0] == nil }, "a worker in two attempts")
    for worker in workers { leases[worker] = run }
    clock = max(clock, entry.service)
    runs[run]?.cohort.formUnion(workers)
    runs[run]?.isContending = true
    runs[run]?.service += Double(workers.count) / Double(entry.weight)
    runs[run]?.sufficedNot = nil
  }

  /// The run's attempt has ended for all but some; without effect if it has none.
  package mutating func release(_ run: RunID, except others: Set<WorkerID> = []) {
    guard let cohort = runs[run]?.cohort, !cohort.isSubset(of: others) else { return }
    for worker in cohort.subtracting(others) { leases[worker] = nil }
    runs[run]?.cohort = cohort.intersection(others)
  }

  /// The run in whose attempt a worker is.
  package func holder(of worker: WorkerID) -> RunID? { leases[worker] }

  package func cohort(of run: RunID) -> Set<WorkerID> { runs[run]?.cohort ?? [] }

  // MARK: Passes

  /// Begins a pass over the runs that wait for workers.
  ///
  /// - Returns: those of them that are known, in the order in which they are to be given `free`.
  package mutating func beginPass(waiting: [RunID]) -> [RunID] {
    kept = []
    let wanting = Set(waiting)
    for (run, entry) in runs where entry.cohort.isEmpty && !(wanting.contains(run) && entry.isContending) {
      runs[run]?.isContending = false
      runs[run]?.service = max(entry.service, clock)
    }
    let known = waiting.compactMap { run in runs[run].map { (run: run, entry: $0) } }
    return known.sorted { ($0.entry.service, $0.entry.arrival) < ($1.entry.service, $1.entry.arrival) }.map(\.run)
  }

  /// Which of the workers that are there and suit it a run may take now.
  package func free(of suited: Set<WorkerID>) -> Set<WorkerID> {
    suited.filter { leases[$0] == nil && !kept.contains($0) }
  }

  /// A run was given all that is free, and offered nothing.
  ///
  /// - Parameters:
  ///   - suited: the workers that are there and suit it, free or not.
  ///   - isReady: nothing but workers in other attempts keeps it from offering.
  ///   - takesSingly: it will take any of them as soon as that one is free, and does not need several at once.
  package mutating func passedOver(
    _ run: RunID, suited: Set<WorkerID>, isReady: Bool, takesSingly: Bool = false
  ) {
    let hadAll = free(of: suited) == suited
    runs[run]?.isContending = isReady && !hadAll
    guard isReady, !takesSingly else { return }
    guard !hadAll else {
      runs[run]?.sufficedNot = suited
      return
    }
    if runs[run]?.sufficedNot != suited { kept.formUnion(suited) }
  }

  /// What must hold after every event, in words; empty when all of it does.
  package func checkInvariants() -> [String] {
    var broken: [String] = []
    for (run, entry) in runs.sorted(by: { $0.key < $1.key }) {
      if entry.cohort.contains(where: { leases[$0] != run }) { broken.append("\(run): a worker without a lease") }
    }
    if runs.values.reduce(0, { $0 + $1.cohort.count }) != leases.count { broken.append("a lease of no attempt") }
    return broken
  }
}
