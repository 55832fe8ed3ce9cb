import ClusterConfiguration
import Testing

@testable import Simulation

@Suite("Costs measured for a scenario")
struct CalibrationTests {
  @Test("Each cost is positive, and the table is one that a scenario file takes")
  func table() throws {
    let run = try SimulationRun(smallScenario())
    let costs = try CostCalibration(run).measure()
    let all = [
      costs.trainingPerExample, costs.evaluationPerExample, costs.maskingPerElement, costs.keyAgreement,
      costs.signature, costs.verification, costs.share,
    ]
    #expect(all.allSatisfy { $0 > 0 && $0 < 1 }, "\(all)")
    // Forward and backward is more than forward alone, and an element of a mask less than an agreement.
    #expect(costs.trainingPerExample > costs.evaluationPerExample)
    #expect(costs.maskingPerElement < costs.keyAgreement)
    let scenario = try SimulationScenario.read(
      ConfigurationFile(path: "calibrated.yaml", text: scenarioText + costs.text))
    #expect(abs(scenario.costs.signature / costs.signature - 1) < 0.06)
    #expect(abs(scenario.costs.maskingPerElement / costs.maskingPerElement - 1) < 0.06)
  }

  private var scenarioText: String {
    """
    purpose: A test.
    population:
      name: small
      workers: 6
      data: {file: \(repository)/Simulations/Data/optdigits.csv, label: digit, held-out: 0.5, seed: 1}
    network: {latency: {minimum: 5ms, maximum: 40ms}, bandwidth: 10 MB/s}
    seed: 7
    expectations: {rounds: 1}
    run:
      name: small
      model: {name: small, architecture: mlp 64-16-10}
      data: {features: 64, classes: 10, scale: 16}
      rounds: 1
      training: {learning-rate: 0.1}
      clip: 4
      cohort: {minimum: 3}

    """
  }
}
