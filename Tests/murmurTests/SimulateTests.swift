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
}
