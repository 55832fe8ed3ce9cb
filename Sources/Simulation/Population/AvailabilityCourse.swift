import ClusterConfiguration
import Federation
import Training

/// When one worker comes and goes, as its availability over the day says (`SimulationScenario.Availability`): from the
/// seed alone, one change after the other.
struct AvailabilityCourse {
  /// Whether the worker is there before the first change.
  private(set) var isHere = false
  private let rules: SimulationScenario.Availability
  private var choices: SeededGenerator
  /// Of this worker, in seconds of virtual time.
  private let peak: Double
  private let period: Double
  /// Seconds of virtual time: of the last change, or of the last draw of u.
  private var time: Double
  /// Until when u holds.
  private var end: Double
  /// Half of the time around each peak in which p(t) is above u: 0 for never, nil for always.
  private var reach: Double?

  /// - Parameter beginning: before it nothing changes.
  init(_ rules: SimulationScenario.Availability, worker: WorkerID, seed: UInt64, from beginning: MonotonicTime) {
    self.rules = rules
    choices = SeededGenerator(seed: seed, stream: "availability \(worker)")
    period = rules.period.asSeconds
    peak = rules.peak.asSeconds + rules.spread.asSeconds * (choices.unit() - 0.5)
    time = beginning.seconds
    end = time
    draw()
    isHere = isAbove(at: time)
  }

  /// The next moment at which the worker comes, or goes.
  mutating func next() -> MonotonicTime {
    while true {
      let crossing = nextCrossing
      if let crossing, crossing.time < end {
        time = crossing.time
        guard crossing.isArrival != isHere else { continue }
        isHere = crossing.isArrival
      } else {
        time = end
        draw()
        guard isAbove(at: time) != isHere else { continue }
        isHere.toggle()
      }
      return MonotonicTime(nanoseconds: UInt64(time * 1e9))
    }
  }

  /// Another u, from `time` on.
  private mutating func draw() {
    end = time - rules.stay.asSeconds * PortableMath.log(1 - choices.unit())
    let u = choices.unit()
    // p(t) > u where cos(2π(t − peak)/period) > level.
    let level = rules.amplitude > 0 ? (u / rules.mean - 1) / rules.amplitude : u < rules.mean ? -2 : 2
    reach = level >= 1 ? 0 : level < -1 ? nil : Self.angle(ofCosine: level) / (2 * .pi) * period
  }

  private var nearestPeak: Double { ((time - peak) / period).rounded() * period + peak }

  private func isAbove(at time: Double) -> Bool {
    guard let reach else { return true }
    return abs(time - nearestPeak) < reach
  }

  /// Where p(t) goes through u next; nil for nowhere.
  private var nextCrossing: (time: Double, isArrival: Bool)? {
    guard let reach, reach > 0 else { return nil }
    let peak = nearestPeak
    return [(peak - reach, true), (peak + reach, false), (peak + period - reach, true)].first { $0.0 > time }
  }

  /// The angle from 0 to π with this cosine, by bisection: the C library's differs between machines.
  private static func angle(ofCosine cosine: Double) -> Double {
    var low = 0.0, high = Double.pi
    for _ in 0..<44 {
      let middle = (low + high) / 2
      if PortableMath.cos(middle) > cosine { low = middle } else { high = middle }
    }
    return (low + high) / 2
  }
}

extension Duration {
  var asSeconds: Double {
    let (seconds, attoseconds) = components
    return Double(seconds) + Double(attoseconds) * 1e-18
  }
}
