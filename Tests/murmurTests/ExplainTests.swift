import Foundation
import Testing

/// Explanations are recorded in `Explanations`; `MURMUR_RECORD=1 swift test --filter ExplainTests` writes them again.
@Suite struct ExplainTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    /// Lines of the run file beside those that every run has; nil for `Cluster/local.yaml`.
    var run: String?
    var policy: String?
    var options: [String] = []
    var testDescription: String { name }
  }

  static let cases = [
    Case(name: "local.txt"),
    Case(name: "local.json", options: ["--json"]),
    Case(name: "three-silos.txt", run: "cohort: {minimum: 3}", options: ["--workers", "3"]),
    Case(name: "plain.txt", run: "aggregation: plain\ncohort: {minimum: 5}"),
    Case(
      name: "semi-honest.txt", run: "mode: semi-honest\nencoding: compact\ncohort: {minimum: 5}",
      policy: "modes: [malicious, semi-honest]\n", options: ["--organisations", "2,2,2,2,1,1"]),
    Case(
      name: "sparse.txt", run: "suite: aes-256\nencoding: balanced\ncohort: {minimum: 500, maximum: 1000}",
      policy: "maximum-roster: 1000\nmaximum-attempts-per-model: 1\n", options: ["--workers", "1000"]),
    Case(
      name: "pair.txt", run: "cohort: {minimum: 2, allow-pair: true}", policy: "allow-pair: true\n"),
    Case(
      name: "strict.txt", run: "cohort: {minimum: 5}",
      policy: """
        privacy: {mechanism: discrete-gaussian, minimum-noise-multiplier: 1, maximum-rounds: 20, maximum-delta: 1e-6}

        """, options: ["--workers", "5"]),
  ]

  private static func explain(_ item: Case) async throws -> Program.Result {
    let workspace = try Workspace()
    var arguments = ["explain", "privacy"]
    if let run = item.run {
      arguments.append(
        try workspace.file(
          "run.yaml",
          """
          name: digits
          model: {name: digits, architecture: mlp 64-128-10}
          data: {features: 64, classes: 10, scale: 16}
          rounds: 20
          training: {learning-rate: 0.1}
          clip: 4
          \(run)

          """))
    } else {
      arguments.append("Cluster/local.yaml")
    }
    if let policy = item.policy { arguments += ["--policy", try workspace.file("policy.yaml", policy)] }
    return try await Program.run(arguments + item.options)
  }

  @Test("What a configuration reveals is the recorded text", arguments: cases)
  func isRecorded(_ item: Case) async throws {
    let result = try await Self.explain(item)
    #expect(result.code == 0, "\(result)")
    #expect(result.error.isEmpty)
    let path = Program.root + "/Tests/murmurTests/Explanations/\(item.name)"
    if ProcessInfo.processInfo.environment["MURMUR_RECORD"] != nil {
      try result.output.write(toFile: path, atomically: true, encoding: .utf8)
    }
    #expect(try result.output == String(contentsOfFile: path, encoding: .utf8))
    #expect(result.output.split(separator: "\n").allSatisfy { item.name.hasSuffix(".json") || $0.count <= 125 })
  }

  @Test("The JSON form has the facts, every role and the refusals under stable keys")
  func json() async throws {
    let result = try await Self.explain(
      Case(name: "", run: "cohort: {minimum: 3}", options: ["--workers", "3", "--json"]))
    let object = try #require(try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
    #expect(object.keys.sorted() == ["facts", "refusals", "roles", "run"])
    let roles = try #require(object["roles"] as? [[String: Any]]).compactMap { $0["role"] as? String }
    #expect(
      roles == [
        "network-observer", "worker", "colluding-workers", "coordinator", "coordinator-with-workers",
        "coordinator-with-more-workers", "repeated-sums", "authority", "consumer",
      ])
    let refusals = try #require(object["refusals"] as? [[String: Any]])
    #expect(refusals.compactMap { $0["reason"] as? String } == ["noSafeSurvivorSet", "noSafeSurvivorSet"])
    #expect(refusals.compactMap { $0["by"] as? String } == ["coordinator", "worker"])
  }

  @Test(
    "A wrong question ends with 2 and names what was expected",
    arguments: [
      (["--workers", "0"], "--workers: found 0"), (["--workers", "9", "--organisations", "4,4"], "expected the 8"),
      (["--organisations", "two"], "--organisations: found 'two'"),
      (["--organisations", "4,,2"], "--organisations: found '4,,2'"),
      (["--workers", "3", "--organisations", "4"], "--organisations: found 4, expected at most the 3 workers"),
      (["--policy", "README.md"], "README.md"),
    ] as [([String], String)])
  func refuses(options: [String], says: String) async throws {
    let result = try await Program.run(["explain", "privacy", "Cluster/local.yaml"] + options)
    #expect(result.code == 2, "\(result)")
    #expect(result.error.contains(says), "\(result)")
  }
}
