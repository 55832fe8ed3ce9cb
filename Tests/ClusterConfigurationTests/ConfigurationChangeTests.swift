import ClusterConfiguration
import Testing

@Suite("Changes of configuration files")
struct ConfigurationChangeTests {
  private static let repository = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 }
  private static let path = repository + "/Simulations/digits.yaml"

  private static func load(_ changes: (String, String)...) throws -> SimulationScenario {
    try SimulationScenario.load(
      path: path, changes: changes.map { ConfigurationChange(key: SimulationScenario.path(ofKey: $0.0), value: $0.1) }
    ).scenario
  }

  @Test("A change replaces one value and leaves the others as they are")
  func replaces() throws {
    var expected = try SimulationScenario.load(path: Self.path)
    expected.run.training.learningRate = 0.5
    expected.network.up = 1_000_000
    expected.network.down = 1_000_000
    let found = try Self.load(("training.learning-rate", "0.5"), ("network.bandwidth", "1 MB/s"))
    #expect(found == expected)
  }

  @Test("A key that the file does not have is added, with the mappings above it")
  func adds() throws {
    let found = try Self.load(("cohort.maximum", "7"), ("stop.accuracy", "0.9"), ("faults", "[]"))
    #expect(found.run.cohort.maximum == 7)
    #expect(found.faults.isEmpty)
  }

  @Test(
    "Short names, paths in a run and whole paths name the same places",
    arguments: [
      ("lr", "run.training.learning-rate"), ("cohort", "run.cohort.maximum"), ("rounds", "run.rounds"),
      ("training.momentum", "run.training.momentum"), ("run.clip", "run.clip"), ("network.loss", "network.loss"),
      ("loss", "network.loss"), ("population.workers", "population.workers"), ("seed", "run.seed"),
    ])
  func paths(key: String, path: String) { #expect(SimulationScenario.path(ofKey: key) == path) }

  @Test(
    "A change that does not fit is named, with the key, what was found and what was expected",
    arguments: [
      ("training.learning-rat", "0.1", "run.training.learning-rat", "an unknown key"),
      ("training.learning-rate", "quick", "run.training.learning-rate", "\"quick\""),
      ("nonsense.x", "1", "run.nonsense", "an unknown key"), ("rounds.x", "1", "run.rounds.x", "no such place"),
      ("network.", "1", "network.", "no such place"), ("clip", "[", "run.clip", "\"[\""),
    ])
  func refuses(key: String, value: String, place: String, found: String) throws {
    do {
      _ = try Self.load((key, value))
      Issue.record("nothing was refused")
    } catch let error as ConfigurationError {
      #expect(error.key == place)
      #expect(error.found == found)
      #expect(error.file.contains("\(SimulationScenario.path(ofKey: key))=\(value)"), "\(error)")
      #expect(!error.expected.isEmpty)
    }
  }
}
