import ClusterConfiguration
import ClusterRuntime
import Simulation

extension SimulateCommand {
  /// `--calibrate`.
  func printCosts(_ simulation: SimulationRun) throws {
    let costs: SimulationScenario.Costs
    do throws(SimulationError) {
      costs = try CostCalibration(simulation).measure()
    } catch {
      throw CommandFailure(.failed, "\(error)")
    }
    guard output.json else { return Terminal.print(String(costs.text.dropLast())) }
    Terminal.print(
      try JSONOutput.document([
        "trainingSecondsPerExample": costs.trainingPerExample,
        "evaluationSecondsPerExample": costs.evaluationPerExample,
        "maskingSecondsPerElement": costs.maskingPerElement, "keyAgreementSeconds": costs.keyAgreement,
        "signatureSeconds": costs.signature, "verificationSeconds": costs.verification, "shareSeconds": costs.share,
      ]))
  }
}
