/// The tables of one run: those that stand beside its pictures, and those with everything.
struct RunTables {
  private let history: RunHistory

  init(_ history: RunHistory) { self.history = history }

  // MARK: Everything

  /// One row an attempt.
  var rounds: DataTable {
    typealias Column = DataTable.Column
    var table = DataTable(
      "rounds",
      [
        Column(title: "round"), Column(title: "attempt"), Column(title: "outcome", isNumber: false),
        Column(title: "cohort"), Column(title: "reported"), Column(title: "dropped"), Column(title: "base version"),
        Column(title: "loss"), Column(title: "accuracy"), Column(title: "version"), Column(title: "central loss"),
        Column(title: "central accuracy"), Column(title: "start (s)"), Column(title: "seconds"),
      ] + RunHistory.Phases.names.map { Column(title: "\($0.replacing(",", with: " and")) (s)") } + [
        Column(title: "bytes up"), Column(title: "bytes down"), Column(title: "reason", isNumber: false),
      ])
    for attempt in history.attempts { table.append(Self.row(attempt)) }
    return table
  }

  private static func row(_ attempt: RunHistory.Attempt) -> [String] {
    func number(_ value: Double?, _ digits: Int) -> String { value.map { NumberText.decimal($0, digits) } ?? "" }
    let phases = attempt.phases?.values.map { NumberText.decimal($0, 3) } ?? RunHistory.Phases.names.map { _ in "" }
    return [
      "\(attempt.round)", "\(attempt.attempt)", attempt.outcome.rawValue, "\(attempt.cohort)", "\(attempt.reported)",
      "\(attempt.dropped)", "\(attempt.baseVersion)", number(attempt.evaluation?.loss, 4),
      number(attempt.evaluation?.accuracy, 4), attempt.version.map { "\($0)" } ?? "", number(attempt.central?.loss, 4),
      number(attempt.central?.accuracy, 4), number(attempt.start, 3), number(attempt.seconds, 3),
    ] + phases + [number(attempt.bytesUp, 0), number(attempt.bytesDown, 0), attempt.reason ?? ""]
  }

  /// The same for people: fewer columns.
  var roundsOfPage: DataTable {
    typealias Column = DataTable.Column
    var table = DataTable(
      "rounds",
      [
        Column(title: "round"), Column(title: "outcome", isNumber: false), Column(title: "cohort"),
        Column(title: "reported"), Column(title: "dropped"), Column(title: "loss"), Column(title: "accuracy"),
        Column(title: "start"), Column(title: "duration"), Column(title: "up"), Column(title: "down"),
      ])
    for attempt in history.attempts {
      let name = attempt.attempt == 0 ? "\(attempt.round)" : "\(attempt.round), again \(attempt.attempt)"
      let outcome = attempt.outcome.rawValue + (attempt.reason.map { ": \($0)" } ?? "")
      table.append([
        name, outcome, "\(attempt.cohort)", "\(attempt.reported)", "\(attempt.dropped)",
        attempt.evaluation.map { NumberText.decimal($0.loss, 4) } ?? "-",
        attempt.evaluation?.accuracy.map { NumberText.decimal($0, 4) } ?? "-", NumberText.duration(attempt.start),
        NumberText.duration(attempt.seconds), NumberText.bytes(attempt.bytesUp),
        attempt.bytesDown.map(NumberText.bytes) ?? "-",
      ])
    }
    return table
  }

  var organisations: DataTable {
    var table = DataTable(
      "organisations",
      [.init(title: "organisation", isNumber: false), .init(title: "asked"), .init(title: "reported")])
    for count in RunPlots.organisations(of: history) {
      table.append([count.name, "\(count.selected)", "\(count.reported)"])
    }
    return table
  }

  var outages: DataTable {
    var table = DataTable(
      "outages",
      [
        .init(title: "party", isNumber: false), .init(title: "fault", isNumber: false), .init(title: "from (s)"),
        .init(title: "to (s)"),
      ])
    for outage in history.outages {
      table.append([
        outage.party, outage.kind.rawValue, NumberText.decimal(outage.from, 3),
        outage.to.map { NumberText.decimal($0, 3) } ?? "the end",
      ])
    }
    return table
  }

  // MARK: Beside pictures

  /// The first, the last and three versions between them.
  func versions(_ measure: RunPlots.Measure) -> DataTable {
    let measured = history.measured.filter { measure.value($0.evaluation) != nil }
    var table = DataTable(
      "versions", [.init(title: "version"), .init(title: "after"), .init(title: measure.rawValue)])
    let places = Set((0...4).map { $0 * max(0, measured.count - 1) / 4 }).sorted()
    for place in places where measured.indices.contains(place) {
      let version = measured[place]
      let value = measure.value(version.evaluation).map { NumberText.decimal($0, 4) } ?? "-"
      table.append(["\(version.version)", NumberText.duration(version.seconds), value])
    }
    return table
  }

