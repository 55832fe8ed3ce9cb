/// Scenarios that differ from their file in some values.
extension SimulationScenario {
  /// What is said often, in a word.
  private static let shortNames: KeyValuePairs = [
    "lr": "run.training.learning-rate", "epochs": "run.training.local-epochs", "batch": "run.training.batch-size",
    "cohort": "run.cohort.maximum", "loss": "network.loss", "workers": "population.workers",
  ]

  /// The path from the top of a scenario file that a user means: a short name, a path in its mapping `run`, or the whole
  /// path. What is unknown stays as it is, so that the file's reader names it.
  package static func path(ofKey key: String) -> String {
    if let long = shortNames.first(where: { $0.key == key })?.value { return long }
    let first = key.split(separator: ".", maxSplits: 1).first.map(String.init) ?? key
    return RunConfiguration.keys.contains(first) || !keys.contains(first) ? "run.\(key)" : key
  }

  /// Reads a scenario file, and the scenario that it becomes by some changes.
  ///
  /// - Returns: also the text that the scenario was read from.
  /// - Throws: `ConfigurationError`; of the file itself with its line, of a changed file with the changes.
  package static func load(path: String, changes: [ConfigurationChange]) throws(ConfigurationError)
    -> (scenario: SimulationScenario, text: String)
  {
    let file = try ConfigurationFile(path: path, expected: "a scenario file")
    let unchanged = try read(file)
    guard !changes.isEmpty else { return (unchanged, file.text) }
    let changed = try file.changed(by: changes)
    do throws(ConfigurationError) {
      return (try read(changed), changed.text)
    } catch {
      let names = changes.map(\.description).joined(separator: " ")
      throw ConfigurationError(
        file: "\(path) with \(names)", line: nil, key: error.key, found: error.found, expected: error.expected)
    }
  }

  /// Reads a virtual time, such as `90s` or `2h`.
  package static func duration(_ text: String) -> Duration? { Quantity.duration(text) }
}
