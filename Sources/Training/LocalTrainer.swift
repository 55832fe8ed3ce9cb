import Federation
import GradientKernel
import Tensors

/// What local training gives.
package struct TrainingResult: Equatable, Sendable {
  /// `θ_local − θ_base`, shape `[d]`, in the order of the layout.
  package let difference: [Float]
  /// `n_k`: the examples trained on, counted once whatever the number of epochs.
  package let exampleCount: UInt64
  /// Mean loss of each epoch in nats, over its batches as they were before their steps.
  package let epochLosses: [Double]
}

extension Dataset {
  /// What a network reads.
  package var examples: Examples {
    switch targets {
    case .classes(let labels, _, _): Examples(features: features, labels: labels)
    case .values(let values, _): Examples(features: features, targets: .values(values))
    }
  }

  /// Whether a model can be trained on it.
  ///
  /// - Throws: `TrainingError.wrongTargets`, `.wrongDataset`, `.wrongToken`.
  package func check(for architecture: ModelArchitecture) throws(TrainingError) {
    let width = architecture.labelsPerExample
    switch targets {
    case .values(_, let found):
      guard architecture.classCount == 0, found == width else {
        throw .wrongTargets(
          found: "\(found) numbers an example", expected: Self.targets(of: architecture))
      }
    case .classes(_, _, let found):
      guard architecture.classCount > 0, found == width else {
        throw .wrongTargets(
          found: found == 1 ? "one class an example" : "\(found) classes an example",
          expected: Self.targets(of: architecture))
      }
    }
    guard featureCount == architecture.featureCount, classCount <= architecture.classCount else {
      throw .wrongDataset(
        features: featureCount, expectedFeatures: architecture.featureCount, classes: classCount,
        expectedClasses: architecture.classCount)
    }
    guard case .tokens(_, let vocabulary) = architecture.input else { return }
    for feature in features where !(feature >= 0 && feature < Float(vocabulary) && feature == feature.rounded()) {
      throw .wrongToken(feature, vocabulary: vocabulary)
    }
  }

  private static func targets(of architecture: ModelArchitecture) -> String {
    let width = architecture.labelsPerExample
    if architecture.classCount == 0 { return "\(width) numbers an example" }
    return width == 1 ? "one class an example" : "\(width) classes an example, one a time step"
  }
}

