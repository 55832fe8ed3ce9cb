import ClusterConfiguration
import Federation
import Rounds
import Simulation
import Testing

@Suite("SCAFFOLD in a federation")
struct ScaffoldTests {
  private static func scenario(
    rounds: Int, clip: Double = 0.4, cohort: String = "{minimum: 4, maximum: 5}", faults: String = "[]",
    more: String = ""
  ) throws -> SimulationScenario {
    let text = """
      purpose: A test.
      population:
        name: small
        workers: 8
        data:
          file: \(repository)/Simulations/Data/optdigits.csv
          label: digit
          held-out: 0.2
          partition: {dirichlet: 0.3}
          seed: 1
      network: {latency: {minimum: 5ms, maximum: 40ms}, bandwidth: 10 MB/s}
      seed: 7
      expectations: {rounds: \(rounds), accuracy: 0}
      faults: \(faults)
      \(more)
      run:
        name: small
        model: {name: small, architecture: mlp 64-16-10, seed: 1}
        data: {features: 64, classes: 10, scale: 16}
        rounds: \(rounds)
        strategy: {name: scaffold}
        training: {learning-rate: 0.1, local-steps: 10, batch-size: 16, schedule: {exponential: 0.9}}
        clip: \(clip)
        cohort: \(cohort)
        maximum-attempts: 50
      """
    return try SimulationScenario.read(ConfigurationFile(path: "small.yaml", text: text))
  }

  /// Whether the server's control variate is the mean of the workers', as far as the sum's rounding lets it be.
  private static func isMean(_ controls: SimulatedControls) -> Bool {
    let largest = controls.server.reduce(0) { max($0, abs($1)) }
    guard largest > 0.001 else { return false }
    return controls.server.indices.allSatisfy { e in
      let sum = controls.workers.reduce(0.0) { $0 + Double($1?[e] ?? 0) }
      return abs(Double(controls.server[e]) - sum / Double(controls.workers.count)) < 1e-3 * Double(largest)
    }
  }

  @Test(
    "The server's control variate is the mean of the workers', which it never sees: with some of them a round, and clipped",
    arguments: [0.4, 40], ["{minimum: 4, maximum: 5}", "{minimum: 5}"])
  func invariant(clip: Double, cohort: String) throws {
    let result = try Transcript(Self.scenario(rounds: 8, clip: clip, cohort: cohort)).result
    #expect(result.isAsExpected)
    let clipped = result.rounds.reduce(0) { $0 + ($1.report.summary?.clipped ?? 0) }
    #expect((clipped > 0) == (clip < 1))
    #expect(result.rounds.first?.report.cohort == (cohort.contains("maximum") ? 5 : 8))
    #expect(Self.isMean(try #require(result.controls)))
  }

  @Test("A worker that dies between its upload and the result keeps the control variate that it had")
  func dies() throws {
    let cohort = "{minimum: 5}"
    let one = try #require(try Transcript(Self.scenario(rounds: 1, cohort: cohort)).result.controls)
    let faults = "[{worker: worker-4, round: 2, at: reported, kind: crash}]"
    let result = try Transcript(Self.scenario(rounds: 2, cohort: cohort, faults: faults)).result
    #expect(result.violations.isEmpty && result.outcome == .completed(2))
    let two = try #require(result.controls)
    let place = try #require(two.workers.indices.first { two.workers[$0] == one.workers[$0] })
    #expect(one.workers[place] != nil)
    #expect(two.workers.indices.allSatisfy { $0 == place || two.workers[$0] != one.workers[$0] })
  }

  @Test("A control variate outlives its worker's process, and an attempt that the worker was not counted in")
  func survives() throws {
    let faults = "[{worker: worker-4, round: 3, at: training, kind: crash, for: 100ms}]"
    let result = try Transcript(Self.scenario(rounds: 4, cohort: "{minimum: 5}", faults: faults)).result
    #expect(result.violations.isEmpty && result.outcome == .completed(4))
    #expect(result.outages == 1)
    #expect(result.controls?.workers.contains(nil) == false)
    #expect(Self.isMean(try #require(result.controls)))
  }

  @Test("The server's control variate is there after its death, whenever it dies")
  func coordinatorDies() throws {
    let chaos = """
      chaos: {coordinator-crash: 0.005, outage: {minimum: 100ms, maximum: 1s}, rounds: 3}
      policy: {maximum-attempts-per-model: 100}
      """
    var deaths = 0
    for seed in 1...4 as ClosedRange<UInt64> {
      let transcript = try Transcript(
        Self.scenario(rounds: 5, cohort: "{minimum: 5}", more: chaos), seed: seed)
      #expect(transcript.result.violations.isEmpty)
      #expect(transcript.result.outcome == .completed(5))
      deaths += transcript.lines.count { $0.contains("\"node\":\"coordinator\",\"event\":\"chaos\"") }
    }
    #expect(deaths > 2)
  }

  @Test("The same bits again")
  func replays() throws {
    let scenario = try Self.scenario(rounds: 3)
    #expect(try Transcript(scenario).result == Transcript(scenario).result)
  }
}
