import ClusterConfiguration
import Federation
import Rounds
import SecureAggregation

/// Keeps what pictures of a simulation are drawn from: every attempt with its phases, its cohort and its bytes, and
/// every outage. Memory is O(attempts × organisations in a cohort), not O(messages).
package final class SimulationRecorder: SimulationObserver {
  package enum Phase: Int, CaseIterable, Sendable {
    /// From the end of the attempt before it, its rest included.
    case selecting
    /// Keys and shares; none in plain mode.
    case setup
    /// Training, and the uploads.
    case reporting
    /// From the set of survivors to the open sum.
    case unmasking
    /// From there to the published version.
    case closing
  }

  package struct Attempt: Hashable, Sendable {
    package let id: AttemptID
    /// In seconds of virtual time: of the offer.
    package let start: Double
    /// Of the report, or of the coordinator's death.
    package fileprivate(set) var end: Double?
    /// Seconds of each phase, in their order.
    package fileprivate(set) var phases = Array(repeating: 0.0, count: Phase.allCases.count)
    /// Workers of each organisation, by its place in `organisations`.
    package let selected: [Int: Int]
    /// Those whose input was added.
    package fileprivate(set) var reported: [Int: Int] = [:]
    /// Of messages sent from its offer to the next one; those before the first offer are the first attempt's.
    package fileprivate(set) var bytesUp: UInt64 = 0
    package fileprivate(set) var bytesDown: UInt64 = 0
    /// Nil if the coordinator died, or the simulation ended, in the middle of it.
    package fileprivate(set) var report: RoundReport?

    package var cohort: Int { selected.values.reduce(0, +) }

    fileprivate init(id: AttemptID, start: Double, selected: [Int: Int]) {
      self.id = id
      self.start = start
      self.selected = selected
    }
  }

  package struct Outage: Hashable, Sendable {
    package let party: String
    package let kind: SimulationScenario.Fault.Kind
    package let start: Double
    /// Nil if it lasted to the end.
    package fileprivate(set) var end: Double?
  }

  package let organisations: [OrganisationID]
  package private(set) var attempts: [Attempt] = []
  package private(set) var outages: [Outage] = []
  private let organisationOf: [WorkerID: Int]
  /// The phase that the last attempt is in.
  private var phase = Phase.selecting
  private var phaseStart = 0.0
  private var isOpen = false
  /// Of messages before the first attempt.
  private var bytesBefore: (up: UInt64, down: UInt64) = (0, 0)

  package init(_ scenario: SimulationScenario) {
    var places: [OrganisationID: Int] = [:]
    var organisations: [OrganisationID] = []
    var organisationOf: [WorkerID: Int] = [:]
    for (name, organisation) in scenario.population.workerNames {
      if places[organisation] == nil {
        places[organisation] = organisations.count
        organisations.append(organisation)
      }
      organisationOf[name] = places[organisation]
    }
    self.organisations = organisations
    self.organisationOf = organisationOf
  }

  func sent(_ transmission: Transmission, at time: MonotonicTime, arrivals: [MonotonicTime]) {
    // As the result counts them: what the network lost is not among them.
    guard !arrivals.isEmpty else { return }
    moved(UInt64(transmission.byteCount), transmission.direction)
  }

  func moved(_ bytes: UInt64, _ direction: Direction) {
    let isUp = direction == .toCoordinator
    guard !attempts.isEmpty else {
      if isUp { bytesBefore.up += bytes } else { bytesBefore.down += bytes }
      return
    }
    if isUp {
      attempts[attempts.count - 1].bytesUp += bytes
    } else {
      attempts[attempts.count - 1].bytesDown += bytes
    }
  }

  func performed(_ action: RunStateMachine.Action, at time: MonotonicTime) {
    // The other actions begin no phase.
    switch action {
    case .recordAttempt(let attempt, let cohort): begin(attempt, cohort, at: time.seconds)
    case .startDeadline(let deadline, _): enter(deadline.kind, at: time.seconds)
    case .addInput(let worker):
      if isOpen, let organisation = organisationOf[worker] {
        attempts[attempts.count - 1].reported[organisation, default: 0] += 1
      }
    case .openPlainSum: enter(.unmasking, at: time.seconds)
    case .prepare, .commit: enter(.closing, at: time.seconds)
    case .report(let report): end(report, at: time.seconds)
    default: break
    }
  }

  private func begin(_ id: AttemptID, _ cohort: [WorkerID], at time: Double) {
    var selected: [Int: Int] = [:]
    for worker in cohort {
      if let organisation = organisationOf[worker] { selected[organisation, default: 0] += 1 }
    }
    var attempt = Attempt(id: id, start: time, selected: selected)
    attempt.phases[Phase.selecting.rawValue] = max(0, time - phaseStart)
    if attempts.isEmpty { (attempt.bytesUp, attempt.bytesDown) = bytesBefore }
    attempts.append(attempt)
    isOpen = true
    (phase, phaseStart) = (.setup, time)
  }

  /// Deadlines are what the coordinator sets when a stage begins.
  private func enter(_ kind: RunStateMachine.DeadlineID.Kind, at time: Double) {
    switch kind {
    case .plainReport, .stage(.maskedInput), .groupStage(_, .maskedInput): enter(.reporting, at: time)
    case .stage(.consistencyCheck), .stage(.unmask), .groupStage(_, .consistencyCheck), .groupStage(_, .unmask):
      enter(.unmasking, at: time)
    default: break  // No phase begins with them.
    }
  }

  private func enter(_ next: Phase, at time: Double) {
    guard isOpen, next.rawValue > phase.rawValue else { return }
    leavePhase(at: time)
    phase = next
  }

  private func leavePhase(at time: Double) {
    attempts[attempts.count - 1].phases[phase.rawValue] += max(0, time - phaseStart)
    phaseStart = time
  }

  private func end(_ report: RoundReport?, at time: Double) {
    guard isOpen else { return }
    leavePhase(at: time)
    attempts[attempts.count - 1].end = time
    attempts[attempts.count - 1].report = report
    isOpen = false
    phase = .selecting
  }

  func outageBegan(_ kind: SimulationScenario.Fault.Kind, of party: String, at time: MonotonicTime) {
    outages.append(Outage(party: party, kind: kind, start: time.seconds))
    if party == World.coordinatorName, kind == .crash { end(nil, at: time.seconds) }
  }

  func outageEnded(_ kind: SimulationScenario.Fault.Kind, of party: String, at time: MonotonicTime) {
    let last = outages.lastIndex { $0.party == party && $0.kind == kind && $0.end == nil }
    if let last { outages[last].end = time.seconds }
  }
}
