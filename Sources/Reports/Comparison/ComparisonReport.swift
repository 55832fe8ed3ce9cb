/// Several runs side by side: one line a run in each picture, one row a run in the table.
package struct ComparisonReport {
  private let runs: [(label: String, history: RunHistory)]
  private let target: Double?

  /// - Parameters:
  ///   - runs: with a name for each, that no other has.
  ///   - target: the accuracy whose price is compared; the highest that all reach without it.
  package init(_ runs: [(label: String, history: RunHistory)], target: Double?) {
    self.runs = runs
    let reached = runs.compactMap(\.history.bestAccuracy)
    let common = reached.count == runs.count ? reached.min() : nil
    // Rounded down, so that every run still reaches it.
    self.target = target ?? common.map { ($0 * 100).rounded(.down) / 100 }
  }

  package var files: [ReportFile] {
    ReportFile.all(page: page, plots: ComparisonPlots(runs).all, tables: [table])
  }

  package var table: DataTable {
    let goal = target.map { NumberText.short($0) } ?? "-"
    var table = DataTable(
      "comparison",
      [
        .init(title: "run", isNumber: false), .init(title: "seed"), .init(title: "accuracy"), .init(title: "loss"),
        .init(title: "rounds"), .init(title: "attempts"), .init(title: "seconds"), .init(title: "bytes"),
        .init(title: "rounds to \(goal)"), .init(title: "seconds to \(goal)"), .init(title: "bytes to \(goal)"),
      ])
    for run in runs {
      let history = run.history
      let reached = target.flatMap(history.reaching)
      let final = history.finalEvaluation
      table.append([
        run.label, history.seed.map { "\($0)" } ?? "-", final?.accuracy.map { NumberText.decimal($0, 4) } ?? "-",
        final.map { NumberText.decimal($0.loss, 4) } ?? "-", "\(history.modelVersion)", "\(history.attempts.count)",
        NumberText.decimal(history.seconds, 2), NumberText.decimal(history.bytes, 0),
        reached.map { "\($0.version)" } ?? "never", reached.map { NumberText.decimal($0.seconds, 2) } ?? "never",
        reached.map { NumberText.decimal($0.bytes, 0) } ?? "never",
      ])
    }
    return table
  }

  private var page: String {
    var page = Page(title: "Comparison of \(runs.count) runs")
    page.heading("Comparison of \(runs.count) runs", level: 1)
    page.table(table)
    page.paragraph(
      "Accuracy and loss are of the last version: on data that no worker has where there are such, or else over the "
        + "workers’ hold-outs. Seconds of a simulation are virtual.")
    for plot in ComparisonPlots(runs).all { page.figure(plot) }
    page.heading("The runs")
    for run in runs { describe(run, in: &page) }
    page.footer("The table is in comparison.csv, beside this page.")
    return page.text
  }

  private func describe(_ run: (label: String, history: RunHistory), in page: inout Page) {
    page.heading(run.label, level: 3)
    if let purpose = run.history.purpose { page.paragraph(purpose) }
    page.paragraph(
      "\(run.history.outcome); \(run.history.isAsExpected ? "as expected" : "not as expected"); \(run.history.program)")
    if let replay = run.history.replay { page.command(replay) }
  }
}
