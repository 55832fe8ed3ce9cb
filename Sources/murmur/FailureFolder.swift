import ClusterConfiguration
import ClusterRuntime
import ModelRegistry
import Simulation

/// The folder that failing seeds are filed in, each as a scenario of its own, as small as it could be made.
///
/// A seed in hand has a file there too, until it has ended: what ends the whole process, such as a core that breaks its
/// own invariant, leaves it behind.
struct FailureFolder: Sendable {
  let path: String
  private let source: ConfigurationFile
  private let inHand = Guarded<Set<String>>([])

  /// Makes the folder.
  ///
  /// - Parameter source: the scenario, as `--set` makes it.
  init(path: String, source: ConfigurationFile) throws(FileError) {
    self.path = path
    self.source = source
    try DurableFile.createDirectory(path)
  }

  /// Makes a failing simulation small and writes it down.
  ///
  /// - Returns: the file.
  func file(_ simulation: SimulationRun) throws -> String {
    let path = "\(path)/\(FailureFile.name(of: simulation))"
    var shrinker = ScenarioShrinker(simulation, file: source)
    guard let shrunk = try shrinker.shrink(to: path) else {
      throw CommandFailure(.failed, "seed \(simulation.seed) fails once and not again")
    }
    try TextFile.write(shrunk.text(command: FailureFile.replay(path)), to: path)
    return path
  }

  func began(_ simulation: SimulationRun) throws {
    let path = inHandPath(simulation)
    inHand.with { _ = $0.insert(path) }
    let text = try source.changed(by: [ConfigurationChange(key: "seed", value: "\(simulation.seed)")])
      .moved(to: path, pathsAt: SimulationScenario.pathKeys).text
    let comment = """
      # In hand when its process ended, alone or beside others.
      #
      #     \(FailureFile.replay(path))

      """
    try TextFile.write(comment + text, to: path)
  }

  func ended(_ simulation: SimulationRun) throws {
    let path = inHandPath(simulation)
    inHand.with { _ = $0.remove(path) }
    try DurableFile.remove(path)
  }

  /// Whoever ends the process on purpose wants no files of what was in hand.
  func interrupted() {
    inHand.with { paths in
      for path in paths { try? DurableFile.remove(path) }
    }
  }

  private func inHandPath(_ simulation: SimulationRun) -> String {
    "\(path)/in-hand-\(FailureFile.name(of: simulation))"
  }
}
