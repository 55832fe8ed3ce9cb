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
  /// - Throws: `TrainingError.wrongTargets`, `.wrongDataset`, `.noExamples`, `.classUnavailable`.
  package init(
    _ architecture: ModelArchitecture, training: Dataset, holdOut: Dataset, threads: Int = 1,
    kernelClass: KernelClass = .best
  ) throws(TrainingError) {
    for dataset in [training, holdOut] {
      guard dataset.hasOneClass else { throw .wrongTargets }
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

  private func load(_ parameters: ParameterSet) throws(TrainingError) {
    do throws(KernelError) { try network.load(parameters) } catch { throw TrainingError(error) }
  }

  /// Trains from `base` for the configured epochs, each over all examples in an order drawn from the seed.
  ///
  /// - Parameters:
  ///   - seed: of the shuffles; the same seed, base, data and kernel class give the same bits.
  ///   - progress: told the finished fraction, from 0 to 1, after every step.
  ///   - isCancelled: asked before every step.
  /// - Throws: `TrainingError.wrongLayout`, `.notFinite`, `.cancelled`.
  package func train(
    base: ParameterSet, configuration: TrainingConfiguration, seed: UInt64, progress: (Double) -> Void = { _ in },
    isCancelled: () -> Bool = { false }
  ) throws(TrainingError) -> TrainingResult {
    let batch = min(configuration.batchSize, training.count)
    if network.batchCapacity < batch {
      network = try Self.network(architecture, rows: batch, pool: pool, kernelClass: kernelClass)
    }
    try load(base)
    let rule = UpdateRule(
      learningRate: Float(configuration.learningRate), momentum: Float(configuration.momentum ?? 0),
      weightDecay: Float(configuration.weightDecay ?? 0), proximal: Float(configuration.proximal ?? 0))
    let stepsPerEpoch = (training.count + batch - 1) / batch
    var choices = SeededGenerator(seed: seed, stream: "shuffle")
    var order = (0..<Int32(training.count)).map { $0 }
    var epochLosses: [Double] = []
    for epoch in 0..<configuration.localEpochs {
      choices.shuffle(&order)
      var result = BatchResult()
      for step in 0..<stepsPerEpoch {
        if isCancelled() { throw .cancelled }
        let rows = order[step * batch..<min(order.count, (step + 1) * batch)]
        result += network.step(features: training.features, labels: training.labels, rows: rows, rule: rule)
        guard result.lossSum.isFinite else { throw .notFinite(epoch: epoch + 1, step: step + 1) }
        progress(Double(epoch * stepsPerEpoch + step + 1) / Double(configuration.localEpochs * stepsPerEpoch))
      }
      guard network.hasFiniteParameters else { throw .notFinite(epoch: epoch + 1, step: stepsPerEpoch) }
      epochLosses.append(result.lossSum / Double(result.count))
    }
    let difference = zip(network.parameterValues, base.values).map { $0 - $1 }
    guard difference.allSatisfy(\.isFinite) else {
      throw .notFinite(epoch: configuration.localEpochs, step: stepsPerEpoch)
    }
    return TrainingResult(
      difference: difference, exampleCount: UInt64(training.count), epochLosses: epochLosses)
  }

  /// Loss and accuracy of a model on the hold-out.
  ///
  /// - Throws: `TrainingError.wrongLayout`; `.notFinite` (epoch and step 0) if the loss is not a finite number.
  package func evaluate(_ parameters: ParameterSet) throws(TrainingError) -> RoundMetrics {
    try load(parameters)
    let result = network.evaluate(features: holdOut.features, labels: holdOut.labels)
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
