import ClusterConfiguration
import Federation

/// The faults that have not happened yet.
struct FaultSchedule {
  private(set) var left: [SimulationScenario.Fault]

  init(_ faults: [SimulationScenario.Fault]) { left = faults }

  /// The fault for a worker at the earliest point of a round, once.
  mutating func takeFirst(of worker: WorkerID, round: RoundNumber) -> SimulationScenario.Fault? {
    for point in SimulationScenario.Fault.Point.allCases {
      if let fault = take(point, worker: worker, round: round) { return fault }
    }
    return nil
  }

  /// The fault for a worker at a point, once.
  mutating func take(
    _ point: SimulationScenario.Fault.Point, worker: WorkerID, round: RoundNumber
  ) -> SimulationScenario.Fault? {
    guard let place = left.firstIndex(where: { $0.at == point && $0.worker == worker && $0.round == round }) else {
      return nil
    }
    return left.remove(at: place)
  }
}

/// The coordinator's faults, each once, or once in every round.
struct CoordinatorFaultSchedule {
  private let faults: [SimulationScenario.CoordinatorFault]
  /// The last round in which each has struck.
  private var struck: [Int: RoundNumber] = [:]

  init(_ faults: [SimulationScenario.CoordinatorFault]) { self.faults = faults }

  var isEmpty: Bool { faults.isEmpty }

  /// Those that never struck.
  var left: [SimulationScenario.CoordinatorFault] {
    faults.indices.filter { struck[$0] == nil }.map { faults[$0] }
  }

  /// What strikes at a point of a round.
  mutating func take(
    _ point: SimulationScenario.CoordinatorFault.Point, round: RoundNumber
  ) -> [SimulationScenario.CoordinatorFault] {
    var due: [SimulationScenario.CoordinatorFault] = []
    for (place, fault) in faults.enumerated() where fault.at == point {
      guard fault.round ?? round == round, struck[place].map({ $0 < round }) ?? true else { continue }
      struck[place] = round
      due.append(fault)
    }
    return due
  }
}
