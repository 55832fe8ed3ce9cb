import ArgumentParser
import ClusterConfiguration
import Foundation
import GradientKernel
import Simulation

/// What the death of a process costs, at every step of a run: virtual time, and nothing else.
struct KillSweepBenchmark: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kill-sweep",
    abstract: "Kills the coordinator and a worker at the steps of a simulated run, one run a step.",
    discussion: """
      A step is a moment between two actions of a party, behind a durable record, or behind a message. Counts lost rounds, \
      broken claims (double counts among them) and runs that hang; all three must be 0.
      """)

  @OptionGroup var measuring: MeasuringOptions

  @Option(help: ArgumentHelp("The scenario.", valueName: "file"))
  var scenario = "Simulations/kill-sweep.yaml"

  @Option(help: ArgumentHelp("Steps at most, spread evenly over all of them.", valueName: "N"))
  var runs = 400

  func validate() throws {
    guard (1...100_000).contains(runs) else { throw ValidationError("--runs: found \(runs), expected 1 to 100000") }
  }

  func run() async throws {
    var report = Report(isJSON: measuring.json)
    let simulation = try SimulationRun(SimulationScenario.load(path: scenario))
    let sweep = KillSweep(simulation, jobs: measuring.threads ?? ThreadPool.coreCount)
    let kills = try sweep.kills(atMost: measuring.quick ? min(runs, 40) : runs)
    let began = Date()
    let summary = try await sweep.run(kills)
    func add(_ name: String, _ value: Double, _ unit: String, _ budget: Budget? = nil) {
      report.add(Figure(section: "kill sweep", name: name, value: value, unit: unit, limit: nil, budget: budget))
    }
    add("runs with one death each", Double(summary.runs), "")
    add("of the coordinator", Double(kills.count { $0.party == .coordinator }), "")
    add("rounds lost", Double(summary.lostRounds), "", .atMost(0))
    add("broken claims", Double(summary.violations.count), "", .atMost(0))
    add("runs that hang", Double(summary.hungRuns), "", .atMost(0))
    let recoveries = summary.recoveries.map {
      Double($0.components.seconds) + Double($0.components.attoseconds) * 1e-18
    }
    if !recoveries.isEmpty {
      add("restart to next offer, median, virtual", recoveries.median, "s")
      add("restart to next offer, at most, virtual", recoveries.max() ?? 0, "s")
    }
    add("runs a second", Double(summary.runs) / Date().timeIntervalSince(began), "")
    for violation in summary.violations where !measuring.json { print("  \(violation)") }
    try report.finish()
    guard summary.violations.isEmpty, summary.lostRounds == 0, summary.hungRuns == 0 else { throw ExitCode(1) }
  }
}
