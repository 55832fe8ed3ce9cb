/// The pictures of one run.
struct RunPlots {
  /// Bars that a picture can show side by side.
  private static let barsMax = 160
  /// Points of a line that can be told apart.
  private static let pointsMax = 400

  let history: RunHistory

  init(_ history: RunHistory) { self.history = history }

  /// What can be told of a model.
  enum Measure: String, CaseIterable {
    case accuracy, loss

    func value(_ evaluation: RunHistory.Evaluation) -> Double? {
      self == .accuracy ? evaluation.accuracy : evaluation.loss
    }

    /// An accuracy is a share; a loss has no such bound.
    var limits: ClosedRange<Double>? { self == .accuracy ? 0...1 : nil }
    var title: String { self == .accuracy ? "Accuracy" : "Loss" }
  }

  /// Along what it is told.
  enum Course: String, CaseIterable {
    case round, time
  }

  /// Nil if nothing was measured.
  func quality(_ measure: Measure, along course: Course) -> Plot? {
    let unit = Unit.time(upTo: history.seconds)
    func points(_ versions: [RunHistory.MeasuredVersion]) -> [Plot.Point] {
      let known = versions.compactMap { version in
        measure.value(version.evaluation).map { (version, $0) }
      }
      let bins = Binning(known.count, atMost: Self.pointsMax)
      let places = known.map { course == .round ? Double($0.0.version) : $0.0.seconds / unit.scale }
      return zip(bins.means(places), bins.means(known.map(\.1))).map { Plot.Point(x: $0, y: $1) }
    }
    let lines = [("workers’ hold-outs", history.measured), ("coordinator’s data", history.measuredCentrally)]
      .enumerated().map { index, line in
        Plot.Line(
          label: line.0, points: points(line.1), colour: Ink.series(index), dash: Ink.dash(index))
      }.filter { !$0.points.isEmpty }
    guard !lines.isEmpty else { return nil }
    let all = lines.flatMap(\.points)
    let heldOut = history.heldOut.flatMap(measure.value)
    let x: Axis =
      course == .round
      ? .fitted("model version (rounds committed)", from: 0, to: Double(history.modelVersion), isWhole: true)
      : .fitted("\(history.clock) (\(unit.name))", from: 0, to: history.seconds / unit.scale)
    return Plot(
      name: "\(measure.rawValue)-by-\(course.rawValue)",
      title: "\(measure.title) \(course == .round ? "by round" : "over \(history.clock)")", x: x,
      y: .linear(
        measure.rawValue, around: all.map(\.y) + (heldOut.map { [$0] } ?? []), limits: measure.limits),
      marks: lines.map { .line($0) }
        + (heldOut.map { [.rule(y: $0, label: "held-out data, last version: \(NumberText.decimal($0, 4))")] } ?? []))
  }

  func participation() -> Plot? {
    let rounds = history.rounds
    return bars(
      name: "participation", title: "Participation and dropout by round", label: "workers",
      rounds: rounds,
      layers: [
        ("reported", rounds.map { Double($0.last.reported) }, Ink.blue),
        ("dropped out", rounds.map { Double($0.last.dropped) }, Ink.orange),
        ("in abandoned attempts", rounds.map { Double($0.abandoned) }, Ink.vermilion),
      ])
  }

  func bytes() -> Plot? {
    let rounds = history.rounds
    func sum(_ part: (RunHistory.Attempt) -> Double) -> [Double] {
      rounds.map { $0.attempts.reduce(0) { $0 + part($1) } }
    }
    let up = sum(\.bytesUp), down = sum { $0.bytesDown ?? 0 }
    let unit = Unit.bytes(upTo: zip(up, down).map(+).max() ?? 0)
    return bars(
      name: "bytes", title: "Bytes sent by round", label: unit.name, rounds: rounds,
      layers: [("up, to the coordinator", up.map { $0 / unit.scale }, Ink.blue)]
        + (history.knowsDownloads ? [("down, to the workers", down.map { $0 / unit.scale }, Ink.sky)] : []))
  }

  func phases() -> Plot? {
    guard history.hasPhases else { return nil }
    let rounds = history.rounds
    let values = rounds.map { round in
      round.attempts.reduce([0.0, 0, 0, 0, 0]) { sum, attempt in zip(sum, attempt.phases?.values ?? sum).map(+) }
    }
    let unit = Unit.time(upTo: values.map { $0.reduce(0, +) }.max() ?? 0)
    let layers = RunHistory.Phases.names.indices.map { phase in
      (RunHistory.Phases.names[phase], values.map { $0[phase] / unit.scale }, RunHistory.Phases.colours[phase])
    }
    return bars(
      name: "phases", title: "Phases of each round", label: "\(history.clock) (\(unit.name))", rounds: rounds,
      layers: layers)
  }

  private func bars(
    name: String, title: String, label: String, rounds: [RunHistory.Round],
    layers: [(label: String, values: [Double], colour: String)]
  ) -> Plot? {
    guard !rounds.isEmpty else { return nil }
    let bins = Binning(rounds.count, atMost: Self.barsMax)
    let positions = bins.means(rounds.map { Double($0.round) })
    let binned = layers.map { Plot.Layer(label: $0.label, values: bins.means($0.values), colour: $0.colour) }
      .filter { layer in layer.values.contains { $0 > 0 } }
    let heights = positions.indices.map { index in binned.reduce(0) { $0 + $1.values[index] } }
    let half = Double(bins.size) / 2
    return Plot(
      name: name, title: title,
      x: .fitted(
        "round\(bins.remark)", from: (positions.first ?? 0) - half, to: (positions.last ?? 0) + half, isWhole: true),
      y: .linear(label, around: heights, includesZero: true),
      marks: [.bars(Plot.Bars(positions: positions, width: 0.8 * Double(bins.size), layers: binned))])
  }
}
