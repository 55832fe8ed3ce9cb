import ClusterConfiguration
import Federation

/// When partitions of regions begin and end, by time or by rounds.
struct RegionSchedule {
  struct Change: Hashable {
    /// The partition's place in the scenario's list.
    let partition: Int
    let begins: Bool
  }

  private let partitions: [SimulationScenario.RegionPartition]
  /// The places of the workers behind each partition.
  private let workers: [[Int]]
  /// Of those by rounds: which have begun, and which are over.
  private var begun: Set<Int> = []
  private var over: Set<Int> = []

  init(_ scenario: SimulationScenario) {
    partitions = scenario.partitions
    workers = scenario.partitions.map { partition in
      scenario.groups.filter { $0.region == partition.region }.flatMap { Array($0.workers) }
    }
  }

  func workers(behind partition: Int) -> [Int] { workers[partition] }

  /// What observers and logs call it.
  func name(of partition: Int) -> String { "region \(partitions[partition].region)" }

  /// Of the partitions by time.
  var changes: [(time: MonotonicTime, change: Change)] {
    partitions.enumerated().flatMap { place, partition -> [(MonotonicTime, Change)] in
      guard case .time(let from, let lasting) = partition.span else { return [] }
      let begin = VirtualTime.zero + from
      return [
        (begin, Change(partition: place, begins: true)), (begin + lasting, Change(partition: place, begins: false)),
      ]
    }
  }

  /// Of the partitions by rounds, as an attempt at a round begins.
  mutating func attemptBegins(at round: RoundNumber) -> [Change] {
    var changes: [Change] = []
    for (place, partition) in partitions.enumerated() {
      guard case .rounds(let rounds) = partition.span, !over.contains(place) else { continue }
      if round.value > rounds.upperBound {
        over.insert(place)
        if begun.contains(place) { changes.append(Change(partition: place, begins: false)) }
      } else if round.value >= rounds.lowerBound, begun.insert(place).inserted {
        changes.append(Change(partition: place, begins: true))
      }
    }
    return changes
  }
}
