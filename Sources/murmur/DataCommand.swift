import ArgumentParser

/// `murmur data …`.
struct DataCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "data", abstract: "Fetch, look at and deal out labelled data.",
    discussion: """
      Reads CSV, IDX, NPY, NPZ, safetensors and text, also compressed with gzip (Protocols/data.md).

      Examples:

          murmur data inspect Simulations/Data/optdigits.csv
          murmur data partition Simulations/Data/optdigits.csv --parts 5 --federation demo
          murmur data get mnist
      """,
    subcommands: [
      DataInspectCommand.self, DataStatsCommand.self, DataPartitionCommand.self, DataGetCommand.self,
    ])
}
