/// Whether the coordinator's memory grows from round to round.
struct MemoryFigures {
  private let setting: RoundSetting
  private static let parameters = 1_000_000
  private static let rounds = 100
  /// Allocators fill their pools in these.
  private static let leftOut = 20

  init(_ setting: RoundSetting) { self.setting = setting }

  func report(to report: inout Report) throws {
    let rounds = setting.isQuick ? 40 : Self.rounds
    let federation = try BenchFederation(
      Workload(parameters: Self.parameters, isSecure: true, rounds: rounds, workers: setting.workers),
      in: setting.directory)
    let idle = federation.coordinator.ownBytes
    try federation.startWorkers()
    var samples: [(round: Double, bytes: Double)] = []
    _ = try federation.coordinator.lines(within: .seconds(900)) { line in
      if line.message == "round" {
        samples.append((Double(samples.count + 1), Double(federation.coordinator.ownBytes)))
      }
      return line.message == "run ended"
    }
    let section = "memory of the coordinator, \(rounds) rounds of \(setting.workers), 10⁶ parameters, secure"
    report.add(Figure(section: section, name: "idle", value: Double(idle) / 1e6, unit: "MB"))
    report.add(
      Figure(section: section, name: "at the end", value: (samples.last?.bytes ?? 0) / 1e6, unit: "MB"))
    report.add(
      Figure(section: section, name: "most", value: Double(federation.coordinator.peakBytes) / 1e6, unit: "MB"))
    report.add(
      Figure(
        section: section, name: "slope behind round \(Self.leftOut), a round",
        value: Self.slope(Array(samples.dropFirst(Self.leftOut))) / 1e3, unit: "kB"))
  }

  /// Of the line of least squares.
  private static func slope(_ samples: [(round: Double, bytes: Double)]) -> Double {
    let count = Double(samples.count)
    guard count > 1 else { return 0 }
    let x = samples.reduce(0) { $0 + $1.round } / count, y = samples.reduce(0) { $0 + $1.bytes } / count
    let covariance = samples.reduce(0) { $0 + ($1.round - x) * ($1.bytes - y) }
    return covariance / samples.reduce(0) { $0 + ($1.round - x) * ($1.round - x) }
  }
}
