/// Puts a plot on a picture: margins from what has to stand in them, then grid, marks, axes and legend.
struct PlotDrawing {
  private static let tickSize = 10.5
  private static let labelSize = 11.0
  /// Lines with up to so many points show them.
  private static let markedPointsMax = 45
  /// Lines up to so many are named at their ends, more in a legend.
  private static let directLabelsMax = 6
  private static let lineHeight = 13.0

  private let plot: Plot
  private let left: Double
  private let right: Double
  private let top: Double
  private let bottom: Double
  private var drawing: SVGDrawing

  init(_ plot: Plot) {
    self.plot = plot
    let tickWidth = plot.y.ticks.map { SVGDrawing.width(of: $0.text, size: Self.tickSize) }.max() ?? 0
    left = tickWidth + 12 + (plot.y.label.isEmpty ? 0 : 18)
    let names = Self.directLabels(of: plot).map { SVGDrawing.width(of: $0.label) }.max()
    right = plot.width - (names.map { $0 + 14 } ?? 16)
    let legendRows = Self.rows(of: Self.legend(of: plot), width: plot.width - left).count
    top = 30 + Double(legendRows) * 17
    bottom = plot.height - 42
    drawing = SVGDrawing(width: plot.width, height: plot.height)
    draw()
  }

  var element: String { drawing.element(label: plot.title) }

  // MARK: Places

  private func x(_ value: Double) -> Double { left + (right - left) * plot.x.place(value) }

  /// Rows read from the top, numbers from the bottom.
  private func y(_ value: Double) -> Double {
    plot.y.isCategorical ? top + (bottom - top) * plot.y.place(value) : bottom - (bottom - top) * plot.y.place(value)
  }

  // MARK: Drawing

  private mutating func draw() {
    drawing.text(plot.title, x: left, baseline: 16, size: 13, isBold: true)
    drawLegend()
    drawGrid()
    for mark in plot.marks { draw(mark) }
    drawAxes()
    drawDirectLabels()
  }

  private mutating func draw(_ mark: Plot.Mark) {
    switch mark {
    case .line(let line): draw(line)
    case .bars(let bars): draw(bars)
    case .intervals(let intervals): for interval in intervals { draw(interval) }
    case .cells(let cells): for cell in cells { draw(cell) }
    case .rule(let value, let label):
      drawing.line(from: (left, y(value)), to: (right, y(value)), Ink.faint, dash: "4 3")
      drawing.text(label, x: left + 6, baseline: y(value) - 4, size: Self.tickSize, Ink.faint)
    }
  }

  private mutating func draw(_ line: Plot.Line) {
    let places = line.points.map { (x($0.x), y($0.y)) }
    for (point, spread) in zip(line.points, line.spreads) where spread > 0 {
      let ends = (y(point.y - spread), y(point.y + spread)), at = x(point.x)
      drawing.line(from: (at, ends.0), to: (at, ends.1), line.colour, width: 1.2)
      for end in [ends.0, ends.1] { drawing.line(from: (at - 4, end), to: (at + 4, end), line.colour, width: 1.2) }
    }
    if line.isJoined, places.count > 1 { drawing.path(places, line.colour, width: 1.8, dash: line.dash) }
    guard line.isMarked || places.count <= Self.markedPointsMax else { return }
    for place in places { drawing.dot(place, radius: line.isJoined ? 2.4 : 3.6, line.colour) }
  }

  private mutating func draw(_ bars: Plot.Bars) {
    for (index, position) in bars.positions.enumerated() {
      var base = 0.0
      for layer in bars.layers where layer.values[index] > 0 {
        let end = base + layer.values[index]
        if bars.isHorizontal {
          let thickness = (bottom - top) / Double(max(1, bars.positions.count)) * bars.width
          drawing.rectangle(
            x: x(base), y: y(position) - thickness / 2, width: x(end) - x(base), height: thickness, layer.colour)
        } else {
          let from = x(position - bars.width / 2)
          drawing.rectangle(
            x: from, y: y(end), width: x(position + bars.width / 2) - from, height: y(base) - y(end), layer.colour)
        }
        base = end
      }
    }
  }

  private mutating func draw(_ interval: Plot.Interval) {
    let thickness = min(16, (bottom - top) / Double(max(1, plot.y.ticks.count)) * 0.62)
    // What lasted a moment can still be seen.
    let from = x(interval.from), width = max(1.5, x(interval.to) - from)
    drawing.rectangle(
      x: from, y: y(Double(interval.row)) - thickness / 2, width: width, height: thickness, interval.colour,
      outline: width > 4 ? "#ffffff" : nil, note: interval.note)
  }

  private mutating func draw(_ cell: Plot.Cell) {
    let width = (right - left) / Double(max(1, plot.x.ticks.count))
    let height = (bottom - top) / Double(max(1, plot.y.ticks.count))
    let centre = (x(Double(cell.column)), y(Double(cell.row)))
    drawing.rectangle(
      x: centre.0 - width / 2 + 1, y: centre.1 - height / 2 + 1, width: width - 2, height: height - 2,
      cell.share.map(Ink.heat) ?? "#ffffff", outline: cell.share == nil ? Ink.light : nil)
    drawing.text(
      cell.text, x: centre.0, baseline: centre.1 + 4, (cell.share ?? 0) > 0.5 ? "#ffffff" : Ink.text, anchor: .middle)
  }

