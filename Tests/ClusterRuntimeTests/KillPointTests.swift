import Testing

@testable import ClusterRuntime

@Suite("Points at which a process ends itself")
struct KillPointTests {
  @Test("A point is read with the number of the time that counts, 1 without one")
  func reads() throws {
    #expect(try KillPoint.read("worker:before-send:agree") == .init(point: "worker:before-send:agree", remaining: 1))
    #expect(
      try KillPoint.read("coordinator:after-receive:bundle:2")
        == .init(point: "coordinator:after-receive:bundle", remaining: 2))
  }

  @Test(
    "What is no point is a wrong use that lists the points",
    arguments: [
      "", "worker", "worker:before-send", "worker:before-send:offer", "coordinator:after-record:released",
      "serving:after-send:offer", "worker:before-send:agree:", "worker:before-send:agree:0",
      "worker:before-send:agree:-1", "worker:before-send:agree:2:3", "worker:before-send:agree ",
    ])
  func refuses(_ text: String) throws {
    #expect {
      try KillPoint.read(text)
    } throws: {
      guard let error = $0 as? RuntimeError else { return false }
      return error.category == .usage && error.message.contains("MURMURATION_KILL_AT: found \"\(text)\"")
        && KillPoint.all.allSatisfy(error.message.contains)
    }
  }

  @Test("A process that is told an unknown point does not start", arguments: ["coordinator", "worker-1"])
  func refusesToStart(party: String) async throws {
    let federation = try ProcessFederation(workers: 1)
    let process = try PartyProcess(
      [party == "coordinator" ? party : "worker", "--home", "\(federation.path)/\(party)"],
      environment: [KillPoint.variable: "worker:before-send:everything"], logPath: "\(federation.path)/\(party).log")
    #expect(await eventually { process.code == 2 }, "\(process.log)")
    #expect(process.log.contains("worker:before-send:everything"))
  }
}
