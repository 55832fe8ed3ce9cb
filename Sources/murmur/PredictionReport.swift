import Prediction

/// Answers for people, for spreadsheets and for programs.
struct PredictionReport {
  struct Document: Encodable {
    struct Row: Encodable {
      let label: Int?
      let probability: Float?
      let expected: Float?
      let probabilities: [Float]?
      let values: [Float]?
    }

    let model: String
    let count: Int
    /// Rows whose class is the label of the file; nil without labels.
    let correct: Int?
    let accuracy: Double?
    let rows: [Row]?
  }

  let model: String
  private let predictions: Predictions
  private let labels: [Float]?
  private let correct: Int?

  init(model: String, _ predictions: Predictions, labels: [Float]?) {
    self.model = model
    self.predictions = predictions
    self.labels = labels
    correct = labels.flatMap { predictions.correct($0) }
  }

  private var isClassifier: Bool { predictions.meaning == .probabilities }
  private var accuracy: Double? { correct.map { Double($0) / Double(predictions.count) } }

  /// `digits@20: 540 rows, accuracy 0.9700 (524 of 540)`.
  var summary: String {
    let rows = "\(model): \(predictions.count) rows"
    guard let correct, let accuracy else { return rows }
    return "\(rows), accuracy \(Readable.decimal(accuracy, 4)) (\(correct) of \(predictions.count))"
  }

  /// One line a row, then the summary.
  var text: String {
    var columns: [(title: String, alignment: TextTable.Alignment)] = [("ROW", .right)]
    if isClassifier {
      columns += [("LABEL", .right), ("PROBABILITY", .right)]
    } else {
      columns += (0..<predictions.width).map { ("Y\($0)", .right) }
    }
    if labels != nil { columns.append(("EXPECTED", .right)) }
    var table = TextTable(columns)
    for row in 0..<predictions.count {
      var cells = ["\(row)"]
      if let label = predictions.label(of: row), let probability = predictions.probability(of: row) {
        cells += ["\(label)", Readable.decimal(Double(probability), 4)]
      } else {
        cells += predictions.row(row).map { Readable.decimal(Double($0), 4) }
      }
      if let labels { cells.append(Self.number(labels[row])) }
      table.append(cells)
    }
    return (table.lines + ["", summary]).joined(separator: "\n")
  }

  /// All numbers, one line a row behind a line of names.
  var csv: String {
    let names = ["row"] + (isClassifier ? ["label", "probability"] : []) + (labels == nil ? [] : ["expected"])
    let columns = (0..<predictions.width).map { isClassifier ? "p\($0)" : "y\($0)" }
    var lines = [(names + columns).joined(separator: ",")]
    for row in 0..<predictions.count {
      var cells = ["\(row)"]
      if let label = predictions.label(of: row), let probability = predictions.probability(of: row) {
        cells += ["\(label)", "\(probability)"]
      }
      if let labels { cells.append(Self.number(labels[row])) }
      lines.append((cells + predictions.row(row).map { "\($0)" }).joined(separator: ","))
    }
    return lines.joined(separator: "\n") + "\n"
  }

  func document(withRows: Bool) -> Document {
    let rows = (0..<predictions.count).map { row in
      let numbers = Array(predictions.row(row))
      return Document.Row(
        label: predictions.label(of: row), probability: predictions.probability(of: row), expected: labels?[row],
        probabilities: isClassifier ? numbers : nil, values: isClassifier ? nil : numbers)
    }
    return Document(
      model: model, count: predictions.count, correct: correct, accuracy: accuracy, rows: withRows ? rows : nil)
  }

  private static func number(_ value: Float) -> String { Int(exactly: value).map(String.init) ?? "\(value)" }
}
