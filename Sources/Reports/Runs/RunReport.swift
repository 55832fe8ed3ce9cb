/// Everything that one run's report consists of.
package struct RunReport {
  private let history: RunHistory
  private let plots: RunPlots
  private let tables: RunTables

  package init(_ history: RunHistory) {
    self.history = history
    plots = RunPlots(history)
    tables = RunTables(history)
  }

  /// The same history gives the same files, byte for byte.
  package var files: [ReportFile] {
    ReportFile.all(
      page: page, plots: allPlots,
      tables: [tables.rounds, tables.organisations, tables.outages].filter { !$0.rows.isEmpty })
  }

  private var allPlots: [Plot] {
    RunPlots.Course.allCases.flatMap { course in
      RunPlots.Measure.allCases.compactMap { plots.quality($0, along: course) }
    }
      + [plots.participation(), plots.bytes(), plots.phases(), plots.organisations(), plots.timeline()].compactMap {
        $0
      }
  }

  private var page: String {
    var page = Page(title: "\(history.name): report")
    addHeader(to: &page)
    page.heading("The model")
    addQuality(to: &page)
    page.heading("The rounds")
    addRounds(to: &page)
    page.heading("The parties")
    addParties(to: &page)
    page.heading("All attempts")
    page.table(tables.roundsOfPage)
    page.footer(
      "The numbers behind the pictures are in rounds.csv, organisations.csv and outages.csv, all of them in "
        + "\(RunHistory.fileName), beside this page.")
    return page.text
  }

  private func addHeader(to page: inout Page) {
    page.heading(history.name, level: 1)
    if let purpose = history.purpose { page.paragraph(purpose, style: "purpose") }
    if history.isAsExpected {
      let open = history.expectations.contains { $0.isMet == nil }
      page.paragraph(open ? "Nothing went against the expectations; not all could be judged." : verdict, style: "met")
    } else {
      page.paragraph("Not as expected.", style: "unmet")
    }
    if !history.expectations.isEmpty { page.table(expectations) }
    for violation in history.violations { page.paragraph("Broken: \(violation)", style: "unmet") }
    page.table(tables.totals)
    guard let replay = history.replay else { return }
    page.paragraph("The same again:")
    page.command(replay)
  }

  private var verdict: String {
    guard history.isSimulation else { return "A run of a cluster." }
    return history.expectations.isEmpty
      ? "No checker found a broken claim." : "All expectations are met, and no checker found a broken claim."
  }

  private var expectations: DataTable {
    var table = DataTable(
      "expectations",
      [
        .init(title: "expected", isNumber: false), .init(title: "found", isNumber: false),
        .init(title: "", isNumber: false),
      ])
    for expectation in history.expectations {
      table.append([
        expectation.claim, expectation.found, expectation.isMet.map { $0 ? "met" : "not met" } ?? "not judged",
      ])
    }
    return table
  }

  private func addQuality(to page: inout Page) {
    let remarks: [RunPlots.Measure: String] = [
      .accuracy: "Version v is measured over the workers’ own hold-outs in the round that trains on it; the last "
        + "version in a round of its own.",
      .loss: "Mean over examples.",
    ]
    var isEmpty = true
    for course in RunPlots.Course.allCases {
      for measure in RunPlots.Measure.allCases {
        guard let plot = plots.quality(measure, along: course) else { continue }
        isEmpty = false
        let isFirst = course == .round
        page.figure(
          plot, isFirst ? remarks[measure] ?? "" : "",
          tables: isFirst
            ? [tables.versions(measure)]
            : measure == .accuracy && !tables.milestones.rows.isEmpty ? [tables.milestones] : [])
      }
    }
    if isEmpty { page.paragraph("No version was measured.") }
  }

  private func addRounds(to page: inout Page) {
    if let plot = plots.participation() { page.figure(plot, tables: [tables.participation]) }
    if let plot = plots.bytes() {
      page.figure(
        plot, history.isSimulation ? "Whole messages, headers too, as they leave." : "Payload of the updates in sums.",
        tables: [tables.bytes])
    }
    if let plot = plots.phases() {
      page.figure(
        plot, "Keys and shares are agreed on while the workers train; setup ends when masked inputs are asked for.",
        tables: [tables.phases])
    } else {
      page.paragraph("How long each phase took was not recorded.")
    }
  }

  private func addParties(to page: inout Page) {
    if let plot = plots.organisations() {
      page.figure(plot, tables: history.organisations.count <= 12 ? [tables.organisations] : [])
    } else {
      page.paragraph("Which organisations took part was not recorded.")
    }
    if let plot = plots.timeline() {
      let shown = RunPlots.parties(of: history).count, all = Set(history.outages.map(\.party)).count
      page.figure(
        plot, shown < all ? "\(shown) of \(all) parties with faults; all are in outages.csv." : "",
        tables: [tables.faults])
    }
  }
}
