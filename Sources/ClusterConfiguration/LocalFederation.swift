import Federation
import ModelRegistry

/// The parties of a federation on one machine, real or simulated, and the data that is dealt to its workers.
package struct Population: Hashable, Sendable {
  /// One labelled table, split: a held-out part for the consumer, the rest over the workers.
  package struct Data: Hashable, Sendable {
    /// Path of a file of labelled examples (Protocols/data.md), seen from the working directory.
    package var file: String
    /// Name of the label's column or array.
    package var label: String
    /// Path of the labels of an IDX or NPY file; nil for those beside an IDX file.
    package var labelFile: String?
    /// Fraction of the examples that no worker gets.
    package var heldOut: Double
    /// How often each of the other examples is dealt: more than once for more workers than there are examples.
    package var copies: Int
    /// How the parts of the rest differ.
    package var partition: DataPartition
    /// Of the split and of the deal.
    package var seed: UInt64
  }

  package var name: FederationID
  package var workers: Int
  /// Worker i belongs to organisation i mod organisations, both from 0.
  package var organisations: Int
  package var servingNodes: Int
  package var data: Data

  static let keys = ["name", "workers", "organisations", "serving-nodes", "data"]

  init(_ section: ConfigurationSection) throws(ConfigurationError) {
    name = try section.name("name")
    workers = try section.integer("workers", in: 1...100_000)
    organisations = try section.integer("organisations", default: workers, in: 1...workers)
    servingNodes = try section.integer("serving-nodes", default: 1, in: 0...64)
    let data = try section.section(
      "data", keys: ["file", "label", "label-file", "held-out", "copies", "partition", "seed"])
    let written = try data.text("file", expected: "the path of a data file")
    let file = section.file.resolve(written)
    guard DurableFile.exists(file) else {
      throw data.error(at: "file", found: "no file at \(file)", expected: "a file of labelled examples")
    }
    self.data = try Data(
      file: file, label: data.text("label", expected: "the name of the label's column"),
      labelFile: data.path("label-file", expected: "the path of a file of labels"),
      heldOut: data.number("held-out", default: 0.2, expected: "a number from 0 to below 1") { $0 >= 0 && $0 < 1 },
      copies: data.integer("copies", default: 1, in: 1...1000), partition: data.partition(),
      seed: data.integer("seed", default: 1, in: 0...UInt64.max))
  }

  /// Names and organisations of the workers: `worker-1` of `organisation-1`, and so on.
  package var workerNames: [(name: WorkerID, organisation: OrganisationID)] {
    (0..<workers).map { i in
      (WorkerID(unchecked: "worker-\(i + 1)"), OrganisationID(unchecked: "organisation-\(i % organisations + 1)"))
    }
  }
}

extension ConfigurationSection {
  /// How examples are dealt out: exactly one partitioner in the mapping `partition`; the standard one without it.
  fileprivate func partition() throws(ConfigurationError) -> DataPartition {
    guard has("partition") else { return .standard }
    let keys = ["iid", "dirichlet", "shards", "quantity", "column"]
    let section = try section("partition", keys: keys)
    let chosen = keys.filter { section.has($0) }
    guard chosen.count == 1 else {
      throw error(
        at: "partition", found: chosen.isEmpty ? "no partitioner" : chosen.map { "'\($0)'" }.joined(separator: " and "),
        expected: "exactly one of 'iid', 'dirichlet', 'shards', 'quantity' and 'column'")
    }
    switch chosen[0] {
    case "iid":
      guard try section.truth("iid", default: false) else {
        throw section.error(at: "iid", found: "false", expected: "true, or another partitioner")
      }
      return .iid
    case "dirichlet": return .dirichlet(alpha: try section.number("dirichlet", expected: "a number above 0") { $0 > 0 })
    case "shards": return .shards(perPart: try section.integer("shards", in: 1...DataPartition.shardsMax))
    case "quantity": return .quantity(alpha: try section.number("quantity", expected: "a number above 0") { $0 > 0 })
    default: return .column(try section.text("column", expected: "the name of a column"))
    }
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
