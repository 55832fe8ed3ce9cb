import Federation

/// One worker's rows as a task wants them: scaled, and divided into those to train on and the hold-out.
///
/// The hold-out is the same in every round of a run: it follows from the task's seed, not from the attempt.
package struct LocalExamples: Sendable {
  private struct Setting: Hashable, Sendable {
    let dataScale: Double
    let holdOutFraction: Double
    let seed: UInt64

    init(_ task: TrainingTask) {
      dataScale = task.dataScale
      holdOutFraction = task.holdOutFraction
      seed = task.seed
    }
  }

  private let setting: Setting
  package let training: Dataset
  package let holdOut: Dataset

  /// - Parameter dataset: the worker's rows as they are in its file, not scaled.
  /// - Throws: `LocalWorkError.scale`, `.data`.
  package init(_ dataset: Dataset, of worker: WorkerID, for task: TrainingTask) throws(LocalWorkError) {
    setting = Setting(task)
    // What is a positive number may still be none as Float.
    let scale = Float(task.dataScale)
    guard scale > 0, scale.isFinite else { throw .scale(task.dataScale) }
    var choices = SeededGenerator(seed: task.seed, stream: "hold-out \(worker)")
    do throws(DatasetError) {
      (training, holdOut) = try dataset.scaled(by: scale).split(holdOut: task.holdOutFraction, seed: choices.next())
    } catch {
      throw .data(error)
    }
  }

  /// Whether another task wants the rows the same.
  package func suit(_ task: TrainingTask) -> Bool { setting == Setting(task) }
}
