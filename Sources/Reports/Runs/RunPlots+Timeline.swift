/// What went wrong, and when.
extension RunPlots {
  /// Parties with outages that can have a row each.
  static let partyRowsMax = 36

  /// Attempts over time, and below them every party that was gone or out of reach.
  func timeline() -> Plot? {
    guard !history.attempts.isEmpty else { return nil }
    let unit = Unit.time(upTo: history.seconds)
    let parties = Self.parties(of: history)
    let rowOf = Dictionary(uniqueKeysWithValues: parties.enumerated().map { ($1, $0 + 1) })
    let end = max(history.seconds, history.attempts.map(\.end).max() ?? 0)
    let attempts = history.attempts.map { attempt in
      Plot.Interval(
        row: 0, from: attempt.start / unit.scale, to: attempt.end / unit.scale, label: Self.label(attempt.outcome),
        colour: Self.colour(attempt), note: Self.note(attempt))
    }
    let outages = history.outages.compactMap { outage in
      rowOf[outage.party].map { row in
        Plot.Interval(
          row: row, from: min(outage.from, end) / unit.scale, to: min(outage.to ?? end, end) / unit.scale,
          label: Self.label(outage.kind), colour: Self.colour(outage.kind), note: Self.note(outage))
      }
    }
    return Plot(
      name: "timeline", title: "Attempts and faults over \(history.clock)",
      x: .fitted("\(history.clock) (\(unit.name))", from: 0, to: end / unit.scale, tickCount: 8),
      y: .categories("", ["attempts"] + parties.map(Self.shortened)),
      marks: [.intervals(attempts + outages)], height: 86 + 20 * Double(max(2, parties.count + 1)))
  }

  /// Those with outages, the coordinator first, then in the order of their first; bounded.
  static func parties(of history: RunHistory) -> [String] {
    var parties: [String] = []
    for outage in history.outages where !parties.contains(outage.party) && parties.count < partyRowsMax {
      parties.append(outage.party)
    }
    guard history.outages.contains(where: { $0.party == RunHistory.coordinator }) else { return parties }
    return [RunHistory.coordinator] + parties.filter { $0 != RunHistory.coordinator }
  }

  private static func label(_ outcome: RunHistory.Attempt.Outcome) -> String {
    switch outcome {
    case .committed: "committed"
    case .evaluated: "evaluated"
    case .abandoned: "abandoned"
    case .unfinished: "unfinished"
    }
  }

  private static func colour(_ attempt: RunHistory.Attempt) -> String {
    switch attempt.outcome {
    case .committed: Ink.blue
    case .evaluated: Ink.sky
    case .abandoned: Ink.orange
    case .unfinished: Ink.grey
    }
  }

  private static func label(_ kind: RunHistory.Outage.Kind) -> String {
    switch kind {
    case .crash: "process gone"
    case .partition: "out of reach"
    case .diskFull, .slowDisk: "disk full or slow"
    case .clockSkew: "wrong clock"
    }
  }

  private static func colour(_ kind: RunHistory.Outage.Kind) -> String {
    switch kind {
    case .crash: Ink.vermilion
    case .partition: Ink.purple
    case .diskFull, .slowDisk: Ink.green
    case .clockSkew: Ink.black
    }
  }

  private static func note(_ attempt: RunHistory.Attempt) -> String {
    "round \(attempt.round), attempt \(attempt.attempt): \(label(attempt.outcome)), "
      + "\(NumberText.duration(attempt.start)) to \(NumberText.duration(attempt.end))"
      + (attempt.reason.map { "; \($0)" } ?? "")
  }

  private static func note(_ outage: RunHistory.Outage) -> String {
    "\(outage.party), \(outage.kind.rawValue): \(NumberText.duration(outage.from)) to "
      + (outage.to.map(NumberText.duration) ?? "the end")
  }
}
