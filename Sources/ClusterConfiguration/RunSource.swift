import Federation
import Yams

/// The run in any file that has one: a run file, a federation file (`Cluster`) or a scenario (`Simulations`).
package struct RunSource: Hashable, Sendable {
  package enum Kind: String, Sendable {
    case run, federation, scenario
  }

  package var kind: Kind
  package var run: RunConfiguration
  /// Of each worker; nil for a run file, which does not say who takes part.
  package var organisations: [OrganisationID]?

  /// The law of its workers, if nobody gives another: on one machine the one that `murmur up` and the simulator write.
  package var policy: WorkerPolicy { kind == .run ? .standard : .allowing(run) }

  /// Reads the file as what its keys say that it is.
  package static func load(path: String) throws(ConfigurationError) -> RunSource {
    try read(ConfigurationFile(path: path, expected: "a run, federation or scenario file"))
  }

  /// Reads a file that is in memory.
  package static func read(_ file: ConfigurationFile) throws(ConfigurationError) -> RunSource {
    switch kind(of: file) {
    case .run: return RunSource(kind: .run, run: try RunConfiguration.read(file), organisations: nil)
    case .federation:
      let federation = try LocalFederation.read(file)
      return RunSource(
        kind: .federation, run: federation.run, organisations: federation.population.workerNames.map(\.organisation))
    case .scenario:
      let scenario = try SimulationScenario.read(file)
      return RunSource(
        kind: .scenario, run: scenario.run, organisations: scenario.population.workerNames.map(\.organisation))
    }
  }

  /// A file without a mapping `run` is taken for a run: its reader then says what is wrong with it.
  private static func kind(of file: ConfigurationFile) -> Kind {
    guard let root = try? Yams.compose(yaml: file.text), case .mapping(let mapping) = root else { return .run }
    let keys = Set(mapping.compactMap { key, _ in key.scalar?.string })
    guard keys.contains("run") else { return .run }
    return keys.contains("population") ? .scenario : .federation
  }
}
