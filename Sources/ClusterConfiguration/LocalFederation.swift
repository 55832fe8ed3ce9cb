import Federation

/// The parties of a federation on one machine, real or simulated, and the data that is dealt to its workers.
package struct Population: Hashable, Sendable {
  package var name: FederationID
  package var workers: Int
  /// Workers with organisations of their own, one block behind the other: worker i of a block belongs to its
  /// organisation i mod organisations, both from 0.
  package var blocks: [Block]
  package var servingNodes: Int
  package var data: DataPlan
  /// In place of them in a simulation; the plan's file is then but a name.
  package var synthetic: SyntheticPlan?

  package struct Block: Hashable, Sendable {
    package var workers: Int
    package var organisations: Int
  }

  /// Of all blocks.
  package var organisations: Int { blocks.reduce(0) { $0 + $1.organisations } }

  static let keys = ["name", "workers", "organisations", "serving-nodes", "data"]

  /// - Parameter isSimulated: whether examples may be made from a seed.
  init(_ section: ConfigurationSection, isSimulated: Bool = false) throws(ConfigurationError) {
    name = try section.name("name")
    workers = try section.integer("workers", in: 1...100_000)
    blocks = [
      Block(workers: workers, organisations: try section.integer("organisations", default: workers, in: 1...workers))
    ]
    servingNodes = try section.integer("serving-nodes", default: 1, in: 0...64)
    let keys = ConfigurationSection.planKeys + (isSimulated ? ["synthetic"] : [])
    let source = try section.section("data", keys: keys)
    synthetic = try source.syntheticPlan()
    data =
      if let synthetic {
        DataPlan(
          examples: ExampleFile(path: synthetic.name), heldOut: .fraction(synthetic.heldOut), seed: synthetic.seed)
      } else {
        try source.dataPlan()
      }
  }

  /// Names and organisations of the workers: `worker-1` of `organisation-1`, and so on.
  package var workerNames: [(name: WorkerID, organisation: OrganisationID)] {
    var names: [(name: WorkerID, organisation: OrganisationID)] = []
    names.reserveCapacity(workers)
    var first = 0
    for block in blocks {
      for i in 0..<block.workers {
        names.append(
          (
            WorkerID(unchecked: "worker-\(names.count + 1)"),
            OrganisationID(unchecked: "organisation-\(first + i % block.organisations + 1)")
          ))
      }
      first += block.organisations
    }
    return names
  }
}

/// A federation of processes on this machine and the run it is for: the file that `murmur up` takes.
package struct LocalFederation: Hashable, Sendable {
  package var population: Population
  /// Of every worker; nil for max(1, cores ÷ workers).
  package var threads: Int?
  package var run: RunConfiguration

  /// Reads a federation file.
  package static func load(path: String) throws(ConfigurationError) -> LocalFederation {
    try read(ConfigurationFile(path: path, expected: "a federation file"))
  }

  /// Reads a federation file that is in memory.
  package static func read(_ file: ConfigurationFile) throws(ConfigurationError) -> LocalFederation {
    let top = try file.top(keys: Population.keys + ["threads", "run"])
    let population = try Population(top)
    let run = try RunConfiguration(top.section("run", keys: RunConfiguration.keys))
    try run.check(against: population, in: top)
    return LocalFederation(
      population: population, threads: top.has("threads") ? try top.integer("threads", in: 1...1024) : nil, run: run)
  }
}

extension RunConfiguration {
  /// Refuses a run that the population can never carry out.
  func check(against population: Population, in top: ConfigurationSection) throws(ConfigurationError) {
    let section = try top.section("run", keys: Self.keys).section("cohort", keys: Cohort.keys)
    guard cohort.minimum <= population.workers else {
      throw section.error(
        at: "minimum", found: "\(cohort.minimum)", expected: "at most the \(population.workers) workers there are")
    }
    let isPair = cohort.allowPair && population.workers == 2 && population.organisations == 2
    guard isPair || cohort.minimumOrganisations <= population.organisations else {
      throw section.error(
        at: "minimum-organisations", found: "\(cohort.minimumOrganisations)",
        expected: "at most the \(population.organisations) organisations there are")
    }
  }
}
