import Federation
import GradientKernel
import Tensors

/// What an offer asks of whoever takes it, read and checked once for however many workers do it.
package struct OfferedWork: Sendable {
  package let task: TrainingTask
  package let architecture: ModelArchitecture
  private let rules: RoundConfiguration
  private let attempt: AttemptID
  private let base: ParameterSet
  private let strategy: Strategy
  /// Nil where nobody trains.
  private let training: TrainingConfiguration?
  /// K·η_l under SCAFFOLD.
  private let reach: Double?

  /// - Parameter parameters: the offered model.
  /// - Throws: `LocalWorkError`: nobody can do this.
  package init(
    _ task: TrainingTask, configuration: RoundConfiguration, attempt: AttemptID, parameters: [NamedTensor]
  ) throws(LocalWorkError) {
    // The model that is held bounds what is allocated for it, not the text that names it.
    try self.init(task, configuration, attempt) { architecture throws(TensorError) in
      try ParameterSet(parameters, expecting: architecture.layout)
    }
  }

  /// - Parameter base: the offered model.
  /// - Throws: `LocalWorkError`: nobody can do this.
  package init(
    _ task: TrainingTask, configuration: RoundConfiguration, attempt: AttemptID, base: ParameterSet
  ) throws(LocalWorkError) {
    try self.init(task, configuration, attempt) { architecture throws(TensorError) in
      try base.layout == architecture.layout ? base : ParameterSet(base.tensors, expecting: architecture.layout)
    }
  }

  private init(
    _ task: TrainingTask, _ configuration: RoundConfiguration, _ attempt: AttemptID,
    reading model: (ModelArchitecture) throws(TensorError) -> ParameterSet
  ) throws(LocalWorkError) {
    self.task = task
    self.attempt = attempt
    rules = configuration
    do throws(ArchitectureError) {
      architecture = try ModelArchitecture(parsing: task.architecture)
    } catch {
      throw .architecture(error)
    }
    do throws(TensorError) {
      base = try model(architecture)
    } catch {
      throw .model(error)
    }
    guard task.kind == .evaluate || configuration.vectorLength == UInt64(base.values.count) else {
      throw .vectorLength(configuration.vectorLength, expected: base.values.count)
    }
    // What an unknown strategy makes of an update, nobody here can say.
    guard let strategy = Strategy(parsing: configuration.strategy) else { throw .strategy(configuration.strategy) }
    self.strategy = strategy
    guard task.kind == .train else {
      training = nil
      reach = nil
      return
    }
    reach = try Self.reach(strategy, task, configuration, attempt)
    do throws(TrainingError) {
      training = try TrainingConfiguration(configuration, task.optimizer)
    } catch {
      throw .training(error)
    }
  }

  /// K·η_l; nil under a strategy without control variates.
  private static func reach(
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

  /// Evaluates the offered model on a worker's hold-out, and trains on the rest unless the task says otherwise.
  ///
  /// - Parameters:
  ///   - trainer: of this architecture, with the worker's examples as the task wants them.
  ///   - localEpochs: of this worker, if it does not do as many as the rules ask for.
  ///   - controls: of SCAFFOLD; none under other strategies.
  ///   - progress: the fraction of training that is done; called after every step, and every piece of the evaluation.
  /// - Returns: the difference to the offered model (empty for an evaluation), with the metrics of that model itself, and
  ///   what the worker keeps for itself.
  /// - Throws: `LocalWorkError`: nothing of it may be reported.
  package func perform(
    by worker: WorkerID, on trainer: LocalTrainer, localEpochs: UInt64? = nil,
    controls: ControlVariates = ControlVariates(), progress: (Double) -> Void = { _ in },
    isCancelled: () -> Bool = { false }
  ) throws(LocalWorkError) -> LocalResult {
    for found in [controls.server, controls.own].compactMap({ $0?.count }) where found != base.values.count {
      throw .control(found, expected: base.values.count)
    }
    do throws(TrainingError) {
      let metrics =
        trainer.holdOut.count > 0
        ? try trainer.evaluate(base, observe: { _, _ in progress(0) })
        : RoundMetrics(lossSum: 0, correct: 0, evaluated: 0)
      var update = ClientUpdate(difference: [], exampleCount: UInt64(trainer.training.count), metrics: metrics)
      guard var training else { return LocalResult(update: update) }
      if let localEpochs { training.localEpochs = Int(clamping: localEpochs) }
      // The loss before training is asked for first: afterwards the trainer holds another model.
      let loss = if case .fair = strategy.report { try trainer.trainingLoss(base) } else { 0.0 }
      update.difference = try trainer.train(
        base: base, configuration: training, round: attempt.round.value, seed: shuffleSeed(worker),
        correction: reach == nil ? nil : controls.correction, progress: progress, isCancelled: isCancelled
      ).difference
      let control = reach.map { controls.next(after: update.difference, clip: rules.clip, reach: $0) }
      if let reach, control?.isFinite == false {
        throw .badSetting(name: "local steps times learning rate", found: reach, expected: "more: c_i is not finite")
      }
      try report(&update, loss: loss, steps: training.stepCount(examples: trainer.training.count), training)
      return LocalResult(update: update, control: control)
    } catch {
      throw .training(error)
    }
  }

  /// What the strategy makes of a difference before it leaves the worker.
  private func report(
    _ update: inout ClientUpdate, loss: Double, steps: Int, _ training: TrainingConfiguration
  ) throws(TrainingError) {
    switch strategy.report {
    case .difference: break
    case .normalized: try update.normalize(by: training.normalizer(steps: steps, round: attempt.round.value))
    case .fair(let q):
      let rate = training.learningRate * training.optimizer.learningRateFactor(round: attempt.round.value)
      update.weigh(loss: loss, q: q, learningRate: rate, clip: rules.clip)
    }
  }

  /// Every attempt shuffles afresh: a retry is never the same update again (ruling A8).
  private func shuffleSeed(_ worker: WorkerID) -> UInt64 {
    var choices = SeededGenerator(seed: task.seed, stream: "shuffle \(worker) \(attempt)")
    return choices.next()
  }
}
