import Federation
import SecureAggregation

/// One attempt as the simulator's fast fidelity plays it: who takes part, who reports and when it ends are decided as in
/// a real one, and nothing is masked, shared or signed. No coordinator of a cluster has one.
///
///     forming ── roster ──▶ reporting ── everyone still here has reported, the goal, or deadline ──▶ closed
struct AbridgedAttempt: Sendable {
  enum Action: Sendable {
    /// Of the inputs.
    case startDeadline(Duration)
    case reportsExpected(from: [WorkerID])
    case reported(WorkerID, at: MonotonicTime)
    case openSum(survivors: [WorkerID])
    case abandon(reason: String)
  }

  let context: AttemptContext
  let cohort: [WorkerID]
  private let mode: AggregationMode
  private let policy: CohortPolicy
  private let minimum: Int
  private(set) var rosterCount = 0
  private var completed: Set<WorkerID> = []
  /// On the roster, and nothing was heard yet.
  private var awaited: Set<WorkerID> = []
  private var thresholds: Thresholds?
  private(set) var isClosed = false

  init(
    context: AttemptContext, cohort: [WorkerID], mode: AggregationMode, policy: CohortPolicy, minimum: Int
  ) {
    self.context = context
    self.cohort = cohort.sorted()
    self.mode = mode
    self.policy = policy
    self.minimum = minimum
  }

  /// The setup is over: these are on the roster, as those whose keys came in time are in a real attempt.
  mutating func formed(_ roster: [WorkerID]) -> [Action] {
    guard rosterCount == 0, !isClosed else { return [] }
    rosterCount = roster.count
    awaited = Set(roster)
    if mode == .secure {
      let organisations = roster.compactMap { context.membership[$0]?.certificate.organisation }
      do throws(Refusal) {
        thresholds = try Thresholds.compute(
          organisations: organisations, mode: context.configuration.mode, policy: policy)
      } catch {
        return close(abandoning: "the roster is refused: \(error.rawValue)")
      }
    } else if roster.count < minimum {
      return close(abandoning: tooFew)
    }
    return [
      .startDeadline(.milliseconds(Int64(clamping: context.configuration.inputDeadline))),
      .reportsExpected(from: roster),
    ]
  }

  /// - Parameter reports: in the order of their arrival; those behind the goal are not counted.
  mutating func reported(_ reports: [AbridgedReport]) -> [Action] {
    var actions: [Action] = []
    for report in reports where !isClosed && awaited.remove(report.worker) != nil {
      completed.insert(report.worker)
      actions.append(.reported(report.worker, at: report.time))
      actions += advance()
    }
    return actions
  }

  /// Nothing more comes from it; what it has reported counts.
  mutating func left(_ worker: WorkerID) -> [Action] {
    guard !isClosed, awaited.remove(worker) != nil else { return [] }
    return advance()
  }

  /// Its report turns out to be none; the inputs may be closed by then.
  mutating func failed(_ worker: WorkerID) -> [Action] {
    guard completed.remove(worker) != nil else { return left(worker) }
    guard isClosed else { return [] }
    return isEnough ? [.openSum(survivors: completed.sorted())] : [.abandon(reason: tooFew)]
  }

  mutating func deadlinePassed() -> [Action] { advance(atDeadline: true) }

  private mutating func advance(atDeadline: Bool = false) -> [Action] {
    guard !isClosed, rosterCount > 0 else { return [] }
    let goal = context.configuration.goalCount.map { max(Int(clamping: $0), least) }
    guard atDeadline || awaited.isEmpty || goal.map({ completed.count >= $0 }) == true else { return [] }
    guard isEnough else { return close(abandoning: tooFew) }
    isClosed = true
    return [.openSum(survivors: completed.sorted())]
  }

  private mutating func close(abandoning reason: String) -> [Action] {
    isClosed = true
    return [.abandon(reason: reason)]
  }

  private var least: Int { max(minimum, thresholds?.smallestSurvivorSet ?? 0) }
  private var isEnough: Bool { completed.count >= least }
  private var tooFew: String { "\(completed.count) updates arrived, \(least) are needed" }
}

/// In the simulator's fast fidelity: the input of a worker is complete.
package struct AbridgedReport: Hashable, Sendable {
  package let worker: WorkerID
  package let time: MonotonicTime

  package init(worker: WorkerID, time: MonotonicTime) {
    self.worker = worker
    self.time = time
  }
}
