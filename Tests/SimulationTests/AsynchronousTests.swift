import ClusterConfiguration
import Federation
import Rounds
import Simulation
import Testing

@Suite("Asynchronous runs")
struct AsynchronousTests {
  /// Six workers on the digits; training takes about half a second.
  private static func scenario(
    _ strategy: String, rounds: Int, slow: String = "[]", seed: UInt64 = 7, chaos: String = "",
    deadline: String = "60s",
    more: String = ""
  ) throws -> SimulationScenario {
    let text = """
      purpose: A test.
      population:
        name: small
        workers: 6
        data: {file: \(repository)/Simulations/Data/optdigits.csv, label: digit, held-out: 0.5, seed: 1}
      network: {latency: {minimum: 5ms, maximum: 40ms}, bandwidth: 10 MB/s}
      seed: \(seed)
      costs: {training-seconds-per-example: 1e-3}
      slow-workers: \(slow)
      expectations: {rounds: \(rounds), accuracy: 0}
      \(chaos)
      run:
        name: small
        model: {name: small, architecture: mlp 64-16-10, seed: 1}
        data: {features: 64, classes: 10, scale: 16}
        rounds: \(rounds)
        strategy: \(strategy)
        aggregation: plain
        training: {learning-rate: 0.1, local-epochs: 1, batch-size: 16}
        clip: 4
        maximum-weight: 1
        cohort: {minimum: 3}
        maximum-attempts: 50
        deadlines: {input: \(deadline)}
        \(more)
      """
    return try SimulationScenario.read(ConfigurationFile(path: "small.yaml", text: text))
  }

  private static let oneSlow = "[{worker: worker-6, factor: 10}]"

  @Test("With a buffer of everyone and nobody behind, the model is that of uniform averaging, bit for bit")
  func isFederatedAveraging() throws {
    let buffered = try Transcript(Self.scenario("{name: fedbuff, buffer: 6}", rounds: 4)).result
    let averaged = try Transcript(Self.scenario("{name: fedavg}", rounds: 4)).result
    #expect(buffered.violations.isEmpty && buffered.outcome == .completed(4))
    #expect(buffered.parameters == averaged.parameters && buffered.parameters.contains { $0 != 0 })
    #expect(buffered.rounds.dropLast().allSatisfy { $0.report.staleness == Staleness(mean: 0, largest: 0) })
  }

  @Test("A worker that is ten times slower holds nobody up, and its updates count with the weight of their age")
  func waitsForNobody() throws {
    let buffered = try Transcript(Self.scenario("{name: fedbuff, buffer: 3}", rounds: 24, slow: Self.oneSlow))
    let averaged = try Transcript(Self.scenario("{name: fedavg}", rounds: 24, slow: Self.oneSlow))
    // The checker recomputes every version from the workers' own updates and the versions that it saw published.
    for result in [buffered.result, averaged.result] {
      #expect(result.violations.isEmpty)
      #expect(result.outcome == .completed(24))
    }
    let staleness = buffered.result.rounds.compactMap { $0.report.staleness?.largest }
    #expect(staleness.count { $0 >= 4 } >= 1, "\(staleness)")
    let slow = buffered.lines.filter { $0.contains("\"event\":\"inputAdded\",\"worker\":\"worker-6\"") }
    #expect(slow.count >= 2)
    #expect(buffered.result.rounds.allSatisfy { $0.report.dropped == 0 || $0.report.attempt.round >= 24 })
    #expect(4 * buffered.result.seconds < averaged.result.seconds)
  }

  @Test("The same scenario and seed give the same log and model")
  func isDeterministic() throws {
    let scenario = try Self.scenario("{name: fedbuff, buffer: 3}", rounds: 6, slow: Self.oneSlow)
    let first = try Transcript(scenario), second = try Transcript(scenario)
    #expect(first.lines == second.lines && first.result == second.result)
    #expect(first.lines.count > 100)
  }

  @Test("Deaths of workers and of the coordinator at any moment lose no version and count nothing twice")
  func survivesDeaths() throws {
    let chaos = """
      chaos: {worker-crash: 0.01, partition: 0.003, coordinator-crash: 0.01, outage: {minimum: 100ms, maximum: 2s}, rounds: 8}
      policy: {allow-plain: true, maximum-attempts-per-model: 100}
      """
    var deaths = 0, abandoned = 0
    for seed in 1...12 as ClosedRange<UInt64> {
      let strategy = "{name: fedbuff, buffer: 3, staleness-max: 2}"
      let scenario = try Self.scenario(
        strategy, rounds: 12, slow: Self.oneSlow, seed: seed, chaos: chaos, deadline: "8s")
      let transcript = try Transcript(scenario, seed: seed)
      #expect(transcript.result.violations.isEmpty, "seed \(seed)")
      #expect(transcript.result.outcome == .completed(12), "seed \(seed)")
      deaths += transcript.lines.count { $0.contains("\"node\":\"coordinator\",\"event\":\"chaos\"") }
      abandoned += transcript.result.rounds.count { $0.report.dropped > 0 }
    }
    #expect(deaths > 5 && abandoned > 5, "\(deaths) \(abandoned)")
  }

  @Test("Updates that are counted in two versions are found")
  func isChecked() throws {
    let scenario = try Self.scenario("{name: fedbuff, buffer: 3}", rounds: 6, slow: Self.oneSlow)
    let result = try Transcript(scenario, plantedBug: .bufferKept).result
    #expect(result.violations.contains { $0.contains("of the buffer's mean is not that of the workers' own updates") })
    #expect(result.violations.contains { $0.contains("updates, 3 were added") }, "\(result.violations)")
  }
}
