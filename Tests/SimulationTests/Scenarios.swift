import ClusterConfiguration
import Simulation
import Testing

/// The repository's top folder.
let repository = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 }

/// A scenario small enough to be run many times: six workers, a 64-16-10 network, three rounds.
func smallScenario(
  network: String = "{latency: {minimum: 5ms, maximum: 40ms}, bandwidth: 10 MB/s}", seed: UInt64 = 7,
  workers: Int = 6, faults: String = "[]", rounds: Int = 3, accuracy: Double = 0, input: String = "20s",
  architecture: String = "mlp 64-16-10", learningRate: String = "0.1", cohort: String = "{minimum: 3}",
  run: String = "", population: String = "", expectations: String = ""
) throws -> SimulationScenario {
  try SimulationScenario.read(
    smallScenarioFile(
      network: network, seed: seed, workers: workers, faults: faults, rounds: rounds, accuracy: accuracy, input: input,
      architecture: architecture, learningRate: learningRate, cohort: cohort, run: run, population: population,
      expectations: expectations))
}

/// The file of such a scenario, in memory.
func smallScenarioFile(
  network: String = "{latency: {minimum: 5ms, maximum: 40ms}, bandwidth: 10 MB/s}", seed: UInt64 = 7,
  workers: Int = 6, faults: String = "[]", rounds: Int = 3, accuracy: Double = 0, input: String = "20s",
  architecture: String = "mlp 64-16-10", learningRate: String = "0.1", cohort: String = "{minimum: 3}",
  run: String = "", population: String = "", expectations: String = "",
  changes: KeyValuePairs<String, String> = [:]
) throws -> ConfigurationFile {
  let text = """
    purpose: A test.
    population:
      name: small
      workers: \(workers)
      data: {file: \(repository)/Simulations/Data/optdigits.csv, label: digit, held-out: 0.5, seed: 1}
      \(population)
    network: \(network)
    seed: \(seed)
    faults: \(faults)
    expectations: {rounds: \(rounds), accuracy: \(accuracy)\(expectations)}
    run:
      name: small
      model: {name: small, architecture: \(architecture), seed: 1}
      data: {features: 64, classes: 10, scale: 16}
      rounds: \(rounds)
      training: {learning-rate: \(learningRate), local-epochs: 1, batch-size: 16}
      clip: 4
      maximum-weight: 1024
      cohort: \(cohort)
      deadlines: {input: \(input)}
      seed: 1
      \(run)
    """
  return try ConfigurationFile(path: "small.yaml", text: text).changed(
    by: changes.map { ConfigurationChange(key: $0.key, value: $0.value) })
}

/// Everything that a run says.
struct Transcript {
  let lines: [String]
  let result: SimulationResult

  init(_ scenario: SimulationScenario, seed: UInt64? = nil, plantedBug: PlantedBug? = nil) throws {
    var lines: [String] = []
    result = try SimulationRun(scenario, seed: seed).run(plantedBug: plantedBug) { lines.append($0) }
    self.lines = lines
  }
}
