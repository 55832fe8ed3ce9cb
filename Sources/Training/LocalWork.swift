import Federation
import GradientKernel
import Tensors

/// What one worker does with an offered model: evaluate it on its own hold-out, then train on the rest.
///
/// The hold-out is the same in every round of a run: it follows from the task's seed, not from the attempt.
package final class LocalWork {
  private struct Setting: Hashable {
    let architecture: String
    let dataScale: Double
    let holdOutFraction: Double
    let seed: UInt64
  }

  private let worker: WorkerID
  private let dataset: Dataset
  private let threads: Int
  private var prepared: (setting: Setting, trainer: LocalTrainer)?

  /// - Parameter dataset: the worker's rows as they are in its file, not scaled.
  package init(worker: WorkerID, dataset: Dataset, threads: Int) {
    self.worker = worker
    self.dataset = dataset
    self.threads = threads
  }

  /// Evaluates `parameters`, and trains on them unless the task says otherwise.
  ///
  /// - Parameters:
  ///   - parameters: the offered model.
  ///   - controls: of SCAFFOLD; none under other strategies.
  ///   - progress: the fraction of training that is done; called after every step, and every piece of the evaluation.
  /// - Returns: the difference to `parameters` (empty for an evaluation), with the metrics of `parameters` themselves, and
  ///   what the worker keeps for itself.
  /// - Throws: `LocalWorkError`: nothing of it may be reported.
  package func perform(
    _ task: TrainingTask, configuration: RoundConfiguration, attempt: AttemptID, parameters: [NamedTensor],
    controls: ControlVariates = ControlVariates(), progress: (Double) -> Void = { _ in },
    isCancelled: () -> Bool = { false }
  ) throws(LocalWorkError) -> LocalResult {
    let architecture: ModelArchitecture
    do throws(ArchitectureError) {
      architecture = try ModelArchitecture(parsing: task.architecture)
    } catch {
      throw .architecture(error)
    }
    // The model that is held bounds what is allocated for it, not the text that names it.
    let base: ParameterSet
    do throws(TensorError) {
      base = try ParameterSet(parameters, expecting: architecture.layout)
    } catch {
      throw .model(error)
    }
    guard task.kind == .evaluate || configuration.vectorLength == UInt64(architecture.layout.count) else {
      throw .vectorLength(configuration.vectorLength, expected: architecture.layout.count)
    }
    // What an unknown strategy makes of an update, nobody here can say.
    guard let strategy = Strategy(parsing: configuration.strategy) else { throw .strategy(configuration.strategy) }
    let reach = task.kind == .train ? try reach(strategy, task, configuration, attempt) : nil
    for found in [controls.server, controls.own].compactMap({ $0?.count }) where found != base.values.count {
      throw .control(found, expected: base.values.count)
    }
    let trainer = try trainer(for: task, architecture)
    do throws(TrainingError) {
      let metrics =
        trainer.holdOut.count > 0
        ? try trainer.evaluate(base, observe: { _, _ in progress(0) })
        : RoundMetrics(lossSum: 0, correct: 0, evaluated: 0)
      guard task.kind == .train else {
        return LocalResult(
          update: ClientUpdate(difference: [], exampleCount: UInt64(trainer.training.count), metrics: metrics))
      }
      let training = try TrainingConfiguration(configuration, task.optimizer)
      var update = ClientUpdate(difference: [], exampleCount: UInt64(trainer.training.count), metrics: metrics)
      // The loss before training is asked for first: afterwards the trainer holds another model.
      let loss = if case .fair = strategy.report { try trainer.trainingLoss(base) } else { 0.0 }
      update.difference = try trainer.train(
        base: base, configuration: training, round: attempt.round.value, seed: shuffleSeed(task, attempt),
        correction: reach == nil ? nil : controls.correction, progress: progress, isCancelled: isCancelled
      ).difference
      let control = reach.map { controls.next(after: update.difference, clip: configuration.clip, reach: $0) }
      if let reach, control?.allSatisfy(\.isFinite) == false {
        throw .badSetting(name: "local steps times learning rate", found: reach, expected: "more: c_i is not finite")
      }
      switch strategy.report {
      case .difference: break
      case .normalized:
        let steps = training.stepCount(examples: trainer.training.count)
        try update.normalize(by: training.normalizer(steps: steps, round: attempt.round.value))
      case .fair(let q):
        let rate = training.learningRate * training.optimizer.learningRateFactor(round: attempt.round.value)
        update.weigh(loss: loss, q: q, learningRate: rate, clip: configuration.clip)
      }
      return LocalResult(update: update, control: control)
    } catch {
      throw .training(error)
    }
  }

  /// K·η_l; nil under a strategy without control variates.
  private func reach(
    _ strategy: Strategy, _ task: TrainingTask, _ rules: RoundConfiguration, _ attempt: AttemptID
  ) throws(LocalWorkError) -> Double? {
    guard strategy.hasControlVariates else { return nil }
    if let objection = task.optimizer.objectionToScaffold(momentum: rules.momentum, proximal: rules.proximal) {
      throw .scaffold(found: objection.found, expected: objection.expected)
    }
    let reach = task.optimizer.reach(learningRate: rules.learningRate, round: attempt.round.value) ?? 0
    guard reach > 0, reach.isFinite else {
      throw .scaffold(found: "steps that come to \(reach)", expected: "a number above 0")
    }
    return reach
  }

  /// Every attempt shuffles afresh: a retry is never the same update again (ruling A8).
  private func shuffleSeed(_ task: TrainingTask, _ attempt: AttemptID) -> UInt64 {
    var choices = SeededGenerator(seed: task.seed, stream: "shuffle \(worker) \(attempt)")
    return choices.next()
  }

  private func trainer(
    for task: TrainingTask, _ architecture: ModelArchitecture
  ) throws(LocalWorkError) -> LocalTrainer {
    let setting = Setting(
      architecture: task.architecture, dataScale: task.dataScale, holdOutFraction: task.holdOutFraction,
      seed: task.seed)
    if let prepared, prepared.setting == setting { return prepared.trainer }
    // What is a positive number may still be none as Float.
    let scale = Float(task.dataScale)
    guard scale > 0, scale.isFinite else { throw .scale(task.dataScale) }
    var choices = SeededGenerator(seed: task.seed, stream: "hold-out \(worker)")
    let parts: (training: Dataset, holdOut: Dataset)
    do throws(DatasetError) {
      parts = try dataset.scaled(by: scale).split(
        holdOut: task.holdOutFraction, seed: choices.next())
    } catch {
      throw .data(error)
    }
    do throws(TrainingError) {
      let trainer = try LocalTrainer(
        architecture, training: parts.training, holdOut: parts.holdOut, threads: threads)
      prepared = (setting, trainer)
      return trainer
    } catch {
      throw .training(error)
    }
  }
}

