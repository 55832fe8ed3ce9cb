import GradientKernel
import Tensors

/// What a model is worth on a data set, by everything that its kind of outputs lets one say.
package struct ModelEvaluation: Equatable, Sendable {
  package enum Metrics: Equatable, Sendable {
    case classification(ClassificationMetrics)
    case regression(RegressionMetrics)
  }

  /// Examples of the data set; a sequence is one.
  package let exampleCount: Int
  package let metrics: Metrics
  /// Whether examples are sequences of tokens, each predicting the next.
  package let isSequence: Bool

  /// Evaluates a model on all examples.
  ///
  /// - Parameters:
  ///   - topK: each from 1 to the number of classes; ignored for a regression.
  ///   - confusion: whether to count which class is taken for which; left out above
  ///     `ClassificationMetrics.confusionClassCountMax` classes.
  /// - Throws: `TrainingError`; `.notFinite` (epoch and step 0) for outputs that are no numbers.
  package init(
    of parameters: ParameterSet, _ architecture: ModelArchitecture, on dataset: Dataset, threads: Int = 1,
    topK: [Int] = [], confusion: Bool = false
  ) throws(TrainingError) {
    let trainer = try LocalTrainer(architecture, training: dataset, holdOut: dataset, threads: threads)
    exampleCount = dataset.count
    isSequence = architecture.labelsPerExample > 1 && architecture.classCount > 0
    var failed = false
    switch architecture.loss {
    case .meanSquaredError:
      guard case .values(let targets, let width) = dataset.targets else {
        preconditionFailure("the trainer checked it")
      }
      var sums = RegressionMetrics(width: width)
      _ = try trainer.evaluate(parameters) { first, outputs in
        let rows = outputs.contiguous
        do throws(EvaluationError) {
          try sums.add(rows: rows, targets: Array(targets[first * width..<first * width + rows.count]))
        } catch {
          failed = true
        }
      }
      metrics = .regression(sums)
    case .softmaxCrossEntropy, .binaryCrossEntropy:
      let isBinary = architecture.loss == .binaryCrossEntropy
      var sums = ClassificationMetrics(
        isBinary ? .logit : .logits(classCount: architecture.classCount), topK: topK,
        confusion: confusion && architecture.classCount <= ClassificationMetrics.confusionClassCountMax,
        rocArea: architecture.classCount == 2)
      let labels = dataset.labels
      _ = try trainer.evaluate(parameters) { first, outputs in
        do throws(EvaluationError) {
          try sums.add(
            rows: outputs.contiguous, labels: Array(labels[first..<first + outputs.rowCount]),
            losses: Array(outputs.losses))
        } catch {
          failed = true
        }
      }
      metrics = .classification(sums)
    }
    guard !failed else { throw .notFinite(epoch: 0, step: 0) }
  }
}

extension ModelOutputs {
  /// Shape [rowCount, width].
  fileprivate var contiguous: [Float] {
    var all: [Float] = []
    all.reserveCapacity(rowCount * width)
    for index in 0..<rowCount { all.append(contentsOf: row(index)) }
    return all
  }
}
