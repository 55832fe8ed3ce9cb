import Federation

/// A federation in virtual time: who takes part, over which network, at which cost, with which faults, and what has to
/// come out of it.
package struct SimulationScenario: Hashable, Sendable {
  /// One sentence: what the scenario shows.
  package var purpose: String
  package var population: Population
  /// Who is alike in the population; empty if all are.
  package var groups: [Group]
  /// When workers are there whose group says nothing else; nil for always.
  package var availability: Availability?
  /// Of workers whose group has no other.
  package var network: Network
  package var partitions: [RegionPartition]
  /// Of the network, the choices and, in the simulator only, the secrets.
  package var seed: UInt64
  package var costs: Costs
  /// How many times as long a worker trains and evaluates as `costs` say; for all others their group says it.
  package var slowWorkers: [WorkerID: Double]
  /// Who does less than is asked, besides; nil for nobody.
  package var stragglers: Stragglers?
  package var faults: [Fault]
  package var coordinatorFaults: [CoordinatorFault]
  package var chaos: Chaos
  /// At steps that are known beforehand; those of `chaos` come beside them.
  package var misfortunes: [Misfortune] = []
  /// Who breaks the protocol.
  package var malice = Malice()
  /// Every worker's own law.
  package var policy: WorkerPolicy
  package var expectations: Expectations
  package var fidelity: Fidelity = .full
  package var run: RunConfiguration

  /// Faults in one scenario.
  package static let faultCountMax = 100_000

  /// The keys of a scenario file.
  static let keys = [
    "purpose", "population", "network", "seed", "costs", "slow-workers", "stragglers", "faults", "chaos", "misfortunes",
    "malicious", "policy",
    "expectations", "fidelity", "run",
  ]

  /// Reads a scenario file.
  package static func load(path: String) throws(ConfigurationError) -> SimulationScenario {
    try read(ConfigurationFile(path: path, expected: "a scenario file"))
  }

  /// Reads a scenario file that is in memory.
  package static func read(_ file: ConfigurationFile) throws(ConfigurationError) -> SimulationScenario {
    let top = try file.top(keys: keys)
    let people = try top.section("population", keys: populationKeys)
    var population = try Population(people, isSimulated: true)
    let links = try top.section("network", keys: Network.keys + ["partitions"])
    let network = try Network(links)
    let groups = try groups(in: people, of: &population, network: network)
    let run = try RunConfiguration(top.section("run", keys: RunConfiguration.keys))
    try run.check(against: population, in: top)
    let faults = try faults(in: top, population: population, run: run)
    var scenario = try SimulationScenario(
      purpose: top.text("purpose", expected: "one sentence that says what the scenario shows"),
      population: population, groups: groups, availability: Availability(in: people), network: network,
      partitions: partitions(in: links, groups: groups, run: run), seed: top.integer("seed", in: 0...UInt64.max),
      costs: costs(in: top), slowWorkers: slowWorkers(in: top, population: population),
      stragglers: stragglers(in: top, run: run), faults: faults.workers, coordinatorFaults: faults.coordinator,
      chaos: chaos(in: top, run: run), policy: policy(in: top, run: run),
      expectations: expectations(in: top, run: run),
      fidelity: top.choice("fidelity", default: .full, of: ["full": .full, "fast": .fast]), run: run)
    scenario.misfortunes = try misfortunes(in: top, population: population)
    scenario.malice = try malice(
      in: top, population: population, run: run, isNoticed: scenario.expectations.isMaliceNoticed)
    try scenario.checkTraits(in: top)
    if scenario.fidelity == .fast, let (key, found, expected) = scenario.objectionToFast {
      throw top.error(at: "fidelity", found: "'fast' beside '\(key)': \(found)", expected: expected)
    }
    return scenario
  }

  /// The standard law, which allows plain aggregation if the run asks for it, unless the scenario has its own.
  private static func policy(in top: ConfigurationSection, run: RunConfiguration) throws(ConfigurationError)
    -> WorkerPolicy
  {
    if top.has("policy") { return try WorkerPolicy(top.section("policy", keys: WorkerPolicy.keys)) }
    return .allowing(run)
  }
}
