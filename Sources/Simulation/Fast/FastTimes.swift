import ClusterConfiguration
import Federation
import Rounds
import SecureAggregation

/// When what happens in an attempt of the fast fidelity: from the scenario's links and costs, without a message.
///
/// Each way over a link takes a drawn latency, bytes their time at its bandwidth, work its time on one core of its party.
/// What waits for everyone waits for the slowest. Not modelled are frames below the size of a vector and the windows of
/// credit: in a full simulation both add a little.
struct FastTimes {
  private let scenario: SimulationScenario
  private let costs: WorkCosts
  private let seed: UInt64

  init(_ scenario: SimulationScenario, seed: UInt64) {
    self.scenario = scenario
    costs = WorkCosts(table: scenario.costs)
    self.seed = seed
  }

  /// One worker's way through an attempt, in time from its offer.
  struct Journey {
    /// Its keys are at the coordinator.
    let advertised: Duration
    /// Its update is trained.
    let trained: Duration
    /// The rest of the setup, from the roster on.
    let setup: Duration
    /// From the later of both: masking, upload, and the coordinator's verification.
    let upload: Duration
    /// One way, there or back.
    let latency: Duration
  }

  /// - Parameters:
  ///   - place: of the worker in the population.
  ///   - examples: of the worker's training set and its hold-out.
  ///   - epochs: that it does of those that the offer asks for.
  ///   - modelBytes: what it fetches first.
  func journey(
    _ offer: RoundOffer, of worker: WorkerID, at place: Int, examples: (training: Int, heldOut: Int), epochs: UInt64,
    modelBytes: UInt64
  ) -> Journey {
    let network = scenario.network(of: place)
    var choices = SeededGenerator(seed: seed, stream: "fast \(worker) \(offer.attempt)")
    func latency() -> Duration { network.latency.draw(using: &choices) }
    let rules = offer.configuration
    let isTraining = offer.task.kind == .train, isSecure = offer.task.aggregation == .secure
    let fetched = latency() + latency() + latency() + Self.transfer(modelBytes, at: network.down)
    let steps = offer.task.optimizer.steps.map {
      Double($0) * Double(min(rules.batchSize, UInt64(examples.training)))
    }
    let passes = steps ?? Double(epochs) * Double(examples.training)
    let training =
      costs.training(passes: isTraining ? passes : 0, heldOut: examples.heldOut)
      * scenario.slowness(of: place, named: worker)
    let neighbours = isSecure ? Int(clamping: min(rules.maximumRoster, rules.completeGraphLimit)) : 0
    let elements = Int(clamping: rules.vectorLength)
    let masking = isSecure ? costs.masking(elements: elements, terms: neighbours + 1) : .zero
    let bytes = UInt64(elements) * (isSecure ? rules.ringBits / 8 : 4)
    let way = latency()
    return Journey(
      advertised: fetched + costs.advert + way, trained: fetched + training,
      setup: isSecure ? latency() + latency() + latency() + latency() + latency() : .zero,
      upload: masking + Self.transfer(bytes, at: network.up) + latency() + latency() + latency() + costs.verification,
      latency: way)
  }

  /// Every worker's share of the setup with so many on the roster.
  func dealing(rosterCount: Int) -> Duration { costs.dealing(rosterCount: rosterCount) }

  /// The coordinator adds one input.
  func adding(_ rules: RoundConfiguration) -> Duration {
    costs.masking(elements: Int(clamping: rules.vectorLength), terms: 1)
  }

  /// From the last input to the open sum: the survivors agree and release, the coordinator takes all masks off.
  func opening(_ offer: RoundOffer, survivors: Int, dropouts: Int, slowest: Duration) -> Duration {
    guard offer.task.aggregation == .secure else { return .zero }
    return slowest * 4
      + costs.unmasking(
        elements: Int(clamping: offer.configuration.vectorLength), survivors: survivors, dropouts: dropouts,
        rosterCount: survivors + dropouts)
  }

  private static func transfer(_ bytes: UInt64, at bandwidth: UInt64) -> Duration {
    .nanoseconds(Int64((Double(bytes) / Double(bandwidth) * 1e9).rounded()))
  }
}
