import Foundation
import Testing

/// What is wrong with a user's input is said in one line with its place, what was found and what was expected.
@Suite struct BadInputTests {
  private static let run = """
    name: digits
    model: {name: digits, architecture: mlp 64-128-10}
    data: {features: 64, classes: 10, scale: 16}
    rounds: 2
    training: {learning-rate: 0.1}
    clip: 4
    cohort: {minimum: 5}

    """

  /// Whether the result is one complaint with all of these pieces.
  private static func complains(_ result: Program.Result, code: Int32, _ pieces: [String]) -> Bool {
    result.code == code && result.complaints.count == 1 && result.output.isEmpty
      && result.error.hasPrefix("murmur: ") && pieces.allSatisfy(result.error.contains)
  }

  @Test(
    "Wrong usage ends with 2 and names the help",
    arguments: [
      ["nonsense"], ["pull"], ["up"], ["status", "--hom", "x"], ["init", "x", "--workers", "none"],
      ["init", "x", "--workers", "0"], ["up", "x.yaml", "--aggregation", "both"], ["data", "partition", "x.csv"],
      ["pull", "digits@", "-o", "x", "--home", "y"], ["status"], ["pull", "digits", "--no-cache"],
      ["pull", "digits", "--offline", "--from", "tcp://a:1"], ["pull", "digits", "--offline", "--no-cache", "-o", "x"],
      ["pull", "digits", "--follow"], ["pull", "digits", "-o", "x", "--keep", "2"],
      ["pull", "digits", "-o", "x", "--follow", "--keep", "0"],
      ["pull", "digits", "-o", "x", "--follow", "--interval", "0"],
      ["pull", "digits", "-o", "x", "--follow", "--offline"],
      ["evaluate", "a", "b", "--scale", "0"],
    ])
  func usage(arguments: [String]) async throws {
    let result = try await Program.run(arguments)
    #expect(Self.complains(result, code: 2, []), "\(result)")
  }

  @Test(
    "A run file with a mistake is refused with its line and key before anything is sent",
    arguments: [
      ("rounds: 2", "ronds: 2", ["run.yaml:4", "ronds", "unknown key", "rounds"]),
      ("rounds: 2", "rounds: many", ["run.yaml:4", "rounds", "\"many\"", "1"]),
      ("rounds: 2", "rounds: \"2\"", ["run.yaml:4", "rounds"]),
      ("clip: 4", "clip: -1", ["run.yaml:6", "clip", "above 0"]),
      ("features: 64", "features: 63", ["run.yaml:3", "features", "63", "64"]),
      ("mlp 64-128-10", "forest 3", ["run.yaml:2", "architecture", "forest 3", "mlp 64-128-10"]),
    ] as [(String, String, [String])])
  func badRunFile(right: String, wrong: String, pieces: [String]) async throws {
    let workspace = try Workspace()
    let file = try workspace.file("run.yaml", Self.run.replacing(right, with: wrong))
    let result = try await Program.run("run", "submit", file, "--home", workspace.path)
    #expect(Self.complains(result, code: 2, pieces), "\(result)")
  }

  @Test(
    "A missing file ends with 3 and is named",
    arguments: [
      ["up", "nowhere.yaml"], ["run", "submit", "nowhere.yaml", "--home", "x"], ["verify", "nowhere", "--home", "x"],
      ["worker", "--home", "nowhere"], ["coordinator", "--home", "nowhere"], ["serve", "--home", "nowhere"],
      ["evaluate", "nowhere.safetensors", "x.csv", "--architecture", "mlp 2-2"],
      ["data", "partition", "nowhere.csv", "--parts", "2", "--output", "nowhere"],
      ["conformance", "sa1", "nowhere.json"],
    ])
  func missingFile(arguments: [String]) async throws {
    let result = try await Program.run(arguments)
    #expect(result.code == 3, "\(result)")
    #expect(result.complaints.count == 1)
    #expect(result.error.contains("nowhere") || result.error.contains("x/"))
  }

  @Test("A data file that the federation file names and that is not there is a mistake of that file")
  func missingDataFile() async throws {
    let workspace = try Workspace()
    let file = try TinyFederation(dataFile: "nowhere.csv").write(to: workspace)
    let result = try await Program.run("up", file, "--home", workspace.path + "/home")
    #expect(Self.complains(result, code: 2, ["federation.yaml:", "data.file", "nowhere.csv"]), "\(result)")
    #expect(!workspace.exists("home"))
  }

