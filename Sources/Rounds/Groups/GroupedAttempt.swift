import Aggregation
import Federation
import SecureAggregation

/// One attempt whose cohort is divided into groups. Each group runs secure aggregation by itself, with a roster, a
/// transcript, thresholds and deadlines of its own, so that all that SA1 promises of a roster holds of a group.
///
///     summing ── every group that is not left out is reconstructed ──▶ opening
///        └────── too few groups are left ──▶ abandoned
///
/// A group that falls below its threshold is left out, and the others go on. No sum is opened before all are ready: what
/// is opened makes a version, or the attempt is abandoned with every sum closed.
struct GroupedAttempt: Sendable {
  enum Action: Sendable {
    case ofGroup(Int, SecureAggregationCoordinator.Action)
    /// The attempt goes on without the group, and these workers are told so.
    case leftOut(LeftOutGroup, workers: [WorkerID])
    case open(GroupsOrder)
    case abandon(reason: String)
  }

  private struct Group: Sendable {
    var machine: SecureAggregationCoordinator
    /// Once the group is reconstructed.
    var order: UnmaskingOrder?
    var leftOut: LeftOutGroup?
  }

  /// As many reasons as one line holds.
  private static let reasonsMax = 8

  private let rules: GroupRules
  private let smallest: Int
  private var groups: [Group]
  private let placeOf: [WorkerID: Int]
  /// Whether the driver has been told to open the sums.
  private(set) var isOpening = false
  private var isAbandoned = false

  /// - Parameters:
  ///   - smallest: no group with fewer workers is asked.
  ///   - machines: of each group, in order; `rules.count` of them.
  init(rules: GroupRules, smallest: Int, machines: [SecureAggregationCoordinator]) {
    precondition(machines.count == rules.count, "\(machines.count) groups instead of \(rules.count)")
    self.rules = rules
    self.smallest = smallest
    groups = machines.map { Group(machine: $0) }
    placeOf = Dictionary(
      uniqueKeysWithValues: machines.enumerated().flatMap { place, machine in machine.cohort.map { ($0, place) } })
  }

  // MARK: What the run asks

  /// Places of the groups that are not left out.
  private var standing: [Int] { groups.indices.filter { groups[$0].leftOut == nil } }

  /// The machines of the groups that are not left out.
  var standingMachines: [SecureAggregationCoordinator] { standing.map { groups[$0].machine } }

  /// Of all groups, those that were left out, too.
  var machines: [SecureAggregationCoordinator] { groups.map(\.machine) }

  var survivors: [WorkerID] { standingMachines.flatMap(\.survivors).sorted() }

  var tally: GroupTally { GroupTally(count: groups.count, summed: standing.count, leftOut: reasons) }

  var rosterCount: Int { standingMachines.reduce(0) { $0 + $1.rosterWorkers.count } }

  /// Of the group that is the furthest behind; nil if all are reconstructed.
  var stage: SecureAggregationStage? { standingMachines.compactMap(\.stage).min() }

  /// The uploads of the groups beside that at `place`.
  func uploads(beside place: Int) -> [Digest] {
    standing.filter { $0 != place }.compactMap { groups[$0].machine.transcript }
  }

  func upload(of place: Int) -> Digest? { groups[place].machine.transcript }

  // MARK: Events

  mutating func start() -> [Action] {
    let fewest = groups.map(\.machine.cohort.count).min() ?? 0
    guard fewest >= smallest else {
      isAbandoned = true
      return [
        .abandon(
          reason: "a cohort of \(placeOf.count) is too small for \(rules.count) groups of at least \(smallest) workers")
      ]
    }
    return groups.indices.flatMap { place in groups[place].machine.start().map { .ofGroup(place, $0) } }
  }

  /// An event of one worker is one of its group. A stranger is refused by any group's machine alike.
  mutating func handle(_ event: SecureAggregationCoordinator.Event, of worker: WorkerID) -> [Action] {
    handle(event, ofGroup: placeOf[worker] ?? 0)
  }

  mutating func deadlinePassed(_ stage: SecureAggregationStage, ofGroup place: Int) -> [Action] {
    groups.indices.contains(place) ? handle(.deadlinePassed(stage), ofGroup: place) : []
  }

  private mutating func handle(_ event: SecureAggregationCoordinator.Event, ofGroup place: Int) -> [Action] {
    guard !isAbandoned else { return [] }
    var out: [Action] = []
    for action in groups[place].machine.handle(event) {
      switch action {
      case .unmask(let order):
        groups[place].order = order
        out += settle()
      case .abandon(let reason): out += leaveOut([LeftOutGroup(place: place, reason: reason.description)])
      default: out.append(.ofGroup(place, action))  // All others are about single workers and the group's own uploads.
      }
    }
    return out
  }

  /// The attempt goes on without these groups, if it can.
  mutating func leaveOut(_ left: [LeftOutGroup]) -> [Action] {
    for group in left {
      groups[group.place].leftOut = group
      groups[group.place].order = nil
    }
    let told = left.map { Action.leftOut($0, workers: groups[$0.place].machine.cohort) }
    let next = settle()
    return isAbandoned ? next : told + next
  }

  private mutating func settle() -> [Action] {
    guard !isAbandoned, !isOpening else { return [] }
    guard standing.count >= rules.groupsMin else {
      isAbandoned = true
      return [.abandon(reason: shortage)]
    }
    let ready = standing.compactMap { place in
      groups[place].order.map {
        GroupsOrder.Group(
          place: place, unmasking: $0, rosterCount: groups[place].machine.rosterWorkers.count)
      }
    }
    guard ready.count == standing.count else { return [] }
    isOpening = true
    return [.open(GroupsOrder(groups: ready, rules: rules))]
  }

  private var shortage: String {
    "\(standing.count) of \(groups.count) groups are left, \(rules.groupsMin) are needed; \(reasons)"
  }

  /// Why groups were left out; empty if none was.
  private var reasons: String {
    let left = groups.compactMap(\.leftOut)
    return left.prefix(Self.reasonsMax).map(\.description).joined(separator: "; ")
      + (left.count > Self.reasonsMax ? " and \(left.count - Self.reasonsMax) more" : "")
  }

  /// Structural claims that hold after every event.
  func checkInvariants() {
    precondition(
      !isOpening || isAbandoned || standing.allSatisfy { groups[$0].machine.isReconstructed },
      "sums are opened while a group is not ready")
    precondition(groups.allSatisfy { $0.leftOut == nil || $0.order == nil }, "a group that is left out can be opened")
  }
}
