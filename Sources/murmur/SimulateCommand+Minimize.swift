import ClusterConfiguration
import ClusterRuntime
import ModelRegistry
import Simulation

/// `--minimize`: the smallest scenario that fails as this one does.
extension SimulateCommand {
  func minimize(_ simulation: SimulationRun) throws {
    let path = outputFolder ?? FailureFile.name(of: simulation)
    let source = try sourceFile()
    guard path != file else {
      throw CommandFailure(.usage, "--output: found '\(path)', the scenario itself, expected another file")
    }
    if !output.json { Terminal.print(simulation.scenario.purpose) }
    SeedsInHand.report(command: "murmur: a core broke its own invariant; again: \(replay(seed: nil)) --seed ")
    SeedsInHand.began(simulation.seed)
    let bar = ProgressBar(isWanted: !output.json)
    var shrinker = ScenarioShrinker(simulation, file: source) { size, simulations in
      guard !output.json else { return }
      bar.print("\(TextTable.pad("\(simulations)", to: 9, .right)) fails still: \(size)")
    }
    let shrunk: ShrunkScenario?
    do throws(ShrinkingError) {
      shrunk = try shrinker.shrink(to: path)
    } catch {
      bar.end()
      throw CommandFailure(.failed, "seed \(simulation.seed): \(error)")
    }
    bar.end()
    guard let shrunk else {
      throw CommandFailure(
        .failed,
        "--minimize: with seed \(simulation.seed) every claim holds and every expectation is met: nothing fails")
    }
    try TextFile.write(shrunk.text(command: FailureFile.replay(path)), to: path)
    try show(shrunk)
  }

  /// The scenario file as `--set` makes it.
  func sourceFile() throws(ConfigurationError) -> ConfigurationFile {
    try ConfigurationFile(path: file, expected: "a scenario file").changed(by: changes.map(\.change))
  }

  private func show(_ shrunk: ShrunkScenario) throws {
    if output.json { return Terminal.print(try JSONOutput.document(MinimizedSummary(shrunk))) }
    Terminal.print("")
    Terminal.print("fails     \(shrunk.claim)")
    Terminal.print("before    \(shrunk.original)")
    Terminal.print("after     \(shrunk.size), found in \(shrunk.simulations) simulations")
    for line in shrunk.troubles { Terminal.print("needs     \(line)") }
    Terminal.print("written   \(shrunk.path)")
    Terminal.print("again     \(FailureFile.replay(shrunk.path))")
  }
}

/// Files of failing scenarios.
enum FailureFile {
  /// `NAME-seed-N.yaml`.
  static func name(of simulation: SimulationRun) -> String {
    "\(simulation.scenario.run.name)-seed-\(simulation.seed).yaml"
  }

  /// The one command that simulates the scenario at `path` again.
  static func replay(_ path: String) -> String { ShellText.command(["murmur", "simulate", path]) }
}

/// The JSON form of what `--minimize` found.
private struct MinimizedSummary: Encodable {
  struct Size: Encodable {
    let faults: Int
    let misfortunes: Int
    let rounds: UInt64
    let workers: Int

    init(_ size: ScenarioShrinker.Size) {
      faults = size.faults
      misfortunes = size.misfortunes
      rounds = size.rounds
      workers = size.workers
    }
  }

  let seed: UInt64
  let claim: String
  let before: Size
  let after: Size
  let needs: [String]
  let simulations: Int
  let path: String
  let replay: String

  init(_ shrunk: ShrunkScenario) {
    seed = shrunk.seed
    claim = shrunk.claim.description
    before = Size(shrunk.original)
    after = Size(shrunk.size)
    needs = shrunk.troubles
    simulations = shrunk.simulations
    path = shrunk.path
    replay = FailureFile.replay(shrunk.path)
  }
}