  @Test("A wrong row is named with its line and column, and nothing is written")
  func badRow() async throws {
    let workspace = try Workspace()
    let text = try String(contentsOfFile: Program.digits, encoding: .utf8)
    var rows = text.split(separator: "\n").map(String.init)
    rows[3] = rows[3].replacingOccurrences(of: ",", with: ",x", range: rows[3].range(of: ","))
    let data = try workspace.file("bad.csv", rows.joined(separator: "\n") + "\n")
    let file = try TinyFederation(dataFile: data).write(to: workspace)
    let up = try await Program.run("up", file, "--home", workspace.path + "/home")
    #expect(Self.complains(up, code: 2, ["bad.csv:4", "pixel_0_1", "'x"]), "\(up)")
    #expect(!workspace.exists("home"))
    let parts = workspace.path + "/parts"
    let partition = try await Program.run("data", "partition", data, "--parts", "2", "--output", parts)
    #expect(Self.complains(partition, code: 2, ["bad.csv:4", "pixel_0_1"]), "\(partition)")
    #expect(!workspace.exists("parts"))
  }

  @Test("A worker with a wrong row in its data does not start")
  func badRowOfWorker() async throws {
    let workspace = try Workspace()
    let home = try await workspace.makeFederation()
    let data = try workspace.file("bad.csv", "a,b,digit\n1,2,0\n1,two,1\n")
    let result = try await Program.run("worker", "--home", home + "/worker-1", "--data", data)
    #expect(Self.complains(result, code: 2, ["bad.csv:3", "column b", "'two'", "number"]), "\(result)")
  }

  @Test("A party with another's key, or with an exposed one, does not start")
  func wrongKey() async throws {
    let workspace = try Workspace()
    let home = try await workspace.makeFederation()
    let own = home + "/worker-1/curve.key_secret"
    let kept = try #require(FileManager.default.contents(atPath: own))
    let other = try #require(FileManager.default.contents(atPath: home + "/worker-2/curve.key_secret"))
    try other.write(to: URL(filePath: own))
    let mismatch = try await Program.run("worker", "--home", home + "/worker-1")
    #expect(Self.complains(mismatch, code: 4, ["worker-1/curve.key_secret", "another key"]), "\(mismatch)")
    try kept.write(to: URL(filePath: own))
    try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: own)
    let exposed = try await Program.run("worker", "--home", home + "/worker-1")
    #expect(Self.complains(exposed, code: 4, ["worker-1/curve.key_secret", "0644", "0600"]), "\(exposed)")
  }

  @Test("A folder of another role is refused")
  func wrongRole() async throws {
    let workspace = try Workspace()
    let home = try await workspace.makeFederation()
    let result = try await Program.run("serve", "--home", home + "/worker-1")
    #expect(Self.complains(result, code: 4, ["worker-1", "worker", "serving node"]), "\(result)")
  }

  @Test("A coordinator that can read workers' secrets starts only with --local")
  func foreignSecrets() async throws {
    let workspace = try Workspace()
    let home = try await workspace.makeFederation()
    let result = try await Program.run("coordinator", "--home", home + "/coordinator", "--any-port")
    #expect(Self.complains(result, code: 4, [home]), "\(result)")
  }

  @Test("A port in use ends the coordinator with 6 and names the address")
  func portInUse() async throws {
    let workspace = try Workspace()
    let taken = try ListeningPort()
    let home = try await workspace.makeFederation("--first-port", "\(taken.number)")
    let result = try await Program.run("coordinator", "--home", home + "/coordinator", "--local")
    #expect(result.code == 6, "\(result)")
    #expect(result.complaints.contains { $0.hasPrefix("murmur: ") && $0.contains("127.0.0.1:\(taken.number)") })
  }

  @Test("A serving node that is not there ends pull with 6 and leaves nothing written")
  func nobodyServes() async throws {
    let workspace = try Workspace()
    let home = try await workspace.makeFederation("--first-port", "1")
    let result = try await Program.run(
      "pull", "digits@latest", "-o", workspace.path + "/out", "--home", home + "/consumer")
    #expect(Self.complains(result, code: 6, ["127.0.0.1:5"]), "\(result)")
    #expect(!workspace.exists("out"))
  }

  @Test("init leaves an existing folder alone")
  func initTwice() async throws {
    let workspace = try Workspace()
    let home = try await workspace.makeFederation()
    let before = try Data(contentsOf: URL(filePath: home + "/worker-1/federation"))
    let result = try await Program.run("init", home)
    #expect(Self.complains(result, code: 2, [home, "existing folder"]), "\(result)")
    #expect(try Data(contentsOf: URL(filePath: home + "/worker-1/federation")) == before)
  }

  @Test("up does not take over a folder that it did not make")
  func foreignFolder() async throws {
    let workspace = try Workspace()
    _ = try workspace.file("precious", "x")
    let file = try TinyFederation().write(to: workspace)
    let result = try await Program.run("up", file, "--home", workspace.path)
    #expect(Self.complains(result, code: 2, [workspace.path, "did not make"]), "\(result)")
    #expect(workspace.exists("precious"))
  }
}
