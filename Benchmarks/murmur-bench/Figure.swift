import Foundation

/// What a figure must keep.
enum Budget: Sendable {
  /// A rate: at least this part of the limit.
  case ratioAtLeast(Double)
  /// A time or an error: at most so many times the limit.
  case ratioAtMost(Double)
  /// A time: at most this, in the figure's unit.
  case atMost(Double)

  func isKept(by value: Double, ratio: Double?) -> Bool {
    switch self {
    case .ratioAtLeast(let least): (ratio ?? 0) >= least
    case .ratioAtMost(let most): (ratio ?? .infinity) <= most
    case .atMost(let most): value <= most
    }
  }

  var text: String {
    switch self {
    case .ratioAtLeast(let least): "ratio ≥ \(least)"
    case .ratioAtMost(let most): "ratio ≤ \(most)"
    case .atMost(let most): "≤ \(most)"
    }
  }
}

/// One line of a benchmark: what was measured, beside the limit of the same run.
struct Figure: Sendable {
  let section: String
  let name: String
  let value: Double
  let unit: String
  /// What the machine could do at best, in the same unit.
  var limit: Double?
  var budget: Budget?

  var ratio: Double? { limit.map { value / $0 } }
  /// Nil without a budget.
  var isKept: Bool? { budget.map { $0.isKept(by: value, ratio: ratio) } }
}

extension Figure: Encodable {
  private enum Key: String, CodingKey {
    case section, name, value, unit, limit, ratio, budget, isKept
  }

  func encode(to encoder: any Encoder) throws {
    var out = encoder.container(keyedBy: Key.self)
    try out.encode(section, forKey: .section)
    try out.encode(name, forKey: .name)
    try out.encode(value, forKey: .value)
    try out.encode(unit, forKey: .unit)
    try out.encodeIfPresent(limit, forKey: .limit)
    try out.encodeIfPresent(ratio, forKey: .ratio)
    try out.encodeIfPresent(budget?.text, forKey: .budget)
    try out.encodeIfPresent(isKept, forKey: .isKept)
  }
}

/// Prints figures as they come, or all of them as JSON at the end.
struct Report {
  let isJSON: Bool
  private var figures: [Figure] = []
  private var section = ""

  init(isJSON: Bool) { self.isJSON = isJSON }

  mutating func add(_ figure: Figure) {
    figures.append(figure)
    guard !isJSON else { return }
    if figure.section != section {
      section = figure.section
      print("\n\(section)")
    }
    var line = "  " + figure.name.padding(toLength: 46, withPad: " ", startingAt: 0)
    line += pad(number(figure.value), 10) + " " + figure.unit.padding(toLength: 5, withPad: " ", startingAt: 0)
    if let limit = figure.limit, let ratio = figure.ratio {
      line += "  of" + pad(number(limit), 9) + "  ratio" + pad(String(format: "%.3f", ratio), 7)
    }
    if let budget = figure.budget, let isKept = figure.isKept {
      line += "  (\(budget.text)) " + (isKept ? "kept" : "MISSED")
    }
    print(line)
  }

  func finish() throws {
    guard isJSON else { return }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    print(String(decoding: try encoder.encode(figures), as: UTF8.self))
  }

  private func number(_ value: Double) -> String {
    value != 0 && abs(value) < 0.01 ? String(format: "%.3g", value) : String(format: "%.3f", value)
  }

  private func pad(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }
}