/// Trains and evaluates one model on one worker's own examples.
///
/// Keeps its workspace between rounds. One user at a time, on a thread that may compute for long.
package final class LocalTrainer {
  package let architecture: ModelArchitecture
  package let training: Dataset
  package let holdOut: Dataset
  private let workspace: TrainingWorkspace
  private let examples: Examples
  /// The most examples at once so far.
  private var rows: Int

  /// Examples of one piece of an evaluation, at most, until a batch of training needs more room.
  private static let evaluationRows = 64

  /// - Parameters:
  ///   - training: at least one example.
  ///   - holdOut: what `evaluate` judges by; may be empty.
  ///   - threads: at least 1; results do not depend on it.
  /// - Throws: what `Dataset.check` throws; `TrainingError.noExamples`, `.classUnavailable`, `.batchTooLarge`.
  package convenience init(
    _ architecture: ModelArchitecture, training: Dataset, holdOut: Dataset, threads: Int = 1,
    kernelClass: KernelClass = .best
  ) throws(TrainingError) {
    try self.init(
      architecture, training: training, holdOut: holdOut,
      workspace: TrainingWorkspace(threads: threads, kernelClass: kernelClass))
  }

  /// - Parameter workspace: also of other trainers, of which one works at a time.
  package init(
    _ architecture: ModelArchitecture, training: Dataset, holdOut: Dataset, workspace: TrainingWorkspace
  ) throws(TrainingError) {
    for dataset in [training, holdOut] { try dataset.check(for: architecture) }
    guard training.count > 0 else { throw .noExamples }
    self.architecture = architecture
    self.training = training
    self.holdOut = holdOut
    self.workspace = workspace
    examples = training.examples
    rows = workspace.rows(for: architecture, atMost: Self.evaluationRows)
    _ = try workspace.network(for: architecture, rows: rows)
  }

  package var kernelClass: KernelClass { workspace.kernelClass }

  /// The workspace's network with these parameters.
  private func load(
    _ parameters: ParameterSet, dropoutSeed: UInt64 = 0, correction: [Float]? = nil
  ) throws(TrainingError) -> Network {
    let network = try workspace.network(for: architecture, rows: rows)
    do throws(KernelError) {
      try network.load(parameters, dropoutSeed: dropoutSeed, correction: correction)
      return network
    } catch {
      throw TrainingError(error)
    }
  }

  /// Trains from `base` for the configured epochs or steps, each epoch over all examples in an order drawn from the seed.
  ///
  /// - Parameters:
  ///   - round: for the schedule of the learning rate; from 1.
  ///   - seed: of shuffles and dropout; the same seed, base, data and kernel class give the same bits.
  ///   - correction: added to the gradient of every step, under plain SGD: see `Network.load`.
  ///   - progress: told the finished fraction, from 0 to 1, after every step.
  ///   - isCancelled: asked before every step.
  /// - Throws: `TrainingError.wrongLayout`, `.batchTooLarge`, `.notFinite`, `.cancelled`.
  package func train(
    base: ParameterSet, configuration: TrainingConfiguration, round: UInt64 = 1, seed: UInt64,
    correction: [Float]? = nil, progress: (Double) -> Void = { _ in }, isCancelled: () -> Bool = { false }
  ) throws(TrainingError) -> TrainingResult {
    let batch = makeRoom(for: configuration)
    let network = try load(base, dropoutSeed: Self.dropoutSeed(seed), correction: correction)
    let rule = configuration.rule
    let rate = Float(configuration.learningRate * configuration.optimizer.learningRateFactor(round: round))
    let stepCount = configuration.stepCount(examples: training.count)
    var pass = TrainingPass(examples: training.count, batch: batch, seed: seed)
    var epochLosses: [Double] = []
    var (epoch, step) = (0, 0)
    while pass.stepsDone < stepCount {
      if isCancelled() { throw .cancelled }
      (epoch, step) = (pass.epoch, pass.step)
      try take(pass.next(), of: &pass, rule, rate: rate, on: network)
      progress(Double(pass.stepsDone) / Double(stepCount))
      guard pass.isAtEndOfEpoch || pass.stepsDone == stepCount else { continue }
      // After the last step the difference says it.
      guard pass.stepsDone == stepCount || network.hasFiniteParameters else {
        throw .notFinite(epoch: epoch, step: step)
      }
      epochLosses.append(pass.takeMeanLoss())
    }
    let difference = workspace.difference(of: network)
    guard difference.isFinite else { throw .notFinite(epoch: epoch, step: step) }
    return TrainingResult(
      difference: difference, exampleCount: UInt64(training.count), epochLosses: epochLosses)
  }

  /// Trains from `base` for so many epochs in one piece, as where all data are in one place: the optimizer keeps what it
  /// remembers, and an epoch is a round of the schedule.
  ///
  /// - Parameters:
  ///   - epochEnded: told each epoch, from 1, with its mean loss and the metrics of the hold-out after it.
  /// - Returns: the parameters after the last epoch.
  /// - Throws: as `train`.
  package func trainAlone(
    base: ParameterSet, configuration: TrainingConfiguration, epochs: Int, seed: UInt64,
    epochEnded: (_ epoch: Int, _ meanLoss: Double, RoundMetrics) -> Void = { _, _, _ in }
  ) throws(TrainingError) -> ParameterSet {
    let batch = makeRoom(for: configuration)
    let network = try load(base, dropoutSeed: Self.dropoutSeed(seed))
    let rule = configuration.rule
    var pass = TrainingPass(examples: training.count, batch: batch, seed: seed)
    for epoch in 1...max(1, epochs) {
      let factor = configuration.optimizer.learningRateFactor(round: UInt64(epoch))
      repeat {
        try take(pass.next(), of: &pass, rule, rate: Float(configuration.learningRate * factor), on: network)
      } while !pass.isAtEndOfEpoch
      guard network.hasFiniteParameters else { throw .notFinite(epoch: epoch, step: pass.stepsPerEpoch) }
      let loss = pass.takeMeanLoss()
      epochEnded(epoch, loss, try judge(network))
    }
    var result = base
    result.values = network.parameterValues
    return result
  }

  private static func dropoutSeed(_ seed: UInt64) -> UInt64 {
    var choices = SeededGenerator(seed: seed, stream: "dropout")
    return choices.next()
  }

  /// - Returns: the examples of one step.
  private func makeRoom(for configuration: TrainingConfiguration) -> Int {
    let batch = min(configuration.batchSize, training.count)
    rows = max(rows, batch)
    return batch
  }

  private func take(
    _ rows: ArraySlice<Int32>, of pass: inout TrainingPass, _ rule: OptimizerRule, rate: Float, on network: Network
  ) throws(TrainingError) {
    pass.result += network.step(examples, rows: rows, rule: rule, learningRate: rate)
    guard pass.result.lossSum.isFinite else { throw .notFinite(epoch: pass.epoch, step: pass.step) }
    pass.advance()
  }

  /// F_k: the mean loss of a model over the examples it would be trained on, in nats.
  ///
  /// - Throws: `TrainingError.wrongLayout`; `.notFinite` (epoch and step 0) if the loss is not a finite number.
  package func trainingLoss(_ parameters: ParameterSet) throws(TrainingError) -> Double {
    let result = try load(parameters).evaluate(examples)
    let loss = result.lossSum / Double(result.count)
    guard loss.isFinite else { throw .notFinite(epoch: 0, step: 0) }
    return loss
  }

  /// Loss and accuracy of a model on the hold-out.
  ///
  /// - Parameter observe: sees the outputs of one piece after another, with the first row of each.
  /// - Throws: `TrainingError.wrongLayout`; `.notFinite` (epoch and step 0) if the loss is not a finite number.
  package func evaluate(
    _ parameters: ParameterSet, observe: (_ firstRow: Int, ModelOutputs) -> Void = { _, _ in }
  ) throws(TrainingError) -> RoundMetrics {
    try judge(load(parameters), observe)
  }

  /// The parameters in hand on the hold-out.
  private func judge(
    _ network: Network, _ observe: (_ firstRow: Int, ModelOutputs) -> Void = { _, _ in }
  ) throws(TrainingError) -> RoundMetrics {
    guard holdOut.count > 0 else { return RoundMetrics(lossSum: 0, correct: 0, evaluated: 0) }
    let result = network.evaluate(holdOut.examples, observe: observe)
    guard result.lossSum.isFinite else { throw .notFinite(epoch: 0, step: 0) }
    return RoundMetrics(
      lossSum: result.lossSum, correct: UInt64(result.correct), evaluated: UInt64(result.count))
  }
}

extension TrainingError {
  /// What a kernel's refusal means for training.
  init(_ error: KernelError) {
    switch error {
    case .wrongLayout(let expected, let found): self = .wrongLayout(expected: expected, found: found)
    case .classUnavailable(let kernelClass): self = .classUnavailable(kernelClass.rawValue)
    case .workspaceTooLarge(let byteCount, let max): self = .batchTooLarge(byteCount: byteCount, max: max)
    }
  }
}
