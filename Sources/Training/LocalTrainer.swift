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

/// Trains and evaluates one model on one worker's own examples.
///
/// Keeps threads and workspaces between rounds. One user at a time, on a thread that may compute for long.
package final class LocalTrainer {
  package let architecture: ModelArchitecture
  package let training: Dataset
  package let holdOut: Dataset
  package let kernelClass: KernelClass
  private let pool: ThreadPool
  private var network: Network

  /// Rows of one piece of an evaluation, at least.
  private static let evaluationRows = 64

  /// - Parameters:
  ///   - training: at least one example.
  ///   - holdOut: what `evaluate` judges by; may be empty.
  ///   - threads: at least 1; results do not depend on it.
  /// - Throws: `TrainingError.wrongDataset`, `.noExamples`, `.classUnavailable`.
  package init(
    _ architecture: ModelArchitecture, training: Dataset, holdOut: Dataset, threads: Int = 1,
    kernelClass: KernelClass = .best
  ) throws(TrainingError) {
    for dataset in [training, holdOut] {
      guard dataset.featureCount == architecture.featureCount, dataset.classCount <= architecture.classCount else {
        throw .wrongDataset(
          features: dataset.featureCount, expectedFeatures: architecture.featureCount, classes: dataset.classCount,
          expectedClasses: architecture.classCount)
      }
    }
    guard training.count > 0 else { throw .noExamples }
    self.architecture = architecture
    self.training = training
    self.holdOut = holdOut
    self.kernelClass = kernelClass
    pool = ThreadPool(threads: threads)
    network = try Self.network(architecture, rows: Self.evaluationRows, pool: pool, kernelClass: kernelClass)
  }

  private static func network(
    _ architecture: ModelArchitecture, rows: Int, pool: ThreadPool, kernelClass: KernelClass
  ) throws(TrainingError) -> Network {
    do throws(KernelError) {
      return try Network(architecture, batchCapacity: rows, pool: pool, kernelClass: kernelClass)
    } catch {
      throw TrainingError(error)
    }
  }

  private func load(_ parameters: ParameterSet, dropoutSeed: UInt64 = 0) throws(TrainingError) {
    do throws(KernelError) {
      try network.load(parameters, dropoutSeed: dropoutSeed)
    } catch {
      throw TrainingError(error)
    }
  }

  /// Trains from `base` for the configured epochs or steps, each epoch over all examples in an order drawn from the seed.
  ///
  /// - Parameters:
  ///   - round: for the schedule of the learning rate; from 1.
  ///   - seed: of shuffles and dropout; the same seed, base, data and kernel class give the same bits.
  ///   - progress: told the finished fraction, from 0 to 1, after every step.
  ///   - isCancelled: asked before every step.
  /// - Throws: `TrainingError.wrongLayout`, `.notFinite`, `.cancelled`.
  package func train(
    base: ParameterSet, configuration: TrainingConfiguration, round: UInt64 = 1, seed: UInt64,
    progress: (Double) -> Void = { _ in }, isCancelled: () -> Bool = { false }
  ) throws(TrainingError) -> TrainingResult {
    let batch = min(configuration.batchSize, training.count)
    if network.batchCapacity < batch {
      network = try Self.network(architecture, rows: batch, pool: pool, kernelClass: kernelClass)
    }
    var choices = SeededGenerator(seed: seed, stream: "shuffle")
    var dropout = SeededGenerator(seed: seed, stream: "dropout")
    try load(base, dropoutSeed: dropout.next())
    let rule = configuration.rule
    let rate = Float(configuration.learningRate * configuration.optimizer.learningRateFactor(round: round))
    let stepCount = configuration.stepCount(examples: training.count)
    let stepsPerEpoch = (training.count + batch - 1) / batch
    var order = (0..<Int32(training.count)).map { $0 }
    var epochLosses: [Double] = []
    var result = BatchResult()
    for step in 0..<stepCount {
      let (epoch, position) = step.quotientAndRemainder(dividingBy: stepsPerEpoch)
      if position == 0 { choices.shuffle(&order) }
      if isCancelled() { throw .cancelled }
      let rows = order[position * batch..<min(order.count, (position + 1) * batch)]
      result += network.step(training.examples, rows: rows, rule: rule, learningRate: rate)
      guard result.lossSum.isFinite else { throw .notFinite(epoch: epoch + 1, step: position + 1) }
      progress(Double(step + 1) / Double(stepCount))
      guard position == stepsPerEpoch - 1 || step == stepCount - 1 else { continue }
      guard network.hasFiniteParameters else { throw .notFinite(epoch: epoch + 1, step: position + 1) }
      epochLosses.append(result.lossSum / Double(result.count))
      result = BatchResult()
    }
    let difference = zip(network.parameterValues, base.values).map { $0 - $1 }
    guard difference.allSatisfy(\.isFinite) else {
      throw .notFinite(epoch: epochLosses.count, step: stepsPerEpoch)
    }
    return TrainingResult(
      difference: difference, exampleCount: UInt64(training.count), epochLosses: epochLosses)
  }

  /// Loss and accuracy of a model on the hold-out.
  ///
  /// - Parameter observe: sees the outputs of one piece after another, with the first row of each.
  /// - Throws: `TrainingError.wrongLayout`; `.notFinite` (epoch and step 0) if the loss is not a finite number.
  package func evaluate(
    _ parameters: ParameterSet, observe: (_ firstRow: Int, ModelOutputs) -> Void = { _, _ in }
  ) throws(TrainingError) -> RoundMetrics {
    try load(parameters)
    let result = network.evaluate(holdOut.examples, observe: observe)
    guard result.lossSum.isFinite else { throw .notFinite(epoch: 0, step: 0) }
    return RoundMetrics(
      lossSum: result.lossSum, correct: UInt64(result.correct), evaluated: UInt64(result.count))
  }
}

extension TrainingError {
  /// What a kernel's refusal means for training.
  fileprivate init(_ error: KernelError) {
    switch error {
    case .wrongLayout(let expected, let found): self = .wrongLayout(expected: expected, found: found)
    case .classUnavailable(let kernelClass): self = .classUnavailable(kernelClass.rawValue)
    }
  }
}