  /// When the model first was so good.
  var milestones: DataTable {
    var table = DataTable(
      "milestones",
      [.init(title: "accuracy"), .init(title: "version"), .init(title: "after"), .init(title: "bytes")])
    for accuracy in [0.5, 0.8, 0.9, 0.95, 0.99] {
      guard let version = history.reaching(accuracy: accuracy) else { continue }
      table.append([
        NumberText.decimal(accuracy, 2), "\(version.version)", NumberText.duration(version.seconds),
        NumberText.bytes(version.bytes),
      ])
    }
    return table
  }

  var participation: DataTable {
    let attempts = history.attempts.filter { $0.outcome != .evaluated }
    let asked = attempts.reduce(0) { $0 + $1.cohort }, reported = attempts.reduce(0) { $0 + $1.reported }
    return .facts(
      "participation", ("all attempts", ""),
      [
        ("attempts", "\(attempts.count)"), ("abandoned", "\(history.abandonedCount)"),
        ("updates asked for", "\(asked)"),
        ("reported", "\(reported)"), ("dropped out", "\(asked - reported)"),
        ("dropout", NumberText.share(Double(asked - reported), of: Double(asked))),
      ])
  }

  var bytes: DataTable {
    let rounds = Double(max(1, history.rounds.count))
    let reported = history.attempts.filter { $0.outcome != .evaluated }.reduce(0) { $0 + $1.reported }
    let up = history.attempts.filter { $0.outcome != .evaluated }.reduce(0) { $0 + $1.bytesUp }
    var facts = [("up, all", NumberText.bytes(history.bytesUp))]
    if history.knowsDownloads { facts.append(("down, all", NumberText.bytes(history.bytesDown))) }
    facts.append(("up, a round", NumberText.bytes(history.bytesUp / rounds)))
    if history.knowsDownloads { facts.append(("down, a round", NumberText.bytes(history.bytesDown / rounds))) }
    facts.append(("up, an update", NumberText.bytes(up / Double(max(1, reported)))))
    return .facts("bytes", ("bytes", ""), facts)
  }

  var phases: DataTable {
    var table = DataTable(
      "phases",
      [
        .init(title: "phase", isNumber: false), .init(title: "mean"), .init(title: "longest"), .init(title: "share"),
      ])
    let attempts = history.attempts.compactMap(\.phases?.values)
    let whole = attempts.reduce(0) { $0 + $1.reduce(0, +) }
    for (index, name) in RunHistory.Phases.names.enumerated() {
      let values = attempts.map { $0[index] }
      let sum = values.reduce(0, +)
      table.append([
        name, NumberText.duration(sum / Double(max(1, values.count))), NumberText.duration(values.max() ?? 0),
        NumberText.share(sum, of: whole),
      ])
    }
    return table
  }

  /// What went wrong, in numbers.
  var faults: DataTable {
    let crashes = history.outages.filter { $0.kind == .crash }
    let ofCoordinator = crashes.count { $0.party == RunHistory.coordinator }
    return .facts(
      "faults", ("faults", ""),
      [
        ("deaths of workers", "\(crashes.count - ofCoordinator)"), ("deaths of the coordinator", "\(ofCoordinator)"),
        ("partitions", "\(history.outages.count { $0.kind == .partition })"),
        ("never back", "\(history.outages.count { $0.to == nil })"),
        ("abandoned attempts", "\(history.abandonedCount)"),
      ])
  }

  var totals: DataTable {
    var facts = [
      ("outcome", history.outcome),
      ("rounds committed", "\(history.modelVersion)" + (history.roundsPlanned.map { " of \($0)" } ?? "")),
      ("attempts", "\(history.attempts.count), \(history.abandonedCount) abandoned"),
      (history.clock, NumberText.duration(history.seconds)), ("bytes sent", NumberText.bytes(history.bytes)),
    ]
    if let messages = history.messages { facts.append(("messages", "\(messages)")) }
    if let events = history.events { facts.append(("events", "\(events)")) }
    if let evaluation = history.finalEvaluation {
      let place = history.heldOut == nil ? "workers’ hold-outs" : "held-out data"
      if let accuracy = evaluation.accuracy { facts.append(("accuracy, \(place)", NumberText.decimal(accuracy, 4))) }
      facts.append(("loss, \(place)", NumberText.decimal(evaluation.loss, 4)))
    }
    if let seed = history.seed { facts.append(("seed", "\(seed)")) }
    if let digest = history.modelDigest { facts.append(("model", digest)) }
    facts.append(("program", history.program))
    var table = DataTable(
      "totals", [.init(title: "run", isNumber: false), .init(title: history.name, isNumber: false)])
    for (fact, value) in facts { table.append([fact, value]) }
    return table
  }
}