  // MARK: Axes

  private var isHeatMap: Bool { plot.marks.contains { if case .cells = $0 { true } else { false } } }

  private mutating func drawGrid() {
    guard !isHeatMap else { return }
    for tick in plot.y.ticks {
      drawing.line(from: (left, y(tick.value)), to: (right, y(tick.value)), Ink.grid)
    }
    guard plot.y.isCategorical else { return }
    for tick in plot.x.ticks { drawing.line(from: (x(tick.value), top), to: (x(tick.value), bottom), Ink.grid) }
  }

  private mutating func drawAxes() {
    if !isHeatMap { drawing.line(from: (left, bottom), to: (right, bottom), Ink.axis) }
    for tick in plot.x.ticks {
      if !isHeatMap { drawing.line(from: (x(tick.value), bottom), to: (x(tick.value), bottom + 4), Ink.axis) }
      drawing.text(tick.text, x: x(tick.value), baseline: bottom + 16, size: Self.tickSize, anchor: .middle)
    }
    for tick in plot.y.ticks {
      drawing.text(tick.text, x: left - 7, baseline: y(tick.value) + 3.7, size: Self.tickSize, anchor: .end)
    }
    drawing.text(
      plot.x.label, x: (left + right) / 2, baseline: plot.height - 8, size: Self.labelSize, anchor: .middle)
    guard !plot.y.label.isEmpty else { return }
    drawing.text(
      plot.y.label, x: 13, baseline: (top + bottom) / 2, size: Self.labelSize, anchor: .middle, isUpright: false)
  }

  // MARK: Names of what is drawn

  private struct Entry: Hashable {
    let label: String
    let colour: String
    /// Nil for an area.
    let dash: String?
  }

  private static func lines(of plot: Plot) -> [Plot.Line] {
    plot.marks.compactMap { if case .line(let line) = $0, !line.label.isEmpty { line } else { nil } }
  }

  /// Lines that are named where they end.
  private static func directLabels(of plot: Plot) -> [Plot.Line] {
    let lines = lines(of: plot).filter { !$0.points.isEmpty }
    return lines.count <= directLabelsMax ? lines : []
  }

  /// Everything else that has a name, each once.
  private static func legend(of plot: Plot) -> [Entry] {
    var entries: [Entry] = []
    func add(_ entry: Entry) { if !entries.contains(entry) { entries.append(entry) } }
    for mark in plot.marks {
      switch mark {
      case .line(let line):
        if !line.label.isEmpty, directLabels(of: plot).isEmpty {
          add(Entry(label: line.label, colour: line.colour, dash: line.dash))
        }
      case .bars(let bars):
        for layer in bars.layers where !layer.label.isEmpty {
          add(Entry(label: layer.label, colour: layer.colour, dash: nil))
        }
      case .intervals(let intervals):
        for interval in intervals { add(Entry(label: interval.label, colour: interval.colour, dash: nil)) }
      case .cells, .rule: break
      }
    }
    return entries
  }

  private static func rows(of entries: [Entry], width: Double) -> [[Entry]] {
    var rows: [[Entry]] = []
    var used = width
    for entry in entries {
      let needed = 40 + SVGDrawing.width(of: entry.label)
      if used + needed > width {
        rows.append([])
        used = 0
      }
      rows[rows.count - 1].append(entry)
      used += needed
    }
    return rows
  }

  private mutating func drawLegend() {
    for (row, entries) in Self.rows(of: Self.legend(of: plot), width: plot.width - left).enumerated() {
      var at = left
      let middle = 29 + Double(row) * 17
      for entry in entries {
        if let dash = entry.dash {
          drawing.line(from: (at, middle), to: (at + 20, middle), entry.colour, width: 2, dash: dash)
        } else {
          drawing.rectangle(x: at, y: middle - 5, width: 11, height: 10, entry.colour)
        }
        let text = at + (entry.dash == nil ? 16 : 25)
        drawing.text(entry.label, x: text, baseline: middle + 4)
        at = text + SVGDrawing.width(of: entry.label) + 18
      }
    }
  }

  /// Names at the ends of lines, pushed apart where lines end together.
  private mutating func drawDirectLabels() {
    var labels = Self.directLabels(of: plot).map { line in
      (text: line.label, colour: line.colour, at: y(line.points.last?.y ?? 0))
    }.sorted { ($0.at, $0.text) < ($1.at, $1.text) }
    for index in labels.indices.dropFirst() {
      labels[index].at = max(labels[index].at, labels[index - 1].at + Self.lineHeight)
    }
    let excess = max(0, (labels.last?.at ?? 0) - bottom)
    for label in labels {
      drawing.text(label.text, x: right + 7, baseline: label.at - excess + 4, label.colour)
    }
  }
}
