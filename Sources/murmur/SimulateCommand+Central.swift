import ClusterConfiguration
import ClusterRuntime
import Federation
import GradientKernel
import Simulation

extension SimulateCommand {
  /// `--central`.
  func trainCentrally(_ simulation: SimulationRun, _ scenario: SimulationScenario) throws {
    let run = scenario.run
    let clock = ContinuousClock()
    let start = clock.now
    var table = [CentralRow]()
    if !output.json {
      Terminal.print("\(run.model.architecture)")
      Terminal.print(
        "\(simulation.exampleCounts.reduce(0, +)) examples in one place, \(run.training.optimizer), "
          + "learning rate \(run.training.learningRate), batches of \(run.training.batchSize)")
      Terminal.print("")
      Terminal.print(CentralRow.header)
    }
    do throws(SimulationError) {
      _ = try simulation.trainCentrally(epochs: epochs, threads: threads ?? simulation.threads) { epoch in
        let row = CentralRow(epoch, seconds: (clock.now - start) / .seconds(1))
        table.append(row)
        if !output.json { Terminal.print(row.line) }
      }
    } catch {
      throw CommandFailure(.failed, "\(error)")
    }
    if output.json { Terminal.print(try JSONOutput.document(table)) }
  }
}

/// One epoch of `simulate --central`.
struct CentralRow: Codable {
  let epoch: Int
  let trainingLoss: Double
  let heldOutLoss: Double?
  /// Nil for a regression, which has no right answers.
  let heldOutAccuracy: Double?
  /// Since the beginning, of the wall clock.
  let seconds: Double

  init(_ epoch: CentralEpoch, seconds: Double) {
    self.epoch = epoch.epoch
    trainingLoss = epoch.trainingLoss
    heldOutLoss = epoch.heldOut.loss
    heldOutAccuracy = epoch.heldOut.accuracy
    self.seconds = seconds
  }

  static let header = "epoch  training loss  held-out loss  accuracy  seconds"

  var line: String {
    func cell(_ value: Double?, _ width: Int, _ digits: Int) -> String {
      TextTable.pad(value.map { Readable.decimal($0, digits) } ?? "-", to: width, .right)
    }
    return TextTable.pad("\(epoch)", to: 5, .right) + cell(trainingLoss, 15, 4) + cell(heldOutLoss, 15, 4)
      + cell(heldOutAccuracy, 10, 4) + cell(seconds, 9, 1)
  }
}
