import ClusterConfiguration
import Federation

/// When one worker is there: from when its group joins, and over the day.
struct Presence {
  /// Whether the worker is there now, or from the change that was returned last.
  private(set) var isHere: Bool
  /// Nobody comes or goes for less: the coordinator would not notice.
  private static let shortest = Duration.seconds(2)

  private let joins: MonotonicTime
  private var last: MonotonicTime
  private var hasJoined: Bool
  private var course: AvailabilityCourse?

  /// - Parameter place: of the worker in the population.
  init(of place: Int, named worker: WorkerID, in scenario: SimulationScenario, seed: UInt64) {
    let joins = VirtualTime.zero + (scenario.group(of: place)?.joins ?? .zero)
    self.joins = joins
    last = VirtualTime.zero
    course = scenario.availability(of: place).map {
      AvailabilityCourse($0, worker: worker, seed: seed, from: joins)
    }
    hasJoined = joins == VirtualTime.zero
    isHere = hasJoined && course?.isHere ?? true
  }

  /// Of each worker; empty if all are always there.
  static func all(of parties: VirtualParties, in scenario: SimulationScenario, seed: UInt64) -> [Presence] {
    let isAnyoneAway =
      scenario.availability != nil || scenario.groups.contains { $0.availability != nil || $0.joins > .zero }
    guard isAnyoneAway else { return [] }
    return parties.workers.enumerated().map { Presence(of: $0, named: $1.name, in: scenario, seed: seed) }
  }

  /// When the worker comes or goes next; nil for never.
  mutating func next() -> MonotonicTime? {
    if !hasJoined {
      hasJoined = true
      if course?.isHere ?? true {
        isHere = true
        last = joins
        return last
      }
    }
    guard let time = course?.next() else { return nil }
    isHere.toggle()
    last = max(time, last + Self.shortest)
    return last
  }
}
