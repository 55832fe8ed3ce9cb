import Glibc

/// One direction of a plot: what it counts, from where to where, and which values are marked.
package struct Axis: Hashable, Sendable {
  enum Kind: Hashable, Sendable {
    case linear(lower: Double, upper: Double)
    /// Both bounds above 0.
    case logarithmic(lower: Double, upper: Double)
    /// Named rows or columns; the i-th lies at i.
    case categories([String])
  }

  struct Tick: Hashable {
    let value: Double
    let text: String
  }

  /// With the unit.
  let label: String
  let kind: Kind
  let ticks: [Tick]

  /// An axis around values, whose ends are marked values.
  ///
  /// - Parameters:
  ///   - includesZero: whether lengths are compared, as those of bars.
  ///   - limits: values that cannot be exceeded, such as 0 to 1 for an accuracy.
  ///   - isWhole: whether only whole numbers are marked.
  static func linear(
    _ label: String, around values: [Double], includesZero: Bool = false, limits: ClosedRange<Double>? = nil,
    isWhole: Bool = false, tickCount: Int = 5
  ) -> Axis {
    let finite = values.filter(\.isFinite)
    var lower = finite.min() ?? 0, upper = finite.max() ?? 1
    if includesZero { (lower, upper) = (min(0, lower), max(0, upper)) }
    if lower == upper { (lower, upper) = includesZero ? (lower, lower + 1) : (lower - 0.5, upper + 0.5) }
    let step = Self.step(for: upper - lower, tickCount: tickCount, isWhole: isWhole)
    lower = (lower / step.value + 1e-9).rounded(.down) * step.value
    upper = (upper / step.value - 1e-9).rounded(.up) * step.value
    if let limits { (lower, upper) = (max(lower, limits.lowerBound), min(upper, limits.upperBound)) }
    return Axis(
      label: label, kind: .linear(lower: lower, upper: upper), ticks: Self.ticks(from: lower, to: upper, step: step))
  }

  /// An axis that ends where the values do.
  static func fitted(
    _ label: String, from lower: Double, to upper: Double, isWhole: Bool = false, tickCount: Int = 6
  ) -> Axis {
    let upper = upper > lower ? upper : lower + 1
    let step = Self.step(for: upper - lower, tickCount: tickCount, isWhole: isWhole)
    return Axis(
      label: label, kind: .linear(lower: lower, upper: upper), ticks: Self.ticks(from: lower, to: upper, step: step))
  }

  /// A logarithmic axis that marks given values, and reaches a little beyond them.
  static func logarithmic(_ label: String, marking marks: [Tick]) -> Axis {
    let values = marks.map(\.value)
    return Axis(
      label: label, kind: .logarithmic(lower: (values.min() ?? 1) / 1.2, upper: (values.max() ?? 1) * 1.2), ticks: marks
    )
  }

  static func categories(_ label: String, _ names: [String]) -> Axis {
    Axis(
      label: label, kind: .categories(names),
      ticks: names.enumerated().map { Tick(value: Double($0.offset), text: $0.element) })
  }

  /// Where a value lies: 0 at the lower end, 1 at the upper.
  func place(_ value: Double) -> Double {
    switch kind {
    case .linear(let lower, let upper): (value - lower) / (upper - lower)
    case .logarithmic(let lower, let upper): log(value / lower) / log(upper / lower)
    case .categories(let names): (value + 0.5) / Double(max(1, names.count))
    }
  }

  var isCategorical: Bool { if case .categories = kind { true } else { false } }

  // MARK: Ticks

  private typealias Step = (value: Double, digits: Int)

  /// The least of 1, 2 and 5 times a power of ten that gives no more than about `tickCount` steps.
  private static func step(for span: Double, tickCount: Int, isWhole: Bool) -> Step {
    let wanted = span / Double(tickCount)
    var exponent = Int(log10(wanted).rounded(.down))
    if isWhole, exponent < 0 { return (1, 0) }
    var factor = 10.0
    for candidate in [1.0, 2, 5] where candidate * pow(10, Double(exponent)) >= wanted * (1 - 1e-9) {
      factor = candidate
      break
    }
    if factor == 10 { (factor, exponent) = (1, exponent + 1) }
    let value = exponent < 0 ? factor / pow(10, Double(-exponent)) : factor * pow(10, Double(exponent))
    return (value, max(0, -exponent))
  }

  private static func ticks(from lower: Double, to upper: Double, step: Step) -> [Tick] {
    let first = Int((lower / step.value - 1e-6).rounded(.up)), last = Int((upper / step.value + 1e-6).rounded(.down))
    guard first <= last else { return [] }
    return (first...last).map { index in
      let value = Double(index) * step.value
      return Tick(value: value, text: NumberText.decimal(value, step.digits))
    }
  }
}
