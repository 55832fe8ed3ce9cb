import Federation
import GradientKernel
import Tensors

/// What one worker does with an offered model: evaluate it on its own hold-out, then train on the rest.
package final class LocalWork {
  private let worker: WorkerID
  private let dataset: Dataset
  private let workspace: TrainingWorkspace
  /// Of the last task.
  private var prepared: (examples: LocalExamples, trainer: LocalTrainer)?

  /// - Parameter dataset: the worker's rows as they are in its file, not scaled.
  package init(worker: WorkerID, dataset: Dataset, threads: Int) {
    self.worker = worker
    self.dataset = dataset
    workspace = TrainingWorkspace(threads: threads)
  }

  /// As `OfferedWork.perform`, of an offer that is for this worker alone to read.
  package func perform(
    _ task: TrainingTask, configuration: RoundConfiguration, attempt: AttemptID, parameters: [NamedTensor],
    controls: ControlVariates = ControlVariates(), progress: (Double) -> Void = { _ in },
    isCancelled: () -> Bool = { false }
  ) throws(LocalWorkError) -> LocalResult {
    let work = try OfferedWork(task, configuration: configuration, attempt: attempt, parameters: parameters)
    return try work.perform(
      by: worker, on: trainer(for: work), controls: controls, progress: progress, isCancelled: isCancelled)
  }

  private func trainer(for work: OfferedWork) throws(LocalWorkError) -> LocalTrainer {
    if let prepared, prepared.examples.suit(work.task), prepared.trainer.architecture == work.architecture {
      return prepared.trainer
    }
    let examples = try LocalExamples(dataset, of: worker, for: work.task)
    let trainer = try examples.trainer(work.architecture, in: workspace)
    prepared = (examples, trainer)
    return trainer
  }
}

extension LocalExamples {
  /// Who trains on them.
  ///
  /// - Parameter workspace: also of other workers, of which one works at a time.
  /// - Throws: `LocalWorkError.training`.
  package func trainer(
    _ architecture: ModelArchitecture, in workspace: TrainingWorkspace
  ) throws(LocalWorkError) -> LocalTrainer {
    do throws(TrainingError) {
      return try LocalTrainer(architecture, training: training, holdOut: holdOut, workspace: workspace)
    } catch {
      throw .training(error)
    }
  }
}
