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
  private let network: SimulationScenario.Network
  private let costs: WorkCosts
  private let seed: UInt64

  init(_ scenario: SimulationScenario, seed: UInt64) {
    network = scenario.network
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
  ///   - examples: of the worker's training set and its hold-out.
  ///   - modelBytes: what it fetches first.
  func journey(_ offer: RoundOffer, of worker: WorkerID, examples: (training: Int, heldOut: Int), modelBytes: UInt64)
    -> Journey
  {
    var choices = SeededGenerator(seed: seed, stream: "fast \(worker) \(offer.attempt)")
    func latency() -> Duration {
      network.latencyMinimum + (network.latencyMaximum - network.latencyMinimum) * choices.unit()
    }
    let rules = offer.configuration
    let isTraining = offer.task.kind == .train, isSecure = offer.task.aggregation == .secure
    let fetched = latency() + latency() + latency() + transfer(modelBytes)
    let steps = offer.task.optimizer.steps.map {
      Double($0) * Double(min(rules.batchSize, UInt64(examples.training)))
    }
    let passes = steps ?? Double(rules.localEpochs) * Double(examples.training)
    let training = costs.training(passes: isTraining ? passes : 0, heldOut: examples.heldOut)
    let neighbours = isSecure ? Int(clamping: min(rules.maximumRoster, rules.completeGraphLimit)) : 0
    let elements = Int(clamping: rules.vectorLength)
    let masking = isSecure ? costs.masking(elements: elements, terms: neighbours + 1) : .zero
    let bytes = UInt64(elements) * (isSecure ? rules.ringBits / 8 : 4)
    let way = latency()
    return Journey(
      advertised: fetched + costs.advert + way, trained: fetched + training,
      setup: isSecure ? latency() + latency() + latency() + latency() + latency() : .zero,
      upload: masking + transfer(bytes) + latency() + latency() + latency() + costs.verification, latency: way)
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

  private func transfer(_ bytes: UInt64) -> Duration {
    .nanoseconds(Int64((Double(bytes) / Double(network.bandwidth) * 1e9).rounded()))
  }
}
