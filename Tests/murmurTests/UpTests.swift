import Foundation
import Testing

/// Whole federations of processes. They share two cores, so they run one after another.
@Suite(.serialized, .timeLimit(.minutes(3))) struct UpTests {
  /// The lines of rounds: those that start with a number.
  private static func rounds(in output: String) -> [[Substring]] {
    output.split(separator: "\n").map { $0.split(separator: " ") }.filter { $0.first.flatMap { Int($0) } != nil }
  }

  @Test("A federation trains, publishes, and its model is pulled, verified and judged", arguments: ["secure", "plain"])
  func trains(aggregation: String) async throws {
    let workspace = try Workspace()
    let file = try TinyFederation().write(to: workspace)
    let home = workspace.path + "/home"
    let result = try await Program.run("up", file, "--home", home, "--aggregation", aggregation)
    #expect(result.code == 0, "\(result)")
    #expect(
      Self.rounds(in: result.output).map { Array($0.prefix(4)) } == [["1", "5", "5", "0"], ["2", "5", "5", "0"]])
    let lines = result.output.split(separator: "\n")
    #expect(lines.contains { $0.hasPrefix("model     digits@2") })
    #expect(lines.contains { $0.hasPrefix("signer    coordinator, signature verified") })
    #expect(lines.contains { $0.hasPrefix("accuracy  ") })
    #expect(workspace.exists("home/consumer/pulled/digits/model.safetensors"))
    #expect(workspace.processes.isEmpty)
  }

  @Test("A second start in the same folder keeps the keys and trains again")
  func again() async throws {
    let workspace = try Workspace()
    let file = try TinyFederation(rounds: 1).write(to: workspace)
    let home = workspace.path + "/home"
    let first = try await Program.run("up", file, "--home", home)
    #expect(first.code == 0, "\(first)")
    let keys = try Data(contentsOf: URL(filePath: home + "/worker-1/signing.key"))
    let second = try await Program.run("up", file, "--home", home)
    #expect(second.code == 0, "\(second)")
    #expect(Self.rounds(in: second.output).count == 1)
    #expect(try Data(contentsOf: URL(filePath: home + "/worker-1/signing.key")) == keys)
  }

  @Test("A worker killed in the middle of the run does not stop it")
  func lostWorker() async throws {
    let workspace = try Workspace()
    let file = try TinyFederation(workers: 8, minimum: 5, rounds: 8).write(to: workspace)
    let up = try RunningProgram(["up", file, "--home", workspace.path + "/home"])
    #expect(await up.reaches { $0.split(separator: " ").first == "1" })
    let worker = try #require(workspace.process(ofPartyIn: "home/worker-3"))
    kill(worker, SIGKILL)
    #expect(await up.reaches { $0.split(separator: " ").first == "8" })
    #expect(await up.reaches { $0.hasPrefix("accuracy") })
    #expect(await up.code == 0, "\(up.error)")
    #expect(up.error.contains("worker-3 was ended by signal 9; the run goes on with 7 workers"))
    #expect(workspace.processes.isEmpty)
  }

  @Test("Too few workers left end the federation and leave nothing behind")
  func tooFewWorkers() async throws {
    let workspace = try Workspace()
    let file = try TinyFederation(workers: 5, minimum: 5, rounds: 1000).write(to: workspace)
    let up = try RunningProgram(["up", file, "--home", workspace.path + "/home"])
    #expect(await up.reaches { $0.split(separator: " ").first == "1" })
    kill(try #require(workspace.process(ofPartyIn: "home/worker-2")), SIGKILL)
    #expect(await up.code == 1)
    #expect(
      up.error.contains("murmur: worker-2 was ended by signal 9; its log: \(workspace.path)/home/logs/worker-2.log"))
    #expect(workspace.processes.isEmpty)
  }

  @Test(
    "The end of a party that is needed is named with its log, and nothing is left behind",
    arguments: [
      "coordinator", "serving",
    ])
  func crash(party: String) async throws {
    let workspace = try Workspace()
    let file = try TinyFederation(rounds: 1000).write(to: workspace)
    let up = try RunningProgram(["up", file, "--home", workspace.path + "/home"])
    #expect(await up.reaches { $0.split(separator: " ").first == "1" })
    kill(try #require(workspace.process(ofPartyIn: "home/\(party)")), SIGKILL)
    #expect(await up.code == 1)
    #expect(
      up.error.contains("murmur: \(party) was ended by signal 9; its log: \(workspace.path)/home/logs/\(party).log"))
    #expect(workspace.processes.isEmpty)
  }

  @Test("Ctrl-C and SIGTERM end everything and say so", arguments: [(SIGINT, 130), (SIGTERM, 143)] as [(Int32, Int32)])
  func interrupted(signal: Int32, code: Int32) async throws {
    let workspace = try Workspace()
    let file = try TinyFederation(rounds: 1000).write(to: workspace)
    let up = try RunningProgram(["up", file, "--home", workspace.path + "/home"])
    #expect(await up.reaches { $0.split(separator: " ").first == "1" })
    #expect(workspace.processes.count == 8)
    up.send(signal)
    #expect(await up.code == code)
    #expect(up.error.contains("murmur: interrupted"))
    #expect(workspace.processes.isEmpty)
  }

  @Test("Not even a supervisor that is killed leaves a process behind")
  func killedSupervisor() async throws {
    let workspace = try Workspace()
    let file = try TinyFederation(rounds: 1000).write(to: workspace)
    let up = try RunningProgram(["up", file, "--home", workspace.path + "/home"])
    #expect(await up.reaches { $0.split(separator: " ").first == "1" })
    up.send(SIGKILL)
    #expect(await up.code == 128 + 9)
    #expect(try await workspace.isDeserted())
  }

  @Test("Two supervisors do not share a folder")
  func twice() async throws {
    let workspace = try Workspace()
    let file = try TinyFederation(rounds: 1000).write(to: workspace)
    let up = try RunningProgram(["up", file, "--home", workspace.path + "/home"])
    #expect(await up.reaches { $0.split(separator: " ").first == "1" })
    let second = try await Program.run("up", file, "--home", workspace.path + "/home")
    #expect(second.code == 1)
    #expect(second.error.contains("another 'murmur up'"))
    up.send(SIGTERM)
    #expect(await up.code == 143)
  }
}
