import ArgumentParser
import ClusterConfiguration
import ClusterRuntime
import Federation
import Rounds
import SecureAggregation

/// `murmur explain …`.
struct ExplainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain", abstract: "Say what a configuration means before anyone runs it.",
    discussion: """
      Example:

          murmur explain privacy Cluster/local.yaml
      """,
    subcommands: [Privacy.self])

  /// `murmur explain privacy FILE`.
  struct Privacy: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "privacy",
      abstract: "Say who can learn what from a run, and who would have to collude for it.",
      discussion: """
        Computes the thresholds as the workers themselves do, for the file's workers or the given ones, under the \
        worker's law that the file implies or that --policy gives, and names the refusals that this would meet. Ends \
        with 0 also if the run would be refused.

        Examples:

            murmur explain privacy Cluster/local.yaml
            murmur explain privacy demo/operator/run.yaml --policy demo/worker-1/policy.yaml --workers 5
            murmur explain privacy demo/operator/run.yaml --organisations 4,2,2,1 --json
        """)

    @Argument(help: ArgumentHelp("A run, federation or scenario file (YAML).", valueName: "file"))
    var file: String

    @Option(
      name: .long,
      help: ArgumentHelp(
        "A worker's policy.yaml. Without it, the standard law; for a federation or scenario file, that law and what the "
          + "run asks for by name.", valueName: "file"))
    var policy: String?

    @Option(
      name: .long,
      help: ArgumentHelp(
        "How many workers take part, instead of what the file says; the cohort's minimum for a run file.",
        valueName: "n"))
    var workers: Int?

    @Option(
      name: .long,
      help: ArgumentHelp(
        "Their organisations: how many, or how many workers each has (4,2,2,1). Without it, as the file says, or one "
          + "worker each.", valueName: "n or list"))
    var organisations: String?

    @OptionGroup var output: OutputOption

    func validate() throws {
      if let workers, !(1...10_000).contains(workers) {
        throw ValidationError("--workers: found \(workers), expected 1 to 10000")
      }
      if let organisations {
        let sizes = organisations.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
        let isValid = sizes.allSatisfy { $0.map { (1...10_000).contains($0) } ?? false }
        guard isValid, sizes.count > 1 || sizes.count == 1 else {
          throw ValidationError(
            "--organisations: found '\(organisations)', expected a number, or numbers of workers such as 4,2,2,1")
        }
        let total = sizes.compactMap { $0 }.reduce(0, +)
        guard total <= 10_000 else {
          throw ValidationError("--organisations: found \(total) workers, expected at most 10000")
        }
        if sizes.count > 1, let workers, workers != total {
          throw ValidationError("--workers: found \(workers), expected the \(total) of --organisations")
        }
      }
    }

    func run() throws {
      let source = try RunSource.load(path: file)
      let policy =
        try policy.map { path throws(ConfigurationError) in try ClusterConfiguration.WorkerPolicy.load(path: path) }
        ?? source.policy
      let rules = source.run.rulesWithoutMembership
      let coordinator = CohortPolicy(rules, allowPair: source.run.cohort.allowPair)
      let members = try cohort(source)
      let explanation = PrivacyExplanation(
        .init(
          configuration: rules, aggregation: source.run.aggregation,
          organisations: source.run.expectedCohort(members, coordinator), coordinatorPolicy: coordinator,
          law: policy.law, examples: source.run.expectedExamples.map { Double($0) }))
      if output.json {
        Terminal.print(try JSONOutput.document(ExplanationResult(explanation, run: source.run.name)))
      } else {
        for line in ExplanationText.lines(explanation, run: source.run) { Terminal.print(line) }
      }
    }

    /// The organisation of each worker that could take part.
    private func cohort(_ source: RunSource) throws -> [OrganisationID] {
      let sizes = organisations?.split(separator: ",").compactMap { Int($0) } ?? []
      if sizes.count > 1 {
        return sizes.enumerated().flatMap { Array(repeating: Self.organisation($0), count: $1) }
      }
      if workers == nil, sizes.isEmpty, let known = source.organisations { return known }
      let fewest = Int(clamping: source.run.cohort.minimum) * (source.run.strategy.groups ?? 1)
      let n = workers ?? source.organisations?.count ?? fewest
      let m = sizes.first ?? n
      guard m <= n else {
        throw CommandFailure(.usage, "--organisations: found \(m), expected at most the \(n) workers")
      }
      return (0..<n).map { Self.organisation($0 % m) }
    }

    private static func organisation(_ index: Int) -> OrganisationID {
      OrganisationID(unchecked: "organisation-\(index + 1)")
    }
  }
}

/// The JSON form of an explanation.
private struct ExplanationResult: Encodable {
  struct Part: Encodable {
    let role: PrivacyExplanation.Role
    let title: String
    let statements: [String]
  }

  let run: String
  let facts: PrivacyExplanation.Facts
  let roles: [Part]
  let refusals: [PrivacyExplanation.Objection]

  init(_ explanation: PrivacyExplanation, run: RunID) {
    self.run = run.text
    facts = explanation.facts
    roles = explanation.parts.map { Part(role: $0.role, title: $0.role.title, statements: $0.statements) }
    refusals = explanation.objections
  }
}
