import Federation
import GradientKernel
import Tensors
import Training
import ZeroMQ

/// Measures versions on the coordinator's own data, on a compute thread of its own, so that nothing else waits for it.
actor CentralEvaluator {
  nonisolated let thread: ComputeThread
  nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

  private let dataset: Dataset
  private let threads: Int
  private var prepared: (architecture: ModelArchitecture, scale: Float, trainer: LocalTrainer)?

  /// - Parameter dataset: as it is in its file, not scaled.
  init(thread: ComputeThread, dataset: Dataset, threads: Int) {
    self.thread = thread
    self.dataset = dataset
    self.threads = threads
  }

  /// Whether models of a run can be measured on this data; says why not.
  func objection(to architecture: ModelArchitecture, scale: Double) -> String? {
    do throws(TrainingError) {
      _ = try trainer(architecture, Float(scale))
      return nil
    } catch {
      return "the coordinator's evaluation-data does not fit the model: \(error)"
    }
  }

  /// The metrics of one set of parameters over all of the data.
  ///
  /// - Throws: `TrainingError`: it does not fit, or gives no numbers.
  func measure(
    _ parameters: ParameterSet, _ architecture: ModelArchitecture, scale: Double
  ) throws(TrainingError) -> RoundMetrics {
    try trainer(architecture, Float(scale)).evaluate(parameters)
  }

  private func trainer(_ architecture: ModelArchitecture, _ scale: Float) throws(TrainingError) -> LocalTrainer {
    if let prepared, prepared.architecture == architecture, prepared.scale == scale { return prepared.trainer }
    let scaled = dataset.scaled(by: scale)
    let trainer = try LocalTrainer(architecture, training: scaled, holdOut: scaled, threads: threads)
    prepared = (architecture, scale, trainer)
    return trainer
  }
}
