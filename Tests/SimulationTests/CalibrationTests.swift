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
    let table = ConfigurationChange(key: "costs", value: String(costs.text.dropFirst("costs:\n".count)))
    let scenario = try SimulationScenario.load(
      path: "\(repository)/Simulations/digits.yaml", changes: [table]
    ).scenario
    #expect(abs(scenario.costs.signature / costs.signature - 1) < 0.06)
    #expect(abs(scenario.costs.maskingPerElement / costs.maskingPerElement - 1) < 0.06)
  }
}
