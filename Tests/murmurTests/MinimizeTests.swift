import Foundation
import Testing

@Suite struct MinimizeTests {
  private static let hostile = Program.root + "/Simulations/hostile-network.yaml"

  /// A hostile network of which more is expected than can be.
  private static func hopeless(in workspace: Workspace) throws -> String {
    let text = try String(contentsOfFile: hostile, encoding: .utf8)
    return try workspace.file(
      "hopeless.yaml",
      text.replacing("file: Data/optdigits.csv", with: "file: \(Program.digits)")
        .replacing("expectations:\n", with: "expectations:\n  accuracy: 1\n").replacing("rounds: 3", with: "rounds: 2"))
  }

  @Test("A failing seed is made small, written down, and fails again from the file alone")
  func minimizes() async throws {
    let workspace = try Workspace()
    let scenario = try Self.hopeless(in: workspace), small = workspace.path + "/small.yaml"
    let result = try await Program.run("simulate", scenario, "--seed", "3", "--minimize", "--output", small)
    #expect(result.code == 0, "\(result)")
    #expect(result.output.contains("fails     accuracy: found 0."))
    #expect(result.output.contains("0 faults and 0 misfortunes, 2 rounds, 6 workers"))
    #expect(result.output.contains("again     murmur simulate \(small)"))
    let text = try String(contentsOfFile: small, encoding: .utf8)
    #expect(text.hasPrefix("# Breaks: accuracy: found 0."))
    #expect(text.contains("seed: 3\n") && !text.contains("chaos:"))
    let again = try await Program.run("simulate", small)
    #expect(again.code == 1, "\(again)")
    #expect(again.error.contains("accuracy: found 0."))
  }

  @Test("A seed that does not fail is not minimized, and ends with 1")
  func refusesSuccess() async throws {
    let workspace = try Workspace()
    let small = workspace.path + "/small.yaml"
    let result = try await Program.run("simulate", Self.hostile, "--seed", "3", "--minimize", "--output", small)
    #expect(result.code == 1, "\(result)")
    #expect(result.error.contains("every claim holds and every expectation is met"))
    #expect(!FileManager.default.fileExists(atPath: small))
  }

  @Test("Seeds that fail are filed as scenarios, each with its claim, and the others go on")
  func filesFailures() async throws {
    let workspace = try Workspace()
    let scenario = try Self.hopeless(in: workspace), folder = workspace.path + "/failures"
    let result = try await Program.run(
      "simulate", scenario, "--seeds", "3..5", "--jobs", "2", "--file-failures", folder)
    #expect(result.code == 1, "\(result)")
    #expect(result.output.contains("failures are filed in \(folder)"))
    #expect(result.output.contains("seeds     3..5: 0 passed, 3 failed"))
    let files = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    #expect(files == (3...5).map { "hostile-seed-\($0).yaml" })
    for file in files {
      let path = "\(folder)/\(file)"
      #expect(result.error.contains("filed as \(path)"))
      let text = try String(contentsOfFile: path, encoding: .utf8)
      #expect(text.hasPrefix("# Breaks: accuracy: found 0."))
      #expect(text.contains("#     murmur simulate \(path)\n"))
    }
    #expect(try await Program.run("simulate", "\(folder)/\(files[0])").code == 1)
  }

  @Test(
    "Options that do not fit are a wrong use",
    arguments: [
      ["--minimize", "--seeds", "1..2"], ["--minimize", "--sweep", "lr=1,2"], ["--minimize", "--central"],
      ["--minimize", "--log", "x"], ["--minimize", "--output", hostile], ["--file-failures", "x"], ["--output", "x"],
    ])
  func wrongUse(options: [String]) async throws {
    let result = try await Program.run(["simulate", Self.hostile] + options)
    #expect(result.code == 2, "\(result)")
  }
}
