import ClusterRuntime
import Training

/// What `evaluate` says: the numbers that the model's kind of outputs allows, the others left out.
struct EvaluationResult: Codable {
  struct TopK: Codable {
    let k: Int
    let accuracy: Double
  }

  struct ClassResult: Codable {
    let label: Int
    let examples: Int
    /// Nil where nothing was taken for the class, or no example has it.
    let precision: Double?
    let recall: Double?
    /// Of the class's examples, how many were taken for each class.
    let predictions: [Int]
  }

  let model: String
  let data: String
  /// Predictions judged: one an example, or one a time step.
  let examples: Int
  let loss: Double
  let correct: Int?
  let accuracy: Double?
  let topK: [TopK]?
  /// Area under the ROC curve, for two classes.
  let rocArea: Double?
  /// For sequences: e to the loss in nats per token.
  let perplexity: Double?
  /// For regressions: root mean squared and mean absolute error, all targets together.
  let rmse: Double?
  let mae: Double?
  let classes: [ClassResult]?

  init(model: String, data: String, _ evaluation: ModelEvaluation, withConfusion: Bool) {
    self.model = model
    self.data = data
    switch evaluation.metrics {
    case .classification(let metrics):
      examples = metrics.count
      loss = metrics.loss ?? 0
      correct = metrics.correct
      accuracy = metrics.accuracy ?? 0
      topK =
        metrics.ranks.isEmpty
        ? nil : zip(metrics.ranks, metrics.topKAccuracies ?? []).map { TopK(k: $0, accuracy: $1) }
      rocArea = metrics.rocArea
      perplexity = evaluation.isSequence ? metrics.perplexity : nil
      (rmse, mae) = (nil, nil)
      classes = withConfusion ? metrics.confusion.map(Self.classes) : nil
    case .regression(let metrics):
      examples = metrics.count
      loss = metrics.meanSquaredError ?? 0
      (correct, accuracy, topK, rocArea, perplexity, classes) = (nil, nil, nil, nil, nil, nil)
      rmse = metrics.rootMeanSquaredError
      mae = metrics.meanAbsoluteError
    }
  }

  private static func classes(of matrix: ConfusionMatrix) -> [ClassResult] {
    (0..<matrix.classCount).map { label in
      ClassResult(
        label: label, examples: matrix.labelled(label), precision: matrix.precision(label),
        recall: matrix.recall(label),
        predictions: (0..<matrix.classCount).map { matrix[label: label, prediction: $0] })
    }
  }

  /// In one line, after a run.
  var summary: String {
    let lossText = "loss \(Readable.decimal(loss, 4))"
    if let accuracy, let correct {
      return "accuracy  \(Readable.decimal(accuracy, 4)) (\(correct) of \(examples) held-out examples), \(lossText)"
    }
    return "RMSE      \(rmse.map { Readable.decimal($0, 4) } ?? "-") (\(examples) held-out examples), \(lossText)"
  }

  /// For people: one number a line, then the matrix.
  var text: String {
    var lines: [(String, String)] = []
    func line(_ name: String, _ value: Double?) { value.map { lines.append((name, Readable.decimal($0, 4))) } }
    if let accuracy, let correct {
      lines.append(("accuracy", "\(Readable.decimal(accuracy, 4)) (\(correct) of \(examples))"))
    }
    for entry in topK ?? [] { line("top-\(entry.k)", entry.accuracy) }
    line("loss", loss)
    line("perplexity", perplexity)
    line("AUC", rocArea)
    line("RMSE", rmse)
    line("MAE", mae)
    let width = max(8, lines.map(\.0.count).max() ?? 0)
    let numbers = lines.map { $0 + String(repeating: " ", count: width + 2 - $0.count) + $1 }.joined(separator: "\n")
    return classes.map { numbers + "\n\n" + Self.table($0) } ?? numbers
  }

  private static func table(_ classes: [ClassResult]) -> String {
    let predictions = classes.map { (title: "as \($0.label)", alignment: TextTable.Alignment.right) }
    var table = TextTable([("label", .right)] + predictions + [("precision", .right), ("recall", .right)])
    for row in classes {
      table.append(
        ["\(row.label)"] + row.predictions.map { "\($0)" } + [
          row.precision.map { Readable.decimal($0, 4) } ?? "-", row.recall.map { Readable.decimal($0, 4) } ?? "-",
        ])
    }
    return table.lines.joined(separator: "\n")
  }
}
