import ArgumentParser
import ClusterConfiguration
import ClusterRuntime
import Federation
import Glibc
import ModelRegistry
import Reports
import Simulation

/// `--sweep`: every combination of values, each as a process of its own.
extension SimulateCommand {
  /// Simulations of one sweep.
  private static let cellsMax = 10_000

  /// What a sweep is for and where it goes.
  private struct Plan {
    let scenario: SimulationScenario
    let cells: [SweepCell]
    let folder: String
    var cellFolder: String { "\(folder)/cells" }
  }

  func runSweep() async throws {
    let plan = try sweepPlan()
    try DurableFile.createDirectory(plan.cellFolder)
    var results: [SweepCell: SweepCellResult] = [:]
    for cell in plan.cells { results[cell] = try SweepCellResult.read(cell, in: plan.cellFolder) }
    let open = plan.cells.filter { results[$0] == nil }
    if !output.json {
      Terminal.print(plan.scenario.purpose)
      Terminal.print("cells     \(plan.cells.count), \(plan.cells.count - open.count) of them done already")
    }
    for (cell, result) in try await simulate(open, plan) { results[cell] = result }
    try report(plan.cells.compactMap { cell in results[cell].map { (cell, $0) } }, plan)
  }

  private func sweepPlan() throws -> Plan {
    let scenario = try SimulationScenario.load(path: file, changes: changes.map(\.change)).scenario
    let numbers = seed.map { $0...$0 } ?? seeds?.numbers ?? scenario.seed...scenario.seed
    let combinations = sweep.reduce([[ConfigurationChange]]([[]])) { rows, axis in
      rows.flatMap { row in axis.values.map { row + [ConfigurationChange(key: axis.key, value: $0)] } }
    }
    let (count, overflow) = UInt64(combinations.count).multipliedReportingOverflow(
      by: (numbers.upperBound - numbers.lowerBound) &+ 1)
    guard !overflow, (1...UInt64(Self.cellsMax)).contains(count) else {
      throw CommandFailure(.usage, "--sweep: found too many simulations, expected at most \(Self.cellsMax)")
    }
    var cells: [SweepCell] = []
    for combination in combinations {
      // Each is read before any is run: a value that does not fit is told at once.
      let text = try SimulationScenario.load(path: file, changes: changes.map(\.change) + combination).text
      cells += numbers.map { SweepCell(changes: combination, seed: $0, text: text, until: until?.text) }
    }
    return Plan(
      scenario: scenario, cells: cells, folder: outputFolder ?? ".murmur/sweeps/\(scenario.run.name)")
  }

  // MARK: Simulations

  private func simulate(_ cells: [SweepCell], _ plan: Plan) async throws -> [SweepCell: SweepCellResult] {
    let processes = try ProcessGroup(logDirectory: plan.cellFolder) { _, _ in }
    let interruption = Guarded<Int32?>(nil)
    try Interruption.handle { signal in
      interruption.with { $0 = signal }
      processes.kill()
      Task { await processes.stop() }
    }
    let bar = ProgressBar(isWanted: !output.json)
    var results: [SweepCell: SweepCellResult] = [:]
    do {
      try await withThrowingTaskGroup(of: (SweepCell, SweepCellResult).self) { group in
        var next = cells.makeIterator()
        func begin() {
          guard let cell = next.next() else { return }
          group.addTask { (cell, try await self.simulate(cell, plan, processes)) }
        }
        for _ in 0..<(jobs ?? 1) { begin() }
        while let (cell, result) = try await group.next() {
          results[cell] = result
          bar.update(UInt64(results.count), of: UInt64(cells.count), "simulations")
          begin()
        }
      }
    } catch {
      bar.end()
      await processes.stop()
      guard let signal = interruption.with({ $0 }) else { throw error }
      for cell in cells where results[cell] == nil {
        try? DurableFile.remove("\(plan.cellFolder)/\(cell.identity).log")
      }
      Terminal.complain(
        "interrupted: \(results.count) of \(cells.count) open simulations are done and kept in \(plan.folder); "
          + "the same command goes on")
      throw ExitCode(128 + signal)
    }
    bar.end()
    return results
  }

  private func simulate(_ cell: SweepCell, _ plan: Plan, _ processes: ProcessGroup) async throws -> SweepCellResult {
    let arguments = cell.arguments(scenario: file, setting: changes.map(\.change), until: until?.text)
    let outputPath = "\(plan.cellFolder)/\(cell.identity).out"
    let (child, ending) = try await processes.complete(cell.identity, arguments + ["--json"], outputPath: outputPath)
    defer { try? DurableFile.remove(outputPath) }
    // One that is not as expected ends with 1, and has a result all the same.
    guard ending == .exited(code: 0) || ending == .exited(code: 1),
      let summary = try? JSONOutput.decode(SimulationSummary.self, from: TextFile.read(outputPath))
    else {
      let reason = child.lastLogLines(1).first.map { ": \($0)" } ?? ""
      throw CommandFailure(
        .failed, "'murmur \(arguments.joined(separator: " "))' \(ending)\(reason)")
    }
    let result = SweepCellResult(cell, summary)
    try result.write(in: plan.cellFolder)
    try? DurableFile.remove(child.logPath)
    return result
  }

  // MARK: What came out

  private func report(_ results: [(cell: SweepCell, result: SweepCellResult)], _ plan: Plan) throws {
    let report = SweepReport(
      scenario: plan.scenario.run.name.text, keys: sweep.map(\.key), cells: results.map(\.result.reported))
    try ReportFolder(path: plan.folder).write(report.files)
    if output.json {
      Terminal.print(try JSONOutput.document(SweepSummary(report, folder: plan.folder)))
    } else {
      let lines = report.lines
      var table = TextTable(lines[0].map { ($0, .right) })
      for line in lines.dropFirst() { table.append(line) }
      Terminal.print("")
      for line in table.lines { Terminal.print(line) }
      Terminal.print("")
      Terminal.print("report    \(plan.folder)/index.html")
    }
    let broken = results.filter { !$0.result.violations.isEmpty }
    for (cell, result) in broken {
      for violation in result.violations { Terminal.complain("cell \(cell.identity): \(violation)") }
    }
    guard let first = broken.first?.cell else { return }
    let arguments = first.arguments(scenario: file, setting: changes.map(\.change), until: until?.text)
    Terminal.note("again: \(ShellText.command(["murmur"] + arguments))")
    throw CommandFailure(silent: .failed)
  }
}

/// The JSON form of a sweep's result.
private struct SweepSummary: Encodable {
  let scenario: String
  let keys: [String]
  let rows: [SweepReport.Row]
  let folder: String

  init(_ report: SweepReport, folder: String) {
    scenario = report.scenario
    keys = report.keys
    rows = report.rows
    self.folder = folder
  }
}
