import Foundation
import Testing

@Suite struct SimulateTests {
  private static let scenario = Program.root + "/Simulations/digits.yaml"

  @Test("Two simulations with one seed give the same event log and the same model, byte for byte")
  func isReplayed() async throws {
    let workspace = try Workspace()
    var results: [Program.Result] = []
    for name in ["a", "b"] {
      results.append(
        try await Program.run(
          "simulate", Self.scenario, "--seed", "11", "--log", "\(workspace.path)/\(name).jsonl", "--json"))
    }
    #expect(results[0].code == 0, "\(results[0])")
    #expect(results[0].output == results[1].output)
    let logs = ["a", "b"].map { FileManager.default.contents(atPath: "\(workspace.path)/\($0).jsonl") }
    #expect(try #require(logs[0]).count > 100_000)
    #expect(logs[0] == logs[1])
  }

  @Test("An expectation that is not met ends with 1, the expectation and the command that does it again")
  func unmetExpectation() async throws {
    let workspace = try Workspace()
    let text = try String(contentsOfFile: Self.scenario, encoding: .utf8)
    let file = try workspace.file(
      "hopeful.yaml",
      text.replacing("file: Data/optdigits.csv", with: "file: \(Program.digits)")
        .replacing(/accuracy: [0-9.]+/, with: "accuracy: 0.999"))
    let result = try await Program.run("simulate", file)
    #expect(result.code == 1, "\(result)")
    #expect(result.error.contains("murmur: "))
    #expect(result.error.contains("0.999"))
    #expect(result.error.contains("again: murmur simulate \(file) --seed "))
  }

  @Test("Many seeds are summed up, the same whatever the number of jobs")
  func campaign() async throws {
    let scenario = Program.root + "/Simulations/hostile-network.yaml"
    let one = try await Program.run("simulate", scenario, "--seeds", "900..905", "--json")
    let two = try await Program.run("simulate", scenario, "--seeds", "900..905", "--jobs", "2", "--json")
    #expect(one.code == 0, "\(one)")
    #expect(one.output == two.output)
    #expect(one.output.contains("\"passed\" : 6") || one.output.contains("\"passed\": 6"))
  }

  @Test("Seeds that fail end with 1, each by name, and the command that does the first again")
  func failingCampaign() async throws {
    let workspace = try Workspace()
    let text = try String(contentsOfFile: Program.root + "/Simulations/hostile-network.yaml", encoding: .utf8)
    let file = try workspace.file(
      "hopeless.yaml",
      text.replacing("file: Data/optdigits.csv", with: "file: \(Program.digits)")
        .replacing("expectations:\n", with: "expectations:\n  accuracy: 1\n"))
    let result = try await Program.run("simulate", file, "--seeds", "3..4", "--jobs", "2")
    #expect(result.code == 1, "\(result)")
    #expect(result.output.contains("seeds     3..4: 0 passed, 2 failed"))
    for seed in [3, 4] { #expect(result.error.contains("seed \(seed): accuracy: found 0.")) }
    #expect(result.error.contains("again: murmur simulate \(file) --seed 3"))
  }

  @Test(
    "Seeds that are no range, and options that exclude each other, are a wrong use",
    arguments: [
      ["--seeds", "9..1"], ["--seeds", "9"], ["--seeds", "1..x"], ["--seeds", "1..2", "--seed", "1"],
      ["--seeds", "1..2", "--log", "x"], ["--jobs", "2"], ["--seeds", "1..2", "--jobs", "0"],
    ])
  func wrongUse(options: [String]) async throws {
    let result = try await Program.run(["simulate", Self.scenario] + options)
    #expect(result.code == 2, "\(result)")
  }
}
