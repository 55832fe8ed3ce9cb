import ArgumentParser
import ClusterConfiguration
import Foundation
import GradientKernel
import Rounds
import Simulation

/// How fast federations are simulated.
struct SimulationBenchmark: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "simulation",
    abstract: "Simulated federations: client updates, workers and events a second, and the memory they take.",
    discussion: """
      Needs the digits of 'mnist10k': murmur data get mnist10k. 2NN (784-200-200-10), 50 examples a client, one epoch in \
      batches of 10, thirty rounds, at the fast fidelity on all cores; then a round of a hundred thousand workers of whom \
      ten thousand are asked; then full rounds with every message and real cryptography.
      """)

  @OptionGroup var measuring: MeasuringOptions

  @Option(help: ArgumentHelp("Only these: updates, crowd, full.", valueName: "part"))
  var part: [Part] = Part.allCases

  enum Part: String, CaseIterable, ExpressibleByArgument {
    case updates, crowd, full
  }

  func run() throws {
    var report = Report(isJSON: measuring.json)
    if part.contains(.updates) {
      try addUpdates(workers: 100, cohort: 10, mode: "plain", to: &report)
      try addUpdates(workers: 1_000, cohort: 50, mode: "plain", to: &report)
      try addUpdates(workers: 1_000, cohort: 50, mode: "secure", to: &report)
    }
    if part.contains(.crowd), !measuring.quick { try addCrowd(to: &report) }
    if part.contains(.full) { try addFull(workers: measuring.quick ? 100 : 1_000, to: &report) }
    try report.finish()
  }

  private var threads: Int { measuring.threads ?? ThreadPool.coreCount }

  private func simulation(_ text: String) throws -> SimulationRun {
    let file = ConfigurationFile(path: "benchmark scenario", text: text)
    var simulation = try SimulationRun(SimulationScenario.read(file))
    simulation.threads = threads
    return simulation
  }

  /// Thirty rounds of the published comparison, and the accuracy that they come to.
  private func addUpdates(workers: Int, cohort: Int, mode: String, to report: inout Report) throws {
    let simulation = try simulation(
      Self.scenario(
        workers: workers, data: Self.digits(copies: workers > 100 ? 7 : 1), features: 784, scale: 255,
        architecture: "mcmahan-2nn", rounds: 30, cohort: cohort, mode: mode, fidelity: "fast"))
    var ends: [Date] = []
    let (result, seconds) = try timed(simulation) { round in
      if case .committed = round.report.outcome { ends.append(Date()) }
    }
    let updates = result.rounds.reduce(0) { $0 + $1.report.reported }
    let between = zip(ends, ends.dropFirst()).map { $1.timeIntervalSince($0) }.sorted()
    let section = "fast fidelity, 2NN, \(cohort) of \(workers), \(mode), \(threads) threads"
    report.add(
      Figure(
        section: section, name: "client updates, a second, median round",
        value: Double(cohort) / between[between.count / 2], unit: "/s"))
    report.add(
      Figure(
        section: section, name: "client updates, a second, best round", value: Double(cohort) / between[0], unit: "/s"))
    report.add(
      Figure(
        section: section, name: "client updates, a second, whole run", value: Double(updates) / seconds, unit: "/s"))
    report.add(
      Figure(section: section, name: "accuracy after 30 rounds", value: result.heldOutAccuracy ?? 0, unit: ""))
  }

  /// One round in front of a hundred thousand workers.
  private func addCrowd(to report: inout Report) throws {
    let simulation = try simulation(
      Self.scenario(
        workers: 100_000, data: Self.smallDigits(copies: 80), features: 64, scale: 16, architecture: "mlp 64-32-10",
        rounds: 1, cohort: 10_000, mode: "secure", fidelity: "fast"))
    let (result, seconds) = try timed(simulation)
    let section = "fast fidelity, 10,000 of 100,000 workers, secure"
    report.add(
      Figure(
        section: section, name: "updates counted", value: Double(result.rounds.first?.report.reported ?? 0), unit: ""))
    report.add(Figure(section: section, name: "the whole run", value: seconds, unit: "s"))
    report.add(Figure(section: section, name: "most memory so far", value: Self.peakMegabytes, unit: "MB"))
  }

  /// Every message, every mask.
  private func addFull(workers: Int, to report: inout Report) throws {
    let simulation = try simulation(
      Self.scenario(
        workers: workers, data: Self.smallDigits(copies: 2), features: 64, scale: 16, architecture: "mlp 64-1333-10",
        rounds: 1, cohort: workers, mode: "secure", fidelity: "full"))
    let (result, seconds) = try timed(simulation)
    let section = "full fidelity, \(workers) workers, 10⁵ parameters, secure"
    report.add(
      Figure(
        section: section, name: "updates counted", value: Double(result.rounds.first?.report.reported ?? 0), unit: ""))
    report.add(Figure(section: section, name: "the whole run", value: seconds, unit: "s"))
    report.add(
      Figure(section: section, name: "events, a second", value: Double(result.events) / seconds, unit: "/s"))
    report.add(Figure(section: section, name: "most memory so far", value: Self.peakMegabytes, unit: "MB"))
  }

  private func timed(
    _ simulation: SimulationRun, report: @escaping (SimulatedRound) -> Void = { _ in }
  ) throws -> (SimulationResult, seconds: Double) {
    let began = Date()
    let result = try simulation.run(report: report)
    guard result.isAsExpected else {
      throw BenchmarkFailure.refused((result.violations + result.failedExpectations).joined(separator: "; "))
    }
    return (result, Date().timeIntervalSince(began))
  }

  /// VmHWM of proc(5).
  private static var peakMegabytes: Double {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
    return (line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Double($0) } ?? 0) / 1024
  }

  private static func digits(copies: Int) -> String {
    "{source: [mnist10k], training: {first: \(copies > 1 ? 8_000 : 5_000)}, held-out: {last: 2000}, copies: \(copies), "
      + "partition: {dirichlet: 0.5}, seed: 1}"
  }

  private static func smallDigits(copies: Int) -> String {
    "{file: Simulations/Data/optdigits.csv, label: digit, held-out: 0.2, copies: \(copies), partition: {iid: true}, "
      + "seed: 1}"
  }

  private static func scenario(
    workers: Int, data: String, features: Int, scale: Int, architecture: String, rounds: Int, cohort: Int, mode: String,
    fidelity: String
  ) -> String {
    """
    purpose: A benchmark.
    fidelity: \(fidelity)
    population:
      name: bench
      workers: \(workers)
      organisations: \(min(workers, 100))
      data: \(data)
    network: {latency: {minimum: 10ms, maximum: 80ms}, bandwidth: 5 MB/s}
    seed: 7
    expectations: {rounds: \(rounds)}
    run:
      name: bench
      model: {name: bench, architecture: \(architecture), seed: 1}
      data: {features: \(features), classes: 10, scale: \(scale)}
      rounds: \(rounds)
      aggregation: \(mode)
      training: {learning-rate: 0.1, local-epochs: 1, batch-size: 10}
      clip: 10
      maximum-weight: 128
      hold-out: 0
      cohort: {minimum: \(max(5, cohort / 2)), maximum: \(cohort)}
      deadlines: {advert: 600s, share: 600s, input: 3600s, agree: 600s, unmask: 600s}
      seed: 1
    """
  }
}
