import Foundation
import Testing

@Suite struct InitTests {
  private static func mode(_ path: String) throws -> Int {
    try #require(FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
  }

  @Test("init makes one folder per party, each closed to others, with secrets closed twice")
  func folders() async throws {
    let workspace = try Workspace()
    let home = try await workspace.makeFederation()
    let names = try FileManager.default.contentsOfDirectory(atPath: home).sorted()
    #expect(
      names == [
        "authority", "consumer", "coordinator", "operator", "serving", "worker-1", "worker-2", "worker-3",
      ])
    for name in names {
      #expect(try Self.mode("\(home)/\(name)") == 0o700)
      #expect(try Self.mode("\(home)/\(name)/signing.key") == 0o600)
    }
    #expect(try Self.mode("\(home)/worker-1/curve.key_secret") == 0o600)
    #expect(!FileManager.default.fileExists(atPath: home + "/authority/curve.key_secret"))
  }

  @Test("The JSON form names the folders")
  func json() async throws {
    let workspace = try Workspace()
    let result = try await Program.run(
      "init", workspace.path + "/f", "--workers", "2", "--federation", "demo", "--json")
    let object = try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any]
    #expect(object?["federation"] as? String == "demo")
    #expect((object?["folders"] as? [String])?.count == 7)
  }

  @Test("The same seed deals the same data out, every example once")
  func partition() async throws {
    let workspace = try Workspace()
    for name in ["a", "b"] {
      let result = try await Program.run(
        "data", "partition", Program.digits, "--parts", "4", "--output", "\(workspace.path)/\(name)", "--seed", "7")
      #expect(result.code == 0, "\(result)")
    }
    var rows = 0
    for file in (1...4).map({ "worker-\($0)/data.csv" }) + ["held-out.csv"] {
      let a = try String(contentsOfFile: "\(workspace.path)/a/\(file)", encoding: .utf8)
      let b = try String(contentsOfFile: "\(workspace.path)/b/\(file)", encoding: .utf8)
      #expect(a == b)
      rows += a.split(separator: "\n").count - 1
    }
    #expect(rows == 1797)
  }

  @Test("Data dealt to a federation lands in its workers' folders")
  func partitionToFederation() async throws {
    let workspace = try Workspace()
    let home = try await workspace.makeFederation()
    let result = try await Program.run("data", "partition", Program.digits, "--parts", "3", "--federation", home)
    #expect(result.code == 0, "\(result)")
    #expect(workspace.exists("federation/worker-3/data.csv"))
    #expect(workspace.exists("federation/consumer/held-out.csv"))
    let tooMany = try await Program.run("data", "partition", Program.digits, "--parts", "4", "--federation", home)
    #expect(tooMany.code == 3)
  }
}
