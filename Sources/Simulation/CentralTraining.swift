import ClusterConfiguration
import Federation
import GradientKernel
import Tensors
import Training

/// One epoch of a scenario's model on all data in one place.
package struct CentralEpoch: Hashable, Sendable {
  package let epoch: Int
  /// Mean loss over the epoch's batches, each before its step.
  package let trainingLoss: Double
  /// Of the data that no worker has.
  package let heldOut: RoundMetrics
}

extension SimulationRun {
  /// Trains the scenario's model with its local optimizer on the data of all workers together: what its federation is
  /// measured against.
  ///
  /// - Parameters:
  ///   - epochs: over all data; the scenario's rounds without it.
  ///   - threads: the result does not depend on it.
  ///   - report: gets each epoch as it ends.
  /// - Returns: the last epoch.
  package func trainCentrally(
    epochs: Int? = nil, threads: Int = 1, report: (CentralEpoch) -> Void = { _ in }
  ) throws(SimulationError) -> CentralEpoch {
    let run = scenario.run, architecture = run.model.architecture
    let scale = Float(run.data.scale)
    var last: CentralEpoch?
    do throws(TrainingError) {
      let trainer = try LocalTrainer(
        architecture, training: Dataset(joining: parts).scaled(by: scale), holdOut: heldOut.scaled(by: scale),
        threads: threads)
      let rules = run.training
      let configuration = try TrainingConfiguration(
        learningRate: rules.learningRate, localEpochs: 1, batchSize: Int(clamping: rules.batchSize),
        momentum: rules.momentum, weightDecay: rules.weightDecay, optimizer: rules.optimizer)
      _ = try trainer.trainAlone(
        base: architecture.initialParameters(seed: run.model.seed), configuration: configuration,
        epochs: epochs ?? Int(clamping: run.rounds), seed: seed
      ) { epoch, loss, metrics in
        let ended = CentralEpoch(epoch: epoch, trainingLoss: loss, heldOut: metrics)
        last = ended
        report(ended)
      }
    } catch {
      throw .node("central training: \(error)")
    }
    guard let last else { preconditionFailure("there was at least one epoch") }
    return last
  }
}