/// Why a worker cannot do what it was asked to.
package enum LocalWorkError: Error, Equatable, Sendable, CustomStringConvertible {
  case architecture(ArchitectureError)
  case model(TensorError)
  /// The attempt's rules are for an update of another length than the model has.
  case vectorLength(UInt64, expected: Int)
  /// The text of a strategy that this program does not have.
  case strategy(String)
  case scale(Double)
  /// Local training under SCAFFOLD that its control variates do not fit.
  case scaffold(found: String, expected: String)
  /// A control variate of another length than the model has.
  case control(Int, expected: Int)
  case data(DatasetError)
  case training(TrainingError)

  package var description: String {
    switch self {
    case .architecture(let error): "the model's architecture: \(error)"
    case .model(let error): "the model: \(error)"
    case .vectorLength(let found, let expected): "the vector length: found \(found), expected \(expected)"
    case .strategy(let text): "the strategy '\(text.prefix(60))': this version does not have it"
    case .scale(let scale): "the data's scale: found \(scale), expected a number above 0 that fits a Float"
    case .scaffold(let found, let expected): "scaffold: found \(found), expected \(expected)"
    case .control(let found, let expected): "a control variate: found \(found) elements, expected \(expected)"
    case .data(let error): "the data: \(error)"
    case .training(let error): "training: \(error)"
    }
  }
}
