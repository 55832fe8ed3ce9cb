import ClusterConfiguration
import Federation
import Training

/// Who does less than an attempt asks of it, from the seed alone.
struct StragglerDraw {
  private let rules: SimulationScenario.Stragglers?
  private let workers: Int
  private let seed: UInt64
  /// Of the attempt that was asked about last.
  private var drawn: (attempt: AttemptID, places: Set<Int>)?

  init(_ scenario: SimulationScenario, seed: UInt64) {
    rules = scenario.stragglers
    workers = scenario.population.workers
    self.seed = seed
  }

  /// How many epochs a worker does; 0 for nothing that comes in time.
  mutating func epochs(of place: Int, _ attempt: AttemptID, asked: UInt64) -> UInt64 {
    guard let rules, isStraggler(place, attempt, share: rules.share) else { return asked }
    guard rules.work == .partial else { return 0 }
    var choices = SeededGenerator(seed: seed, stream: "straggler \(place) \(attempt)")
    return 1 + UInt64(choices.index(below: Int(clamping: max(1, asked))))
  }

  private mutating func isStraggler(_ place: Int, _ attempt: AttemptID, share: Double) -> Bool {
    if let drawn, drawn.attempt == attempt { return drawn.places.contains(place) }
    var choices = SeededGenerator(seed: seed, stream: "stragglers \(attempt)")
    var order = Array(0..<workers)
    choices.shuffle(&order)
    let places = Set(order.prefix(Int((share * Double(workers)).rounded())))
    drawn = (attempt, places)
    return places.contains(place)
  }
}
