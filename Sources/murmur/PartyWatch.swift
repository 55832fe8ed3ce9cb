import ClusterConfiguration
import Federation

/// Decides what the unexpected end of a party means for a local federation.
///
/// Nothing can go on without the coordinator or the serving node, and before the run begins a party that ends has
/// something wrong with it. Later a lost worker is what the protocol is made for, while enough workers are left.
final class PartyWatch: Sendable {
  private struct State {
    var runHasBegun = false
    var lost: Set<String> = []
    var fatal: (child: ChildProcess, ending: ProcessEnding)?
  }

  private let state = Guarded(State())
  private let workers: Set<String>
  private let cohortMinimum: Int

  init(_ federation: LocalFederation) {
    workers = Set(federation.population.workerNames.map(\.name.text))
    cohortMinimum = Int(clamping: federation.run.cohort.minimum)
  }

  func runBegins() { state.with { $0.runHasBegun = true } }

  /// The end of a party that stopped the federation, if there was one.
  var fatal: (child: ChildProcess, ending: ProcessEnding)? { state.with { $0.fatal } }

  /// Whether the federation has to stop; a loss that it survives is said on standard error.
  func isFatal(_ child: ChildProcess, _ ending: ProcessEnding) -> Bool {
    let left: Int? = state.with { state in
      if workers.contains(child.name) { state.lost.insert(child.name) }
      let left = workers.count - state.lost.count
      if workers.contains(child.name), state.runHasBegun, left >= cohortMinimum { return left }
      if state.fatal == nil { state.fatal = (child, ending) }
      return nil
    }
    guard let left else { return true }
    Terminal.complain("\(child.name) \(ending); the run goes on with \(left) workers; its log: \(child.logPath)")
    return false
  }
}
