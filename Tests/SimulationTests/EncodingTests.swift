import ClusterConfiguration
import Federation
import Rounds
import Simulation
import Testing

/// Secure averaging against plain averaging on the federation of Simulations/digits.yaml, without its fault.
@Suite("Encodings")
struct EncodingTests {
  /// - Parameter seed: of the network, the secrets, the initial model, the shuffles and the deal of the data.
  private static func digits(seed: UInt64, rounds: UInt64) throws -> SimulationScenario {
    var scenario = try SimulationScenario.load(path: repository + "/Simulations/digits.yaml")
    scenario.seed = seed
    scenario.population.data.seed = seed
    scenario.run.seed = seed
    scenario.run.model.seed = seed
    scenario.run.rounds = rounds
    scenario.faults = []
    scenario.expectations.rounds = rounds
    scenario.expectations.accuracy = nil
    return scenario
  }

  private static func end(_ scenario: SimulationScenario, _ change: (inout SimulationScenario) -> Void = { _ in })
    throws -> SimulationResult
  {
    var scenario = scenario
    change(&scenario)
    scenario.policy = .allowing(scenario.run)
    let result = try SimulationRun(scenario).run()
    let isAsExpected = result.isAsExpected  // A failure need not print the model.
    #expect(isAsExpected, "\(result.violations + result.failedExpectations)")
    return result
  }

  private static func distance(_ a: [Float], _ b: [Float]) -> Double {
    zip(a, b).reduce(0.0) { sum, pair in
      let difference = Double(pair.0) - Double(pair.1)
      return sum + difference * difference
    }.squareRoot()
  }

  /// ‖θ‖₂ in units of the last place: what writing a model as Float32 may move it by.
  private static func float32Error(_ parameters: [Float]) -> Double {
    distance(parameters, [Float](repeating: 0, count: parameters.count)) * 0x1p-23
  }

  @Test("Every encoding ends where plain averaging ends, within the stated error", arguments: UInt64(1)...5)
  func agrees(seed: UInt64) throws {
    let one = try Self.digits(seed: seed, rounds: 1), five = try Self.digits(seed: seed, rounds: 5)
    let plainOne = try Self.end(one) { $0.run.aggregation = .plain }
    let plainFive = try Self.end(five) { $0.run.aggregation = .plain }
    let plainAccuracy = try #require(plainFive.heldOutAccuracy)
    for encoding in RunConfiguration.Encoding.allCases {
      let secureOne = try Self.end(one) { $0.run.encoding = encoding }
      let weight = try #require(secureOne.rounds.first?.report.summary?.weight)
      var run = one.run
      run.encoding = encoding
      let forecast = try #require(
        try run.forecast(
          organisations: one.population.workerNames.map(\.organisation), examples: Double(weight) / 8, file: "run"))
      #expect(secureOne.rounds.allSatisfy { $0.report.summary?.saturated == 0 })
      // One round from the same model: the models differ by the rounding of the average, and by that of Float32.
      let error = Self.distance(secureOne.parameters, plainOne.parameters)
      #expect(error <= forecast.relativeError * run.clip + 2 * Self.float32Error(plainOne.parameters), "\(encoding)")
      if encoding != .exact { #expect(error >= 0.5 * forecast.relativeError * run.clip, "\(encoding)") }
      let secureFive = try Self.end(five) { $0.run.encoding = encoding }
      let accuracy = try #require(secureFive.heldOutAccuracy)
      #expect(abs(accuracy - plainAccuracy) <= 0.005, "\(encoding): \(accuracy) against \(plainAccuracy)")
    }
  }

  static let networks: [SimulationScenario.Network] = [
    .init(
      latency: .uniform(minimum: .zero, maximum: .milliseconds(1)), up: 1_000_000_000, down: 1_000_000_000),
    .init(
      latency: .uniform(minimum: .milliseconds(1), maximum: .milliseconds(400)), up: 100_000, down: 100_000),
    .init(
      latency: .uniform(minimum: .milliseconds(200), maximum: .milliseconds(200)), up: 1_000_000, down: 1_000_000),
    .init(
      latency: .uniform(minimum: .milliseconds(1), maximum: .milliseconds(90)), up: 1_000_000, down: 1_000_000,
      duplication: 0.05,
      reordering: 0.05),
  ]

  @Test(
    "Whatever the network does, the same survivors give the same model, bit for bit",
    arguments: RunConfiguration.Encoding.allCases)
  func isIndependentOfArrival(encoding: RunConfiguration.Encoding) throws {
    let results = try Self.networks.map { network in
      var scenario = try smallScenario(
        faults: "[{worker: worker-4, round: 2, at: masked-input, kind: crash}]", run: "encoding: \(encoding.rawValue)")
      scenario.network = network
      return try Self.end(scenario)
    }
    #expect(Set(results.map(\.modelDigest)).count == 1)
    #expect(Set(results.map(\.logDigest)).count == results.count)
    #expect(results.allSatisfy { $0.rounds.map(\.report.reported) == [6, 5, 5, 5] })
  }
}
