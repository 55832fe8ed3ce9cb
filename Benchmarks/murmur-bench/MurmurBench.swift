import ArgumentParser

@main
struct MurmurBench: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "murmur-bench",
    abstract: "Measures Murmuration beside what the machine could do at best.",
    discussion: """
      Every figure stands beside a physical limit that is measured in the same run, because times alone mean little on
      another machine or beside other work. Read Benchmarks/README.md.
      """,
    subcommands: [
      SecureAggregationBenchmark.self, KernelBenchmark.self, RoundBenchmark.self, FleetBenchmark.self,
      KillSweepBenchmark.self, SimulationBenchmark.self, ServingBenchmark.self,
    ])
}
