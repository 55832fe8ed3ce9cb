import ClusterConfiguration
import Federation
import Rounds
import Simulation
import Testing

@Suite("Strategies")
struct StrategyTests {
  /// A method, what else its run needs, and the accuracy on held-out digits that it reaches in 15 rounds at least. Krum
  /// takes one worker's update alone, which knows few of the digits where labels are skewed.
  static let methods: [(strategy: String, run: String, accuracy: Double)] = [
    ("{name: fedavg}", "", 0.75), ("{name: fedprox}", "", 0.75), ("{name: fedavgm, momentum: 0.5}", "", 0.8),
    ("{name: fedadagrad}", "", 0.8), ("{name: fedadam, server-learning-rate: 0.03}", "", 0.78),
    ("{name: fedyogi, server-learning-rate: 0.03}", "", 0.78), ("{name: fednova}", "", 0.75),
    ("{name: q-fedavg, q: 0.1}", "", 0.7), ("{name: scaffold}", "", 0.75),
    ("{name: median}", "aggregation: plain", 0.7),
    ("{name: trimmed-mean, trim: 0.2}", "aggregation: plain", 0.7),
    ("{name: krum, byzantine: 1}", "aggregation: plain", 0.4),
    ("{name: multi-krum, byzantine: 1}", "aggregation: plain", 0.7),
    ("{name: geometric-median}", "aggregation: plain", 0.75),
    ("{name: fedbuff, buffer: 5}", "aggregation: plain", 0.7),
  ]

  private static func scenario(_ strategy: String, _ run: String, rounds: Int = 15, chaos: String = "") throws
    -> SimulationScenario
  {
    let proximal = strategy.contains("fedprox") ? ", proximal: 0.01" : ""
    let length = strategy.contains("scaffold") ? "local-steps: 15" : "local-epochs: 1"
    let text = """
      purpose: A test.
      population:
        name: small
        workers: 6
        data:
          file: \(repository)/Simulations/Data/optdigits.csv
          label: digit
          held-out: 0.2
          partition: {dirichlet: 0.5}
          seed: 1
      network: {latency: {minimum: 5ms, maximum: 40ms}, bandwidth: 10 MB/s}
      seed: 7
      expectations: {rounds: \(rounds), accuracy: 0}
      \(chaos)
      run:
        name: small
        model: {name: small, architecture: mlp 64-16-10, seed: 1}
        data: {features: 64, classes: 10, scale: 16}
        rounds: \(rounds)
        strategy: \(strategy)
        training: {learning-rate: 0.1, \(length), batch-size: 16\(proximal)}
        clip: 4
        cohort: {minimum: 5}
        maximum-attempts: 50
        \(run)
      """
    return try SimulationScenario.read(ConfigurationFile(path: "small.yaml", text: text))
  }

  @Test("Every strategy learns, and the same bits again", arguments: methods)
  func learns(_ method: (strategy: String, run: String, accuracy: Double)) throws {
    let scenario = try Self.scenario(method.strategy, method.run)
    let result = try Transcript(scenario).result
    #expect(result.violations.isEmpty)
    #expect(result.outcome == .completed(15))
    let accuracy = try #require(result.heldOutAccuracy)
    #expect(accuracy >= method.accuracy, "\(method.strategy): \(accuracy)")
    #expect(try Transcript(scenario).result.heldOutAccuracy == accuracy)
  }

  @Test("What the server remembers is there after its death, whenever it dies")
  func survivesDeaths() throws {
    let chaos = """
      chaos: {coordinator-crash: 0.005, outage: {minimum: 100ms, maximum: 1s}, rounds: 3}
      policy: {maximum-attempts-per-model: 100}
      """
    var deaths = 0
    for seed in 1...6 as ClosedRange<UInt64> {
      let transcript = try Transcript(Self.scenario("{name: fedadam}", "", rounds: 5, chaos: chaos), seed: seed)
      #expect(transcript.result.violations.isEmpty)
      #expect(transcript.result.outcome == .completed(5))
      deaths += transcript.lines.count { $0.contains("\"node\":\"coordinator\",\"event\":\"chaos\"") }
    }
    #expect(deaths > 3)
  }
}
