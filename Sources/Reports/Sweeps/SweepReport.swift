/// What a sweep found: one row a combination of values, and a picture of the accuracy.
package struct SweepReport {
  /// One simulation of a sweep.
  package struct Cell: Hashable, Sendable {
    /// In the order of the keys.
    package let values: [String]
    package let seed: UInt64
    package let accuracy: Double?
    package let loss: Double?
    package let rounds: Int
    package let seconds: Double
    package let bytes: Double
    package let isAsExpected: Bool

    package init(
      values: [String], seed: UInt64, accuracy: Double?, loss: Double?, rounds: Int, seconds: Double, bytes: Double,
      isAsExpected: Bool
    ) {
      self.values = values
      self.seed = seed
      self.accuracy = accuracy
      self.loss = loss
      self.rounds = rounds
      self.seconds = seconds
      self.bytes = bytes
      self.isAsExpected = isAsExpected
    }
  }

  /// Mean and sample standard deviation over seeds.
  package struct Spread: Codable, Hashable, Sendable {
    package let mean: Double
    /// 0 for one seed.
    package let deviation: Double

    /// Nil of nothing.
    init?(_ values: [Double]) {
      guard !values.isEmpty else { return nil }
      let mean = values.reduce(0, +) / Double(values.count)
      let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
      self.mean = mean
      deviation = values.count > 1 ? (squares / Double(values.count - 1)).squareRoot() : 0
    }

    func text(_ digits: Int) -> String {
      "\(NumberText.decimal(mean, digits)) ± \(NumberText.decimal(deviation, digits))"
    }
  }

  /// All seeds of one combination of values.
  package struct Row: Codable, Hashable, Sendable {
    package let values: [String]
    package let seeds: Int
    package let accuracy: Spread?
    package let loss: Spread?
    package let rounds: Spread
    package let seconds: Spread
    package let bytes: Spread
    /// Simulations that went as their scenario says.
    package let asExpected: Int

    fileprivate init?(_ cells: [Cell]) {
      guard let first = cells.first, let rounds = Spread(cells.map { Double($0.rounds) }),
        let seconds = Spread(cells.map(\.seconds)), let bytes = Spread(cells.map(\.bytes))
      else { return nil }
      values = first.values
      seeds = cells.count
      accuracy = Spread(cells.compactMap(\.accuracy))
      loss = Spread(cells.compactMap(\.loss))
      self.rounds = rounds
      self.seconds = seconds
      self.bytes = bytes
      asExpected = cells.count(where: \.isAsExpected)
    }
  }

  package let scenario: String
  package let keys: [String]
  /// The most accurate first, or the one with the least loss where there is no accuracy; equal ones in the order of the
  /// cells.
  package let rows: [Row]
  /// Values of each key, in the order in which they were asked for.
  private let choices: [[String]]

  package init(scenario: String, keys: [String], cells: [Cell]) {
    self.scenario = scenario
    self.keys = keys
    var order: [[String]] = []
    var grouped: [[String]: [Cell]] = [:]
    for cell in cells {
      if grouped[cell.values] == nil { order.append(cell.values) }
      grouped[cell.values, default: []].append(cell)
    }
    choices = keys.indices.map { key in
      var seen: [String] = []
      for values in order where !seen.contains(values[key]) { seen.append(values[key]) }
      return seen
    }
    func rank(_ row: Row) -> Double { row.accuracy.map { -$0.mean } ?? row.loss?.mean ?? .infinity }
    let found = order.compactMap { Row(grouped[$0] ?? []) }
    rows = found.enumerated().sorted { (rank($0.element), $0.offset) < (rank($1.element), $1.offset) }.map(\.element)
  }

  package var files: [ReportFile] { ReportFile.all(page: page, plots: [plot], tables: [table]) }

  package var table: DataTable {
    var table = DataTable(
      "sweep",
      keys.map { .init(title: $0) } + [
        .init(title: "seeds"), .init(title: "accuracy"), .init(title: "± accuracy"), .init(title: "loss"),
        .init(title: "± loss"), .init(title: "rounds"), .init(title: "seconds"), .init(title: "± seconds"),
        .init(title: "bytes"), .init(title: "as expected"),
      ])
    for row in rows {
      func pair(_ spread: Spread?, _ digits: Int) -> [String] {
        guard let spread else { return ["", ""] }
        return [NumberText.decimal(spread.mean, digits), NumberText.decimal(spread.deviation, digits)]
      }
      table.append(
        row.values + ["\(row.seeds)"] + pair(row.accuracy, 4) + pair(row.loss, 4)
          + [NumberText.short(row.rounds.mean)] + pair(row.seconds, 2)
          + [NumberText.decimal(row.bytes.mean, 0), "\(row.asExpected) of \(row.seeds)"])
    }
    return table
  }

  /// The table for people: a header and one line a row.
  package var lines: [[String]] {
    [keys + ["seeds", "accuracy", "loss", "rounds", "seconds", "bytes", "as expected"]]
      + rows.map { row in
        row.values + [
          "\(row.seeds)", row.accuracy?.text(4) ?? "-", row.loss?.text(4) ?? "-", NumberText.short(row.rounds.mean),
          row.seconds.text(2), NumberText.bytes(row.bytes.mean), "\(row.asExpected) of \(row.seeds)",
        ]
      }
  }

  private var page: String {
    var page = Page(title: "\(scenario): sweep")
    page.heading("\(scenario): sweep over \(keys.joined(separator: ", "))", level: 1)
    page.paragraph(
      "Mean and sample standard deviation over seeds, of the last version on the data that no worker has. "
        + "Seeds are the "
        + "scenario’s own, of network and misfortunes. Seconds are virtual.")
    page.figure(plot)
    page.table(table)
    page.footer("The table is in sweep.csv, each simulation’s result in cells, beside this page.")
    return page.text
  }

  // MARK: The picture

  private var measure: RunPlots.Measure { rows.contains { $0.accuracy != nil } ? .accuracy : .loss }

  private func spread(_ row: Row) -> Spread? { measure == .accuracy ? row.accuracy : row.loss }

  package var plot: Plot {
    if keys.count == 2 { return heatMap }
    let numbers = keys.count == 1 ? choices[0].map { Double($0) } : []
    return !numbers.isEmpty && numbers.allSatisfy { $0?.isFinite == true } ? curve : ranking
  }

  /// Along the one key, whose values are numbers.
  private var curve: Plot {
    let points = rows.compactMap { row in
      spread(row).flatMap { spread in Double(row.values[0]).map { (x: $0, spread: spread) } }
    }.sorted { $0.x < $1.x }
    let ticks = choices[0].compactMap { text in Double(text).map { Axis.Tick(value: $0, text: text) } }
    let least = ticks.map(\.value).min() ?? 0, most = ticks.map(\.value).max() ?? 1
    let isWide = least > 0 && most / least >= 8
    return Plot(
      name: "sweep", title: "\(measure.title) of the last version by \(keys[0])",
      x: isWide
        ? .logarithmic("\(keys[0]) (logarithmic)", marking: ticks) : .linear(keys[0], around: ticks.map(\.value)),
      y: .linear(
        measure.rawValue,
        around: points.flatMap { [$0.spread.mean - $0.spread.deviation, $0.spread.mean + $0.spread.deviation] },
        limits: measure.limits),
      marks: [
        .line(
          Plot.Line(
            label: "", points: points.map { Plot.Point(x: $0.x, y: $0.spread.mean) }, colour: Ink.blue,
            spreads: points.map(\.spread.deviation), isMarked: true))
      ])
  }

  /// What fits into a cell of the heat map.
  private func text(_ spread: Spread, seeds: Int) -> String {
    switch choices[0].count {
    case ...7: seeds > 1 ? spread.text(3) : NumberText.decimal(spread.mean, 4)
    case ...15: NumberText.decimal(spread.mean, 3)
    default: ""
    }
  }

  private var heatMap: Plot {
    let values = rows.compactMap { spread($0)?.mean }
    let least = values.min() ?? 0, most = values.max() ?? 1
    var cells: [Plot.Cell] = []
    for row in rows {
      guard let column = choices[0].firstIndex(of: row.values[0]), let line = choices[1].firstIndex(of: row.values[1])
      else { continue }
      let found = spread(row)
      let share = found.map { most > least ? ($0.mean - least) / (most - least) : 0.5 }
      cells.append(
        Plot.Cell(
          column: column, row: line, share: share,
          text: found.map { text($0, seeds: row.seeds) } ?? "-"))
    }
    return Plot(
      name: "sweep", title: "\(measure.title) of the last version (darker is more)",
      x: .categories(keys[0], choices[0].map(RunPlots.shortened)),
      y: .categories(keys[1], choices[1].map(RunPlots.shortened)), marks: [.cells(cells)],
      height: 90 + 44 * Double(max(2, choices[1].count)))
  }

  /// Combinations that a picture ranks.
  private static let rankedMax = 60

  /// One row a combination, the best on top.
  private var ranking: Plot {
    let found = rows.prefix(Self.rankedMax).map { row in (row: row, spread: spread(row)) }
    let names = found.map { zip(keys, $0.row.values).map { "\(Self.last($0)) \($1)" }.joined(separator: ", ") }
    let ends = found.compactMap(\.spread).flatMap { [$0.mean - $0.deviation, $0.mean + $0.deviation] }
    let intervals = found.enumerated().compactMap { index, item in
      item.spread.map { spread in
        Plot.Interval(
          row: index, from: spread.mean - spread.deviation, to: spread.mean + spread.deviation,
          label: "mean ± deviation over seeds", colour: Ink.blue, note: spread.text(4))
      }
    }
    return Plot(
      name: "sweep",
      title: "\(measure.title) of the last version" + (found.count < rows.count ? ", the best \(found.count)" : ""),
      x: .linear(measure.rawValue, around: ends, limits: measure.limits), y: .categories("", names),
      marks: [.intervals(intervals)], height: 86 + 20 * Double(max(2, found.count)))
  }

  private static func last(_ key: String) -> String { key.split(separator: ".").last.map(String.init) ?? key }
}
