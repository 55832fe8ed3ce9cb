import ClusterConfiguration
import Federation
import SecureAggregation

/// The malicious parties of a simulation: what they do instead of what they should, and who finds it out.
final class Malice {
  let coordinator: MaliciousCoordinator?
  private let workers: [WorkerID: MaliciousWorker]
  /// Attempts in which the coordinator did what it does.
  private var spoiled: Set<AttemptID> = []
  /// Of these, those that a version came of.
  private var published: [AttemptID] = []
  private var active: Set<WorkerID> = []
  private var isCoordinatorFound = false
  private var foundWorkers: Set<WorkerID> = []
  /// Honest workers that were blamed, and for what.
  private var innocent: [(worker: WorkerID, fault: String)] = []

  init(_ rules: SimulationScenario.Malice, parties: VirtualParties) {
    coordinator = rules.coordinator.map { MaliciousCoordinator($0, parties: parties) }
    workers = Dictionary(
      uniqueKeysWithValues: rules.workers.map { place, conduct in
        (parties.workers[place].name, MaliciousWorker(conduct, party: parties.workers[place]))
      })
  }

  func worker(_ name: WorkerID) -> MaliciousWorker? { workers[name] }

  // MARK: What is done

  func coordinatorSpoiled(_ attempt: AttemptID) { spoiled.insert(attempt) }

  func workerSpoiled(_ worker: WorkerID) { active.insert(worker) }

  // MARK: What is found out

  /// A worker declines an offer or leaves an attempt, with these words.
  func refused(_ words: String, by worker: WorkerID) {
    guard workers[worker] == nil, case .workers(let expected)? = coordinator?.kind.finder else { return }
    if expected.contains(where: words.contains) { isCoordinatorFound = true }
  }

  /// A checker finds a claim about a sum broken.
  ///
  /// - Returns: whether the coordinator is known to have broken it.
  func explains(_ claim: String) -> Bool {
    guard coordinator?.kind.finder == .checker, !spoiled.isEmpty else { return false }
    isCoordinatorFound = true
    return true
  }

  /// The coordinator blames a worker. A malicious one blames whom it likes.
  func blamed(_ worker: WorkerID, fault: String) {
    guard coordinator == nil else { return }
    guard let kind = workers[worker]?.kind else { return innocent.append((worker, fault)) }
    if let expected = kind.fault, fault.contains(expected) { foundWorkers.insert(worker) }
  }

  func published(_ attempt: AttemptID) {
    if spoiled.contains(attempt), coordinator?.kind.preventsVersions == true { published.append(attempt) }
  }

  // MARK: What comes of it

  /// What should have been found out and was not, in words.
  var unnoticed: [String] {
    var problems: [String] = []
    if let kind = coordinator?.kind {
      if spoiled.isEmpty {
        problems.append("malicious: the coordinator never came to '\(kind.rawValue)'")
      } else if !isCoordinatorFound {
        problems.append("malicious: nobody noticed '\(kind.rawValue)' of the coordinator, expected \(kind.expected)")
      }
    }
    problems += published.map { "malicious: a version came of attempt \($0), expected none" }
    for (name, worker) in workers.sorted(by: { $0.key < $1.key }) where !foundWorkers.contains(name) {
      guard let fault = worker.kind.fault else { continue }
      problems.append(
        active.contains(name)
          ? "malicious: nobody noticed '\(worker.kind.rawValue)' of \(name), expected the coordinator to blame it (\(fault))"
          : "malicious: \(name) never came to '\(worker.kind.rawValue)'")
    }
    return problems + innocent.map { "malicious: \($0.worker) is honest and is blamed (\($0.fault))" }
  }
}

extension SimulationScenario.CoordinatorMalice {
  fileprivate var expected: String {
    switch finder {
    case .workers(let words): "workers that refuse (\(words.joined(separator: ", or ")))"
    case .checker: "a claim about the sum that is found broken"
    }
  }
}
