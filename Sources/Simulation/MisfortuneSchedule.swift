import ClusterConfiguration
import Federation

/// What strikes whom at which step: what the scenario says, and what chance draws. Remembers what it drew.
struct MisfortuneSchedule {
  typealias Misfortune = SimulationScenario.Misfortune

  private var left: [Misfortune.Party: [Int: Misfortune]] = [:]
  private var chaos: ChaosSchedule
  private let rules: SimulationScenario.Chaos
  /// Those by chance that struck, in the order in which they did.
  private(set) var drawn: [Misfortune] = []
  private(set) var steps: KillableSteps

  init(_ scenario: SimulationScenario, parties: VirtualParties, seed: UInt64) {
    rules = scenario.chaos
    chaos = ChaosSchedule(scenario.chaos, parties: parties, seed: seed)
    steps = KillableSteps(workers: parties.workers.count)
    for misfortune in scenario.misfortunes { left[misfortune.party, default: [:]][misfortune.step] = misfortune }
  }

  /// What the scenario says of steps that nobody came to, or that came while nothing could strike there.
  var unmet: [Misfortune] {
    left.values.flatMap(\.values).sorted { ("\($0.party)", $0.step) < ("\($1.party)", $1.step) }
  }

  /// A party comes to its next step.
  ///
  /// - Parameters:
  ///   - round: the last that was begun; chance strikes up to the last of the scenario's.
  ///   - isPartitioned: whether nothing gets through to the party already; it cannot be cut off twice.
  /// - Returns: what strikes it there, and whether that is by chance.
  mutating func strikes(
    _ party: Misfortune.Party, round: RoundNumber, isPartitioned: Bool = false
  ) -> (misfortune: Misfortune, isDrawn: Bool)? {
    let step = steps.count(party)
    if let planned = left[party]?[step], !(isPartitioned && planned.kind == .partition) {
      left[party]?[step] = nil
      return (planned, false)
    }
    guard round.value <= rules.rounds, let misfortune = draw(party, step: step),
      !(isPartitioned && misfortune.kind == .partition)
    else { return nil }
    drawn.append(misfortune)
    return (misfortune, true)
  }

  private mutating func draw(_ party: Misfortune.Party, step: Int) -> Misfortune? {
    switch party {
    case .coordinator:
      guard let duration = chaos.strikesCoordinator() else { return nil }
      return Misfortune(party, step: step, duration: duration.wholeNanoseconds)
    case .worker(let place):
      guard let (kind, duration) = chaos.strikes(worker: place) else { return nil }
      return Misfortune(party, step: step, kind: kind, duration: duration.wholeNanoseconds)
    }
  }
}

extension Duration {
  /// Virtual time has no smaller parts.
  fileprivate var wholeNanoseconds: Duration {
    let (seconds, attoseconds) = components
    return .nanoseconds(seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
  }
}
