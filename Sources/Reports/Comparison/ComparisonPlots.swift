/// Several runs in one picture each.
struct ComparisonPlots {
  private static let pointsMax = 400

  private let runs: [(label: String, history: RunHistory)]

  init(_ runs: [(label: String, history: RunHistory)]) { self.runs = runs }

  enum Course: String, CaseIterable {
    case round, time, bytes
  }

  var all: [Plot] {
    let versions = Course.allCases.flatMap { course in
      RunPlots.Measure.allCases.compactMap { quality($0, along: course) }
    }
    return versions + [participation, bytes, seconds].compactMap { $0 }
  }

  func quality(_ measure: RunPlots.Measure, along course: Course) -> Plot? {
    let time = Unit.time(upTo: runs.map(\.history.seconds).max() ?? 0)
    let bytes = Unit.bytes(upTo: runs.map(\.history.bytes).max() ?? 0)
    func place(_ version: RunHistory.MeasuredVersion) -> Double {
      switch course {
      case .round: Double(version.version)
      case .time: version.seconds / time.scale
      case .bytes: version.bytes / bytes.scale
      }
    }
    let lines = lines { history in
      history.measured.compactMap { version in
        measure.value(version.evaluation).map { Plot.Point(x: place(version), y: $0) }
      }
    }
    let (label, title) =
      switch course {
      case .round: ("model version (rounds committed)", "by round")
      case .time: ("\(clock) (\(time.name))", "over \(clock)")
      case .bytes: ("bytes sent, all workers (\(bytes.name))", "by bytes sent")
      }
    return plot(
      "\(measure.rawValue)-by-\(course.rawValue)", "\(measure.title) \(title)", label, lines,
      y: { .linear(measure.rawValue, around: $0, limits: measure.limits) }, isWhole: course == .round)
  }

  var participation: Plot? {
    let lines = lines { history in
      history.rounds.compactMap { round in
        round.last.cohort > 0
          ? Plot.Point(x: Double(round.round), y: 100 * Double(round.last.reported) / Double(round.last.cohort)) : nil
      }
    }
    return plot(
      "participation", "Share of the cohort that reported, by round", "round", lines,
      y: { .linear("% of the cohort", around: $0 + [100], limits: 0...100) }, isWhole: true)
  }

  var bytes: Plot? {
    let unit = Unit.bytes(
      upTo: runs.flatMap { $0.history.rounds.map { $0.attempts.reduce(0) { $0 + $1.bytes } } }.max() ?? 0)
    let lines = lines { history in
      history.rounds.map { round in
        Plot.Point(x: Double(round.round), y: round.attempts.reduce(0) { $0 + $1.bytes } / unit.scale)
      }
    }
    return plot(
      "bytes", "Bytes sent by round, up and down", "round", lines,
      y: { .linear(unit.name, around: $0, includesZero: true) }, isWhole: true)
  }

  var seconds: Plot? {
    func duration(_ round: RunHistory.Round) -> Double { round.attempts.reduce(0) { $0 + $1.seconds } }
    let unit = Unit.time(upTo: runs.flatMap { $0.history.rounds.map(duration) }.max() ?? 0)
    let lines = lines { history in
      history.rounds.map { Plot.Point(x: Double($0.round), y: duration($0) / unit.scale) }
    }
    return plot(
      "seconds", "Duration of each round, all attempts", "round", lines,
      y: { .linear("\(clock) (\(unit.name))", around: $0, includesZero: true) }, isWhole: true)
  }

  private var clock: String { runs.allSatisfy(\.history.isSimulation) ? "virtual time" : "time" }

  private func lines(_ points: (RunHistory) -> [Plot.Point]) -> [Plot.Line] {
    runs.enumerated().map { index, run in
      let all = points(run.history)
      let bins = Binning(all.count, atMost: Self.pointsMax)
      let shown = zip(bins.means(all.map(\.x)), bins.means(all.map(\.y))).map { Plot.Point(x: $0, y: $1) }
      return Plot.Line(label: run.label, points: shown, colour: Ink.series(index), dash: Ink.dash(index))
    }
  }

  /// Nil if no run has anything to show.
  private func plot(
    _ name: String, _ title: String, _ label: String, _ lines: [Plot.Line], y: ([Double]) -> Axis, isWhole: Bool
  ) -> Plot? {
    let points = lines.flatMap(\.points)
    guard let last = points.map(\.x).max() else { return nil }
    return Plot(
      name: name, title: title,
      x: .fitted(label, from: min(0, points.map(\.x).min() ?? 0), to: last, isWhole: isWhole), y: y(points.map(\.y)),
      marks: lines.map { .line($0) })
  }
}
